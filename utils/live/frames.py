"""What all sources of frames share.

A source is a context manager and is iterated over once, giving (seconds, frame): seconds since the
first frame as a float, and a uint8 frame, (height, width, 3) in BGR or (height, width) grey, 0–255.
Leaving the ``with`` block releases the device, whatever happened inside.
"""

from collections.abc import Iterable, Iterator
from threading import Event

import numpy as np

TimedFrame = tuple[float, np.ndarray]
"""Seconds since the first frame, and the frame: uint8, grey or BGR, 0–255."""


class FrameSource:
    """A source of frames; on its own, any iterable of (seconds, frame), seconds never decreasing.

    Attributes:
        name: what the table calls it.
        fps: frames a second as far as it is known, else None.
        length: number of frames if known beforehand, else None.
        stop: an event that, once set, ends the frames early.
    """

    def __init__(
        self, frames: Iterable[TimedFrame] = (), name: str = "frames", fps: float | None = None
    ):
        self._frames = frames
        self.name, self.fps = name, fps
        self.length = len(frames) if hasattr(frames, "__len__") else None
        self.stop = Event()

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        close = getattr(self._frames, "close", None)  # a generator's own clean-up
        if close is not None:
            close()

    def __iter__(self) -> Iterator[TimedFrame]:
        return iter(self._frames)
