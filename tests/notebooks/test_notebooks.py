"""Both notebooks, executed as `make demo` executes them, and as they are committed."""

import nbformat
import pandas as pd
import pytest

from utils.cli.notebooks import REAL_TIME, TRAINING, execute, run_demo
from utils.drawn.clip import clip_timeline
from utils.models.model_file import read_preprocessing
from utils.vision.opencv import cv2


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, run_demo(folder)


def test_held_out_characters_are_recognised(demo):
    _, numbers = demo
    assert numbers["split"] == "test"
    assert numbers["accuracy"] >= 0.95
    assert min(row["recall"] for row in numbers["per_class"].values()) > 0.8


def test_demo_leaves_what_it_prints(demo):
    folder, numbers = demo
    assert read_preprocessing(folder / "animated.keras").class_names == tuple(numbers["classes"])
    assert f"{numbers['accuracy']:.1%}" in (folder / "summary.txt").read_text()
    clip = cv2.VideoCapture(str(folder / "annotated.mp4"))
    frames = int(clip.get(cv2.CAP_PROP_FRAME_COUNT))
    table = pd.read_csv(folder / "faces.csv")
    assert frames > 100
    assert table["frame"].max() < frames
    for name in (TRAINING.name, REAL_TIME.name):
        assert (folder / name).is_file()


def test_clip_is_labelled_as_drawn(demo):
    folder, _ = demo
    table = pd.read_csv(folder / "faces.csv")
    assert table["track"].nunique() == 1
    timeline = clip_timeline()
    middle = (timeline["start"] + timeline["end"]) / 2
    shown = pd.merge_asof(middle.rename("seconds").to_frame(), table, on="seconds")
    assert (shown["label"] == timeline["label"]).sum() >= 6  # of seven


@pytest.mark.parametrize("notebook", [TRAINING, REAL_TIME], ids=lambda path: path.stem)
def test_misspelled_parameter_is_refused(notebook, tmp_path):
    with pytest.raises(ValueError, match=r"no parameter EPOCH\. It has: "):
        execute(notebook, tmp_path / "out.ipynb", {"EPOCH": 3})
    assert not (tmp_path / "out.ipynb").exists()


@pytest.mark.parametrize("notebook", [TRAINING, REAL_TIME], ids=lambda path: path.stem)
def test_notebook_is_committed_as_executed(notebook):
    cells = nbformat.read(notebook, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code) == 1
    assert max(len(cell.source.splitlines()) for cell in code) <= 25
    assert notebook.stat().st_size < 3_000_000
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 3


def test_training_notebook_is_committed_as_executed_on_fer2013():
    assert "28709" in TRAINING.read_text(encoding="utf-8")
