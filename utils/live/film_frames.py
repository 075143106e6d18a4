"""Decoded frames as they are meant to be seen: whole, with square pixels, upright."""

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

from utils.vision.opencv import cores, cv2

_WIDEST = 3  # a pixel more than so many times as wide as high is a damaged header's


def decoding_threads() -> int:
    """Two where there are two cores: reading faces takes longer than decoding them."""
    return min(2, cores())


def square_size(stream, frame: av.VideoFrame) -> tuple[int, int]:
    """Width and height of a frame whose pixels are as wide as high."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if not 1 / _WIDEST <= aspect <= _WIDEST or abs(aspect - 1) < 0.01:
        aspect = Fraction(1)  # damaged, or the rounding of a width
    return max(1, round(frame.width * aspect)), frame.height


class Upright:
    """Turns and mirrors the frames of one file as it says, in quarters of a turn.

    A frame that is asked for its side data refers to itself from then on, and so stays in memory
    until Python looks for such circles: hundreds of frames. So only the first is asked, and one
    from which the rotation, which is told without, is another.
    """

    def __init__(self):
        self._rotation, self._matrix = None, None

    def __call__(self, image: np.ndarray, frame: av.VideoFrame) -> np.ndarray:
        """The image of a frame, upright."""
        if frame.rotation != self._rotation:
            self._rotation, told = frame.rotation, frame.side_data.get("DISPLAYMATRIX")
            self._matrix = None if told is None else np.frombuffer(told, np.int32, 5).tolist()
        if self._matrix is None:
            return image
        a, b, _, c, d = self._matrix
        # A point (x, y) is shown at (a x + c y, b x + d y).
        if abs(b) > abs(a):
            image, a, d = cv2.transpose(image), c, b
        if a < 0 or d < 0:
            image = cv2.flip(image, 1 if d >= 0 else 0 if a >= 0 else -1)
        return image


def progressive(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Frames without the combs of interlacing, from the first interlaced one on."""
    graph, layout = None, None
    for frame in frames:
        found = frame.width, frame.height, frame.format.name, frame.time_base
        if graph is not None and found != layout:
            yield from _filtered(graph, None)
            graph = None
        if graph is None and frame.interlaced_frame:
            graph, layout = _deinterlacing(*found), found
        yield from [frame] if graph is None else _filtered(graph, frame)
    if graph is not None:
        yield from _filtered(graph, None)


def _deinterlacing(width: int, height: int, form: str, time_base: Fraction) -> av.filter.Graph:
    graph = av.filter.Graph()
    graph.threads = decoding_threads()
    source = graph.add_buffer(width=width, height=height, format=form, time_base=time_base)
    # One frame for each, and none but those marked as interlaced are changed.
    change = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    source.link_to(change)
    change.link_to(graph.add("buffersink"))
    graph.configure()
    return graph


def _filtered(graph: av.filter.Graph, frame: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
    """What a graph gives for a frame, or, for None, what it still holds."""
    graph.push(frame)
    while True:
        try:
            yield graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
