"""What is an image, and how long it takes to decode: told by its bytes, and never by its name.

Phones, browsers and converters write `.jfif`, `.jpe`, no suffix or a wrong one; and what is called
`.jpg` may be a text, such as the page that told of a failed download.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from utils.config import IMAGE_SUFFIXES

FORMATS = ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "PNG", "TIFF", "WEBP")
HEAD_BYTES = 64  # what `image_kind` wants to see of a file
# A progressive JPEG usually has about ten scans, each over every pixel; one of 0.4 MB can
# have thousands: 2,000 over 64 megapixels take 42 seconds.
USUAL_SCANS = 100
MAX_SCANNED = 6_400_000_000  # pixels times scans: 100 of 64 megapixels, some two seconds
_SUBFILE, _SUBFILES, _DNG = 0x00FE, 0x014A, 0xC612  # tags: of a reduced image, where others begin
_SCAN = b"\xff\xda"  # begins each of them

_FIRST_BYTES = {
    b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF87a": "GIF", b"GIF89a": "GIF",
    b"II*\x00": "TIFF", b"MM\x00*": "TIFF", b"II+\x00": "TIFF", b"MM\x00+": "TIFF",
}  # fmt: skip
_BRANDS = {
    "AVIF": (b"avif", b"avis"),
    "HEIF": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
}


def image_kind(head: bytes) -> str | None:
    """The kind of image that the first bytes announce: one of `FORMATS`; None if it is none.

    Args:
        head: the first `HEAD_BYTES` of a file, or all of it.

    >>> image_kind(b"GIF89a..."), image_kind(b"<svg>")
    ('GIF', None)
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        # The second brand, of four bytes, is a version. A "mif1" is told by what else it names.
        end = min(int.from_bytes(head[:4], "big"), HEAD_BYTES)
        named = [head[8:12], *(head[start : start + 4] for start in range(16, end, 4))]
        kinds = (kind for brand in named for kind, brands in _BRANDS.items() if brand in brands)
        return next(kinds, None)
    if head[:2] == b"BM" and head[15:18] == bytes(3) and head[14] in (12, 40, 52, 56, 64, 108, 124):
        return "BMP"  # "BM" alone begins many a text
    return next((kind for start, kind in _FIRST_BYTES.items() if head.startswith(start)), None)


def is_image_file(path: str | Path) -> bool:
    """Whether a file begins as an image does, whatever it is called.

    Raises:
        OSError: the file cannot be opened.
    """
    with open(path, "rb", buffering=0) as file:
        return image_kind(file.read(HEAD_BYTES)) is not None


def images_in(folder: str | Path) -> list[Path]:
    """The images that lie in a folder, by name; hidden files and its own folders are left out.

    What is only called an image, or may not be read, is among them: whoever opens it tells why.

    Raises:
        OSError: the folder cannot be listed.
    """
    return [
        file
        for file in sorted(Path(folder).iterdir())
        if not file.name.startswith(".") and file.is_file() and may_be_image(file)
    ]


def may_be_image(file: str | Path) -> bool:
    """Whether a file is an image, is called one, or may not be read.

    So none of tens of thousands that are called images is opened twice; who reads one tells its
    fault.
    """
    try:
        return os.path.splitext(file)[1].lower() in IMAGE_SUFFIXES or is_image_file(file)
    except OSError:
        return True


def is_camera_raw(head: bytes, tags: Mapping) -> bool:
    """Whether a TIFF is a camera's raw file (DNG, NEF, ARW, CR2), whose first image is a preview.

    Args:
        head: the first `HEAD_BYTES` of the file.
        tags: of its first image.
    """
    reduced = tags.get(_SUBFILE) == 1 and _SUBFILES in tags
    return reduced or _DNG in tags or head[8:10] == b"CR"


def count_scans(file: BinaryIO) -> int:
    """The scans of all JPEG data in a file, which is left where it was."""
    place, scans, last = file.tell(), 0, b""
    file.seek(0)
    while block := file.read(1 << 20):
        scans += (last + block).count(_SCAN)
        last = block[-1:]
    file.seek(place)
    return scans


def refused_scans(image) -> str | None:
    """Why a PIL image, of which the header alone was read, takes too long; None if it does not."""
    is_jpeg = image.format in ("JPEG", "MPO") or "jpeg" in str(image.info.get("compression"))
    file = getattr(image, "fp", None)  # None once it is decoded
    if not is_jpeg or file is None:
        return None
    scans, (width, height) = count_scans(file), image.size
    if scans * width * height <= MAX_SCANNED:
        return None
    return (
        f"image takes too long to decode: {scans:,} scans over {width}×{height} pixels; expected "
        f"at most {MAX_SCANNED // (width * height):,}. Save it as an ordinary JPEG."
    )
