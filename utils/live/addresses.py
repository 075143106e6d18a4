"""Addresses of streams and cameras: what is one, how it is opened, and what stays hidden.

An address may hold a password (``rtsp://user:password@camera/1``,
``http://camera/image?pwd=password``): what is shown or written goes through `safe_address`.
"""

import os
import re
from urllib.parse import quote

from utils.live.snapshots import SnapshotCamera, answers_image
from utils.vision.opencv import cv2

_ADDRESS = re.compile(r"(rtsps?|rtmp|https?|udp|tcp)://", re.IGNORECASE)
# name=value, with what a value may hold that is cut at a "&" or ";" of its own.
_SETTING = re.compile(r"([?&;/])([\w.\[\]%-]+)=([^&;]*(?:[&;][^=&;]+(?=[&;]|$))*)")
_SHOWN = re.compile(  # settings that tell one picture of a camera from another
    r"(cam(era)?|ch(annel)?|stream|sub_?type|res(olution)?|size|width|height|fps|quality|"
    r"compression|profile|unicast|proto|type|video|image|format)\d*",
    re.IGNORECASE,
)


def is_address(source) -> bool:
    """Whether a source is the address of a stream, and not a path or a camera's index."""
    return isinstance(source, str) and bool(_ADDRESS.match(source))


def safe_address(address: str) -> str:
    """An address without its user and what could be a password, for tables and messages.

    >>> safe_address("rtsp://user:p@ss/word@camera/1")
    'rtsp://camera/1'
    >>> safe_address("http://camera/image?channel=2&pwd=secret")
    'http://camera/image?channel=2&pwd=…'
    """
    if not is_address(address):
        return address
    scheme, _, rest = address.partition("://")
    rest = rest[_end_of_user(rest, unsure=True) :]
    return f"{scheme}://{_SETTING.sub(_hidden, rest.partition('#')[0])}"


def split_user(address: str) -> tuple[str, str, str]:
    """An address without its user, and the user's name and password, each as it stands there."""
    scheme, _, rest = address.partition("://")
    end = _end_of_user(rest)
    name, _, password = rest[: max(0, end - 1)].partition(":")
    return f"{scheme}://{rest[end:]}", name, password


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
    """The `cv2.VideoCapture` of a camera's index or of a URL; it may be closed: no device.

    An address that answers with one image is a `SnapshotCamera`, which is used in the same way.
    """
    # Each of OpenCV's drivers would write why it has no camera; `camera` says it once.
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg's own words, too
    try:
        return cv2.VideoCapture(address) if isinstance(address, int) else _open_stream(address)
    finally:
        cv2.utils.logging.setLogLevel(level)


def _open_stream(address: str):
    plain, name, password = split_user(address)
    try:
        if answers_image(plain, name, password):
            return SnapshotCamera(plain, name, password)
    except OSError:
        return cv2.VideoCapture()  # a closed one
    if name:  # FFmpeg would take a "/" or "@" in a password for the end of it
        user = ":".join(quote(part, safe="%") for part in (name, password))
        plain = plain.replace("://", f"://{user}@", 1)
    # A stream that hangs must come back with an error, so that it can be opened again.
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 8000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 5000]
    return cv2.VideoCapture(plain, cv2.CAP_FFMPEG, limits)


def _end_of_user(rest: str, unsure: bool = False) -> int:
    """Where the host begins in "user:password@camera/1", what follows "://"; 0 without a user.

    With ``unsure`` "camera:80/a@b" has a user too, whose password would be "80/a".
    """
    first = re.split(r"[/?#]", rest, maxsplit=1)[0]
    surely = "@" in first or (":" in first and re.search(r":(?!\d*$)", first) and first[0] != "[")
    if not surely and not (unsure and ":" in first):
        return 0
    outside = _SETTING.sub(lambda setting: " " * len(setting[0]), rest)
    found = outside.rfind("@")
    return (found if found >= 0 or not surely else rest.rfind("@")) + 1


def _hidden(setting: re.Match) -> str:
    before, name, value = setting.groups()
    return f"{before}{name}={value if _SHOWN.fullmatch(name) else '…'}"
