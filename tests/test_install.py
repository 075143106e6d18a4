"""What is installed: the lock fits the ranges, and reading faces needs nothing of training."""

import re
import subprocess
import sys

import pytest
from packaging.requirements import Requirement

from utils.config import PROJECT

FILES = tuple(f"requirements{name}.txt" for name in ("-live", "", "-dev", "-scale", "-export"))


def _requirements(file: str) -> list[Requirement]:
    lines = (PROJECT / file).read_text(encoding="utf-8").splitlines()
    return [Requirement(line.partition("#")[0]) for line in lines if re.match(r"\w", line)]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_the_lock_has_one_version_in_range_of_all_that_is_asked_for(python, system):
    place = {"python_version": python, "python_full_version": f"{python}.6", "sys_platform": system}
    locked = {}
    for pin in _requirements("constraints.txt"):
        if pin.marker is None or pin.marker.evaluate(place):
            assert _plain(pin.name) not in locked
            (exact,) = pin.specifier
            assert exact.operator == "=="
            locked[_plain(pin.name)] = exact.version
    for file in FILES:
        for wanted in _requirements(file):
            version = locked[_plain(wanted.name)]
            assert wanted.specifier.contains(version), f"make lock: {wanted.name} {version}"


def test_the_lock_names_no_place():
    text = (PROJECT / "constraints.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|^/|^-|@|\[", text, re.MULTILINE)


_WITHOUT_TRAINING = """
import sys

class Absent:
    names = set(sys.argv[1].split(","))

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from app import create_app
from utils.cli import main
from utils.config import MODELS
from utils.models.predictor import load

image, video, out = sys.argv[2:]
model = MODELS / "fer2013.keras"
assert main(["predict", image, video, "--csv", out, "--model", str(model)]) == 0
app = create_app(load(model))
client = app.test_client()
assert client.get("/").status_code == 200
answer = client.post("/api/v1/faces", data=open(image, "rb").read(), content_type="image/png")
assert answer.status_code == 200, answer.text
app.extensions["close"]()
assert main(["train", "data/none"]) == 1
"""


def test_reading_faces_needs_no_package_of_training_or_notebooks(tmp_path):
    from utils.drawn.clip import draw_clip
    from utils.vision.opencv import cv2

    video, image = tmp_path / "drawn.mp4", tmp_path / "drawn.png"
    draw_clip(video, size=(320, 240), frames_per_second=4, seconds_per_expression=0.5)
    capture = cv2.VideoCapture(str(video))
    cv2.imwrite(str(image), capture.read()[1])
    capture.release()
    modules = ["sklearn" if one.name == "scikit-learn" else _plain(one.name) for one in _training()]
    modules += ["torch", "jax", "IPython", "jupyter_core", "nbformat", "skimage", "clang", "h5py"]
    out = tmp_path / "faces.csv"
    run = subprocess.run(
        [sys.executable, "-c", _WITHOUT_TRAINING, ",".join(modules), str(image), str(video), out],
        cwd=PROJECT,
        capture_output=True,
        encoding="utf-8",
    )
    assert run.returncode == 0, run.stderr
    assert out.is_file()
    assert run.stderr.splitlines()[-1].startswith("This needs keras, which is not installed here. ")
    assert "pip install -r requirements.txt" in run.stderr


def _training() -> list[Requirement]:
    return _requirements("requirements.txt")
