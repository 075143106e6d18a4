"""Boxes around faces: cutting, comparing and choosing them.

A box is (left, top, width, height) in pixels of the frame it lies in.
"""

from collections.abc import Callable, Iterable
from math import hypot

import numpy as np

Box = tuple[int, int, int, int]
"""A face: left, top, width, height in whole pixels of the frame it was found in."""

Judge = Callable[[np.ndarray, list[Box]], np.ndarray]
"""Of a frame and boxes in it, how sure it is that each holds a face: float, (boxes,), 0–1."""


_DOUBT = 0.45  # by how much less a judge may be sure where a box is confirmed


def believed(
    frame: np.ndarray,
    boxes: list[Box],
    judge: Judge,
    least: float = 0.85,
    confirm: Callable[[Box], bool] = lambda box: False,
) -> list[Box]:
    """The boxes that a judge takes for faces, apart from each other, the surest first.

    Args:
        frame: uint8, (height, width) grey or (height, width, 3) BGR, 0–255.
        boxes: in pixels of the frame.
        judge: see `Judge`.
        least: share from which it is sure enough.
        confirm: asked of a box of which it is less sure, but not much.
    """
    kept: list[Box] = []
    if boxes:
        for share, box in sorted(zip(judge(frame, boxes), boxes, strict=True), reverse=True):
            sure = share >= least or (share >= least - _DOUBT and confirm(box))
            if sure and apart(box, kept):
                kept.append(box)
    return kept


def distinct(boxes: Iterable[Box], known: Iterable[Box] = ()) -> list[Box]:
    """Boxes that overlap no earlier or known one by half (intersection over union)."""
    kept = list(known)
    count = len(kept)
    for box in boxes:
        if all(intersection_over_union(box, other) < 0.5 for other in kept):
            kept.append(box)
    return kept[count:]


def clip_box(box: Iterable[float], shape: tuple[int, ...]) -> Box | None:
    """A box in whole pixels, cut at the border of a frame of that shape; None if nothing is left.

    >>> clip_box((-4.2, 2, 10, 10), (100, 100))
    (0, 2, 6, 10)
    """
    left, top, width, height = box
    right, bottom = min(round(left + width), shape[1]), min(round(top + height), shape[0])
    left, top = max(round(left), 0), max(round(top), 0)
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def whole_boxes(boxes: Iterable[Iterable[float]], shape: tuple[int, ...]) -> list[Box]:
    """What was found in a frame of that shape, cut at its border and merged, the largest first."""
    clipped = (clip_box(box, shape) for box in boxes)
    return merge_boxes(box for box in clipped if box is not None)


def merge_boxes(boxes: Iterable[Box]) -> list[Box]:
    """Boxes without those that lie on a larger one, the largest first.

    A cascade's second box is most often a part of the first: see `apart`.
    """
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda box: (-box[2] * box[3], box)):
        if apart(box, kept):
            kept.append(box)
    return kept


def apart(box: Box, others: Iterable[Box], overlap: float = 0.4) -> bool:
    """Whether a box shares less than ``overlap`` of the smaller area with each of the others."""
    area = box[2] * box[3]
    return all(shared_area(box, one) < overlap * min(area, one[2] * one[3]) for one in others)


def intersection_over_union(one: Box, other: Box) -> float:
    """Area that two boxes have in common, as a share of all that they cover, 0–1.

    >>> intersection_over_union((0, 0, 10, 10), (5, 0, 10, 10))
    0.3333333333333333
    """
    shared = shared_area(one, other)
    return float(shared / (one[2] * one[3] + other[2] * other[3] - shared))


def nearest_box(boxes: Iterable[Box], box: Iterable[float]) -> Box:
    """The one of several boxes whose centre is nearest to that of ``box``."""
    x, y = _centre(box)
    return min(boxes, key=lambda one: hypot(_centre(one)[0] - x, _centre(one)[1] - y))


def _centre(box: Iterable[float]) -> tuple[float, float]:
    left, top, width, height = box
    return left + width / 2, top + height / 2


def shared_area(one: Box, other: Box) -> float:
    """Area that two boxes have in common, in square pixels."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(across, 0) * max(down, 0)


def central_square(shape: tuple[int, ...]) -> Box:
    """The largest square in the middle of an image.

    >>> central_square((480, 640))
    (80, 0, 480, 480)
    """
    height, width = shape[:2]
    side = min(height, width)
    return (width - side) // 2, (height - side) // 2, side, side
