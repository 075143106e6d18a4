"""Where frames come from: a `VideoFile`, images, any iterable, or a `LiveCamera`.

`open_source` finds the one that fits what was given; `frames` says what all of them share.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from numbers import Integral
from pathlib import Path

from PIL import Image

from utils.config import IMAGE_SUFFIXES
from utils.live.addresses import has_an_end, is_address
from utils.live.camera import LiveCamera
from utils.live.frames import FrameSource, TimedFrame
from utils.live.video_file import VideoFile
from utils.vision.image_kinds import FORMATS, HEAD_BYTES, image_kind, images_in, is_image_file
from utils.vision.images import ImageError, open_image
from utils.vision.opencv import cv2

_ANIMATED = ("GIF", "WEBP", "TIFF")
_SELDOM = ("AVIF", "PNG")  # of which nearly all hold a single frame


class ImageSequence(FrameSource):
    """Images as BGR frames: a folder in natural order (2 before 10), or a list of paths.

    Args:
        images: folder or paths. What `utils.vision.images.open_image` refuses is skipped and told.
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
            others = len(_shown(folder)) - len(paths) if paths else 0
            if others:
                say(f"{images}: {others} files or folders are left out that are no images.")
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


class AnimatedImage(FrameSource):
    """The frames of a GIF, an animated WebP, PNG or AVIF, or a TIFF's pages, as a video's.

    Args:
        path: an image file. Frames that cannot be read are left out with a message.
        say: where messages go.

    Raises (on entering):
        FileNotFoundError: no such file.
        ValueError: it is no image.
    """

    def __init__(self, path: str | Path, say: Callable[[str], None] = print):
        self.path, self._say = _expanded(path), say
        super().__init__(name=self.path.name)

    def __enter__(self):
        try:
            self._image = Image.open(self.path, formats=_ANIMATED + _SELDOM)
            self.length = self._image.n_frames
        except FileNotFoundError:
            raise
        except Exception as error:  # decoders raise almost anything on damaged data
            raise ValueError(f"{self.name} cannot be read as an image: {error}") from error
        return self

    def __exit__(self, *error) -> None:
        self._image.close()

    def __iter__(self) -> Iterator[TimedFrame]:
        seconds = 0.0
        for number in range(self.length):
            try:
                self._image.seek(number)
                frame = open_image(self._image)
            except Exception as error:
                left = self.length - number
                self._say(f"{self.name}: {left} of {self.length} frames cannot be read: {error}")
                return
            yield seconds, cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR) if frame.ndim == 2 else frame
            # Browsers, too, take a tenth of a second for one that is too short to be meant.
            told = self._image.info.get("duration", 0) / 1000
            seconds += told if told > 0.01 else 0.1


def is_animation(path: str | Path) -> bool:
    """Whether an image may hold several frames or pages; of a PNG and an AVIF, whether it does."""
    try:
        with open(_expanded(path), "rb") as file:
            kind = image_kind(file.read(HEAD_BYTES))
            if kind not in _SELDOM:
                return kind in _ANIMATED
            file.seek(0)
            return Image.open(file, formats=(kind,)).n_frames > 1
    except Exception:  # decoders raise almost anything on damaged data; whoever reads it tells
        return False


def is_still(source, sequence: bool = False) -> bool:
    """Whether a source is an image; with ``sequence`` one of several frames is a film."""
    if not isinstance(source, str | Path) or is_address(source):
        return False
    path = _expanded(source)
    image = path.suffix.lower() in IMAGE_SUFFIXES  # whoever opens it tells why it is none
    if not image:
        with suppress(OSError):
            image = is_image_file(path)
    return image and not (sequence and is_animation(path))


def open_source(source, say: Callable[[str], None] = print, **part) -> FrameSource:
    """The source that fits what was given.

    Args:
        source: a source; a camera's index (3 or "3"); a stream's URL; the path or
            http(s):// URL of a video file; the path of an animated image, of a folder of
            images, or a list of paths of images; an iterable of (seconds, frame).
        say: where the source's messages go.
        **part: ``start``, ``end`` and ``every`` of a `VideoFile`.

    Raises:
        FileNotFoundError: a path that leads nowhere.
        TypeError: none of these.
        ValueError: an empty text; a part of what is no video file.
    """
    opened = _opened(source, say, part)
    if part and not isinstance(opened, VideoFile):
        raise ValueError(
            f"Only a video file can be read in part or with gaps. Received: {opened.name}"
        )
    return opened


def _opened(source, say: Callable[[str], None], part: dict) -> FrameSource:
    if isinstance(source, FrameSource):
        return source
    if isinstance(source, Integral) or (isinstance(source, str) and source.isdecimal()):
        return LiveCamera(int(source), say=say)
    if is_address(source):
        return VideoFile(source, say, **part) if has_an_end(source) else LiveCamera(source, say=say)
    if isinstance(source, str) and not source.strip():
        raise ValueError("The source is empty. Give a camera's index, a URL or a path.")
    if isinstance(source, str | Path):
        path = _expanded(source)
        if path.is_dir():
            return ImageSequence(path, say=say)
        if not path.is_file() or not is_image_file(path):
            return VideoFile(path, say, **part)
        return AnimatedImage(path, say) if is_animation(path) else ImageSequence([path], say=say)
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


def _shown(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if not name.startswith(".")]


def _natural(path: Path) -> list:
    parts = re.split(r"(\d+)", path.name.lower())
    return [int(part) if part.isdigit() else part for part in parts]
