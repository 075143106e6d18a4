"""Where readings go: an annotated video, a CSV file, a window, a notebook.

A sink has ``write(reading)``, called once for each frame, which returns False to
ask for the end of the run, and ``close(complete)``, called exactly once, whatever
happened; ``complete`` is False when the run was cut short. A reading is a
`utils.reader.Reading`; its ``picture`` (uint8 BGR) is drawn when first asked for.
"""

import csv
import os
import sys
import time
from pathlib import Path

from utils.opencv import cv2


class DisplayUnavailable(OSError):
    """No window can be opened here. The text says what to do instead."""


class VideoSink:
    """The annotated frames as an mp4 file.

    While it is written, ``NAME.recording.mkv`` grows beside it: a Matroska file can
    be played even if the process is killed, an mp4 cannot. At the end the mp4 takes
    its name and the recording is removed. A run that was cut short is kept as
    ``NAME.interrupted.mp4``.

    The clip keeps the source's time: a frame is repeated or left out where the
    source was slower or faster than ``fps``, but a gap never lasts over 2 seconds.

    Args:
        path: the mp4 file; an old one is replaced when the run is complete.
        fps: frames a second of the clip; by default those of the source, or 25.

    Raises:
        ValueError: the name does not end in .mp4.
        OSError: the file cannot be written.
    """

    def __init__(self, path: str | Path, fps: float | None = None):
        self.path, self.fps = Path(path), fps
        if self.path.suffix.lower() != ".mp4":
            raise ValueError(f"The annotated video must be named *.mp4. Received: {self.path}")
        self._writers: list = []
        self._size = (0, 0)
        self._next = None  # number of the clip's next frame, in units of 1 / fps

    @property
    def recording(self) -> Path:
        """The file that can be played while, and if, the run does not end by itself."""
        return self.path.with_suffix(".recording.mkv")

    @property
    def _unfinished(self) -> Path:
        return self.path.with_suffix(".unfinished.mp4")

    def write(self, reading) -> None:
        picture = reading.picture
        if not self._writers:
            self.fps = self.fps or reading.source_fps or 25.0
            self._open(picture.shape[1], picture.shape[0])
        if (picture.shape[1], picture.shape[0]) != self._size:
            picture = cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA)
        due = round(reading.seconds * self.fps)
        if self._next is None or due - self._next > 2 * self.fps:
            self._next = due
        for _ in range(due - self._next + 1):
            for writer in self._writers:
                writer.write(picture)
        self._next = max(self._next, due + 1)

    def close(self, complete: bool) -> None:
        if not self._writers:
            return
        for writer in self._writers:
            writer.release()
        self._writers = []
        if not cv2.VideoCapture(str(self._unfinished)).isOpened():  # OpenCV hides write errors
            raise OSError(
                f"The video {self.path} could not be finished; is the disk full? What was "
                f"recorded is in {self.recording}."
            )
        name = self.path if complete else self.path.with_suffix(".interrupted.mp4")
        os.replace(self._unfinished, name)
        self.recording.unlink(missing_ok=True)

    def _open(self, width: int, height: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._size = width, height
        code = cv2.VideoWriter_fourcc(*"mp4v")
        for path in (self._unfinished, self.recording):
            writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, self.fps, self._size)
            self._writers.append(writer)
            if not writer.isOpened():
                for opened in self._writers:
                    opened.release()
                self._writers = []
                raise OSError(
                    f"The video {path} cannot be written ({width}×{height} at {self.fps:g} frames "
                    "a second). Check that its folder is writable and the disk not full."
                )


class CsvSink:
    """The table as a CSV file, one row for each face, on the disk after every frame.

    Args:
        path: the file; an old one is overwritten, as rows must be readable at once.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._file = None

    def write(self, reading) -> None:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", newline="", encoding="utf-8")
            self._rows = csv.writer(self._file)
            self._rows.writerow(reading.columns)
        self._rows.writerows(reading.rows())
        self._file.flush()

    def close(self, complete: bool) -> None:
        if self._file is not None:
            self._file.close()


class WindowSink:
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
            cv2.imshow(self.title, reading.picture)
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


class NotebookSink:
    """One picture in a notebook that is exchanged in place, so that it does not flicker.

    Args:
        width: greatest width of the picture sent to the browser, in pixels.
        fps: most pictures a second; the browser need not get every frame.

    Attributes:
        widget: the `ipywidgets.Image` to display; its ``value`` holds JPEG bytes.
    """

    def __init__(self, width: int = 800, fps: float = 25.0):
        import ipywidgets  # only notebooks have it

        self.widget = ipywidgets.Image(format="jpeg")
        self.width, self.fps = width, fps
        self._last = -float("inf")
        self._reading = None

    def write(self, reading) -> None:
        self._reading = reading
        if time.monotonic() - self._last >= 1 / self.fps:
            self._show()

    def close(self, complete: bool) -> None:
        if self._reading is not None:
            self._show()  # whatever came last stays on the page

    def _show(self) -> None:
        picture, self._reading = self._reading.picture, None
        if picture.shape[1] > self.width:
            height = max(1, round(picture.shape[0] * self.width / picture.shape[1]))
            picture = cv2.resize(picture, (self.width, height), interpolation=cv2.INTER_AREA)
        encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
        self.widget.value = encoded.tobytes()
        self._last = time.monotonic()
