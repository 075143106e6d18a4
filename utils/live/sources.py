"""Where frames come from: a video, a folder of images, any iterable, or a `LiveCamera`.

`open_source` finds the one that fits what was given; `frames` says what all of them share.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from numbers import Integral
from pathlib import Path

from utils.live.addresses import has_an_end, is_address, open_device, safe_address
from utils.live.camera import LiveCamera
from utils.live.frames import FrameSource, TimedFrame
from utils.vision.image_kinds import FORMATS, images_in
from utils.vision.images import ImageError, open_image
from utils.vision.opencv import cv2


class VideoFile(FrameSource):
    """Every frame of a video file, with its own time stamp.

    Args:
        path: a file that OpenCV's FFmpeg reads, or the http(s):// URL of one.
        say: where messages go.

    Raises (on entering):
        FileNotFoundError: no such file.
        ValueError: the file is no video, or its codec is unknown.
    """

    def __init__(self, path: str | Path, say: Callable[[str], None] = print):
        self._address = path if is_address(path) else None
        self.path, self._say = _expanded(path), say
        super().__init__(name=safe_address(path) if self._address else self.path.name)

    def __enter__(self):
        if self._address:
            self._capture = open_device(self._address)
        elif self.path.is_file():
            # FFmpeg takes what stands before a colon for a protocol, unless the path is absolute.
            self._capture = cv2.VideoCapture(os.path.abspath(self.path))
        else:
            raise FileNotFoundError(f"There is no video file {self.path}. Check the path.")
        if not self._capture.isOpened():
            self._capture.release()
            raise ValueError(
                f"{self.name} cannot be read as a video: it is damaged, or of a kind that OpenCV "
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
                        f"{self.name} ended after {count} of {self.length} frames: the rest cannot "
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


class ImageSequence(FrameSource):
    """Images as BGR frames: a folder in natural order (2 before 10), or a list of paths.

    Args:
        images: folder or paths. An image that `utils.vision.images.open_image` refuses is
            skipped with a message.
        fps: frames a second that the images stand for.
        say: where messages go.

    Raises:
        FileNotFoundError: no such folder, or no image in it.
    """

    def __init__(
        self,
        images: str | Path | Sequence[str | Path],
        fps: float = 25.0,
        say: Callable[[str], None] = print,
    ):
        if isinstance(images, str | Path):
            folder = _expanded(images)
            paths = sorted(images_in(folder) if folder.is_dir() else (), key=_natural)
            name = folder.name
        else:
            paths, name = [_expanded(path) for path in images], "images"
        if not paths:
            raise FileNotFoundError(
                f"There are no images in {images}; expected a folder with files of the "
                f"kinds {', '.join(FORMATS)}."
            )
        super().__init__(name=name, fps=fps)
        self.paths, self._say, self.length = paths, say, len(paths)

    def __iter__(self) -> Iterator[TimedFrame]:
        for number, path in enumerate(self.paths):
            try:
                frame = open_image(path)
            except (OSError, ImageError) as error:
                self._say(f"{path} is skipped: {error}")
                continue
            if frame.ndim == 2:
                frame = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)
            yield number / self.fps, frame


def open_source(source, say: Callable[[str], None] = print) -> FrameSource:
    """The source that fits what was given.

    Args:
        source: a source; a camera's index (3 or "3"); a stream's URL; the path or
            http(s):// URL of a video file; the path of a folder of images, or a list of
            paths of images; an iterable of (seconds, frame).
        say: where the source's messages go.

    Raises:
        FileNotFoundError: a path that leads nowhere.
        TypeError: none of these.
        ValueError: an empty text.
    """
    if isinstance(source, FrameSource):
        return source
    if isinstance(source, Integral) or (isinstance(source, str) and source.isdecimal()):
        return LiveCamera(int(source), say=say)
    if is_address(source):
        return VideoFile(source, say) if has_an_end(source) else LiveCamera(source, say=say)
    if isinstance(source, str) and not source.strip():
        raise ValueError("The source is empty. Give a camera's index, a URL or a path.")
    if isinstance(source, str | Path):
        kind = ImageSequence if _expanded(source).is_dir() else VideoFile
        return kind(source, say=say)
    if isinstance(source, list | tuple) and source and isinstance(source[0], str | Path):
        return ImageSequence(source, say=say)
    if isinstance(source, Iterable):
        return FrameSource(source)
    raise TypeError(
        "A source is a camera's index, a stream's URL, the path of a video or of a folder of "
        f"images, or an iterable of (seconds, frame). Received: {source!r}"
    )


def _expanded(path: str | Path) -> Path:
    return Path(os.path.expanduser(path))


def _natural(path: Path) -> list:
    parts = re.split(r"(\d+)", path.name.lower())
    return [int(part) if part.isdigit() else part for part in parts]
