"""Sources, the live loop and its endings, sinks, the table and the overlay."""

import csv
import itertools
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest

from utils.config import CLASS_NAMES, PROJECT
from utils.files import check_writable
from utils.live import overlay
from utils.live.analyzer import FaceAnalyzer
from utils.live.camera import CameraUnavailable, LiveCamera
from utils.live.frames import FrameSource
from utils.live.loop import annotate_video, read_live
from utils.live.overlay import draw_faces
from utils.live.panel import LivePanel
from utils.live.sinks import CsvSink, DisplayUnavailable, NotebookSink, Sink, VideoSink, WindowSink
from utils.live.sources import ImageSequence, open_source
from utils.live.unsure import Face
from utils.live.video_file import VideoFile
from utils.vision.boxes import clip_box, shared_area
from utils.vision.opencv import cv2
from utils.vision.preprocessing import Preprocessing, prepare_faces

COLUMNS = [
    *("source", "frame", "seconds", "track", "x", "y", "width", "height"),
    *CLASS_NAMES,
    *("label", "confidence"),
]
SIDE = 40


class BrightnessPredictor:
    """A stand-in for a trained network: the brighter a face, the happier."""

    preprocessing = Preprocessing(CLASS_NAMES)
    class_names = CLASS_NAMES

    def __init__(self):
        self.batches = []

    def probabilities(self, faces):
        self.batches.append(len(faces))
        bright = faces.reshape(len(faces), -1).mean(1) / 255
        rows = np.repeat((1 - bright)[:, None] / 6, 7, axis=1)
        rows[:, CLASS_NAMES.index("happy")] = bright
        return rows.astype(np.float32)

    def predict_faces(self, frame, boxes):
        return self.probabilities(prepare_faces(frame, boxes, self.preprocessing))


class SquareDetector:
    """Finds textured bright squares: every frame's truth, without Haar's moods."""

    def __init__(self):
        self.scans = 0

    def scan(self, frame):
        self.scans += 1
        grey = frame if frame.ndim == 2 else frame.max(axis=2)
        mask = cv2.morphologyEx((grey > 60).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5)))
        count, _, boxes, _ = cv2.connectedComponentsWithStats(mask)
        return [tuple(int(v) for v in box[:4]) for box in boxes[1:count] if box[4] > 200]

    def refind(self, frame, box):
        near = [b for b in self.scan(frame) if abs(b[0] - box[0]) + abs(b[1] - box[1]) < 30]
        return near[0] if near else None


SETTINGS = {"detector": SquareDetector()}
TEXTURE = np.random.default_rng(0).integers(180, 256, (SIDE, SIDE, 1), dtype=np.uint8)
TEXTURE = cv2.GaussianBlur(TEXTURE, (5, 5), 0)[..., None]


def frame_at(*lefts, height=120, width=240):
    frame = np.zeros((height, width, 3), np.uint8)
    for row, left in enumerate(lefts):
        top = 10 + 60 * row
        frame[top : top + SIDE, left : left + SIDE] = TEXTURE
    return frame


def clip(count=30, fps=10.0):
    return [(index / fps, frame_at(10 + 4 * index, 180 - 4 * index)) for index in range(count)]


def read_video(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while capture.isOpened():
        there, frame = capture.read()
        if not there:
            break
        frames.append(frame)
    fps = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return frames, fps


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (240, 120))
    for _, frame in clip():
        writer.write(frame)
    writer.release()
    return path


# ---------------------------------------------------------------- sources


def test_a_video_file_gives_every_frame_with_its_time(video):
    with open_source(str(video)) as source:
        seconds = [seconds for seconds, _ in source]
    assert (source.length, source.fps) == (30, 10)
    assert seconds == pytest.approx([index / 10 for index in range(30)])


def test_files_that_are_no_video_are_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.mp4"), open_source("missing.mp4"):
        pass
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all")
    with pytest.raises(ValueError, match="cannot be read as a video"), VideoFile(broken):
        pass
    with pytest.raises(TypeError, match=r"3\.5"):
        open_source(3.5)


def test_a_cut_off_video_is_read_as_far_as_it_goes(video, tmp_path):
    cut = tmp_path / "cut.avi"
    writer = cv2.VideoWriter(str(cut), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (240, 120))
    for _, frame in clip():
        writer.write(frame)
    writer.release()
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    said = []
    with VideoFile(cut, say=said.append) as source:
        count = sum(1 for _ in source)
    assert 5 < count < 30
    assert source.length is None or source.length <= count or "ended after" in said[0]


def test_a_folder_of_images_comes_in_natural_order(tmp_path):
    for number in (10, 2, 1):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((8, 8), 10 * number, np.uint8))
    (tmp_path / "3.png").write_bytes(b"damaged")
    (tmp_path / "notes.txt").write_text("not an image")
    said = []
    with ImageSequence(tmp_path, fps=2, say=said.append) as source:
        frames = [(seconds, int(frame[0, 0, 0])) for seconds, frame in source]
    assert frames == [(0.0, 10), (0.5, 20), (1.5, 100)]
    left_out, skipped = said
    assert "1 files or folders are left out" in left_out and "3.png is skipped" in skipped
    with pytest.raises(FileNotFoundError, match="no images"):
        ImageSequence(tmp_path / "elsewhere")


class FakeCamera:
    """As cv2.VideoCapture: hands out frames, then fails; counts what is open."""

    opened, released = 0, 0

    def __init__(self, frames=5, works=True, wait=0.01, hang=None):
        type(self).opened += 1
        self.left, self.works, self.wait, self.hang = frames, works, wait, hang
        self.is_released, self.count = False, 0

    def isOpened(self):
        return self.works and not self.is_released

    def get(self, _):
        return 30.0

    def read(self):
        time.sleep(self.wait)
        if self.left <= 0:
            if self.hang is not None:
                self.hang.wait(5)
            return False, None
        frame = frame_at(50)
        frame[0, 0] = self.count
        self.left -= 1
        self.count = min(self.count + 1, 255)
        return True, frame

    def release(self):
        if not self.is_released:
            self.is_released = True
            type(self).released += 1


@pytest.fixture
def camera():
    FakeCamera.opened = FakeCamera.released = 0
    return FakeCamera


def run_live(source, **settings):
    return read_live(source, BrightnessPredictor(), **{**SETTINGS, **settings})


def test_no_camera_is_explained_and_nothing_stays_open(camera):
    source = LiveCamera(97, open_capture=lambda _: camera(works=False))
    with pytest.raises(CameraUnavailable, match="video file instead"):
        run_live(source)
    assert camera.opened == camera.released == 1


def test_a_camera_in_use_is_explained(camera, monkeypatch):
    monkeypatch.setattr("utils.live.camera._WARM_UP", 0.1)
    source = LiveCamera(0, open_capture=lambda _: camera(frames=0))
    with pytest.raises(CameraUnavailable, match="another program"):
        run_live(source)
    assert camera.opened == camera.released == 1


def test_a_camera_that_vanishes_ends_the_run_with_the_table_kept(camera):
    cameras = itertools.chain([camera(frames=6)], (camera(works=False, frames=0) for _ in range(9)))
    said = []
    source = LiveCamera(0, patience=0.8, say=said.append, open_capture=lambda _: next(cameras))
    table = run_live(source, say=said.append)
    assert table.attrs["ended"] == "camera lost" and len(table) >= 1
    assert any("trying again in 0.5 s" in line for line in said)
    assert "kept" in said[-1]
    source._thread.join(5)
    assert camera.opened == camera.released


def test_a_stream_that_stalls_is_opened_again(camera):
    cameras = iter([camera(frames=3), camera(frames=10**6)])
    said = []
    source = LiveCamera(
        "rtsp://name:secret@camera/1", say=said.append, open_capture=lambda _: next(cameras)
    )
    with source:
        times = [seconds for (seconds, _), _ in zip(source, range(6), strict=False)]
    assert len(times) == 6 and times == sorted(times)
    assert len(said) == 1 and "secret" not in said[0] + source.name
    assert camera.opened == camera.released == 2


def test_a_stream_is_tried_again_ever_more_slowly_until_it_is_back(camera, monkeypatch):
    monkeypatch.setattr("utils.live.camera._STEADY", 0.0)  # any frame tells that it is back
    dead = {"works": False, "frames": 0}
    cameras = iter([camera(frames=3), camera(**dead), camera(frames=3), camera(frames=10**6)])
    said = []
    source = LiveCamera("http://camera/1", say=said.append, open_capture=lambda _: next(cameras))
    with source:
        frames = iter(source)
        while len(said) < 3:
            next(frames)
        next(frames)
    # It vanishes, cannot be opened, is back (so that patience starts anew), and vanishes again.
    assert [line.split("again in ")[1] for line in said] == ["0.5 s.", "1 s.", "0.5 s."]
    assert camera.opened == camera.released == 4


def test_a_read_that_hangs_does_not_hold_up_the_end(camera):
    unhang = threading.Event()
    source = LiveCamera(
        0, patience=0.3, say=lambda _: None, open_capture=lambda _: camera(frames=2, hang=unhang)
    )
    table = run_live(source, say=lambda _: None)
    assert table.attrs["ended"] == "camera lost"
    unhang.set()
    source._thread.join(5)
    assert camera.opened == camera.released == 1


def test_a_slow_reader_gets_the_newest_frame(camera):
    device = camera(frames=200, wait=0.002)
    start = device.left

    def number(frame):  # the device writes into each frame how many were read before it
        return int(frame[0, 0, 0])

    with LiveCamera(0, open_capture=lambda _: device) as source:
        frames = iter(source)
        next(frames)
        deadline = time.monotonic() + 20
        while start - device.left < 100 and time.monotonic() < deadline:
            time.sleep(0.01)
        # The last frame counted may still be on its way from the reading thread.
        assert number(next(frames)[1]) >= 98
    assert camera.opened == camera.released == 1


# ---------------------------------------------------------------- the loop


def test_the_table_is_tidy_and_ids_last():
    table = run_live(clip())
    assert list(table.columns) == COLUMNS
    assert table.attrs == {"frames": 30, "ended": "end of source"}
    assert len(table) == 60 and sorted(table["track"].unique()) == [1, 2]
    assert np.allclose(table[list(CLASS_NAMES)].sum(axis=1), 1, atol=1e-5)
    assert set(table["label"]) == {"happy"}
    assert np.allclose(table["confidence"], table["happy"])
    for _, rows in table.groupby("track"):
        assert rows["frame"].tolist() == list(range(30))
        true = 10 + 4 * rows["frame"] if rows["y"].iloc[0] < 40 else 180 - 4 * rows["frame"]
        assert (rows["x"] - true).abs().max() <= 6


def test_no_faces_give_an_empty_table_with_its_columns():
    table = run_live([(0.0, frame_at()), (0.1, frame_at())])
    assert list(table.columns) == COLUMNS and len(table) == 0 and table.attrs["frames"] == 2


def test_all_faces_of_a_frame_are_classified_in_one_call():
    predictor = BrightnessPredictor()
    read_live(clip(5), predictor, **SETTINGS)
    assert predictor.batches == [2] * 5


def test_below_the_threshold_a_face_is_unsure():
    assert set(run_live(clip(3), threshold=0.99)["label"]) == {"unsure"}
    assert set(run_live(clip(3), threshold=0.5)["label"]) == {"happy"}


def test_known_faces_are_followed_without_searching_every_frame():
    detector = SquareDetector()
    analyzer = FaceAnalyzer(BrightnessPredictor(), detector, detect_every=0.4, scan_every=10)
    counts = [len(analyzer.read(frame, seconds)) for seconds, frame in clip(12, fps=10)]
    assert counts == [2] * 12
    # One scan of the frame at 0 s, then at 0.4 and 0.8 s a look at each of the two faces.
    assert detector.scans == 1 + 2 * 2


def test_grey_frames_of_changing_size_are_read():
    frames = [frame_at(50)[..., 0], frame_at(60)[..., 0], frame_at(60, height=200, width=300)]
    table = run_live(enumerate(frames))
    assert table["frame"].tolist() == [0, 1, 2]


def test_what_is_no_frame_is_refused():
    with pytest.raises(ValueError, match="Received: float64"):
        run_live([(0.0, np.zeros((50, 50)))])


def interrupted(frames, error=KeyboardInterrupt):
    released = []

    class Source(FrameSource):
        def __exit__(self, *error):
            released.append(True)

        def __iter__(self):
            yield from frames
            raise error

    return Source(name="camera", fps=10), released


def test_an_interrupted_run_keeps_table_video_and_csv(tmp_path):
    source, released = interrupted(clip(8))
    said = []
    table = annotate_video(
        source,
        BrightnessPredictor(),
        tmp_path / "out.mp4",
        tmp_path / "out.csv",
        progress=False,
        say=said.append,
        **SETTINGS,
    )
    assert released == [True] and "8 frames" in said[0]
    assert table.attrs["ended"] == "interrupted" and table["frame"].nunique() == 8
    assert len(pd.read_csv(tmp_path / "out.csv")) == len(table)
    assert sorted(path.name for path in tmp_path.glob("*.m*")) == ["out.unfinished.mp4"]
    assert str(tmp_path / "out.unfinished.mp4") in said[0]
    assert len(read_video(tmp_path / "out.unfinished.mp4")[0]) == 8


def test_a_failing_source_or_sink_still_releases_everything():
    closed = []

    class Closing(Sink):
        def write(self, reading):
            pass

        def close(self, complete):
            closed.append(complete)

    class BadSink(Closing):
        def close(self, complete):
            super().close(complete)
            raise OSError("disk full")

    source, released = interrupted([], ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        run_live(source, sinks=[Closing()])
    assert released == [True] and closed == [False]
    source, released = interrupted(clip(2), ZeroDivisionError("by none"))
    table = run_live(source, sinks=[Closing()], say=lambda _: None)
    assert released == [True] and closed == [False, False]
    assert table.attrs["error"] == "ZeroDivisionError: by none." and set(table["frame"]) == {0, 1}
    table = run_live(clip(2), sinks=[Closing(), BadSink(), Closing()], say=lambda _: None)
    assert closed == [False, False, True, True, True]
    assert table.attrs == {"frames": 2, "ended": "failed", "error": "disk full."}


def test_a_reader_is_of_one_run_and_has_its_own_settings():
    analyzer = FaceAnalyzer(BrightnessPredictor(), **SETTINGS)
    with pytest.raises(TypeError, match="thresold"):
        read_live(clip(2), analyzer, thresold=3)
    assert len(read_live(clip(2), analyzer)) == 4
    with pytest.raises(ValueError, match="new FaceAnalyzer"):
        read_live(clip(2), analyzer)


def test_stop_ends_the_run_from_outside():
    stop = threading.Event()

    def endless():
        for index in itertools.count():
            if index == 5:
                stop.set()
            yield index / 10, frame_at(50)

    table = run_live(endless(), stop=stop)
    assert table.attrs == {"frames": 6, "ended": "stopped"}


class Ending(Sink):
    """A sink that ends the run at the third frame, in the way it was given."""

    def __init__(self, end):
        self.end, self.closed = end, []

    def write(self, reading):
        return self.end() if reading.frame == 2 else None

    def close(self, complete):
        self.closed.append(complete)


def raising(error):
    def end():
        raise error

    return end


@pytest.mark.parametrize(
    ("end", "ended"),
    [
        (lambda: False, "stopped"),  # a closed window
        (raising(KeyboardInterrupt()), "stopped"),  # the usual end of a camera
        (raising(OSError("disk full")), "failed"),  # what nobody foresaw
    ],
)
def test_however_a_run_ends_camera_and_sinks_are_closed(camera, end, ended):
    source = LiveCamera(0, open_capture=lambda _: camera(frames=10**6))
    sink = Ending(end)
    said = []
    table = run_live(source, sinks=[sink], say=said.append)
    assert (table.attrs["frames"], table.attrs["ended"]) == (3, ended)
    assert set(table["frame"]) == {0, 1, 2}
    if ended == "failed":
        assert table.attrs["error"] == "disk full." and "disk full. What was read" in said[0]
    else:
        assert "error" not in table.attrs
    assert sink.closed == [ended == "stopped"]
    source._thread.join(5)
    assert camera.opened == camera.released == 1


# ---------------------------------------------------------------- sinks


def test_an_annotated_video_and_its_csv_hold_every_frame(video, tmp_path):
    out = tmp_path / "new folder" / "annotated.mp4"
    table = annotate_video(
        video, BrightnessPredictor(), out, tmp_path / "t.csv", progress=False, **SETTINGS
    )
    frames, fps = read_video(out)
    assert len(frames) == 30 and fps == 10 and frames[0].shape == (120, 240, 3)
    assert [path.name for path in out.parent.iterdir()] == ["annotated.mp4"]
    written = pd.read_csv(tmp_path / "t.csv")
    assert list(written.columns) == COLUMNS
    pd.testing.assert_frame_equal(written, table, check_dtype=False, atol=1e-4)


def test_a_source_keeps_its_times_in_the_clip(tmp_path):
    times = [5.0, 5.5, 5.6, 35.6]
    run_live([(at, frame_at(50)) for at in times], sinks=[VideoSink(tmp_path / "slow.mp4")])
    with VideoFile(tmp_path / "slow.mp4") as clip:
        assert [at for at, _ in clip] == pytest.approx([0, 0.5, 0.6, 30.6], abs=1e-3)


def test_a_killed_run_leaves_readable_video_and_csv(tmp_path):
    script = f"""
import itertools, os, signal, sys
sys.path.insert(0, {str(PROJECT)!r})
from tests.live.test_loop import BrightnessPredictor, SquareDetector, annotate_video, np
noise = np.random.default_rng(0)
def frames():
    for index in range(200):
        yield index / 10, noise.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    os.kill(os.getpid(), signal.SIGKILL)
annotate_video(frames(), BrightnessPredictor(), {str(tmp_path / "a.mp4")!r},
               {str(tmp_path / "a.csv")!r}, progress=False, detector=SquareDetector())
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert not (tmp_path / "a.mp4").exists()
    assert 198 <= len(read_video(tmp_path / "a.unfinished.mp4")[0]) <= 200
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows and rows[-1]["frame"] == "199"


def test_names_and_folders_that_cannot_be_written_are_explained(tmp_path):
    with pytest.raises(ValueError, match=r"\*\.mp4"):
        VideoSink(tmp_path / "clip.webm")
    (tmp_path / "file").write_text("in the way")
    for sink in (VideoSink(tmp_path / "file" / "clip.mp4"), CsvSink(tmp_path / "file" / "t.csv")):
        with pytest.raises(OSError, match="cannot be written"):
            run_live(clip(1), sinks=[sink])
    with pytest.raises(OSError, match="folder or a device"):
        check_writable(tmp_path)


@pytest.mark.parametrize("taken", ["a.mp4", "a.unfinished.mp4"])
def test_no_output_overwrites_its_source(video, tmp_path, taken):
    source = tmp_path / taken
    shutil.copy(video, source)
    (tmp_path / "link.csv").symlink_to(source)
    for outputs in ((tmp_path / "a.mp4",), (None, source), (None, tmp_path / "link.csv")):
        with pytest.raises(ValueError, match="is a source"):
            annotate_video(source, BrightnessPredictor(), *outputs, progress=False, **SETTINGS)
        assert source.read_bytes() == video.read_bytes()


def test_no_output_overwrites_a_image_of_its_source_or_another_output(tmp_path):
    for number in (1, 2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), frame_at(50))
    for source in (tmp_path, ImageSequence(tmp_path), [str(tmp_path / "1.png")]):
        with pytest.raises(ValueError, match=r"1\.png is a source"):
            read_live(source, BrightnessPredictor(), [CsvSink(tmp_path / "1.png")])
    sinks = [VideoSink(tmp_path / "a.mp4"), CsvSink(tmp_path / "a.mp4")]
    with pytest.raises(ValueError, match="two outputs"):
        run_live(clip(2), sinks=sinks)
    assert len(run_live(tmp_path, sinks=[CsvSink(tmp_path / "faces.csv")])) == 2


def test_what_earlier_runs_left_is_kept(tmp_path):
    earlier = tmp_path / "a.unfinished.mp4"
    earlier.write_bytes(b"of an earlier run")
    source, _ = interrupted(clip(3))
    said = []
    run_live(source, sinks=[VideoSink(tmp_path / "a.mp4")], say=said.append)
    assert earlier.read_bytes() == b"of an earlier run"
    assert str(tmp_path / "a.unfinished-2.mp4") in said[0]
    assert len(read_video(tmp_path / "a.unfinished-2.mp4")[0]) == 3
    assert len(list(tmp_path.iterdir())) == 2


def test_sinks_serve_one_run_after_the_other(tmp_path):
    sinks = [VideoSink(tmp_path / "a.mp4"), CsvSink(tmp_path / "a.csv")]
    for count in (20, 5):
        table = run_live(clip(count), sinks=sinks)
        assert table.attrs == {"frames": count, "ended": "end of source"}
    assert len(read_video(tmp_path / "a.mp4")[0]) == 5
    assert len(pd.read_csv(tmp_path / "a.csv")) == 10
    run_live([], sinks=sinks)  # an empty run leaves no table of an earlier one
    written = pd.read_csv(tmp_path / "a.csv")
    assert list(written.columns) == COLUMNS and written.empty


def test_a_colon_in_a_relative_name_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_live(clip(3), sinks=[VideoSink("12:30:05.mp4")])
    assert len(read_video(tmp_path / "12:30:05.mp4")[0]) == 3


def test_a_window_needs_a_screen(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(DisplayUnavailable, match="video file"):
        WindowSink()


def test_window_keys_hold_and_quit(monkeypatch, capsys):
    keys = iter([255, ord(" "), 255, ord(" "), ord("q")])
    shown = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "imshow", lambda _, image: shown.append(image))
    monkeypatch.setattr(cv2, "waitKey", lambda _: next(keys))
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1.0)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    table = run_live(clip(), sinks=[WindowSink()])
    # Frame 0: no key; frame 1: held until the second SPACE; frame 2: Q.
    assert len(shown) == 3 and table.attrs == {"frames": 3, "ended": "stopped"}
    assert "face 1: angry" in capsys.readouterr().out


def test_the_notebook_gets_jpeg_images_in_one_widget():
    pytest.importorskip("ipywidgets")
    sink = NotebookSink(width=120)
    run_live(clip(3), sinks=[sink])
    image = cv2.imdecode(np.frombuffer(sink.widget.value, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (60, 120, 3)


def test_start_and_stop_of_the_notebook_panel(camera):
    pytest.importorskip("ipywidgets")
    source = LiveCamera(0, open_capture=lambda _: camera(frames=10**6))
    panel = LivePanel(source, BrightnessPredictor(), **SETTINGS)
    assert camera.opened == 0
    for run in (1, 2):
        panel.start_button.click()
        deadline = time.monotonic() + 20
        while not panel._image.widget.value and time.monotonic() < deadline:
            time.sleep(0.01)
        panel.stop_button.click()
        assert panel.error is None and panel.table.attrs["ended"] == "stopped"
        assert camera.opened == camera.released == run
    assert not panel.start_button.disabled and panel.stop_button.disabled


def test_the_panel_tells_why_there_is_no_image(camera):
    pytest.importorskip("ipywidgets")
    source = LiveCamera(0, open_capture=lambda _: camera(works=False))
    panel = LivePanel(source, BrightnessPredictor(), **SETTINGS)
    panel.start()
    panel.wait(20)
    assert isinstance(panel.error, CameraUnavailable) and "video file" in panel.status.value


# ---------------------------------------------------------------- overlay


def face(box, label="happy"):
    shares = np.array([0.05, 0.02, 0.1, 0.6, 0.13, 0.06, 0.04])
    return Face(7, box, shares, label, 0.6)


@pytest.mark.parametrize("size", [(160, 120), (640, 480), (480, 640), (3840, 2160)])
@pytest.mark.parametrize("light", [0, 255])
def test_the_overlay_changes_a_copy_and_is_seen_on_any_frame(size, light):
    frame = np.full((size[1], size[0], 3), light, np.uint8)
    box = (size[0] // 3, size[1] // 3, size[1] // 4, size[1] // 4)
    drawn = draw_faces(frame, [face(box)], CLASS_NAMES, fps=25)
    assert drawn.shape == frame.shape and drawn.dtype == np.uint8
    assert (frame == light).all()
    changed = cv2.absdiff(drawn, frame).max(axis=2) > 60
    assert 0.005 < changed.mean() < 0.6
    assert changed[box[1] - 1 : box[1] + 2, box[0] : box[0] + box[2]].any(axis=0).all()
    left, top, side, _ = box
    middle = np.s_[top + side // 4 : top + 3 * side // 4, left + side // 4 : left + 3 * side // 4]
    assert not changed[middle].any()  # the face itself stays free


def test_no_panel_covers_a_neighbour():
    frame = np.full((480, 640, 3), 90, np.uint8)
    boxes = [(60, 120, 110, 110), (260, 130, 110, 110), (450, 110, 110, 110)]
    drawn = draw_faces(frame, [face(box) for box in boxes], CLASS_NAMES)
    for left, top, width, height in boxes:
        inside = drawn[top + 4 : top + height - 4, left + 4 : left + width - 4]
        assert (inside == 90).all()


@pytest.mark.parametrize("side", [24, 48, 80])
@pytest.mark.parametrize("light", [0, 255])
def test_many_faces_have_labels_apart_from_each_other_and_inside_the_frame(side, light):
    faces = [
        face((8 + 100 * (n % 7), 8 + 120 * (n // 7), side, side), CLASS_NAMES[n % 7])
        for n in range(28)
    ]
    shape = (8 + 120 * 3 + side + 4, 8 + 100 * 6 + side + 4, 3)  # the last ones are at the border
    notes = overlay._notes(shape, faces, CLASS_NAMES, min(shape[:2]) / 480)
    boxes = [note.box for note in notes]
    assert all(clip_box(box, shape) == box for box in boxes)
    for number, box in enumerate(boxes):
        assert not any(shared_area(box, other) for other in boxes[:number])
        inside = [shared_area(box, one.box) / side**2 for one in faces]
        assert sum(share > 0 for share in inside) <= 1 and max(inside) < 0.6  # its own at most
    frame = np.full(shape, light, np.uint8)
    drawn = draw_faces(frame, faces, CLASS_NAMES)
    for left, top, width, height in boxes:  # something is written, and it stands out
        part = drawn[top : top + height, left : left + width]
        assert int(part.max()) - int(part.min()) > 120


@pytest.mark.parametrize("box", [(0, 0, 160, 120), (-20, -20, 60, 60), (150, 110, 10, 10)])
def test_the_overlay_copes_with_faces_at_the_border(box):
    drawn = draw_faces(np.zeros((120, 160), np.uint8), [face(box, "unsure")], CLASS_NAMES)
    assert drawn.shape == (120, 160, 3) and drawn.any()


def test_bars_grow_with_the_probability():
    frame = np.zeros((480, 640, 3), np.uint8)
    sure = Face(1, (100, 100, 150, 150), np.eye(7)[3], "happy", 1.0)
    half = Face(1, (100, 100, 150, 150), np.eye(7)[3] * 0.5, "happy", 1.0)
    lengths = []
    for one in (sure, half):
        drawn = draw_faces(frame, [one], CLASS_NAMES)
        yellow = (drawn == (66, 228, 240)).all(axis=2)[:, 260:]
        lengths.append(yellow.sum(axis=1).max())
    assert lengths[1] == pytest.approx(lengths[0] / 2, abs=2)
