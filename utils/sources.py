"""Where frames come from: a video file, pictures, any iterable, or a `LiveCamera`.

A source is a context manager and is iterated over once, giving (seconds, frame):
seconds since the first frame as a float, and a uint8 frame, (height, width, 3) in
BGR or (height, width) grey, 0–255. Leaving the ``with`` block releases the device,
whatever happened inside. Each source has

- ``name``: what the table calls it,
- ``fps``: frames a second as far as it knows, else None,
- ``length``: number of frames if known beforehand, else None,
- ``stop``: an event that, once set, ends the frames early; None until someone needs one.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from threading import Event

import numpy as np

from utils.camera import LiveCamera
from utils.config import PICTURE_SUFFIXES
from utils.opencv import cv2

TimedFrame = tuple[float, np.ndarray]


class FrameSource:
    """What all sources share; on its own, any iterable of (seconds, frame).

    Args:
        frames: gives (seconds, frame), seconds never decreasing.
        name: what the table calls it.
        fps: frames a second, if known.
    """

    def __init__(
        self, frames: Iterable[TimedFrame] = (), name: str = "frames", fps: float | None = None
    ):
        self._frames = frames
        self.name, self.fps = name, fps
        self.length = len(frames) if hasattr(frames, "__len__") else None
        self.stop: Event | None = None

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        close = getattr(self._frames, "close", None)  # a generator's own clean-up
        if close is not None:
            close()

    def __iter__(self) -> Iterator[TimedFrame]:
        return iter(self._frames)


class VideoFile(FrameSource):
    """Every frame of a video file, with its own time stamp.

    Args:
        path: a file that OpenCV's FFmpeg reads.
        say: where messages go.

    Raises (on entering):
        FileNotFoundError: no such file.
        ValueError: the file is no video, or its codec is unknown.
    """

    def __init__(self, path: str | Path, say: Callable[[str], None] = print):
        self.path, self._say = Path(path), say
        super().__init__(name=self.path.name)

    def __enter__(self):
        if not self.path.is_file():
            raise FileNotFoundError(f"There is no video file {self.path}. Check the path.")
        self._capture = cv2.VideoCapture(str(self.path))
        if not self._capture.isOpened():
            self._capture.release()
            raise ValueError(
                f"{self.path} cannot be read as a video: it is damaged, or of a kind that OpenCV "
                "does not know. Convert it to mp4 (H.264) and try again."
            )
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps < 1000 else None
        length = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.length = int(length) if 0 < length < 1e9 else None
        return self

    def __exit__(self, *error) -> None:
        self._capture.release()

    def __iter__(self) -> Iterator[TimedFrame]:
        period, last, start, count = 1 / (self.fps or 25), None, 0.0, 0
        while True:
            there, frame = self._capture.read()
            if not there:
                if self.length and count < 0.98 * self.length:
                    self._say(
                        f"{self.path} ended after {count} of {self.length} frames: the rest cannot "
                        "be read."
                    )
                return
            count += 1
            seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if last is None:
                start = seconds
            seconds -= start
            if last is not None and not seconds > last:  # some containers carry no time stamps
                seconds = last + period
            last = seconds
            yield seconds, frame


class PictureSequence(FrameSource):
    """Pictures as frames: a folder in natural order (2 before 10), or a list of paths.

    Args:
        pictures: folder or paths. A picture that cannot be read is skipped with a message.
        fps: frames a second that the pictures stand for.
        say: where messages go.

    Raises:
        FileNotFoundError: no such folder, or no picture in it.
    """

    def __init__(
        self,
        pictures: str | Path | Sequence[str | Path],
        fps: float = 25.0,
        say: Callable[[str], None] = print,
    ):
        if isinstance(pictures, str | Path):
            folder = Path(pictures)
            found = folder.iterdir() if folder.is_dir() else ()
            paths = [path for path in found if path.suffix.lower() in PICTURE_SUFFIXES]
            paths = sorted((path for path in paths if path.name[0] != "."), key=_natural)
            name = folder.name
        else:
            paths, name = [Path(path) for path in pictures], "pictures"
        if not paths:
            raise FileNotFoundError(
                f"There are no pictures in {pictures}; expected a folder with files such as "
                f"{', '.join(PICTURE_SUFFIXES)}."
            )
        super().__init__(name=name, fps=fps)
        self._paths, self._say, self.length = paths, say, len(paths)

    def __iter__(self) -> Iterator[TimedFrame]:
        for number, path in enumerate(self._paths):
            frame = cv2.imread(str(path))
            if frame is None:
                self._say(f"{path} is missing or cannot be read as a picture; skipped.")
                continue
            yield number / self.fps, frame


def open_source(source, say: Callable[[str], None] = print) -> FrameSource | LiveCamera:
    """The source that fits what was given.

    Args:
        source: a source; a camera's index (3 or "3"); a stream's URL; the path
            of a video file or of a folder of pictures; an iterable of (seconds, frame).
        say: where the source's messages go.

    Raises:
        FileNotFoundError: a path that leads nowhere.
        TypeError: none of these.
    """
    if isinstance(source, FrameSource | LiveCamera):
        return source
    if isinstance(source, int) or (isinstance(source, str) and source.isdigit()):
        return LiveCamera(int(source), say=say)
    if isinstance(source, str) and re.match(r"(rtsps?|rtmp|https?|udp|tcp)://", source):
        return LiveCamera(source, say=say)
    if isinstance(source, str | Path):
        kind = PictureSequence if Path(source).is_dir() else VideoFile
        return kind(source, say=say)
    if isinstance(source, Iterable):
        return FrameSource(source)
    raise TypeError(
        "A source is a camera's index, a stream's URL, the path of a video or of a folder of "
        f"pictures, or an iterable of (seconds, frame). Received: {source!r}"
    )


def _natural(path: Path) -> list:
    parts = re.split(r"(\d+)", path.name.lower())
    return [int(part) if part.isdigit() else part for part in parts]
