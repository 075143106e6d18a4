import zipfile

import numpy as np
import pytest

from utils.cli import main
from utils.datasets.table import MANIFEST_COLUMNS
from utils.datasets.takes import find_takes
from utils.live.loop import read_live
from utils.live.panel import LivePanel
from utils.live.recording import COLUMNS, GuidedRound, TakeRecorder, read_manifest
from utils.live.recordings import delete_person, pack_person, people
from utils.live.results import Reading
from utils.live.unsure import Face
from utils.models.metadata import add_metadata
from utils.models.model_file import save_model
from utils.vision.opencv import cv2
from utils.vision.preprocessing import Preprocessing

SHARES = np.array([0.5, 0.5])


def reading(seconds, level=100, boxes=((10, 10, 40, 40),), alike=False):
    """A frame whose faces are of one grey, another one at every time."""
    image = np.full((80, 120, 3), level if alike else (level + int(seconds * 40)) % 256, np.uint8)
    faces = [Face(n, box, SHARES, "happy", 0.5) for n, box in enumerate(boxes, 1)]
    return Reading("clip.mp4", 0, seconds, image, faces, ("happy", "sad"))


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_columns_are_those_of_every_data_set():
    assert COLUMNS == MANIFEST_COLUMNS


def test_nothing_is_written_unless_the_button_is_held(tmp_path):
    folder = tmp_path / "mine"
    recorder = TakeRecorder(folder, "Ada")
    recorder.write(reading(0))
    assert not folder.exists()
    recorder.hold("happy")
    assert not folder.exists()
    recorder.write(reading(1))
    recorder.release()
    kept = files(folder)
    recorder.write(reading(2))
    assert files(folder) == kept
    assert sum(name.endswith(".png") for name in kept) == 1


def test_the_end_of_a_run_lets_go(tmp_path):
    recorder = TakeRecorder(tmp_path, "Ada")
    recorder.hold("happy")
    recorder.close(complete=False)
    recorder.write(reading(0))
    assert files(tmp_path) == []


def test_a_few_a_second_and_no_near_copies(tmp_path):
    recorder = TakeRecorder(tmp_path, "Ada", per_second=4)
    recorder.hold("happy")
    for number in range(21):
        recorder.write(reading(number / 20))
    assert recorder.counts() == {"happy": 5}  # at 0, ¼, ½, ¾ and 1 s
    recorder.hold("sad")
    for number in range(10):
        recorder.write(reading(number, alike=True))
    assert recorder.counts()["sad"] == 1


def test_largest_face_is_kept_or_the_chosen_one(tmp_path):
    boxes = (0, 0, 20, 20), (40, 10, 60, 60)
    recorder = TakeRecorder(tmp_path, "Ada")
    recorder.hold("happy")
    recorder.write(reading(0, boxes=boxes))
    recorder.track = 1
    recorder.write(reading(1, boxes=boxes))
    sides = [cv2.imread(str(file)).shape[0] for file in sorted(tmp_path.rglob("*.png"))]
    assert sides == [60, 20]


def test_takes_are_read_as_they_were_recorded(tmp_path):
    recorder = TakeRecorder(tmp_path, "Ada")
    takes = []
    for name in ("joy", "tongue out"):
        takes.append(recorder.hold(name))
        recorder.write(reading(len(takes)))
    table = find_takes(tmp_path)
    assert list(table["class"]) == ["happy", "tongue out"]
    assert list(table["take"]) == takes and len(set(takes)) == 2
    assert set(table["subject"]) == {"Ada"}
    assert read_manifest(tmp_path)[0]["source"] == "clip.mp4 1.00 s"


def test_undo_removes_the_last_take_of_this_person_alone(tmp_path):
    ada, bob = TakeRecorder(tmp_path, "Ada"), TakeRecorder(tmp_path, "Bob")
    for recorder, name in ((ada, "happy"), (ada, "sad"), (bob, "sad")):
        recorder.hold(name)
        recorder.write(reading(0))
    ada.undo()
    assert people(tmp_path) == {"Ada": {"happy": 1}, "Bob": {"sad": 1}}
    ada.undo()
    bob.undo()
    assert bob.undo() is None
    assert not tmp_path.exists()


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", ".hidden", "x" * 41, "a\nb"])
def test_names_that_could_lead_elsewhere_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="name of a person"):
        TakeRecorder(tmp_path, name)
    with pytest.raises(ValueError, match="name of a class"):
        TakeRecorder(tmp_path, "Ada").hold(name)


def test_another_margin_is_refused(tmp_path):
    recorder = TakeRecorder(tmp_path, "Ada", margin=0.1)
    recorder.hold("happy")
    recorder.write(reading(0))
    with pytest.raises(ValueError, match=r"margin of 0\.1"):
        TakeRecorder(tmp_path, "Ada")


def test_guided_round_records_each_class_after_its_pause(tmp_path):
    recorder, said = TakeRecorder(tmp_path, "Ada", per_second=1), []
    guide = GuidedRound(recorder, ["neutral", "happy"], said.append, seconds=3, pause=2)
    for number in range(50):
        one = reading(number / 4)
        ended = guide.write(one)
        recorder.write(one)
        if ended is False:
            break
    assert said == [
        "Now look neutral for 3 seconds …",
        "Now look happy for 3 seconds …",
        "Thank you.",
    ]
    assert recorder.counts() == {"neutral": 3, "happy": 3}
    times = [float(row["source"].split()[1]) for row in read_manifest(tmp_path)]
    assert times == [2, 3, 4, 7, 8, 9]
    assert find_takes(tmp_path)["take"].nunique() == 1
    early = GuidedRound(recorder, ["neutral", "happy", "sad"], said.append)
    early.write(reading(0))
    early.write(reading(6))
    early.close(complete=False)
    assert said[-1] == "The round ended early, without happy, sad."


def test_the_commands_refuse_a_film_as_a_guide_and_a_folder_that_is_not_there(tmp_path, capsys):
    film, folder = tmp_path / "a.mp4", tmp_path / "mine"
    assert main(["record", str(film), str(folder), "--guided", "--subject", "Ada"]) == 1
    assert "--class" in capsys.readouterr().err
    assert main(["recordings", str(folder)]) == 1
    assert "There is no folder" in capsys.readouterr().err
    folder.mkdir()
    assert main(["recordings", str(folder)]) == 0
    assert capsys.readouterr().out == f"Nothing is kept in {folder}.\n"


def test_one_person_is_packed_and_deleted_with_the_models(tmp_path, small_network, preprocessing):
    folder, models = tmp_path / "mine", tmp_path / "models"
    for name in ("Ada", "Bob"):
        recorder = TakeRecorder(folder, name)
        recorder.hold("happy")
        recorder.write(reading(0))
        file = save_model(small_network, preprocessing, models / f"{name}.keras", False)
        add_metadata(file, {"personal": {"subject": name}})
    save_model(small_network, preprocessing, models / "nobody.keras", False)

    pack_person(folder, "Ada", tmp_path / "ada.zip", models)
    with zipfile.ZipFile(tmp_path / "ada.zip") as packed:
        packed.extractall(tmp_path / "away")
    assert set(find_takes(tmp_path / "away" / "recordings")["subject"]) == {"Ada"}
    assert (tmp_path / "away" / "models" / "Ada.keras").is_file()

    delete_person(folder, "Ada", models)
    assert people(folder) == {"Bob": {"happy": 1}}
    assert not any("Ada" in file.read_text(errors="ignore") for file in folder.rglob("*.csv"))
    assert len(list(folder.rglob("*.png"))) == 1
    assert files(models) == ["Bob.keras", "nobody.keras"]
    with pytest.raises(ValueError, match=r"Nothing is kept of 'Ada'.*Bob"):
        delete_person(folder, "Ada", models)


def test_nothing_outside_the_folder_is_deleted(tmp_path):
    recorder = TakeRecorder(tmp_path / "mine", "Ada")
    recorder.hold("happy")
    recorder.write(reading(0))
    other = tmp_path / "other.png"
    other.write_bytes(b"mine")
    manifest = tmp_path / "mine" / "manifest.csv"
    manifest.write_text(manifest.read_text() + "../other.png,happy,Ada,people,,\n")
    with pytest.raises(ValueError, match="outside"):
        delete_person(tmp_path / "mine", "Ada", tmp_path)
    assert other.read_bytes() == b"mine"


class OneFace:
    """A predictor and detector of one face that is always in the same place."""

    class_names = ("happy", "neutral")
    preprocessing = Preprocessing(class_names)

    def predict_faces(self, frame, boxes):
        return np.tile(SHARES, (len(boxes), 1))

    def scan(self, frame):
        return [(10, 10, 40, 40)]

    def refind(self, frame, box):
        return (10, 10, 40, 40)


def test_panel_records_only_while_its_button_is_pressed_in(tmp_path):
    folder, one = tmp_path / "mine", OneFace()
    random = np.random.default_rng(0)
    frames = [(n / 4, random.integers(0, 256, (80, 120, 3)).astype(np.uint8)) for n in range(4)]
    panel = LivePanel(frames, one, detector=one, record=folder)
    panel.start()
    panel.wait(30)
    assert not folder.exists()
    controls = panel.recording
    controls.hold_button.value = True  # nobody is named
    assert not controls.hold_button.value and "name of a person" in controls.status.value
    controls.who.value, controls.expression.value = "Ada", "happy"
    controls.hold_button.value = True
    panel.start()
    panel.wait(30)
    assert not controls.hold_button.value  # the run's end lets go
    assert people(folder)["Ada"]["happy"] >= 1
    assert "happy" in controls.status.value
    controls.undo()
    assert not folder.exists()
    controls.guide()
    panel.start()
    panel.wait(30)  # the round was not over
    assert controls.status.value.startswith("Not recording.")


def test_recorder_is_a_sink_like_any_other(tmp_path):
    one, recorder = OneFace(), TakeRecorder(tmp_path / "mine", "Ada")
    random = np.random.default_rng(0)
    frames = [(n / 2, random.integers(0, 256, (80, 120, 3)).astype(np.uint8)) for n in range(3)]
    recorder.hold("happy")
    read_live(frames, one, [recorder], detector=one)
    assert recorder.counts() == {"happy": 3}
    assert recorder.held is None
