"""Reading images: a data set's files fast, anybody's images safely.

`read_image` is for data sets, whose files the importer has looked through: some thirty thousand an
epoch, so OpenCV decodes them. `open_image` is for everything else a person may hand over; on
complete, opaque files both give the same pixels.
"""

import io
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from utils.vision.image_kinds import (
    FORMATS,
    HEAD_BYTES,
    USUAL_SCANS,
    count_scans,
    image_kind,
    is_camera_raw,
    refused_scans,
)
from utils.vision.opencv import cv2

MAX_PIXELS = 64_000_000  # the largest usual photographs, of 50 megapixels, pass
MAX_ASPECT = 10  # a Haar cascade keeps memory for the widest times the highest it has seen
_PHOTOMETRIC, _ORIENTATION = 0x0106, 0x0112  # tags of TIFF and EXIF
_BITS = (8, 10, 12, 14, 16)  # of the sensors whose values are kept in wider numbers

ImageSource = str | Path | bytes | memoryview | BinaryIO | Image.Image | np.ndarray
"""What `open_image` takes."""


class ImageError(ValueError):
    """The content is no image that can be read; says what it is instead."""


def read_image(path: str | Path) -> np.ndarray:
    """Decode an image file of a data set.

    Args:
        path: a file of one of `FORMATS`.

    Returns:
        uint8, (height, width) for a grey file or (height, width, 3) in BGR order, 0–255, upright as
        its EXIF tag says. An alpha channel is dropped. Kinds that OpenCV cannot read (AVIF, HEIF)
        or not as it should (TIFF, 16 bits a channel) are read as by `open_image`.

    Raises:
        OSError: the file cannot be opened.
        ImageError: a ValueError; it holds no image that can be decoded.
    """
    # cv2.imread only returns None on every kind of failure, and cannot open
    # paths beyond the code page on Windows; reading the bytes apart tells which.
    data = np.fromfile(path, np.uint8)
    head = data[:HEAD_BYTES].tobytes()
    kind = image_kind(head)
    deep = kind == "PNG" and head[24:25] == b"\x10"
    slow = kind == "JPEG" and count_scans(io.BytesIO(data)) > USUAL_SCANS
    if kind in ("AVIF", "HEIF", "TIFF") or deep or slow:
        try:
            return open_image(data.data)
        except ImageError as error:
            raise ImageError(f"Not a readable image: {path} ({data.size} bytes): {error}") from None
    image = cv2.imdecode(data, cv2.IMREAD_ANYCOLOR) if kind else None
    if image is None:
        raise ImageError(
            f"Not a readable image: {path} ({data.size} bytes). "
            f"Expected a complete file of one of {', '.join(FORMATS)}."
        )
    return image


def open_image(source: ImageSource, colour_order: str = "bgr") -> np.ndarray:
    """Any image a person may hand over, upright and in OpenCV's form.

    Only the first frame of an animation is taken. Transparent parts become white. Grey or colour of
    more than 8 bits is scaled by its own range: that of 8, 10, 12, 14 or 16 bits, whichever is the
    least that holds the greatest value, becomes 0–255, so a sensor's 12 bits in a file of 16 are
    not taken for darkness. Numbers of 32 bits are taken likewise; floats that all lie in 0–1 have
    that range.

    Args:
        source: path of an image file, its bytes, a binary file (read from its beginning where it
            can be rewound), a PIL image, or a uint8 array (height, width) grey or (height, width,
            3) in ``colour_order``, 0–255. Addresses on the web are not fetched.
        colour_order: "bgr" or "rgb", the order of an array's channels.

    Returns:
        uint8, 0–255: (height, width) where the source is grey, else (height, width, 3) BGR. A
        fitting array is returned itself, not copied.

    Raises:
        OSError: the file does not exist or cannot be opened.
        ImageError: a ValueError; the content is no complete image of a known format, or beyond
            `MAX_PIXELS`, `MAX_ASPECT` or `MAX_SCANNED`, as is told before anything is decoded; or
            the source is None, as `cv2.imread` returns.
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
    """Decode an image file wholly: its first frame, in the file's own mode.

    Raises:
        ImageError: not a complete image, or beyond `MAX_PIXELS` or `MAX_ASPECT`.
    """
    return _load(io.BytesIO(data))


def check_image(image: np.ndarray) -> None:
    """Refuse an array that is no image in OpenCV's form, with an `ImageError`."""
    good_shape = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not good_shape or 0 in image.shape:
        raise ImageError(
            "An image is a uint8 array, (height, width) grey or (height, width, 3) BGR or RGB, "
            f"0–255. Received: {image.dtype} of shape {image.shape}."
        )


def to_grey(image: np.ndarray) -> np.ndarray:
    """An image as uint8 grey, (height, width), 0–255; BGR or grey goes in, else `ImageError`."""
    image = np.asarray(image)
    check_image(image)
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def _load(file) -> Image.Image:
    with _refusing_clearly():
        head = file.read(HEAD_BYTES)
        if not head:
            raise ImageError("unreadable image: the file is empty")
        kind = image_kind(head)
        if kind is None:
            raise UnidentifiedImageError
        file.seek(0)
        try:
            image = open_lazily(file, kind)
        except UnidentifiedImageError:
            raise ImageError(
                f"unreadable image: a {kind} file of a kind that is not known, or with a damaged "
                "header; save it as PNG or JPEG"
            ) from None
        if kind == "TIFF" and is_camera_raw(head, image.tag_v2):
            raise ImageError("unreadable image: a camera's raw file; export it as JPEG")
        deep = kind in ("PNG", "TIFF") and ";16" in str(image.tile)
        negative = kind == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == 0  # least is white
        image = _decoded(image)
        if image.mode in ("F", "I;16", "I;16B"):
            return _like(image, 255 - _by_own_range(np.asarray(image))) if negative else image
        if deep and image.mode != "CMYK":
            file.seek(0)
            return _all_bits(image, file.read())
        return image


def open_lazily(file: BinaryIO, kind: str) -> Image.Image:
    """An image file of a known kind, of which the header alone is read, if it is not damaged."""
    if kind == "HEIF":
        from pillow_heif import register_heif_opener  # libheif, for those who need it

        register_heif_opener()
    return Image.open(file, formats=(kind,))


def _decoded(image: Image.Image) -> Image.Image:
    _check_size(*image.size)
    if slow := refused_scans(image):
        raise ImageError(slow)
    image.load()
    return image


def _all_bits(image: Image.Image, data: bytes) -> Image.Image:
    """Colour of 16 bits, scaled by its own range; Pillow has taken the upper 8."""
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.ndim != 3:
        return image
    colour = cv2.cvtColor(_by_own_range(values[..., :3]), cv2.COLOR_BGR2RGB)
    if values.shape[2] == 4:
        colour = np.dstack([colour, _by_own_range(values[..., 3])])
    return _like(image, colour)


def _like(image: Image.Image, values: np.ndarray) -> Image.Image:
    """An image of other pixels in the mode, of the format and turned as the first."""
    other = Image.fromarray(values)
    if other.mode != image.mode and image.mode in ("LA", "RGB", "RGBA"):
        other = other.convert(image.mode)
    other.format = image.format
    other.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
    return other


def _as_array(image: Image.Image) -> np.ndarray:
    """The pixels; the image itself is turned upright, which saves a copy of it."""
    with _refusing_clearly():
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith("I") or image.mode == "F":
            return _by_own_range(np.asarray(image))
        mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGB", image.size, "white")
            white.paste(image, mask=image)
            image = white
        values = np.array(image if image.mode == mode else image.convert(mode))
    return values if mode == "L" else cv2.cvtColor(values, cv2.COLOR_RGB2BGR)


def _by_own_range(values: np.ndarray) -> np.ndarray:
    """Whole numbers or floats as uint8, 0–255; see `open_image`."""
    least, greatest = values.min(), values.max()
    if not (least >= 0 and greatest < 2 ** _BITS[-1]):  # nor is it where one is not a number
        raise ImageError(
            f"unreadable image: values from {least:g} to {greatest:g} have no known range; "
            f"expected 0–1, or whole numbers of up to {_BITS[-1]} bits"
        )
    if values.dtype.kind == "f" and greatest <= 1:
        return np.rint(values * 255).astype(np.uint8)
    bits = next(bits for bits in _BITS if greatest < 2**bits)
    return (values.astype(np.uint16) >> (bits - 8)).astype(np.uint8)


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
