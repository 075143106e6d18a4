"""Addresses of streams and cameras: what is one, how it is opened, and what stays hidden.

An address may hold a user's name and password (``rtsp://user:password@camera/1``). Whatever
is shown or written down goes through `safe_address` first.
"""

import re

from utils.vision.opencv import cv2

_ADDRESS = re.compile(r"(rtsps?|rtmp|https?|udp|tcp)://", re.IGNORECASE)


def is_address(source) -> bool:
    """Whether a source is the address of a stream, and not a path or a camera's index."""
    return isinstance(source, str) and bool(_ADDRESS.match(source))


def safe_address(address: str) -> str:
    """An address without its user name and password, for tables and messages.

    >>> safe_address("rtsp://user:p@ssword@camera/1")
    'rtsp://camera/1'
    """
    return re.sub(r"(?<=://)[^/]*@", "", address)


def has_an_end(address: str) -> bool:
    """Whether a file lies behind an address, and not a camera, whose frames nobody can count."""
    if not address.lower().startswith("http"):
        return False  # some RTSP cameras take a single connection, and are slow to free it
    capture = open_device(address)
    try:
        return capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0
    finally:
        capture.release()


def open_device(address: int | str):
    """The `cv2.VideoCapture` of a camera's index or of a URL; it may be closed: no device."""
    if isinstance(address, int):
        # Each of OpenCV's drivers would write why it has no camera; `camera` says it once.
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            return cv2.VideoCapture(address)
        finally:
            cv2.utils.logging.setLogLevel(level)
    # A stream that hangs must come back with an error, so that it can be opened again.
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 8000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 5000]
    return cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
