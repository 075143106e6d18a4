"""Who is who from frame to frame, and what a face has shown lately.

Between detections each face is followed by median flow: a grid of points is
carried along by the pyramidal Lucas–Kanade method, forward and back; points that
do not return are dropped and the median of the rest moves and scales the box
(Kalal, Mikolajczyk and Matas, "Forward-backward error", ICPR 2010). At each
detection, faces and boxes are paired at the least total cost (Kuhn's Hungarian
method), a face being expected where its velocity would have carried it.

Nothing here reads a clock, a camera or a random number: the same frames and times
give the same tracks. Boxes are (left, top, width, height) in pixels, as floats.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import lap
import numpy as np

from utils.vision.boxes import intersection_over_union
from utils.vision.opencv import cv2

_VELOCITY_SECONDS = 0.15  # time constant of a face's velocity
_TRUST = 0.7  # weight of a detected box against the followed one: Haar boxes jitter
_CHANGE = 20  # mean grey levels by which a followed point's surroundings may change
_COVERED = 0.3  # intersection over union from which an unseen face is behind a seen one
_NEVER = 1e6  # cost of a pair that must not be made


@dataclass
class Track:
    """One face over time.

    Attributes:
        id: number of the face, from 1, never given twice by one tracker.
        box: float64, (4,): left, top, width, height in pixels, as of `seconds`.
        seconds: time of `box`.
        seen: when a detection last confirmed the face.
        velocity: float64, (2,): pixels a second, right and down.
        lost: neither detected nor followed at last, or behind another; its box is a guess.
        probabilities: float64, (classes,), smoothed; None before the first reading.
        read: time of the last reading; -inf before the first.
        sought: when a detector last looked for it near its place.
        missed: whether it was not seen then.
        asked: when a second opinion was last asked about it.
        refused: how often in a row that took it for no face.
    """

    id: int
    box: np.ndarray
    seconds: float
    seen: float
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    lost: bool = False
    probabilities: np.ndarray | None = None
    read: float = -np.inf
    sought: float = -np.inf
    missed: bool = False
    asked: float = -np.inf
    refused: int = 0

    def expected(self, seconds: float) -> np.ndarray:
        """Where the box will be at that time if the face keeps its velocity."""
        return self.box + np.append(self.velocity * (seconds - self.seconds), (0, 0))

    def move_to(self, box: np.ndarray, seconds: float) -> None:
        """Take a measured box, and the velocity that it implies."""
        elapsed = seconds - self.seconds
        if elapsed > 0:
            speed = (_centre(box) - _centre(self.box)) / elapsed
            self.velocity += _weight(elapsed, _VELOCITY_SECONDS) * (speed - self.velocity)
        self.box, self.seconds = np.asarray(box, np.float64), seconds

    def smooth(self, probabilities: np.ndarray, seconds: float, time_constant: float) -> None:
        """Blend a new reading in, by the time passed and not by the number of frames.

        Args:
            probabilities: (classes,), sum 1.
            seconds: time of the reading.
            time_constant: seconds after which an old reading still weighs 1/e; 0
                keeps the newest alone.
        """
        new = np.asarray(probabilities, np.float64)
        if self.probabilities is None:
            self.probabilities = new.copy()
        else:
            weight = _weight(seconds - self.read, time_constant)
            self.probabilities = self.probabilities + weight * (new - self.probabilities)
        self.read = seconds


class FaceTracker:
    """Keeps an id for each face.

    Args:
        linger: seconds for which a face that detection misses is still shown, as long
            as it can be followed.
        patience: seconds after which an unseen face is forgotten; one that comes
            back later gets a new id.
    """

    def __init__(self, linger: float = 1.0, patience: float = 2.0):
        if not 0 <= linger <= patience:
            raise ValueError(
                "linger and patience are seconds, 0 ≤ linger ≤ patience. "
                f"Received: linger={linger}, patience={patience}"
            )
        self.linger, self.patience = linger, patience
        self.tracks: list[Track] = []
        self._ids = count(1)

    def follow(self, boxes: Sequence[np.ndarray | None], seconds: float) -> None:
        """Move every track between detections.

        Args:
            boxes: one for each of `tracks`, in their order; None where the face
                could not be followed and its velocity must do.
            seconds: time of the frame.
        """
        for track, box in zip(self.tracks, boxes, strict=True):
            # Two faces that pass each other share pixels, and flow sticks to the nearer one.
            passing = any(
                intersection_over_union(track.box, other.box) > 0.1
                for other in self.tracks
                if other is not track
            )
            if box is None or passing:
                track.box, track.seconds = track.expected(seconds), seconds
                track.lost = track.lost or box is None
            else:
                track.move_to(box, seconds)

    def update(self, boxes: Sequence[Sequence[float]], seconds: float) -> None:
        """Pair the boxes of a detection with the faces known so far.

        Args:
            boxes: (left, top, width, height) of every face found in the frame.
            seconds: time of the frame, never earlier than the last.
        """
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        self.tracks = [t for t in self.tracks if seconds - t.seen <= self.patience]
        expected = [track.expected(seconds) for track in self.tracks]
        costs = np.array([[_cost(before, box) for box in boxes] for before in expected])
        costs = costs.reshape(len(self.tracks), len(boxes))
        new, found = set(range(len(boxes))), []
        for row, column in cheapest_pairs(costs):
            if costs[row, column] < _NEVER:
                track, before = self.tracks[row], expected[row]
                track.move_to(before + _TRUST * (boxes[column] - before), seconds)
                track.seen, track.lost = seconds, False
                new.discard(column)
                found.append(track)
        for track, before in zip(self.tracks, expected, strict=True):
            # Behind another face there is nothing to read: what shows is the one in front.
            covered = any(intersection_over_union(before, other.box) > _COVERED for other in found)
            track.lost = track.lost or (covered and track.seen < seconds)
        for column in sorted(new):
            box, number = boxes[column].copy(), next(self._ids)
            track = Track(number, box, seconds, seconds, sought=seconds, asked=seconds)
            self.tracks.append(track)

    def visible(self, seconds: float) -> list[Track]:
        """The tracks to read and draw, by id: not lost, and seen no longer than `linger` ago."""
        return [
            track
            for track in self.tracks
            if not track.lost and seconds - track.seen <= self.linger + 1e-9
        ]


def follow_boxes(
    before: np.ndarray, now: np.ndarray, boxes: Sequence[np.ndarray]
) -> list[np.ndarray | None]:
    """Where boxes of one frame have gone in the next, by median flow.

    Args:
        before, now: uint8 grey, (height, width), the same shape, 0–255. Small
            copies do: a few hundred pixels a side.
        boxes: (left, top, width, height) in pixels of these frames.

    Returns:
        A box for each, or None where too few points could be followed.
    """
    if not len(boxes):
        return []
    steps = np.linspace(0.2, 0.8, 5)
    grid = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    points = np.concatenate([np.array(box[:2]) + grid * np.array(box[2:]) for box in boxes])
    points = points.astype(np.float32).reshape(-1, 1, 2)
    options = {"winSize": (13, 13), "maxLevel": 2}
    there, found, change = cv2.calcOpticalFlowPyrLK(before, now, points, None, **options)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(now, before, there, None, **options)
    error = np.linalg.norm(back - points, axis=2).ravel()
    good = (found.ravel() > 0) & (returned.ravel() > 0) & (change.ravel() < _CHANGE)
    split = (len(boxes), len(grid), -1)
    rows = zip(
        boxes,
        points.reshape(split),
        there.reshape(split),
        error.reshape(split[:2]),
        good.reshape(split[:2]),
        strict=True,
    )
    return [_median_move(*row) for row in rows]


def _median_move(box, before, after, error, good) -> np.ndarray | None:
    good = good & (error <= max(0.01 * box[2], 0.5))
    if good.sum() < len(good) // 3:
        return None
    points = np.stack([before[good], after[good]])
    # Scale from the spread of the points about their middle: less noise than single pairs.
    middles = np.median(points, axis=1, keepdims=True)
    spread = np.median(np.linalg.norm(points - middles, axis=2), axis=1)
    scale = np.clip(spread[1] / max(spread[0], 1e-6), 0.9, 1.1)
    centre = _centre(box) + np.median(points[1] - points[0], axis=0)
    side = np.array(box[2:]) * scale
    return np.concatenate([centre - side / 2, side])


def cheapest_pairs(costs: np.ndarray) -> list[tuple[int, int]]:
    """The row and the column of each pair, at the least total cost.

    Args:
        costs: float64, (rows, columns), finite; there may be none of either.

    Returns:
        As many pairs as there are rows or columns, whichever are fewer.
    """
    return list(zip(*lap.lapjvx(costs, extend_cost=True, return_cost=False), strict=True))


def _cost(expected: np.ndarray, box: np.ndarray) -> float:
    """How badly a box fits the place where a face is expected; `_NEVER` if it cannot be it."""
    side = (expected[2] + box[2]) / 2
    distance = np.linalg.norm(_centre(expected) - _centre(box)) / side
    growth = abs(np.log(box[2] / expected[2]))
    if distance > 1.0 or growth > np.log(2.2):
        return _NEVER
    return distance + 0.5 * growth + (1 - intersection_over_union(expected, box))


def _centre(box: np.ndarray) -> np.ndarray:
    return np.array(box[:2]) + np.array(box[2:]) / 2


def _weight(elapsed: float, time_constant: float) -> float:
    """Weight of a new value after that time: 1 − e^(−elapsed / time constant)."""
    return 1.0 if time_constant <= 0 else float(-np.expm1(-max(elapsed, 0.0) / time_constant))
