"""Reading sources without a screen: one table of all, whatever some of them are."""

import json
import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from utils.cli import main
from utils.config import CLASS_NAMES
from utils.drawn.clip import clip_frames
from utils.live import predict
from utils.live.camera import LiveCamera
from utils.live.stills import read_stills
from utils.models.model_file import save_model
from utils.models.predictor import Predictor
from utils.vision import detectors, yunet
from utils.vision.preprocessing import prepare

COLUMNS = [
    *("source", "frame", "seconds", "track", "x", "y", "width", "height"),
    *CLASS_NAMES,
    *("label", "confidence"),
]


class Even:
    """A predictor that cannot decide."""

    class_names = CLASS_NAMES

    def predict_faces(self, frame, boxes):
        return np.full((len(boxes), 7), 1 / 7, np.float32)


@pytest.fixture(scope="module")
def frames():
    return [frame for _, frame, _ in islice(clip_frames(), 8)]


@pytest.fixture
def clip(frames, tmp_path):
    path = tmp_path / "clip.mp4"
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture
def image(frames, tmp_path):
    path = tmp_path / "still.png"
    cv2.imwrite(str(path), frames[-1])
    return path


def test_images_and_videos_come_into_one_table(clip, image, tmp_path):
    csv, json_file = tmp_path / "rows.csv", tmp_path / "rows.json"
    table, failures = predict.read_sources(
        [image, clip], Even(), csv=csv, json_file=json_file, threshold=0.5, progress=False
    )
    assert failures == []
    assert list(table.columns) == COLUMNS
    still = table[table["source"] == str(image)]
    assert still[["frame", "seconds", "track"]].to_numpy().tolist() == [[0, 0.0, 1]]
    assert table.loc[table["source"] == str(clip), "frame"].max() == 7
    assert set(table["label"]) == {"unsure"}
    np.testing.assert_allclose(table[list(CLASS_NAMES)].sum(axis=1), 1, atol=1e-6)

    written = pd.read_csv(csv)
    assert list(written.columns) == COLUMNS
    records = json.loads(json_file.read_text())
    assert [list(record) for record in records] == [COLUMNS] * len(table)
    for rows in (written, pd.DataFrame(records)):
        assert rows["source"].tolist() == table["source"].tolist()
        np.testing.assert_allclose(rows["x"], table["x"].astype(int))
        np.testing.assert_allclose(rows["seconds"], table["seconds"].astype(float), atol=1e-3)


def test_a_source_that_fails_does_not_stop_the_others(clip, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    empty = tmp_path / "empty.png"
    cv2.imwrite(str(empty), np.full((120, 160, 3), 90, np.uint8))
    said = []
    table, failures = predict.read_sources(
        [tmp_path / "missing.mp4", broken, empty, clip], Even(), progress=False, say=said.append
    )
    assert set(table["source"]) == {str(clip)}
    assert len(failures) == 2 and "missing.mp4" in failures[0] and "broken.jpg" in failures[1]
    assert said == [f"{empty}: no face"]


def test_one_annotated_video_is_of_one_video(clip, image, tmp_path):
    annotated = tmp_path / "annotated.mp4"
    for sources in ([clip, clip], [image]):
        with pytest.raises(ValueError, match="is made of one video"):
            predict.read_sources(sources, Even(), video=annotated)
    predict.read_sources([clip], Even(), video=annotated, progress=False)
    assert cv2.VideoCapture(str(annotated)).get(cv2.CAP_PROP_FRAME_COUNT) == 8


def test_a_source_is_never_an_output(clip, image, tmp_path):
    before = clip.read_bytes(), image.read_bytes()
    rows = tmp_path / "rows"
    for outputs in (
        {"csv": clip},
        {"json_file": image},
        {"csv": rows, "json_file": rows},
        {"video": tmp_path / "a.mp4", "json_file": tmp_path / "a.interrupted.mp4"},
    ):
        with pytest.raises(ValueError, match=r"is a source|two outputs"):
            predict.read_sources([clip] if "video" in outputs else [image, clip], Even(), **outputs)
    assert (clip.read_bytes(), image.read_bytes()) == before and not rows.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_outputs_that_cannot_be_written_are_told_before_anything_is_read(tmp_path):
    old = tmp_path / "old.csv"
    old.write_text("kept")
    for outputs in ({"csv": "/dev/full"}, {"csv": tmp_path}, {"csv": old, "json_file": tmp_path}):
        with pytest.raises(OSError, match="cannot be written"):
            predict.read_sources(["unread.mp4"], Even(), **outputs)
    assert old.read_text() == "kept"


class Failing(Even):
    """A predictor that answers so many times, and then raises."""

    def __init__(self, error, answers=2):
        self.error, self.answers = error, answers

    def predict_faces(self, frame, boxes):
        self.answers -= 1
        if self.answers < 0:
            raise self.error
        return super().predict_faces(frame, boxes)


@pytest.mark.parametrize("error", [RuntimeError("no memory"), KeyboardInterrupt()])
def test_what_was_read_before_a_failure_is_written(clip, image, tmp_path, error):
    csv, json_file = tmp_path / "rows.csv", tmp_path / "rows.json"
    table, failures = predict.read_sources(
        [image, clip, image],
        Failing(error),
        csv=csv,
        json_file=json_file,
        progress=False,
        say=lambda _: None,
        read_every=0,
    )
    assert set(table["source"]) == {str(image), str(clip)}
    assert len(json.loads(json_file.read_text())) == len(pd.read_csv(csv)) == len(table) >= 2
    if isinstance(error, KeyboardInterrupt):
        assert failures == [f"{clip}: interrupted; 1 more not read"]
    else:
        told = "RuntimeError: no memory."
        assert failures == [f"{clip}: {told}", f"{image}: {told}"]


def test_an_interruption_among_images_keeps_the_first(image, tmp_path):
    json_file = tmp_path / "rows.json"
    _, failures = predict.read_sources(
        [image] * 4, Failing(KeyboardInterrupt(), answers=1), json_file=json_file
    )
    assert len(json.loads(json_file.read_text())) == 1
    assert failures == [f"{image}: interrupted; 2 more not read"]


def test_an_interruption_is_the_usual_end_of_a_camera(frames, monkeypatch, tmp_path):
    class Camera:
        def isOpened(self):
            return True

        def get(self, _):
            return 10.0

        def read(self):
            time.sleep(0.01)
            return True, frames[-1]

        def release(self):
            pass

    def camera(index, say):
        return LiveCamera(index, say=say, open_capture=lambda _: Camera())

    monkeypatch.setattr(predict, "open_source", camera)
    said, film = [], tmp_path / "film.mp4"
    predictor = Failing(KeyboardInterrupt(), answers=2)
    table, failures = predict.read_sources(
        [0], predictor, video=film, progress=False, say=said.append, read_every=0
    )
    assert failures == [] and len(table) == 2
    assert said == ["Stopped after 2 frames; what was read so far is kept."]
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_passwords_are_not_shown(monkeypatch):
    def refused(source, *_):
        raise OSError("no answer")

    monkeypatch.setattr(predict, "open_source", refused)
    address = "rtsp://name:secret@camera/1"
    _, failures = predict.read_sources([address], Even())
    assert failures == ["rtsp://camera/1: no answer."]
    with pytest.raises(ValueError, match="is made of one video") as told:
        predict.read_sources([address, address], Even(), video="a.mp4")
    assert "secret" not in str(told.value)


def test_a_folder_is_said_to_be_read_as_a_film(image):
    said = []
    table, _ = predict.read_sources([image.parent], Even(), progress=False, say=said.append)
    assert set(table["source"]) == {str(image.parent)}
    assert "as a film" in said[0] and "name the files" in said[0]


@pytest.mark.parametrize("setting", ["--threshold=3", "--threshold=nan", "--smoothing=-1"])
def test_the_command_refuses_impossible_settings(setting, capsys):
    assert main(["predict", "clip.mp4", setting]) == 1
    assert "Received: " in capsys.readouterr().err


def test_the_command(clip, small_network, preprocessing, tmp_path, capsys):
    model = save_model(small_network, preprocessing, tmp_path / "model.keras")
    rows = tmp_path / "new" / "rows.json"
    arguments = ["predict", str(clip), "--model", str(model), "--json", str(rows)]
    assert main(arguments) == 0
    assert list(json.loads(rows.read_text())[0]) == COLUMNS
    assert str(clip) in capsys.readouterr().out
    missing = str(tmp_path / "none.mp4")
    assert main(["predict", missing, *arguments[1:]]) == 1
    told = capsys.readouterr().err
    assert "none.mp4" in told and "Error" not in told


class Corner:
    """Stands in for YuNet: every frame has one face, in its corner."""

    box = 0, 0, 40, 40

    def __init__(self, model_file=None):
        pass

    def detect(self, frame, thorough=False):
        return [self.box]

    scan = detect

    def refind(self, frame, box):
        return self.box


@pytest.mark.parametrize("chosen", ["yunet", Corner()])
def test_the_chosen_detector_searches_images_and_films(clip, image, monkeypatch, chosen):
    monkeypatch.setattr(detectors, "YuNetDetector", Corner)
    table, failures = predict.read_sources([image, clip], Even(), detector=chosen, progress=False)
    assert failures == [] and set(table["source"]) == {str(image), str(clip)}
    # In the film the corner is followed, too, and may wander by a pixel.
    np.testing.assert_allclose(table[["x", "y"]].astype(float), 0, atol=2)
    np.testing.assert_allclose(table[["width", "height"]].astype(float), 40, atol=4)


def test_a_detector_without_its_file_is_refused_before_any_work(image, tmp_path, monkeypatch):
    def absent(*_):
        raise FileNotFoundError("make yunet")

    monkeypatch.setattr(yunet, "find_yunet", absent)
    with pytest.raises(FileNotFoundError, match="make yunet"):
        predict.read_sources([image], Even(), detector="yunet", csv=tmp_path / "rows.csv")
    assert not (tmp_path / "rows.csv").exists()
    with pytest.raises(ValueError, match='"haar" or "yunet"'):
        predict.read_sources([image], Even(), detector="hog")


def test_whole_pictures_are_one_face_each(image, tmp_path, small_network, preprocessing):
    predictor = Predictor(small_network, preprocessing)
    blank = tmp_path / "folder/blank.png"
    blank.parent.mkdir()
    cv2.imwrite(str(blank), np.full((48, 48), 90, np.uint8))
    table, failures = predict.read_sources([image, blank.parent], predictor, whole=True)
    assert failures == [] and list(table["source"]) == [str(image), str(blank)]
    height, width = cv2.imread(str(image)).shape[:2]
    boxes = table[["x", "y", "width", "height"]].to_numpy().tolist()
    assert boxes == [[0, 0, width, height], [0, 0, 48, 48]]
    expected = predictor.probabilities(prepare(cv2.imread(str(blank)), preprocessing)[None])
    np.testing.assert_allclose(table.loc[1, list(CLASS_NAMES)].astype(float), expected[0], 1e-4)
    assert read_stills(blank, predictor, whole=True)["label"].tolist() == [table.loc[1, "label"]]


def test_whole_pictures_are_no_films(clip, tmp_path):
    for source in (clip, tmp_path, "0"):
        with pytest.raises(ValueError, match=r"Whole pictures are image files.*Received"):
            predict.read_sources([source], Even(), whole=True)
