"""What clients send: bounded, told apart by content, decoded only when its header is sound."""

import io
import shutil
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from flask import request
from PIL import Image

from app.problems import Problem
from utils.vision.image_kinds import FORMATS, HEAD_BYTES, image_kind
from utils.vision.images import open_image, open_lazily

_QUICKTIME = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_HEAD = 400  # bytes that tell a video's kind
_TRANSPORT = ((0, 188), (4, 192))  # where the packets of a transport stream begin, and their size


def body(max_bytes: int) -> BinaryIO:
    """The request's body, or its form's field ``file``; reading fails after ``max_bytes``."""
    request.max_content_length = max_bytes
    if request.mimetype != "multipart/form-data":
        return request.stream
    file = request.files.get("file")
    if file is None:
        raise Problem(422, "The form has no file in a field named 'file'.")
    return file.stream


def read_image(stream: BinaryIO, max_pixels: int) -> np.ndarray:
    """The picture that a client sends.

    Args:
        stream: of `body`; read on whatever thread calls.
        max_pixels: most pixels of the picture.

    Returns:
        uint8, 0–255: (height, width) grey or (height, width, 3) BGR, upright.

    Raises:
        Problem: 413 too large, 415 no known kind of picture, 422 damaged or unusable.
    """
    data = stream.read()
    if not data:
        raise Problem(422, "The body is empty. Send a picture file as the body of the request.")
    kind = image_kind(data[:HEAD_BYTES])
    if kind is None:
        raise Problem(
            415,
            f"This is no picture of a known kind. Send one of {', '.join(FORMATS)}; "
            "convert others, such as SVG, first.",
        )
    _check_header(data, kind, max_pixels)
    try:
        return open_image(data)
    except ValueError as error:
        raise Problem(422, f"The picture cannot be used: {_plain(error)}.") from None


def save_video(path: Path, max_bytes: int) -> Path:
    """Write the video in the body of the request to a file.

    Args:
        path: the file, without suffix.
        max_bytes: most bytes of it.

    Returns:
        The file, with the suffix of its kind.

    Raises:
        Problem: 413 too large, 415 no known kind of video, 422 empty.
    """
    stream = body(max_bytes)
    head = stream.read(_HEAD)
    if not head:
        raise Problem(422, "The body is empty. Send a video file as the body of the request.")
    suffix = video_suffix(head)
    if suffix is None:
        raise Problem(
            415,
            "This is no video of a known kind. Send MP4, MOV, WebM, Matroska, AVI, MTS or MPEG.",
        )
    path = path.with_suffix(suffix)
    with path.open("wb") as file:
        file.write(head)
        shutil.copyfileobj(stream, file, 1 << 20)
    return path


def video_suffix(head: bytes) -> str | None:
    """The suffix for a video, by its first bytes; None for every other content.

    Text formats such as playlists are not among them: FFmpeg would open what they name. Nor are
    images, whose containers may be a video's.

    >>> video_suffix(b"\\x00\\x00\\x00\\x20ftypisom"), video_suffix(b"#EXTM3U")
    ('.mp4', None)
    >>> video_suffix(b"G" + bytes(187) + b"G"), video_suffix(b"GIF89a" + bytes(300))
    ('.ts', None)
    >>> video_suffix(b"\\x00\\x00\\x00\\x18ftypheic")
    """
    if image_kind(head[:HEAD_BYTES]):
        return None
    if head[4:8] in _QUICKTIME:
        return ".mp4"
    if head[:4] == b"\x1aE\xdf\xa3":
        return ".mkv"
    if head[:4] == b"\0\0\1\xba":
        return ".mpg"
    if any(head[start : start + 1 + size : size] == b"GG" for start, size in _TRANSPORT):
        return ".ts"
    return ".avi" if head[:4] == b"RIFF" and head[8:12] == b"AVI " else None


def _check_header(data: bytes, kind: str, max_pixels: int) -> None:
    try:
        with warnings.catch_warnings():  # of what is refused just below
            warnings.simplefilter("ignore")
            width, height = open_lazily(io.BytesIO(data), kind).size
    except Image.DecompressionBombError:
        width = height = max_pixels + 1
    except Exception:  # decoders raise almost anything on damaged data
        raise Problem(422, f"The {kind} picture is damaged: its header is unreadable.") from None
    if width * height > max_pixels:
        raise Problem(
            413,
            f"The picture has too many pixels: at most {max_pixels / 1e6:g} million are taken. "
            "Make it smaller and try again.",
        )


def _plain(error: Exception) -> str:
    """The reason, without the place in memory that Pillow may name."""
    text = str(error).removeprefix("unreadable picture: ")
    return text.split(" <_io")[0].rstrip(".")[:200]
