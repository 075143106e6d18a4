"""Reading pictures: a data set's files fast, anybody's pictures safely.

`read_picture` is for data sets, whose files the importer has looked through: some
thirty thousand an epoch, so OpenCV decodes them. `open_picture` is for everything
else a person may hand over; on complete, opaque 8-bit files both give the same pixels.
"""

import io
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from utils.vision.opencv import cv2

MAX_PIXELS = 64_000_000  # the largest usual photographs, of 50 megapixels, pass
MAX_ASPECT = 10  # a Haar cascade keeps memory for the widest times the highest it has seen
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # Pillow's EPS would run Ghostscript

Picture = str | Path | bytes | memoryview | BinaryIO | Image.Image | np.ndarray
"""What `open_picture` takes."""


class PictureError(ValueError):
    """The content is no picture that can be read; says what it is instead."""


def read_picture(path: str | Path) -> np.ndarray:
    """Decode a picture file of a data set.

    Args:
        path: a file in any format that OpenCV reads.

    Returns:
        uint8, (height, width) for a grey file or (height, width, 3) in BGR order,
        0–255, turned upright as its EXIF tag says; an alpha channel is dropped.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it holds no picture that OpenCV can decode.
    """
    # cv2.imread only returns None on every kind of failure, and cannot open
    # paths beyond the code page on Windows; reading the bytes apart tells which.
    data = np.fromfile(path, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_ANYCOLOR) if data.size else None
    if picture is None:
        raise PictureError(
            f"Not a readable picture: {path} ({data.size} bytes). "
            "Expected a complete JPEG, PNG, BMP, GIF, TIFF or WebP file."
        )
    return picture


def open_picture(source: Picture, colour_order: str = "bgr") -> np.ndarray:
    """Any picture a person may hand over, upright and in OpenCV's form.

    Only the first frame of an animation is taken, only the upper 8 of 16 bits.
    Transparent parts become white, the ground on which browsers and viewers show them.

    Args:
        source: path of a picture file, its bytes, a binary file (read from its beginning
            where it can be rewound), a PIL image, or a uint8 array (height, width) grey
            or (height, width, 3) in ``colour_order``, 0–255. Addresses on the web are not
            fetched.
        colour_order: "bgr" or "rgb", the order of an array's channels.

    Returns:
        uint8, 0–255: (height, width) where the source is grey, else (height, width, 3)
        BGR. A fitting array is returned itself, not copied.

    Raises:
        OSError: the file does not exist or cannot be opened.
        PictureError: a ValueError; the content is no complete picture of a known
            format, or beyond `MAX_PIXELS` or `MAX_ASPECT`, as its header tells before
            anything is decoded; or the source is None, as `cv2.imread` returns.
        TypeError: the source is of none of these types.
        ValueError: ``colour_order`` is neither "bgr" nor "rgb".
    """
    if colour_order not in ("bgr", "rgb"):
        raise ValueError(f'Expected colour_order "bgr" or "rgb". Received: {colour_order!r}')
    if isinstance(source, np.ndarray):
        return _checked_array(source, colour_order)
    if isinstance(source, Image.Image):
        with _refusing_clearly():
            return _as_array(_decoded(source).copy())
    if isinstance(source, bytes | bytearray | memoryview):
        return _as_array(load_picture(source))
    if hasattr(source, "read"):
        with _refusing_clearly():
            with suppress(AttributeError, OSError):  # a pipe has no beginning to go back to
                source.seek(0)
            return _as_array(load_picture(source.read()))
    if source is None:
        raise PictureError(
            "no picture (None), which cv2.imread returns for a file that is missing or damaged; "
            "give the file's path, and the reason is told"
        )
    if isinstance(source, str | Path):
        if not Path(source).is_file():
            raise FileNotFoundError(
                f"There is no picture file {source}. Expected the path of a file on this "
                "machine; addresses on the web are not fetched."
            )
        with open(source, "rb") as file:
            return _as_array(_load(file))
    raise TypeError(
        "A picture is a path, the bytes of a picture file, a binary file, a PIL image or a NumPy "
        "array. "
        f"Received: {type(source).__name__}"
    )


def load_picture(data: bytes | memoryview) -> Image.Image:
    """Decode a picture file wholly; a truncated one does not pass.

    Returns:
        The first frame, in the file's own mode.

    Raises:
        PictureError: not a complete picture, or beyond `MAX_PIXELS` or `MAX_ASPECT`.
    """
    return _load(io.BytesIO(data))


def check_image(image: np.ndarray) -> None:
    """Refuse an array that is no image in OpenCV's form.

    Raises:
        PictureError: it is not uint8, (height, width) grey or (height, width, 3) colour.
    """
    good_shape = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not good_shape or 0 in image.shape:
        raise PictureError(
            "An image is a uint8 array, (height, width) grey or (height, width, 3) BGR or RGB, "
            f"0–255. Received: {image.dtype} of shape {image.shape}."
        )


def to_grey(image: np.ndarray) -> np.ndarray:
    """An image as uint8 grey, (height, width), 0–255; BGR or grey goes in.

    Raises:
        PictureError: the array is no such image.
    """
    image = np.asarray(image)
    check_image(image)
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def _load(file) -> Image.Image:
    with _refusing_clearly():
        if not file.seek(0, io.SEEK_END):
            raise PictureError("unreadable picture: the file is empty")
        file.seek(0)
        return _decoded(Image.open(file, formats=FORMATS))  # which reads the header alone


def _decoded(picture: Image.Image) -> Image.Image:
    _check_size(*picture.size)
    picture.load()
    return picture


def _as_array(picture: Image.Image) -> np.ndarray:
    """The pixels; the picture itself is turned upright, which saves a copy of it."""
    with _refusing_clearly():
        ImageOps.exif_transpose(picture, in_place=True)
        if picture.mode.startswith("I;16"):
            return (np.asarray(picture) >> 8).astype(np.uint8)
        if picture.mode in ("I", "F"):
            raise PictureError(
                f"unreadable picture: 32-bit pixels (mode {picture.mode}) have no known range; "
                "expected 8 or 16 bits a channel"
            )
        mode = "L" if picture.mode in ("1", "L", "LA", "La") else "RGB"
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            white = Image.new("RGB", picture.size, "white")
            white.paste(picture, mask=picture)
            picture = white
        values = np.array(picture if picture.mode == mode else picture.convert(mode))
    return values if mode == "L" else cv2.cvtColor(values, cv2.COLOR_RGB2BGR)


@contextmanager
def _refusing_clearly():
    """Silences warnings about odd metadata, and turns every decoder's error into ours."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError(
            f"unreadable picture: no picture, or a damaged header; expected {', '.join(FORMATS)}"
        ) from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"picture too large: {error}") from error
    except Exception as error:  # decoders raise almost anything on damaged data
        raise PictureError(f"unreadable picture: {error or type(error).__name__}") from error


def _checked_array(picture: np.ndarray, colour_order: str) -> np.ndarray:
    check_image(picture)
    _check_size(picture.shape[1], picture.shape[0])
    if picture.ndim == 2 or colour_order == "bgr":
        return picture
    return cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"picture too large: {width}×{height} pixels; expected at most {MAX_PIXELS:,}"
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise PictureError(
            f"picture too narrow: {width}×{height} pixels; expected a longer side of at most "
            f"{MAX_ASPECT} times the shorter"
        )
