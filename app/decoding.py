"""An uploaded video: refused by its header, or else decoded by a process of its own."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from app.decoder import TOO_LARGE
from app.limits import Limits
from app.problems import Problem
from utils.config import PROJECT
from utils.live.frames import FrameSource, TimedFrame

_PROGRAM = Path(__file__).with_name("decoder.py")
_UNREADABLE = (
    "The video cannot be read: it is damaged, holds sound only, or its codec is not known. Convert "
    "it to MP4 (H.264) and try again."
)


class UploadedVideo(FrameSource):
    """A source (see `utils.live.sources`) that holds a client's video to the limits.

    Its header is judged on entering. What it did not say comes out while frames are taken.

    Args:
        path: the file.
        limits: what a video may be.

    Attributes:
        messages: what of it could not be read; complete after the last frame.

    Raises:
        Problem: on entering; 413 too long or too large, 422 no video.
        ValueError: while iterating; too long, too large, or the decoder failed.
    """

    def __init__(self, path: Path, limits: Limits):
        super().__init__(name=path.name)
        self._path, self._limits = path, limits
        self.messages: list[str] = []

    def __enter__(self):
        modules = os.pathsep.join([str(PROJECT), *filter(None, sys.path)])
        bounds = str(self._limits.video_memory), str(self._limits.video_pixels)
        # As a file and not as a module, which would load the whole application.
        self._process = subprocess.Popen(
            [sys.executable, str(_PROGRAM), str(self._path), *bounds],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            pipesize=1 << 20,  # a frame is many times that of the usual pipe
            env=os.environ | {"PYTHONPATH": modules},
        )
        try:
            self._judge(self._receive())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error) -> None:
        self._process.kill()
        self._process.stdout.close()
        self._process.wait()

    def __iter__(self) -> Iterator[TimedFrame]:
        try:
            yield from self._decoded()
        except Problem as problem:  # whoever takes the frames knows a ValueError
            raise ValueError(problem.detail) from None

    def _decoded(self) -> Iterator[TimedFrame]:
        longest, count = self._limits.video_seconds, 0
        while "seconds" in (part := self._receive()):
            frame = np.empty(part["shape"], np.uint8)
            if self._process.stdout.readinto(frame.data.cast("B")) < frame.nbytes:
                raise self._failure()
            count += 1
            if part["seconds"] > longest or count > longest * self._limits.video_fps:
                raise _too_long(longest)
            yield part["seconds"], frame
        if "error" in part:
            raise Problem(422, _UNREADABLE)
        self.messages = part["messages"]

    def _receive(self) -> dict:
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._failure()
        return json.loads(line)

    def _failure(self) -> Problem:
        """Why the decoder ended early."""
        if self._process.wait() != TOO_LARGE:
            return Problem(422, _UNREADABLE)
        return Problem(
            413,
            "The video takes too much memory to decode: more than "
            f"{self._limits.video_memory / 1e6:.0f} MB. Frames that become larger than the first "
            "do that. Convert it to MP4 (H.264), with all frames of one size, and try again.",
        )

    def _judge(self, header: dict) -> None:
        limits = self._limits
        width, height = header["size"]
        if width * height > limits.video_pixels:
            raise Problem(
                413,
                f"The video's frames are too large: {width}×{height} pixels, at most "
                f"{limits.video_pixels / 1e6:g} million are taken. Scale it down and try again.",
            )
        if "error" in header:
            raise Problem(422, _UNREADABLE)
        self.fps, length = header["fps"], header["length"]
        known = length and self.fps and self.fps <= limits.video_fps
        self.length = length if known else None
        if known and length / self.fps > limits.video_seconds:
            raise _too_long(limits.video_seconds)


def _too_long(seconds: float) -> Problem:
    return Problem(
        413,
        f"The video is too long: at most {math.ceil(seconds / 60)} minutes are read. Cut it and "
        "try again.",
    )
