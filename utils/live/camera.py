"""A camera or a network stream, always at its newest frame."""

import atexit
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from utils.config import CAMERA_PATIENCE
from utils.live.addresses import open_device, safe_address, split_user
from utils.live.frames import FrameSource, TimedFrame
from utils.live.snapshots import refusal
from utils.vision.opencv import cv2

_STEADY = 3.0  # seconds of frames after which a device is taken to be well again
_WARM_UP = 2.0  # seconds in which a device that was opened may fail to give its first frame
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0  # seconds between two attempts to open it again
_LONGEST_READ = 10.0  # seconds after which OpenCV's own limits have ended a read or an opening


class CameraUnavailable(OSError):
    """No image can be had from a camera or stream. The text says what to do."""


class LiveCamera(FrameSource):
    """The newest frame of a camera or of a network stream: a source as in `utils.live.frames`.

    A thread of its own reads the device, so a slow network never makes the image lag behind: frames
    that come in meanwhile are left out. When no frame comes, the device is opened again after 0.5,
    1, 2, 4 seconds and then every 5, with a message whenever that changes. A file behind an address
    is no camera: `utils.live.sources.open_source` tells them apart.

    Args:
        address: index of a camera (0 is the first), or an rtsp:// or http(s):// URL.
        patience: seconds without a frame after which the run ends.
        say: where messages go; called from the reading thread too.
        open_capture: makes the device, with ``isOpened``, ``read``, ``get`` and ``release`` as
            `cv2.VideoCapture` has them.

    Raises:
        CameraUnavailable: on entering, when there is no image within two seconds; while iterating,
            when none came for ``patience`` seconds.
        ValueError: ``patience`` is no time.
    """

    def __init__(
        self,
        address: int | str,
        patience: float = CAMERA_PATIENCE,
        say: Callable[[str], None] = print,
        open_capture: Callable | None = None,
    ):
        if not 0 < patience < float("inf"):
            raise ValueError(f"patience is a time above 0 s. Received: {patience}")
        index = isinstance(address, int)
        super().__init__(name=f"camera {address}" if index else safe_address(address))
        self.length = None  # nobody knows when it ends
        self.address, self.patience, self._say = address, patience, say
        self._open_capture = open_capture or open_device
        self._fresh = threading.Condition()
        self._newest: TimedFrame | None = None

    def __enter__(self):
        capture = self._open_capture(self.address)
        try:
            frame = _first_frame(capture)
            if frame is None:
                raise CameraUnavailable(_advice(self.address, self.name, capture.isOpened()))
            fps = capture.get(cv2.CAP_PROP_FPS)
            self.fps = fps if 0 < fps < 1000 else None
        except BaseException:
            capture.release()
            raise
        self._newest = 0.0, frame
        self._left = threading.Event()
        arguments = capture, self._left, time.monotonic()
        self._thread = threading.Thread(target=self._read, args=arguments, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._left.set()
        # The thread releases the device, as releasing it during a read crashes OpenCV. A read
        # that hangs ends with the device's own time limit; nobody need wait for it here.
        self._thread.join(timeout=2.0)
        if self._thread.is_alive():
            # But Python must: a read that returns when Python has ended aborts the process.
            atexit.register(self._thread.join, _LONGEST_READ)

    def __iter__(self) -> Iterator[TimedFrame]:
        while True:
            with self._fresh:
                last = time.monotonic()
                while self._newest is None:
                    if self._stopped():
                        return
                    if time.monotonic() - last > self.patience:
                        raise CameraUnavailable(
                            f"{self.name} has given no image for {self.patience:g} seconds. "
                            "Check its cable or network, close programs that use it, and start "
                            f"again. {self._refusal()}".strip()
                        )
                    self._fresh.wait(0.1)  # short, so that Stop and Ctrl-C are heard
                newest, self._newest = self._newest, None
            if self._stopped():
                return
            yield newest

    def _refusal(self) -> str:
        return (isinstance(self.address, str) and refusal(*split_user(self.address))) or ""

    def _stopped(self) -> bool:
        return self._left.is_set() or self.stop.is_set()

    def _read(self, capture, left: threading.Event, start: float) -> None:
        pause, told, since = _FIRST_PAUSE, None, start
        try:
            while not left.is_set():
                there, frame = capture.read()
                if left.is_set():
                    break  # after a read that hung, when a new run may have begun
                if there:
                    if time.monotonic() - since > _STEADY:
                        pause, told = _FIRST_PAUSE, None
                    with self._fresh:
                        self._newest = time.monotonic() - start, frame
                        self._fresh.notify()
                    continue
                capture.release()
                if pause != told:
                    self._say(f"{self.name} gives no image; trying again in {pause:g} s.")
                left.wait(pause)
                pause, told = min(2 * pause, _LONGEST_PAUSE), pause
                if not left.is_set():
                    capture = self._open_capture(self.address)
                    since = time.monotonic()
        except Exception as error:
            self._say(f"Reading {self.name} failed: {error}")  # the iteration ends by itself
        finally:
            capture.release()


def _first_frame(capture):
    """The first frame of a device; None if it is closed, or gives none in `_WARM_UP`."""
    latest = time.monotonic() + _WARM_UP
    while capture.isOpened():
        there, frame = capture.read()
        if there:
            return frame
        if time.monotonic() > latest:
            return None
        time.sleep(0.05)
    return None


def _advice(address: int | str, name: str, opened: bool) -> str:
    otherwise = "Or give a video file instead."
    if isinstance(address, str):
        why = refusal(*split_user(address)) or (
            "Check the address, the user name and password in it, and that this machine reaches it."
        )
        return f"The stream {name} cannot be opened. {why} {otherwise}"
    if opened:
        return (
            f"{name} was opened but gives no image: most often another program uses it. "
            f"Close that program, or unplug the camera and plug it in again. {otherwise}"
        )
    if sys.platform.startswith("linux") and not Path(f"/dev/video{address}").exists():
        return (
            f"There is no {name} on this machine (no /dev/video{address}). Plug one in, or try "
            "another index. On a remote server the camera of your own computer is out of reach. "
            f"{otherwise}"
        )
    return (
        f"{name} cannot be opened. Allow this program to use the camera in the system's privacy "
        "settings (on Linux: join the group 'video'), or try another index, such as 1. "
        f"{otherwise}"
    )
