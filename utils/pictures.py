"""Reading picture files."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from utils.opencv import cv2

MAX_PIXELS = 50_000_000


def read_picture(path: str | Path) -> np.ndarray:
    """Decode a picture file.

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
        raise ValueError(
            f"Not a readable picture: {path} ({data.size} bytes). "
            "Expected a complete JPEG, PNG, BMP, GIF, TIFF or WebP file."
        )
    return picture


def load_picture(data: bytes) -> Image.Image:
    """Decode a picture file wholly; a truncated one does not pass.

    Returns:
        The first frame, in the file's own mode.

    Raises:
        ValueError: not a complete picture, or one of more than `MAX_PIXELS`.
    """
    try:
        picture = Image.open(io.BytesIO(data))
        if picture.width * picture.height <= MAX_PIXELS:  # known from the header alone
            picture.load()
            return picture
    except Exception as error:  # decoders raise almost anything on damaged data
        raise ValueError(f"unreadable picture: {error or type(error).__name__}") from error
    raise ValueError(f"picture too large: {picture.width}×{picture.height} pixels")
