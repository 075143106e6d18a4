"""Where readings go: an annotated video, a CSV file, a window, a notebook."""

import csv
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from utils.files import check_writable, free_path
from utils.live.results import Reading, table_columns
from utils.vision.opencv import cv2


class DisplayUnavailable(OSError):
    """No window can be opened here. The text says what to do instead."""


class Sink:
    """What every sink has; one of your own overrides what it needs.

    Attributes:
        files: every file that it may write, so that none of them is a source.
    """

    files: Sequence[Path] = ()

    def begin(self, columns: Sequence[str]) -> None:
        """Called before the first frame, with the table's columns: what cannot be written is
        told before anything was read."""

    def write(self, reading: Reading) -> bool | None:
        """Called once for each frame; returns False to ask for the end of the run."""
        raise NotImplementedError

    def close(self, complete: bool) -> Path | None:
        """Called exactly once a run, whatever happened; then the sink may take another run.

        Args:
            complete: False when the run was cut short.

        Returns:
            The file that holds what there is, if its name is another than was given.
        """


class VideoSink(Sink):
    """The annotated frames as an mp4 file.

    While it is written, ``NAME.recording.mkv`` grows beside it: a Matroska file can
    be played even if the process is killed, an mp4 cannot. At the end the mp4 takes
    its name and the recording is removed. A run that was cut short is kept as
    ``NAME.interrupted.mp4``. Where an earlier run left a file of one of these names, it
    stays, and the new one is ``NAME.recording-2.mkv`` or ``NAME.interrupted-2.mp4``, ….

    The clip keeps the source's time: a frame is repeated or left out where the
    source was slower or faster than ``fps``, but a gap never lasts over 2 seconds.

    Args:
        path: the mp4 file; an old one, of this sink's last run too, is replaced when the
            run is complete.
        fps: frames a second of the clip; by default those of the source, or 25.

    Attributes:
        recording: the file that can be played while, and if, the run does not end by itself.

    Raises:
        ValueError: the name does not end in .mp4.
        OSError: the file cannot be written.
    """

    def __init__(self, path: str | Path, fps: float | None = None):
        self.path, self.fps = Path(path), fps
        if self.path.suffix.lower() != ".mp4":
            raise ValueError(f"The annotated video must be named *.mp4. Received: {self.path}")
        self.recording = self.path.with_suffix(".recording.mkv")
        self._unfinished = self.path.with_suffix(".unfinished.mp4")
        self._interrupted = self.path.with_suffix(".interrupted.mp4")
        self.files = (self.path, self.recording, self._unfinished, self._interrupted)
        self._writers: list = []
        self._size = (0, 0)
        self._rate = 0.0  # the clip's frames a second in this run
        self._next = None  # number of the clip's next frame, in units of 1 / rate

    def begin(self, columns: Sequence[str]) -> None:
        check_writable(self.path)

    def write(self, reading) -> None:
        image = reading.annotated
        if not self._writers:
            self._rate = self.fps or reading.source_fps or 25.0
            self._open(image.shape[1], image.shape[0])
        if (image.shape[1], image.shape[0]) != self._size:
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        due = round(reading.seconds * self._rate)
        if self._next is None or due - self._next > 2 * self._rate:
            self._next = due
        for _ in range(due - self._next + 1):
            for writer in self._writers:
                writer.write(image)
        self._next = max(self._next, due + 1)

    def close(self, complete: bool) -> Path | None:
        writers, self._writers, self._next = self._writers, [], None
        if not writers:
            return None
        for writer in writers:
            writer.release()
        # OpenCV hides write errors.
        if not cv2.VideoCapture(os.path.abspath(self._unfinished)).isOpened():
            raise OSError(
                f"The video {self.path} could not be finished; is the disk full? What was "
                f"recorded is in {self.recording}."
            )
        name = self.path if complete else free_path(self._interrupted)
        os.replace(self._unfinished, name)
        self.recording.unlink(missing_ok=True)
        return None if complete else name

    def _open(self, width: int, height: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._size = width, height
        self.recording = free_path(self.path.with_suffix(".recording.mkv"))
        code = cv2.VideoWriter_fourcc(*"mp4v")
        for path in (self._unfinished, self.recording):
            # FFmpeg would take the colon of a relative name for the end of a protocol.
            name = os.path.abspath(path)
            writer = cv2.VideoWriter(name, cv2.CAP_FFMPEG, code, self._rate, self._size)
            self._writers.append(writer)
            if not writer.isOpened():
                for opened in self._writers:
                    opened.release()
                self._writers = []
                raise OSError(
                    f"The video {path} cannot be written ({width}×{height} at {self._rate:g} "
                    "frames a second). Check that its folder is writable and the disk not full."
                )


class CsvSink(Sink):
    """The table as a CSV file, one row for each face, on the disk after every frame.

    Args:
        path: the file; an old one, of this sink's last run too, is overwritten when a run
            begins, as rows must be readable at once.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.files = (self.path,)
        self._file = None

    def begin(self, columns: Sequence[str]) -> None:
        """Write the head of the table, the names of the columns.

        Raises:
            OSError: the file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", newline="", encoding="utf-8")
            self._rows = csv.writer(self._file)
            self._rows.writerow(columns)
            self._file.flush()
        except OSError as error:
            with suppress(OSError):
                self.close(complete=False)
            raise OSError(
                f"The table {self.path} cannot be written: {error.strerror or error}. Name a file "
                "in a folder that you may write to."
            ) from error

    def write(self, reading) -> None:
        if self._file is None:
            self.begin(table_columns(reading.class_names))
        self._rows.writerows(reading.rows)
        self._file.flush()

    def close(self, complete: bool) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


class WindowSink(Sink):
    """An OpenCV window. SPACE holds the frame and its probabilities, and lets go; Q quits.

    Raises:
        DisplayUnavailable: there is no screen, or this OpenCV has no windows.
    """

    def __init__(self, title: str = "Facial expressions (SPACE: hold, Q: quit)"):
        self.title = title
        self._shown = False
        screens = ("DISPLAY", "WAYLAND_DISPLAY")
        # Without a screen Qt would abort the whole process instead of raising an error.
        if sys.platform.startswith("linux") and not any(map(os.environ.get, screens)):
            raise DisplayUnavailable(
                "There is no screen here (DISPLAY is not set), so no window can be opened. Use "
                "the notebook's display, or write a video file."
            )

    def write(self, reading) -> bool:
        try:
            cv2.imshow(self.title, reading.annotated)
        except cv2.error as error:
            raise DisplayUnavailable(
                "This OpenCV cannot open windows (opencv-python-headless?). Use the notebook's "
                "display, or write a video file."
            ) from error
        self._shown = True
        key = cv2.waitKey(1) & 0xFF
        if key == ord(" "):
            print(reading.text())
            key = 255
            while key not in (ord(" "), ord("q"), ord("Q")) and self._open():
                key = cv2.waitKey(30) & 0xFF
        return key not in (ord("q"), ord("Q")) and self._open()

    def close(self, complete: bool) -> None:
        if self._shown:
            cv2.destroyAllWindows()

    def _open(self) -> bool:
        return cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) >= 1


class NotebookSink(Sink):
    """One image in a notebook that is exchanged in place, so that it does not flicker.

    It has its own size, but is never wider than the cell nor higher than most of the window,
    and is hidden until there is one.

    Args:
        width: greatest width of the image sent to the browser, in pixels.
        fps: most images a second, so that no browser is flooded; of a slower source every
            frame is shown, also where frames come somewhat early or late.

    Attributes:
        widget: the `ipywidgets.Image` to display; its ``value`` holds JPEG bytes.
    """

    def __init__(self, width: int = 800, fps: float = 60.0):
        import ipywidgets  # only notebooks have it

        fitting = {"max_width": "100%", "max_height": "66vh", "object_fit": "contain"}
        self.widget = ipywidgets.Image(format="jpeg", layout={**fitting, "display": "none"})
        self.width, self.fps = width, fps
        self._due = -float("inf")  # when the next image may be shown
        self._reading = None

    def write(self, reading) -> None:
        self._reading = reading
        now, period = time.monotonic(), 1 / self.fps
        if now >= self._due - period / 2:
            self._due = max(self._due, now) + period
            self._show()

    def close(self, complete: bool) -> None:
        if self._reading is not None:
            self._show()  # whatever came last stays on the page

    def _show(self) -> None:
        image, self._reading = self._reading.annotated, None
        if image.shape[1] > self.width:
            height = max(1, round(image.shape[0] * self.width / image.shape[1]))
            image = cv2.resize(image, (self.width, height), interpolation=cv2.INTER_AREA)
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
        self.widget.value = encoded.tobytes()
        self.widget.layout.display = None  # no longer hidden
