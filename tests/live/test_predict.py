"""Reading sources without a screen: one table of all, whatever some of them are."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from utils.cli import main
from utils.config import CLASS_NAMES, PROJECT
from utils.drawn.clip import clip_frames
from utils.live import predict
from utils.live.camera import LiveCamera
from utils.live.loop import read_live
from utils.live.source_lists import list_sources
from utils.live.stills import read_stills
from utils.live.table_sinks import ParquetSink
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
        {"video": tmp_path / "a.mp4", "json_file": tmp_path / "a.unfinished.mp4"},
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


def test_old_rows_stay_until_there_is_a_frame(clip, image, tmp_path):
    csv, json_file, parquet = (tmp_path / f"rows.{form}" for form in ("csv", "json", "parquet"))
    sink = ParquetSink(parquet)
    sink.begin(COLUMNS)
    predict.read_into([sink], [clip], Even(), csv=csv, json_file=json_file, progress=False)
    sink.close(complete=True)
    before = [path.read_bytes() for path in (csv, json_file, parquet)]
    sink.begin(COLUMNS)
    missing = tmp_path / "clop.mp4"
    failed = predict.read_into([sink], [missing], Even(), csv=csv, json_file=json_file)
    sink.close(complete=False)
    assert len(failed) == 1
    assert [path.read_bytes() for path in (csv, json_file, parquet)] == before
    predict.read_sources([missing, image], Even(), csv=csv, json_file=json_file)
    assert len(pd.read_csv(csv)) == len(json.loads(json_file.read_text())) == 1


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


def test_a_folder_is_its_images_and_a_sequence_where_that_is_asked_for(frames, tmp_path):
    for number in (2, 10):
        cv2.imwrite(str(tmp_path / f"{number}.png"), frames[-1])
    (tmp_path / "10.png").rename(tmp_path / "10.jfif")
    (tmp_path / "notes.txt").write_text("no image")
    said = []
    table, failures = predict.read_sources([tmp_path], Even(), say=said.append)
    assert failures == [] and said == [f"{tmp_path}: left out are 1 files that are no images."]
    assert table["source"].tolist() == [str(tmp_path / "10.jfif"), str(tmp_path / "2.png")]
    assert set(table["frame"]) == {0}
    film, _ = predict.read_sources(
        [tmp_path], Even(), sequence=True, progress=False, say=said.append
    )
    assert set(film["source"]) == {str(tmp_path)} and film["frame"].tolist() == [0, 1]
    assert said.pop().endswith("1 files or folders are left out that are no images.")
    (tmp_path / "empty").mkdir()
    _, failures = predict.read_sources([tmp_path / "empty"], Even())
    assert len(failures) == 1 and "no images" in failures[0]
    predict.read_sources(tmp_path, Even(), say=said.append)
    assert said[1].endswith("that are no images and 1 folders (name them, or use --out).")


def test_one_source_is_no_list_of_letters(image, small_network, preprocessing, tmp_path):
    model = save_model(small_network, preprocessing, tmp_path / "model.keras")
    for source in (str(image), image):
        table, failures = predict.read_sources(source, model)
        assert failures == [] and table["source"].tolist() == [str(image)]
        assert [one.path for one in list_sources(source)] == [str(image)]
    assert read_stills(image, str(model))["label"].tolist() == table["label"].tolist()
    with pytest.raises(TypeError, match="Received: NoneType"):
        predict.read_sources(None, Even())
    for read in (predict.read_sources, read_stills, read_live):
        with pytest.raises(TypeError, match=r"utils\.models\.load .* Received: int"):
            read(image, 7)
        with pytest.raises(ValueError, match=r"share from 0 to 1\. Received: 2"):
            read(image, Even(), threshold=2)


def test_a_failure_names_its_file_once(tmp_path):
    path = tmp_path / "junk.mp4"
    path.write_bytes(bytes(5000))
    _, failures = predict.read_sources(path, Even())
    assert failures[0].startswith(f"{path}: cannot be read as a video")


def test_an_animation_is_a_still_or_a_film(frames, tmp_path):
    images = [Image.fromarray(frame[..., ::-1].copy()) for frame in frames[:3]]
    path = tmp_path / "clip.gif"
    images[0].save(path, save_all=True, append_images=images[1:], duration=[200, 300, 400])
    said = []
    table, _ = predict.read_sources([path], Even(), say=said.append)
    assert "first of 3 frames" in said[0] and set(table["frame"]) == {0}
    film, failures = predict.read_sources([path], Even(), sequence=True, progress=False)
    assert failures == [] and film["seconds"].tolist() == pytest.approx([0, 0.2, 0.5])


def test_a_part_of_a_video_is_read_with_gaps(clip, image):
    table, failures = predict.read_sources(
        [clip, image], Even(), start=0.08, end=0.3, every=0.08, progress=False
    )
    assert failures == []
    seconds = table.loc[table["source"] == str(clip), "seconds"].tolist()
    assert seconds == pytest.approx([0.08, 0.16, 0.24])
    with pytest.raises(ValueError, match="ends after that"):
        predict.read_sources([clip], Even(), start=2, end=1)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps the folder of an open file")
def test_outputs_that_vanish_are_told_and_the_other_is_written(image, tmp_path):
    class Sweeping(Even):
        def predict_faces(self, frame, boxes):
            shutil.rmtree(tmp_path / "gone", ignore_errors=True)
            return super().predict_faces(frame, boxes)

    rows = tmp_path / "rows.csv"
    for outputs in (
        {"csv": tmp_path / "gone/rows.csv", "json_file": tmp_path / "rows.json"},
        {"csv": rows, "json_file": tmp_path / "gone/rows.json"},
    ):
        table, failures = predict.read_sources([image, image], Sweeping(), **outputs)
        assert len(table) == 2
        assert len(failures) == 1 and f"gone{os.sep}rows" in failures[0]
    assert len(json.loads((tmp_path / "rows.json").read_text())) == len(pd.read_csv(rows)) == 2


def test_a_disk_that_is_full_leaves_whole_rows_and_ends_the_work(image, tmp_path):
    resource = pytest.importorskip("resource")  # a limit on files' sizes stands for a full disk
    before, rows = resource.getrlimit(resource.RLIMIT_FSIZE), tmp_path / "rows.csv"
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        _, failures = predict.read_sources([image] * 50, Even(), csv=rows)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert rows.read_bytes().endswith(b"\n") and 1 < len(pd.read_csv(rows)) < 10
    assert "more not read" in failures[0] and "rows.csv cannot be written" in failures[1]


def test_names_that_are_no_text_are_written(image, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    try:
        shutil.copy(image, path)
    except OSError:
        pytest.skip("names are text on this system")
    csv, json_file = tmp_path / "rows.csv", tmp_path / "rows.json"
    _, failures = predict.read_sources([path], Even(), csv=csv, json_file=json_file)
    assert failures == [] and "\\udcff" in pd.read_csv(csv)["source"][0]
    assert json.loads(json_file.read_text())[0]["source"] == path


def test_a_console_that_lacks_letters_is_no_end(image):
    strange = image.rename(image.with_name("lächelnd – 笑顔.png"))
    environment = os.environ | {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "utils", "predict", str(strange)]
    ended = subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True)
    assert ended.returncode == 0 and b"Error" not in ended.stderr
    assert b"\\u7b11\\u9854.png: 1 reading " in ended.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_a_kill_and_a_closed_terminal_keep_what_was_read(frames, tmp_path, number):
    for place in range(400):
        cv2.imwrite(str(tmp_path / f"{place}.jpg"), frames[-1])
    rows, json_file = tmp_path / "rows.csv", tmp_path / "rows.json"
    command = [sys.executable, "-m", "utils", "predict", str(tmp_path), "--csv", str(rows)]
    command += ["--json", str(json_file)]

    def heed() -> None:  # also where nohup or a test's runner ignores it
        signal.signal(getattr(signal, number), signal.SIG_DFL)

    piped = {"stderr": subprocess.PIPE, "text": True, "preexec_fn": heed}
    with subprocess.Popen(command, cwd=PROJECT, **piped) as process:
        while process.poll() is None and not (rows.exists() and rows.read_bytes().count(b"\n") > 2):
            time.sleep(0.02)
        process.send_signal(getattr(signal, number))
        told = process.communicate(timeout=30)[1]
    assert process.returncode == 1 and "interrupted;" in told and "more not read" in told
    assert len(json.loads(json_file.read_text())) == len(pd.read_csv(rows)) < 400
    assert not list(tmp_path.glob(".*"))


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
    assert main(["predict", missing, *arguments[2:]]) == 1
    said, told = capsys.readouterr()
    assert said == ""  # not "No face was found.", for nothing was read
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
