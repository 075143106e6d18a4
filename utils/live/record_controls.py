"""The notebook's buttons for recording, as `utils.live.panel.LivePanel` shows them."""

import html
import io
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.live.recording import GuidedRound, TakeRecorder
from utils.live.results import Reading
from utils.live.sinks import Sink


class RecordControls(Sink):
    """Who, which class, a button to hold, a guided round, counts and undo.

    Notebook widgets know no finger that stays on a button, so the button stays pressed in until it
    is clicked again, or the run ends: so long is recorded, and no longer.

    Args:
        folder: takes go there.
        class_names: to choose from; another can be typed.
        margin: of the model's preprocessing.

    Attributes:
        widget: what to display.
    """

    def __init__(self, folder: str | Path, class_names: Sequence[str], margin: float = 0.0):
        import ipywidgets  # only notebooks have it

        self._folder, self._margin, self._classes = Path(folder), margin, tuple(class_names)
        self._recorder: TakeRecorder | None = None
        self._round: GuidedRound | None = None
        self.who = ipywidgets.Text(description="Who", placeholder="name", layout={"width": "200px"})
        self.expression = ipywidgets.Combobox(
            options=self._classes, description="Class", layout={"width": "220px"}
        )
        self.hold_button = ipywidgets.ToggleButton(description="Record", icon="circle")
        self.guide_button = ipywidgets.Button(description="Guided round", icon="list")
        self.undo_button = ipywidgets.Button(description="Undo take", icon="undo")
        self.bar = ipywidgets.FloatProgress(max=1, layout={"width": "200px", "display": "none"})
        self.status = ipywidgets.HTML(
            f"Nothing is recorded unless the button is pressed in. Images lie in {_safe(folder)}"
        )
        self._bell = ipywidgets.Audio(
            value=_beep(), format="wav", autoplay=True, controls=False, layout={"display": "none"}
        )
        self._bells = ipywidgets.HBox()
        self.hold_button.observe(lambda change: self._press(change["new"]), "value")
        self.guide_button.on_click(lambda _: self.guide())
        self.undo_button.on_click(lambda _: self.undo())
        row = [self.who, self.expression, self.hold_button, self.guide_button, self.undo_button]
        self.widget = ipywidgets.VBox(
            [
                ipywidgets.HBox(row, layout={"flex_flow": "wrap"}),
                ipywidgets.HBox([self.bar, self.status, self._bells]),
            ]
        )

    def guide(self) -> None:
        """Lead through the classes, neutral first; "Guided round" does this."""
        recorder = self._ready()
        if recorder:
            self.hold_button.value = False
            classes = sorted(self._classes, key=lambda name: name != "neutral")
            self._round = GuidedRound(recorder, classes, self._announce)
            self.bar.layout.display = None
            self._tell("The round begins with the next frame.")

    def undo(self) -> None:
        """Remove the last take; "Undo take" does this."""
        recorder = self._ready()
        if recorder:
            self.hold_button.value, self._round = False, None
            self._tell(f"Removed: {recorder.undo() or 'nothing, there is no take'}.")

    def write(self, reading: Reading) -> None:
        """A sink's part."""
        if self._recorder is None:
            return
        if self._round is not None:
            self._round.write(reading)
            self.bar.value = self._round.done
            if self._round.done >= 1:
                self._end_round()
        recording, before = self._recorder.held, self._recorder.images
        self._recorder.write(reading)
        if self._recorder.images > before:  # counting reads a file, which no frame waits for
            self._tell(f"Recording {recording}.")

    def close(self, complete: bool) -> None:
        """A sink's part: the run's end lets go of the button."""
        self.hold_button.value = False
        self._end_round()
        if self._recorder is not None:
            self._recorder.release()
            self._tell("Not recording.")

    def _press(self, down: bool) -> None:
        if not down:
            if self._recorder is not None:
                self._recorder.release()
                self._tell("Not recording.")
            return
        recorder = self._ready()
        try:
            if recorder:
                self._end_round()
                recorder.hold(self.expression.value)
                self._tell(f"Recording {recorder.held}.")
        except ValueError as error:
            recorder = self._complain(error)
        if not recorder:
            self.hold_button.value = False

    def _ready(self) -> TakeRecorder | None:
        """The recorder of whoever is named; None, with the reason shown, where nobody is."""
        if self._recorder is None or self._recorder.subject != self.who.value.strip():
            try:
                if self._recorder is not None:
                    self._recorder.release()
                self._recorder = TakeRecorder(self._folder, self.who.value, self._margin)
            except ValueError as error:
                return self._complain(error)
        return self._recorder

    def _end_round(self) -> None:
        self._round, self.bar.layout.display = None, "none"

    def _announce(self, text: str) -> None:
        self._bells.children = []  # an Audio that appears anew plays anew
        self._bells.children = [self._bell]
        self._tell(text)

    def _complain(self, error: ValueError) -> None:
        self.status.value = _safe(error)

    def _tell(self, text: str) -> None:
        counts = self._recorder.counts().items()
        kept = ", ".join(f"{name} {count}" for name, count in counts) or "nothing yet"
        self.status.value = _safe(
            f"{text} {self._folder} holds of {self._recorder.subject}: {kept}"
        )


def _safe(text) -> str:
    return html.escape(str(text), quote=False)


def _beep() -> bytes:
    """A short tone of 880 Hz as a WAV file."""
    times = np.arange(1200) / 8000
    tone = (8000 * np.sin(2 * np.pi * 880 * times) * np.hanning(len(times))).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(tone.tobytes())
    return file.getvalue()
