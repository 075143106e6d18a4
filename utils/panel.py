"""Start and Stop in a notebook: a live picture with its controls."""

from collections.abc import Sequence
from threading import Event, Thread

import pandas as pd

from utils.sinks import NotebookSink
from utils.video import live


class LivePanel:
    """A live picture with Start and Stop, to be displayed by a notebook cell.

    The run has a thread of its own, as a busy cell would never hear of a click; so
    the buttons work in JupyterLab, Notebook 7 and VS Code alike. Nothing is opened
    before Start. Started again, it opens the source anew.

    Args:
        source: see `utils.sources.open_source`; not an iterable that can be read only
            once if Start is to work twice.
        predictor: see `utils.video.live`.
        sinks: more sinks beside the picture.
        width: greatest width of the picture, in pixels.
        **settings: of `utils.video.live`, such as ``threshold``.

    Attributes:
        widget: what to display.
        table: the last run's table, see `utils.video.live`; None before its end.
        error: what ended the last run, if it failed; also written under the picture.

    Example:
        >>> panel = LivePanel(0, predictor)  # doctest: +SKIP
        >>> panel.widget  # doctest: +SKIP
    """

    def __init__(self, source, predictor, sinks: Sequence = (), width: int = 800, **settings):
        import ipywidgets  # only notebooks have it

        self._source, self._predictor, self._settings = source, predictor, settings
        self._picture, self._sinks = NotebookSink(width), tuple(sinks)
        self._stop, self._thread = Event(), None
        self.table: pd.DataFrame | None = None
        self.error: Exception | None = None
        self.start_button = ipywidgets.Button(description="Start", icon="play")
        self.stop_button = ipywidgets.Button(description="Stop", icon="stop", disabled=True)
        self.status = ipywidgets.Label()
        self.start_button.on_click(lambda _: self.start())
        self.stop_button.on_click(lambda _: self.stop())
        buttons = ipywidgets.HBox([self.start_button, self.stop_button])
        self.widget = ipywidgets.VBox([self._picture.widget, buttons, self.status])

    def start(self) -> None:
        """Begin, unless it already runs."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._stop.clear()
        self.table = self.error = None
        self.start_button.disabled, self.stop_button.disabled = True, False
        self._say("Running.")
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self, wait: float = 5.0) -> None:
        """End the run and wait, for so many seconds, until the device is released."""
        self._stop.set()
        self.wait(wait)

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the run has ended by itself."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self.table = live(
                self._source,
                self._predictor,
                (self._picture, *self._sinks),
                stop=self._stop,
                say=self._say,
                **self._settings,
            )
            if self.table.attrs["ended"] in ("end of source", "stopped"):
                frames, faces = self.table.attrs["frames"], self.table["track"].nunique()
                self._say(f"Ended: {frames} frames, {faces} faces. The table is in .table.")
        except Exception as error:  # a thread's traceback would be seen by nobody
            self.error = error
            self._say(f"Ended: {error}")
        finally:
            self.start_button.disabled, self.stop_button.disabled = False, True

    def _say(self, text: str) -> None:
        self.status.value = text
