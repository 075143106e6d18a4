"""Where readings go: an annotated video, a CSV file, a window, a notebook."""

import csv
import io
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from utils.files import check_writable, free_path
from utils.live.overlay import draw_faces
from utils.live.results import Reading
from utils.vision.opencv import cv2
from utils.vision.video_writer import Mp4Writer


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
    """The annotated frames as an mp4 file that browsers and phones play, in the source's time.

    While it is written it is called ``NAME.unfinished.mp4`` (``NAME.unfinished-2.mp4``, … where an
    earlier run left one) and can be played: a kill at any moment loses its last frame. At the end
    it takes its name; that of a run that was cut short stays unfinished.

    Args:
        path: the mp4 file; an old one is replaced when the run is complete.
        side: the longer side, in pixels, to which larger frames are scaled down.

    Raises:
        ValueError: the name does not end in .mp4.
        OSError: the file cannot be written.
    """

    def __init__(self, path: str | Path, side: int = 4096):
        self.path, self._side = Path(path), side
        if self.path.suffix.lower() != ".mp4":
            raise ValueError(f"The annotated video must be named *.mp4. Received: {self.path}")
        self._unfinished = self.path.with_suffix(".unfinished.mp4")
        self.files = (self.path, self._unfinished)
        self._writer, self._start = None, 0.0

    def begin(self, columns: Sequence[str]) -> None:
        check_writable(self.path)

    def write(self, reading) -> None:
        # Without the loop's frames a second, which say nothing to those who watch later.
        image = draw_faces(reading.image, reading.faces, reading.class_names)
        try:
            if self._writer is None:
                size, self._start = image.shape[1::-1], reading.seconds
                self._kept = free_path(self._unfinished)
                self._writer = Mp4Writer(self._kept, size, reading.source_fps or 25.0, self._side)
            self._writer.write(reading.seconds - self._start, image)
        except OSError as error:
            writer, self._writer = self._writer, None
            with suppress(OSError):
                if writer is not None:
                    writer.close()
            raise self._failure("cannot be written", error) from error

    def close(self, complete: bool) -> Path | None:
        writer, self._writer = self._writer, None
        if writer is None:
            return None
        try:
            writer.close()
            if complete:
                os.replace(self._kept, self.path)
        except OSError as error:
            raise self._failure("could not be finished", error) from error
        return None if complete else self._kept

    def _failure(self, what: str, error: OSError) -> OSError:
        kept = f" What was recorded is in {self._kept}." if self._kept.exists() else ""
        return OSError(f"The video {self.path} {what}: {error.strerror or error}.{kept}")


class FileSink(Sink):
    """A sink of one file."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.files = (self.path,)
        self._file = None


class CsvSink(FileSink):
    """The table as a CSV file, one row for each face, on the disk after every frame.

    The rows of a frame are written in one step; of a part, for which alone a disk had room, none
    stays.

    Args:
        path: the file; an old one is overwritten by the first frame, as rows are readable at once,
            or by a complete run that had none.
    """

    def begin(self, columns: Sequence[str]) -> None:
        """Write the names of the columns, where no old rows are; OSError: it cannot be written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file, self._size = self.path.open("ab", buffering=0), 0
        except OSError as error:
            raise self._failure(error, "Name a file in a folder that you may write to.") from error
        self._columns = columns
        self._old = self.path.is_file() and self.path.stat().st_size > 0
        if self._old:
            return
        try:
            self._append([columns], self._file)
        except OSError:
            with suppress(OSError):
                self.close(complete=False)
            raise

    def write(self, reading) -> None:
        self._replace_old(self._file)
        self._append(reading.rows, self._file)

    def close(self, complete: bool) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        with file:
            if complete:
                self._replace_old(file)
            there = self.path.exists() and os.path.samestat(
                os.fstat(file.fileno()), self.path.stat()
            )
        if not there:
            raise OSError(f"The table {self.path} is lost: it was removed while it was written.")

    def _replace_old(self, file) -> None:
        if self._old:
            file.truncate(0)
            self._old = False
            self._append([self._columns], file)

    def _append(self, rows: Sequence[Sequence], file) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        # A file's name may hold bytes that are no text.
        data = text.getvalue().encode("utf-8", "backslashreplace")
        try:
            left = memoryview(data)
            while left:
                left = left[file.write(left) :]
        except OSError as error:
            with suppress(OSError):  # of a device
                file.truncate(self._size)
            raise self._failure(error, "The rows before are kept.") from error
        self._size += len(data)

    def _failure(self, error: OSError, advice: str) -> OSError:
        return OSError(
            f"The table {self.path} cannot be written: {error.strerror or error}. {advice}"
        )


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

    It has its own size, but is never wider than the cell nor higher than most of the window, and is
    hidden until there is one.

    Args:
        width: greatest width of the image sent to the browser, in pixels.
        fps: most images a second, so that no browser is flooded; of a slower source every frame is
            shown, also where frames come somewhat early or late.

    Attributes:
        widget: the `ipywidgets.Image` to display; its ``value`` holds JPEG bytes.
        newest: the newest reading, shown or not; None before the first.
    """

    def __init__(self, width: int = 800, fps: float = 60.0):
        import ipywidgets  # only notebooks have it

        fitting = {"max_width": "100%", "max_height": "66vh", "object_fit": "contain"}
        self.widget = ipywidgets.Image(format="jpeg", layout={**fitting, "display": "none"})
        self.width, self.fps = width, fps
        self._due = -float("inf")  # when the next image may be shown
        self.newest, self._waits = None, False

    def write(self, reading) -> None:
        self.newest, self._waits = reading, True
        now, period = time.monotonic(), 1 / self.fps
        if now >= self._due - period / 2:
            self._due = max(self._due, now) + period
            self._show()

    def close(self, complete: bool) -> None:
        if self._waits:
            self._show()  # whatever came last stays on the page

    def _show(self) -> None:
        image, self._waits = self.newest.annotated, False
        if image.shape[1] > self.width:
            height = max(1, round(image.shape[0] * self.width / image.shape[1]))
            image = cv2.resize(image, (self.width, height), interpolation=cv2.INTER_AREA)
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
        self.widget.value = encoded.tobytes()
        self.widget.layout.display = None  # no longer hidden
