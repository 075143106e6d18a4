"""The controls of the live image, pressed as a person would."""

import signal
import time
from itertools import islice
from threading import Event, Timer, main_thread

import cv2
import numpy as np
import pytest

from utils.config import CLASS_NAMES
from utils.drawn.clip import clip_frames
from utils.live.analyzer import FaceAnalyzer
from utils.live.frames import FrameSource
from utils.live.panel import LivePanel
from utils.live.sinks import CsvSink, NotebookSink, Sink, VideoSink

pytest.importorskip("ipywidgets")


class Leaning:
    """A predictor that is 60 % sure of happy."""

    class_names = CLASS_NAMES

    def predict_faces(self, frame, boxes):
        answer = np.full(7, 0.4 / 6, np.float32)
        answer[CLASS_NAMES.index("happy")] = 0.6
        return np.repeat(answer[None], len(boxes), axis=0)


@pytest.fixture
def endless():
    """A source that a person has to stop."""
    image = next(frame for number, (_, frame, _) in enumerate(clip_frames()) if number == 30)

    def frames():
        for number in range(10**6):
            time.sleep(0.01)
            yield number / 25, image

    return FrameSource(frames())


def timed(rate, jitter=0.0, count=60):
    """Moments at which frames come, ``rate`` a second, each a little early or late."""
    random = np.random.default_rng(0)
    return np.arange(count) / rate + random.uniform(-jitter, jitter, count)


@pytest.mark.parametrize(
    ("rate", "jitter", "share"),
    [(30, 0.012, 1.0), (25, 0.01, 1.0), (60, 0.002, 1.0), (240, 0.0, 0.25)],
)
def test_every_frame_of_a_camera_is_shown_and_a_flood_is_not(rate, jitter, share, monkeypatch):
    sink, shown = NotebookSink(), []
    monkeypatch.setattr(sink, "_show", lambda: shown.append(True))
    for moment in timed(rate, jitter):
        monkeypatch.setattr("utils.live.sinks.time.monotonic", lambda now=moment: now)
        sink.write(object())
    assert len(shown) == pytest.approx(60 * share, abs=1)


def test_there_is_no_image_before_start_and_it_keeps_its_size_after():
    frames = [(seconds, frame) for seconds, frame, _ in islice(clip_frames(), 3)]
    panel = LivePanel(frames, Leaning())
    image = panel.widget.children[-1]
    assert image.layout.display == "none" and "Press Start" in panel.status.value
    assert panel.image is None
    panel.start()
    panel.wait(20)
    assert image.layout.display is None and image.layout.max_width == "100%"
    assert image.layout.object_fit == "contain" and panel.widget.layout.align_items == "flex-start"
    assert panel.image.shape == frames[0][1].shape


def test_without_widgets_the_panel_is_told_in_words():
    bundle = LivePanel([], Leaning())._repr_mimebundle_()
    assert "Start, Stop, Snapshot" in bundle["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="Windows interrupts otherwise")
def test_interrupting_the_kernel_stops_the_run(endless):
    panel = LivePanel(endless, Leaning())
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        panel.start()
        Timer(0.3, signal.pthread_kill, (main_thread().ident, signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            panel.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    assert panel.table.attrs["ended"] == "stopped" and not panel.start_button.disabled


def test_a_recording_plays_in_its_own_time():
    frames = [(seconds, frame) for seconds, frame, _ in islice(clip_frames(), 10)]
    panel = LivePanel(frames, Leaning())
    begun = time.monotonic()
    panel.start()
    panel.wait(20)
    assert time.monotonic() - begun >= frames[-1][0]


def test_a_snapshot_of_a_small_frame_can_be_read(tmp_path):
    _, frame, _ = next(islice(clip_frames(size=(320, 240)), 30, None))
    panel = LivePanel([(0.0, frame)], Leaning(), snapshots=tmp_path)
    panel.start()
    panel.wait(20)
    assert cv2.imread(str(panel.snapshot())).shape == (480, 640, 3)


class Labels(Sink):
    """A sink that remembers the newest label."""

    newest = None

    def write(self, reading):
        if reading.faces:
            self.newest = reading.faces[0].label


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_the_threshold_acts_while_it_runs(endless):
    labels = Labels()
    panel = LivePanel(endless, Leaning(), [labels], threshold=0.5)
    assert panel.threshold_slider.value == 0.5
    panel.start_button.click()
    wait_for(lambda: labels.newest == "happy")
    panel.threshold_slider.value = 0.9
    wait_for(lambda: labels.newest == "unsure")
    panel.stop_button.click()
    assert panel.error is None
    assert panel._analyzer.smoothing == panel.smoothing_slider.value
    panel.smoothing_slider.value = 1.5
    assert panel._analyzer.smoothing == 1.5


def test_snapshot_keeps_the_annotated_frame(endless, tmp_path):
    panel = LivePanel(endless, Leaning(), snapshots=tmp_path / "new")
    assert panel.snapshot_button.disabled and panel.snapshot() is None
    panel.start_button.click()
    wait_for(lambda: panel._image.newest is not None)
    panel.snapshot_button.click()
    panel.stop_button.click()
    (kept,) = (tmp_path / "new").glob("*.png")
    image = cv2.imread(str(kept))
    assert image.shape == panel._image.newest.image.shape
    assert (image != panel._image.newest.image).any()  # the frames per second, at least


def test_a_snapshot_that_cannot_be_kept_is_told(endless, tmp_path):
    (tmp_path / "file").write_text("in the way")
    panel = LivePanel(endless, Leaning(), snapshots=tmp_path / "file" / "new")
    panel.start()
    wait_for(lambda: panel._image.newest is not None)
    assert panel.snapshot() is None and "cannot be written" in panel.status.value
    panel.stop()


def test_stopping_a_source_that_hangs_while_it_opens():
    go_on = Event()

    class Hanging(FrameSource):
        def __enter__(self):
            go_on.wait(20)
            return super().__enter__()

    panel = LivePanel(Hanging(), Leaning())
    panel.start()
    panel.stop(wait=0)
    assert panel.status.value == "Stopping…"
    panel.start()
    assert "Still stopping" in panel.status.value
    go_on.set()
    panel.wait(20)
    assert panel.status.value.startswith("Ended: 0 frames") and not panel.start_button.disabled


def test_a_failure_is_shown_and_the_table_kept():
    frames = [(seconds, frame) for seconds, frame, _ in islice(clip_frames(), 40)]

    class Full(Labels):
        def write(self, reading):
            if reading.frame == 35:
                raise OSError("disk full")

    panel = LivePanel(frames, Leaning(), [Full()])
    panel.start()
    panel.wait(20)
    assert "disk full" in panel.status.value
    assert len(panel.table) and panel.table.attrs["ended"] == "failed"


def test_a_second_start_writes_its_video_and_table_anew(tmp_path):
    frames = [(seconds, frame) for seconds, frame, _ in islice(clip_frames(), 6)]
    panel = LivePanel(
        frames, Leaning(), [VideoSink(tmp_path / "a.mp4"), CsvSink(tmp_path / "a.csv")]
    )
    for _ in range(2):
        panel.start()
        panel.wait(20)
        assert panel.status.value.startswith("Ended: 6 frames"), panel.status.value
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.mp4"]
        for path in tmp_path.iterdir():
            path.unlink()


def test_the_panel_takes_no_reader():
    with pytest.raises(TypeError, match="threshold"):
        LivePanel(0, FaceAnalyzer(Leaning()))
