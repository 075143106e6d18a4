"""Start, Stop and Snapshot in a notebook: a live image with its controls."""

import html
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pandas as pd

from utils.config import RESULTS
from utils.live.analyzer import FaceAnalyzer
from utils.live.arguments import as_predictor
from utils.live.loop import read_live
from utils.live.record_controls import RecordControls
from utils.live.sinks import NotebookSink, Sink
from utils.vision.opencv import cv2


class LivePanel:
    """A live image with its controls, to be displayed by a notebook cell.

    The run has a thread of its own, as a busy cell would never hear of a click; so the buttons work
    in JupyterLab, Notebook 7 and VS Code alike. Nothing is opened before Start. Started again, it
    opens the source anew. The sliders for threshold and smoothing act at once, during a run too;
    Snapshot keeps the annotated frame. A recording is played in its own time, so the overlay's
    frames a second are those shown.

    Args:
        source: see `utils.live.sources.open_source`; not an iterable that can be read only once if
            Start is to work twice.
        predictor: as `FaceAnalyzer` takes it; TypeError for a
            `FaceAnalyzer`, as the panel makes a new one at every Start.
        sinks: more sinks beside the image. What they write at one Start is replaced by the next.
        width: greatest width of the image, in pixels.
        snapshots: folder for what Snapshot keeps, as PNG; made when first needed.
        record: folder for takes of a person, such as data/mine; with it there are buttons to
            record, see `utils.live.record_controls`. None: without.
        **settings: of `utils.live.analyzer.FaceAnalyzer`, such as ``threshold``.

    Attributes:
        recording: the buttons to record, or None.
        widget: what to display; displaying the panel itself does the same.
        table: the last run's table, see `utils.live.loop.read_live`; None before its end.
        error: what kept the last run from its first frame, if anything did; also written under the
            image. What went wrong later is in ``table.attrs["error"]``.
    """

    def __init__(
        self,
        source,
        predictor,
        sinks: Sequence = (),
        width: int = 800,
        snapshots: str | Path = RESULTS / "live",
        record: str | Path | None = None,
        **settings,
    ):
        import ipywidgets  # only notebooks have it

        if isinstance(predictor, FaceAnalyzer):
            raise TypeError(
                "The panel makes an analyzer of its own. Give it the predictor, and the settings "
                "by name, such as threshold=0.4. Received: a FaceAnalyzer"
            )
        predictor = as_predictor(predictor)
        self._source, self._predictor, self._settings = source, predictor, settings
        self._image, self._sinks = NotebookSink(width), tuple(sinks)
        self._snapshots, self.recording = Path(snapshots), None
        if record is not None:
            margin = predictor.preprocessing.margin
            self.recording = RecordControls(record, predictor.class_names, margin)
            self._sinks += (self.recording,)
        self._analyzer = self._new_analyzer()
        self._stop, self._ended = Event(), Event()
        self._ended.set()
        self.table: pd.DataFrame | None = None
        self.error: Exception | None = None

        def button(text, icon, act, disabled=True):
            looks = {"icon": icon, "layout": {"width": "100px"}}
            made = ipywidgets.Button(description=text, disabled=disabled, **looks)
            made.on_click(lambda _: act())
            return made

        def slider(text, value, most):
            looks = {"step": 0.05, "layout": {"width": "270px"}}  # all in one row
            made = ipywidgets.FloatSlider(value, min=0, max=most, description=text, **looks)
            made.observe(lambda _: self._set_analyzer(), "value")
            return made

        self.start_button = button("Start", "play", self.start, disabled=False)
        self.stop_button = button("Stop", "stop", self.stop)
        self.snapshot_button = button("Snapshot", "camera", self.snapshot)
        self.threshold_slider = slider("Unsure <", self._analyzer.threshold, 1)
        self.smoothing_slider = slider("Smooth (s)", self._analyzer.smoothing, 2)
        # A Label would cut long messages short.
        self.status = ipywidgets.HTML("Press Start: the image appears below.")
        row = [self.start_button, self.stop_button, self.snapshot_button]
        row += [self.threshold_slider, self.smoothing_slider]
        controls = ipywidgets.HBox(row, layout={"flex_flow": "wrap"})
        record_row = [self.recording.widget] if self.recording else []
        self.widget = ipywidgets.VBox(
            [controls, *record_row, self.status, self._image.widget],
            layout={"align_items": "flex-start"},  # or the image would be stretched
        )

    @property
    def image(self) -> np.ndarray | None:
        """The newest frame with everything drawn in, uint8 BGR; None before the first."""
        newest = self._image.newest
        return None if newest is None else newest.enlarged()

    def _repr_mimebundle_(self, **_) -> dict:
        """The controls; in words where widgets are not rendered, as on GitHub."""
        words = "Start, Stop, Snapshot, two sliders and the live image: run this cell to have them."
        return {**self.widget._repr_mimebundle_(), "text/plain": words}

    def start(self) -> None:
        """Begin, unless it already runs."""
        if not self._ended.is_set():
            if self._stop.is_set():
                self._say("Still stopping the last run; press Start again when it has ended.")
            return
        self._stop.clear()
        self._ended.clear()
        self.table = self.error = None
        self.start_button.disabled, self.stop_button.disabled = True, False
        self.snapshot_button.disabled = False
        self._analyzer = self._new_analyzer()
        self._set_analyzer()
        self._say("Running.")
        Thread(target=self._run, daemon=True).start()

    def stop(self, wait: float = 5.0) -> None:
        """End the run and wait, for so many seconds, until the device is released."""
        if not self._ended.is_set():
            self._say("Stopping…")
        self._stop.set()
        self.wait(wait)

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the run has ended by itself; the kernel's Interrupt stops it."""
        try:
            # An interrupted join of the thread would take it for over, in Python 3.11.
            self._ended.wait(seconds)
        except KeyboardInterrupt:
            self.stop()
            raise

    def snapshot(self) -> Path | None:
        """Keep the newest annotated frame as a PNG file; its path, or None if it could not."""
        image = self.image
        if image is None:
            self._say("There is no image yet.")
            return None
        path = self._snapshots / f"snapshot-{datetime.now():%Y%m%d-%H%M%S-%f}.png"
        encoded = cv2.imencode(".png", image)[1]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded.tobytes())
        except OSError as error:
            self._say(f"The snapshot {path} cannot be written: {error.strerror or error}.")
            return None
        self._say(f"Kept {path}")
        return path

    def _new_analyzer(self) -> FaceAnalyzer:
        return FaceAnalyzer(self._predictor, **self._settings)

    def _set_analyzer(self) -> None:
        self._analyzer.threshold = self.threshold_slider.value
        self._analyzer.smoothing = self.smoothing_slider.value

    def _run(self) -> None:
        try:
            self.table = read_live(
                self._source,
                self._analyzer,
                (_OwnTime(self._stop), self._image, *self._sinks),
                stop=self._stop,
                say=self._say,
            )
            if self.table.attrs["ended"] in ("end of source", "stopped"):
                frames, faces = self.table.attrs["frames"], self.table["track"].nunique()
                faces = "1 face" if faces == 1 else f"{faces} faces"
                self._say(f"Ended: {frames} frames, {faces}. The table is in .table.")
        except Exception as error:  # a thread's traceback would be seen by nobody
            self.error = error
            self._say(f"Ended: {error}")
        finally:
            self.start_button.disabled, self.stop_button.disabled = False, True
            self._ended.set()

    def _say(self, text: str) -> None:
        self.status.value = html.escape(text, quote=False)


class _OwnTime(Sink):
    """A sink that holds a recording back to its own speed; a camera's frames are never early."""

    def __init__(self, stop: Event):
        self._stop, self._start = stop, None

    def write(self, reading) -> None:
        now = time.monotonic()
        if self._start is None:
            self._start = now - reading.seconds
        early = self._start + reading.seconds - now
        if early > 0:
            self._stop.wait(early)
        else:
            self._start -= early  # too slow a moment is not made up for by haste
