"""Reads the faces of one frame after the other.

`FaceAnalyzer` joins detector, tracker and network, and holds what is known from
frame to frame; it knows neither camera nor screen, so a notebook, a script and a
server can all feed it.
"""

import numpy as np

from utils.live.arguments import as_predictor, check_threshold
from utils.live.unsure import Face, labelled_face
from utils.models.opinion import judge_of
from utils.vision.boxes import Box, apart, clip_box, distinct, merge_boxes
from utils.vision.detectors import make_detector
from utils.vision.images import to_grey
from utils.vision.opencv import cv2
from utils.vision.tracking import FaceTracker, follow_boxes

_FLOW_SIDE = 240  # pixels of the shorter side of the copies on which faces are followed
_AT_ONCE = 8  # known faces looked for in a frame, of a crowd those that have waited longest;
_IN_TURN = 0.3  # more where frames are so rare that the crowd would have to wait for these seconds
_ASK_EVERY = 1.0  # seconds after which the second opinion is asked about a known face again
_ASKED_AT_ONCE = 2  # faces about which it is asked in a frame
_NO_FACE = 0.1  # below this share it takes a known face for none; twice, and the track ends


class FaceAnalyzer:
    """Reads the faces of one frame after the other.

    Args:
        predictor: has ``class_names`` and ``predict_faces(frame, boxes)``, as
            `utils.models.predictor.Predictor`; or a model's path.
        detector: "haar", "yunet", or what has ``scan(frame)`` and ``refind(frame, box)``.
        tracker: keeps ids; a `FaceTracker` by default.
        detect_every: seconds after which known faces are looked for again, each near its last
            place; they are followed in between. 0: in every frame.
        scan_every: seconds after which the whole frame is searched for new faces. It is searched
            sooner where no face is known or one was not found again.
        read_every: seconds after which the network reads the faces again; a new face is read at
            once. In between, a face keeps its probabilities, which change slowly against this where
            they are smoothed. 0: in every frame.
        smoothing: time constant of the probabilities, in seconds; 0 for none.
        threshold: least confidence for a label; below it the face is "unsure". 0 never says so.
    """

    def __init__(
        self,
        predictor,
        detector="haar",
        tracker: FaceTracker | None = None,
        detect_every: float = 0.1,
        scan_every: float = 1.0,
        read_every: float = 0.05,
        smoothing: float = 0.3,
        threshold: float = 0.0,
    ):
        check_threshold(threshold)
        self.predictor = predictor = as_predictor(predictor)
        self.class_names = tuple(predictor.class_names)
        self.detector = make_detector(detector or "haar")
        self.tracker = tracker or FaceTracker()
        self.detect_every, self.scan_every = detect_every, max(scan_every, detect_every)
        self.read_every, self.smoothing, self.threshold = read_every, smoothing, threshold
        self._scanned = self._time = -np.inf
        self._before: np.ndarray | None = None
        # A model with a second opinion lets the detector look for small faces, in parts.
        self._judge = judge_of(predictor)
        self._part = self._quiet = 0  # the next part, and parts since the last new face

    @property
    def used(self) -> bool:
        """Whether it has read a frame, and so knows faces and times."""
        return self._before is not None

    def read(self, frame: np.ndarray, seconds: float) -> list[Face]:
        """The faces of the next frame, in the order of their ids.

        All were classified in one call, of this frame or of one less than ``read_every`` ago.

        Args:
            frame: uint8, (height, width) grey or (height, width, 3) BGR, 0–255.
            seconds: its time, never earlier than the last frame's.
        """
        self._follow(to_grey(frame), seconds)
        elapsed, self._time = seconds - self._time, seconds
        reading = any(_due(seconds, t.read, self.read_every) for t in self.tracker.tracks)
        # Where frames are frequent, those on which the network reads are left to it.
        if not reading or elapsed >= 0.9 * min(self.read_every, self.detect_every):
            self._detect(frame, seconds, elapsed)
        shown = []
        for track in self.tracker.visible(seconds):
            box = clip_box(track.box, frame.shape)
            # A face that has mostly left the frame says nothing any more.
            if box is not None and box[2] * box[3] > 0.5 * track.box[2] * track.box[3]:
                shown.append((track, box))
        if any(_due(seconds, track.read, self.read_every) for track, _ in shown):
            rows = self.predictor.predict_faces(frame, [box for _, box in shown])
            for (track, _), row in zip(shown, rows, strict=True):
                track.smooth(row, seconds, self.smoothing)
        return [
            labelled_face(track.id, box, track.probabilities, self.class_names, self.threshold)
            for track, box in shown
        ]

    def _detect(self, frame: np.ndarray, seconds: float, elapsed: float) -> None:
        """Look for known faces whose time it is, and for new ones."""
        due = [t for t in self.tracker.tracks if _due(seconds, t.sought, self.detect_every)]
        most = max(_AT_ONCE, int(min(elapsed / _IN_TURN, 1) * len(due)))
        due = sorted(due, key=lambda track: track.sought)[:most]
        known = [self.detector.refind(frame, track.box) for track in due]
        for track, box in zip(due, known, strict=True):
            track.sought, track.missed = seconds, box is None
        boxes = merge_boxes(box for box in known if box is not None)
        missed = len(boxes) < len(due) or any(track.missed for track in self.tracker.tracks)
        content = self.tracker.tracks and not missed
        pause = self.scan_every if content else min(2 * self.detect_every, self.scan_every)
        if self._judge and self._quiet < self.detector.scan_parts:
            pause = self.detect_every  # sizes are left in which new faces may be found
        scans = _due(seconds, self._scanned, pause)
        if scans:
            self._scanned = seconds
            boxes += [box for box in self._scan(frame) if apart(box, boxes)]
        elif self._judge and (not due or len(due) == most):  # else on a frame that has time
            self._doubt(frame, seconds)
        if due or scans:
            self.tracker.update(boxes, seconds)

    def _doubt(self, frame: np.ndarray, seconds: float) -> None:
        """End tracks of what is no face any more."""
        due = [t for t in self.tracker.tracks if _due(seconds, t.asked, _ASK_EVERY) and not t.lost]
        due = sorted(due, key=lambda track: track.asked)[:_ASKED_AT_ONCE]
        boxes = [clip_box(track.box, frame.shape) for track in due]
        asked = [(track, box) for track, box in zip(due, boxes, strict=True) if box is not None]
        shares = self._judge(frame, [box for _, box in asked])
        for (track, _), share in zip(asked, shares, strict=True):
            track.asked, track.refused = seconds, track.refused + 1 if share < _NO_FACE else 0
        self.tracker.tracks = [track for track in self.tracker.tracks if track.refused < 2]

    def _scan(self, frame: np.ndarray) -> list[Box]:
        """New faces, of some sizes where the detector searches in parts."""
        if not self._judge:
            return self.detector.scan(frame)
        known = [track.box for track in self.tracker.tracks]

        def judge_new(frame, boxes):  # about known faces `_doubt` asks
            shares = np.ones(len(boxes))
            new = [number for number, box in enumerate(boxes) if distinct([box], known)]
            shares[new] = self._judge(frame, [boxes[number] for number in new])
            return shares

        found = self.detector.scan(frame, judge_new, self._part)
        self._part = (self._part + 1) % self.detector.scan_parts
        fresh = any(apart(box, known) for box in found)
        self._quiet = 0 if fresh else self._quiet + 1
        return found

    def _follow(self, grey: np.ndarray, seconds: float) -> None:
        scale = min(1.0, _FLOW_SIDE / min(grey.shape))
        size = [max(1, round(side * scale)) for side in grey.shape[::-1]]
        now = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        before, self._before = self._before, now
        boxes = [track.box * scale for track in self.tracker.tracks]
        if before is None or before.shape != now.shape:
            followed = [None] * len(boxes)
        else:
            followed = follow_boxes(before, now, boxes)
        self.tracker.follow([None if box is None else box / scale for box in followed], seconds)


def _due(seconds: float, last: float, every: float) -> bool:
    """Whether it is time again; frame times jitter, and a little early beats a frame late."""
    return seconds - last >= 0.9 * every
