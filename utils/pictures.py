"""Reading picture files."""

from pathlib import Path

import numpy as np

from utils.opencv import cv2


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
