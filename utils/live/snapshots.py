"""Asking a camera ourselves: images one by one, and why a stream cannot be opened.

OpenCV tells only that an address cannot be opened, and reads the one image of a snapshot
address as a film of one frame.
"""

import hashlib
import re
import socket
import ssl
import time
from base64 import b64encode
from http.client import HTTPException
from urllib import request
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

import numpy as np

from utils.vision.image_kinds import HEAD_BYTES, image_kind
from utils.vision.images import ImageError, open_image
from utils.vision.opencv import cv2

_SECONDS = 4.0  # for which an answer is waited for
_MOST_BYTES = 50_000_000  # of one image
_LEAST_PAUSE = 0.1  # seconds from one image to the next: most such cameras make fewer
_PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "http": 80, "https": 443}


class SnapshotCamera:
    """A camera that gives one image for each request, used as `cv2.VideoCapture` is.

    Args:
        address: http(s)://, without a user.
        name, password: of the user, percent-encoded or not; may be empty.
    """

    def __init__(self, address: str, name: str = "", password: str = ""):
        self._user = address, name, password
        self._next = 0.0

    def isOpened(self) -> bool:
        return True

    def get(self, _) -> float:
        return 0.0  # nobody knows its rate, nor how many images come

    def read(self) -> tuple[bool, np.ndarray | None]:
        """Whether an image came, and the image: uint8, (height, width, 3) BGR, 0–255."""
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + _LEAST_PAUSE
        try:
            with _asked(*self._user) as answer:
                image = open_image(_read(answer, _MOST_BYTES))
        except (OSError, ImageError):
            return False, None
        return True, image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)

    def release(self) -> None:
        pass


def answers_image(address: str, name: str = "", password: str = "") -> bool:
    """Whether an address answers with one image, and not with a stream or a file of many.

    Takes what `SnapshotCamera` takes, or any other address; OSError: nothing answers there.
    """
    if not address.lower().startswith("http"):
        return False
    try:
        with _asked(address, name, password) as answer:
            kind = answer.headers.get_content_maintype()
            return kind != "multipart" and bool(image_kind(_read(answer, HEAD_BYTES)))
    except (HTTPError, HTTPException, ValueError):  # it answers, but with no image
        return False


def refusal(address: str, name: str = "", password: str = "") -> str | None:
    """Why an address cannot be opened, as a sentence; None if it answers, or nobody can tell.

    Takes what `utils.live.addresses.split_user` gives.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "It is no complete address."
    try:
        if parts.scheme in ("http", "https"):
            with _asked(address, name, password) as answer:
                status = answer.status
        elif parts.scheme == "rtsp":
            status = _described(address, host, port, unquote(name), unquote(password))
        elif port:
            socket.create_connection((host, port), _SECONDS).close()
            status = 200
        else:
            return None
    except HTTPError as error:
        status = error.code
    except (HTTPException, ValueError):
        return None
    except OSError as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, socket.gaierror):
            return f"There is no host {host}."
        if isinstance(cause, TimeoutError):
            return f"{host} does not answer: it is off, or the network does not lead there."
        reason = getattr(cause, "strerror", None) or "no answer"
        return f"{host} cannot be reached at port {port} ({reason})."
    if status in (401, 403):
        if name:
            return f"{host} refuses the user name or password ({status})."
        return f"{host} asks for a user name and password ({status}): rtsp://user:password@…"
    return None if status < 400 else f"{host} has nothing at that path ({status})."


def _asked(address: str, name: str, password: str):
    """The answer to a request, open; OSError where it is a refusal or none."""
    known = request.HTTPPasswordMgrWithDefaultRealm()
    known.add_password(None, address, unquote(name), unquote(password))
    digest = request.HTTPDigestAuthHandler(known)
    digest.retried = 5  # a password is tried once; cameras lock out who tries more often
    trusting = ssl.create_default_context()  # cameras sign for themselves; FFmpeg asks no more
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    handlers = [request.HTTPSHandler(context=trusting)]
    if name:
        handlers += [request.HTTPBasicAuthHandler(known), digest]
    return request.build_opener(*handlers).open(address, timeout=_SECONDS)


def _read(answer, most: int) -> bytes:
    """So many bytes at most; TimeoutError where they come too slowly for a camera."""
    latest, content = time.monotonic() + 2 * _SECONDS, b""
    while len(content) < most and (part := answer.read1(min(most, 1 << 16))):
        content += part
        if time.monotonic() > latest:
            raise TimeoutError
    return content


def _described(address: str, host: str, port: int, name: str, password: str) -> int:
    """The status of RTSP's DESCRIBE, with the user's name and password where they are asked for."""
    with socket.create_connection((host, port), _SECONDS) as connection:
        status, answer = _rtsp(connection, address, 1)
        if status != 401 or not name:
            return status
        told = dict(re.findall(r'(\w+)="([^"]*)"', answer))
        if "nonce" in told:
            first = _md5(f"{name}:{told['realm']}:{password}")
            proof = _md5(f"{first}:{told['nonce']}:{_md5(f'DESCRIBE:{address}')}")
            words = {"username": name, "uri": address, "response": proof}
            words |= {key: told[key] for key in ("realm", "nonce")}
            given = "Digest " + ", ".join(f'{key}="{value}"' for key, value in words.items())
        else:
            given = "Basic " + b64encode(f"{name}:{password}".encode()).decode()
        return _rtsp(connection, address, 2, f"Authorization: {given}\r\n")[0]


def _rtsp(connection: socket.socket, address: str, number: int, more: str = "") -> tuple[int, str]:
    connection.sendall(f"DESCRIBE {address} RTSP/1.0\r\nCSeq: {number}\r\n{more}\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer and (part := connection.recv(4096)):
        answer += part
    found = re.match(rb"RTSP/1\.\d (\d{3})", answer)
    if not found:
        raise OSError("it speaks no RTSP")
    return int(found[1]), answer.decode("latin-1")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
