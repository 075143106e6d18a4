"""Reading images: a data set's files fast, anybody's images safely.

`read_image` is for data sets, whose files the importer has looked through: some
thirty thousand an epoch, so OpenCV decodes them. `open_image` is for everything
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

ImageSource = str | Path | bytes | memoryview | BinaryIO | Image.Image | np.ndarray
"""What `open_image` takes."""


class ImageError(ValueError):
    """The content is no image that can be read; says what it is instead."""


def read_image(path: str | Path) -> np.ndarray:
    """Decode an image file of a data set.

    Args:
        path: a file in any format that OpenCV reads.

    Returns:
        uint8, (height, width) for a grey file or (height, width, 3) in BGR order,
        0–255, turned upright as its EXIF tag says; an alpha channel is dropped.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it holds no image that OpenCV can decode.
    """
    # cv2.imread only returns None on every kind of failure, and cannot open
    # paths beyond the code page on Windows; reading the bytes apart tells which.
    data = np.fromfile(path, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_ANYCOLOR) if data.size else None
    if image is None:
        raise ImageError(
            f"Not a readable image: {path} ({data.size} bytes). "
            "Expected a complete JPEG, PNG, BMP, GIF, TIFF or WebP file."
        )
    return image


def open_image(source: ImageSource, colour_order: str = "bgr") -> np.ndarray:
    """Any image a person may hand over, upright and in OpenCV's form.

    Only the first frame of an animation is taken, only the upper 8 of 16 bits.
    Transparent parts become white, the ground on which browsers and viewers show them.

    Args:
        source: path of an image file, its bytes, a binary file (read from its beginning
            where it can be rewound), a PIL image, or a uint8 array (height, width) grey
            or (height, width, 3) in ``colour_order``, 0–255. Addresses on the web are not
            fetched.
        colour_order: "bgr" or "rgb", the order of an array's channels.

    Returns:
        uint8, 0–255: (height, width) where the source is grey, else (height, width, 3)
        BGR. A fitting array is returned itself, not copied.

    Raises:
        OSError: the file does not exist or cannot be opened.
        ImageError: a ValueError; the content is no complete image of a known
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
        return _as_array(load_image(source))
    if hasattr(source, "read"):
        with _refusing_clearly():
            with suppress(AttributeError, OSError):  # a pipe has no beginning to go back to
                source.seek(0)
            return _as_array(load_image(source.read()))
    if source is None:
        raise ImageError(
            "no image (None), which cv2.imread returns for a file that is missing or damaged; "
            "give the file's path, and the reason is told"
        )
    if isinstance(source, str | Path):
        if not Path(source).is_file():
            raise FileNotFoundError(
                f"There is no image file {source}. Expected the path of a file on this "
                "machine; addresses on the web are not fetched."
            )
        with open(source, "rb") as file:
            return _as_array(_load(file))
    raise TypeError(
        "An image is a path, the bytes of an image file, a binary file, a PIL image or a NumPy "
        "array. "
        f"Received: {type(source).__name__}"
    )


def load_image(data: bytes | memoryview) -> Image.Image:
    """Decode an image file wholly; a truncated one does not pass.

    Returns:
        The first frame, in the file's own mode.

    Raises:
        ImageError: not a complete image, or beyond `MAX_PIXELS` or `MAX_ASPECT`.
    """
    return _load(io.BytesIO(data))


def check_image(image: np.ndarray) -> None:
    """Refuse an array that is no image in OpenCV's form.

    Raises:
        ImageError: it is not uint8, (height, width) grey or (height, width, 3) colour.
    """
    good_shape = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not good_shape or 0 in image.shape:
        raise ImageError(
            "An image is a uint8 array, (height, width) grey or (height, width, 3) BGR or RGB, "
            f"0–255. Received: {image.dtype} of shape {image.shape}."
        )


def to_grey(image: np.ndarray) -> np.ndarray:
    """An image as uint8 grey, (height, width), 0–255; BGR or grey goes in.

    Raises:
        ImageError: the array is no such image.
    """
    image = np.asarray(image)
    check_image(image)
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def _load(file) -> Image.Image:
    with _refusing_clearly():
        if not file.seek(0, io.SEEK_END):
            raise ImageError("unreadable image: the file is empty")
        file.seek(0)
        return _decoded(Image.open(file, formats=FORMATS))  # which reads the header alone


def _decoded(image: Image.Image) -> Image.Image:
    _check_size(*image.size)
    image.load()
    return image


def _as_array(image: Image.Image) -> np.ndarray:
    """The pixels; the image itself is turned upright, which saves a copy of it."""
    with _refusing_clearly():
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith("I;16"):
            return (np.asarray(image) >> 8).astype(np.uint8)
        if image.mode in ("I", "F"):
            raise ImageError(
                f"unreadable image: 32-bit pixels (mode {image.mode}) have no known range; "
                "expected 8 or 16 bits a channel"
            )
        mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGB", image.size, "white")
            white.paste(image, mask=image)
            image = white
        values = np.array(image if image.mode == mode else image.convert(mode))
    return values if mode == "L" else cv2.cvtColor(values, cv2.COLOR_RGB2BGR)


@contextmanager
def _refusing_clearly():
    """Silences warnings about odd metadata, and turns every decoder's error into ours."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(
            f"unreadable image: no image, or a damaged header; expected {', '.join(FORMATS)}"
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"image too large: {error}") from error
    except Exception as error:  # decoders raise almost anything on damaged data
        raise ImageError(f"unreadable image: {error or type(error).__name__}") from error


def _checked_array(image: np.ndarray, colour_order: str) -> np.ndarray:
    check_image(image)
    _check_size(image.shape[1], image.shape[0])
    if image.ndim == 2 or colour_order == "bgr":
        return image
    return cv2.cvtColor(image, cv2.COLOR_RGB2BGR)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"image too large: {width}×{height} pixels; expected at most {MAX_PIXELS:,}"
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(
            f"image too narrow: {width}×{height} pixels; expected a longer side of at most "
            f"{MAX_ASPECT} times the shorter"
        )
