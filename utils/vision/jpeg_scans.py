"""How often a JPEG visits its pixels, counted before it is decoded.

A usual progressive JPEG has about ten scans. One of 0.4 MB can have thousands, each of which
visits every pixel: 2,000 over 64 megapixels take 42 seconds.
"""

from typing import BinaryIO

MAX_SCANNED = 6_400_000_000  # pixels times scans: 100 of 64 megapixels, some two seconds
USUAL_SCANS = 100
_SCAN = b"\xff\xda"  # begins each of them


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
