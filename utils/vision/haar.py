"""Where the faces are: Haar cascades, used with care.

The detector is that of Viola and Jones, "Rapid object detection using a boosted cascade of simple
features" (CVPR 2001), with the trees of Lienhart and Maydt (ICIP 2002) that OpenCV ships. Of its
frontal cascades ``alt2`` is used: it finds about as many faces as the customary ``default`` and far
fewer that are none.

Every frame is first brought to a size at which the least face that is looked for is just large
enough for the cascade. So the cost depends on how small a face may be, not on the resolution.

Frames are in OpenCV's form: uint8, (height, width) grey or (height, width, 3) BGR, 0–255. Boxes are
(left, top, width, height) in whole pixels of that frame.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from threading import Lock

import numpy as np

from utils.vision.boxes import (
    Box,
    Judge,
    apart,
    believed,
    clip_box,
    distinct,
    nearest_box,
    whole_boxes,
)
from utils.vision.images import to_grey
from utils.vision.opencv import INSTALL, cv2

LEAST_FACE = 24  # pixels; a smaller face says too little to a 48-pixel network
_WINDOW = 30  # pixels of the least face in the copy that the cascade searches
_SHARE = 0.05  # of the shorter side: from where `propose` looks for faces at first
_COARSEST = 1.4  # the step at which it does
_STEP = 1.1  # growth of the search window from one round to the next
_COARSE = 1.2  # the same where time counts
_TINY = 0.02  # of the shorter side: no smaller face is looked for, or large images took seconds
_FAR = 0.12  # share of the shorter side: where a face is smaller, others may be, too
_ALONE = 0.6  # the same of a face for which a judged still is searched further
_MIDDLE, _HINT = 0.7, 0.1  # but for smaller ones, too, if so sure that its middle is a face
_SURE = 0.3  # how sure the second opinion must be of what those find
_KEPT = 16_000_000  # pixels for which a cascade may keep memory
_FILES = {name: f"haarcascade_frontalface_{name}.xml" for name in ("alt", "alt2", "default")}
_FILES["profile"] = "haarcascade_profileface.xml"
# Passes for a still in which the first found nothing: cascade, neighbours, degrees, mirrored.
# All search an equalised copy. Of 195 missed faces of FER-2013's train these find 109, with 5
# boxes in 110 images without a face. Most are tilted: upright, others find next to nothing.
_FALLBACK = (
    ("alt", 3, 26, False), ("alt", 3, -26, False), ("profile", 3, 0, False),
    ("profile", 3, 0, True), ("alt2", 5, 14, False), ("alt2", 5, -14, False),
)  # fmt: skip


class FaceDetector:
    """Haar cascades, loaded once and used for every frame.

    Several threads may share one; their searches then wait for each other.

    Args:
        least_share: least side of a face, as a share of the frame's shorter side (0.1: a face of 48
            pixels at 640×480). Halving it costs about four times the time. Faces under `LEAST_FACE`
            pixels are never looked for.
        folder: where the cascades' XML files lie; OpenCV's own folder by default.

    Raises:
        ValueError: ``least_share`` is not above 0 and at most 1.
        OSError: this OpenCV has no Haar cascades.
    """

    scan_parts = 4  # calls of `scan` that look for all sizes

    def __init__(self, least_share: float = 0.1, folder: str | Path | None = None):
        if not 0 < least_share <= 1:
            raise ValueError(f"least_share must lie above 0, at most 1. Received: {least_share}")
        self.least_share = least_share
        self._folder = folder
        self._cascades = {name: _load(file, folder) for name, file in _FILES.items()}
        self._reach = dict.fromkeys(_FILES, (0, 0))
        self._lock = Lock()  # a cascade keeps the image that it searches

    def detect(
        self, frame: np.ndarray, thorough: bool = False, judge: Judge | None = None
    ) -> list[Box]:
        """The boxes of all faces of a frame, the largest first, apart from each other.

        Args:
            frame: uint8, (height, width) grey or (height, width, 3) BGR, 0–255.
            thorough: where the usual pass finds nothing, also look for faces that fill the image,
                badly lit, half-turned or tilted ones. Meant for stills: one without a face then
                costs some six times as much.
            judge: a second opinion, such as `utils.models.predictor.Predictor.face_shares`. With it
                far smaller faces are found, and fewer boxes that are none.
        """
        grey = to_grey(frame)
        if judge is not None:
            return self._judged(frame, grey, thorough, judge)
        passes = islice(self._passes(grey, self.least_share), None if thorough else 1)
        return whole_boxes(next(filter(None, passes), []), grey.shape)

    def _judged(self, frame, grey, thorough, judge) -> list[Box]:
        """What the cascades propose and the second opinion takes for faces."""
        boxes = self._believed(frame, self.propose(grey), judge)
        if not boxes and thorough:
            passes = self._passes(grey, self._share(frame, judge))
            passes = (whole_boxes(found, grey.shape) for found in passes)
            boxes = next(filter(None, (believed(frame, each, judge, _SURE) for each in passes)), [])
            boxes = boxes or self._believed(frame, self._far_away(grey), judge)
        # Proposals lie roughly; after this three in a hundred more overlap their face well.
        boxes = whole_boxes([self.refind(frame, box) or box for box in boxes], grey.shape)
        if len(boxes) > 1 or any(box[2] < _FAR * min(grey.shape) for box in boxes):  # group or far
            others = distinct(self.propose(grey, generous=True), boxes)
            boxes += [box for box in self._believed(frame, others, judge) if apart(box, boxes)]
        return sorted(boxes, key=lambda box: (-box[2] * box[3], box))

    def _share(self, frame, judge) -> float:
        """From what share of the shorter side on further passes look for faces in a still."""
        side = max(1, round(_MIDDLE * min(frame.shape[:2])))
        middle = (frame.shape[1] - side) // 2, (frame.shape[0] - side) // 2, side, side
        hint = judge(frame, [middle])[0] >= _HINT  # small ones cost seven times the time
        return self.least_share if hint else max(_ALONE, self.least_share)

    def _believed(self, frame, boxes, judge) -> list[Box]:
        """Boxes that the judge believes; of those it doubts, a stricter cascade must see a face."""
        return believed(frame, boxes, judge, confirm=lambda box: bool(self.refind(frame, box)))

    def propose(self, frame: np.ndarray, generous: bool = False) -> list[Box]:
        """Boxes that may hold a face, for who has a second opinion; many hold none.

        Boxes of one face by two cascades may lie on each other.

        Args:
            frame: as for `detect`.
            generous: look for faces down to 24 pixels, or a fiftieth of the shorter side where that
                is more, with two cascades, at three times the cost.
        """
        grey = to_grey(frame)
        least = max(LEAST_FACE, (_TINY if generous else _SHARE) * min(grey.shape))
        names, step = (("default", "alt2"), _COARSE) if generous else (("default",), _COARSEST)
        found = [b for name in names for b in self._search(grey, least, name, 1, step, LEAST_FACE)]
        return [box for box in (clip_box(box, grey.shape) for box in found) if box is not None]

    def _far_away(self, grey: np.ndarray) -> list[Box]:
        """Proposals smaller than the first ones, where all faces are far away."""
        least, most = (max(LEAST_FACE, share * min(grey.shape)) for share in (_TINY, _SHARE))
        if most < 1.2 * least:
            return []
        most = round(_COARSEST * most / least * LEAST_FACE)
        found = self._search(grey, least, "default", 1, _COARSEST, LEAST_FACE, most)
        return whole_boxes(found, grey.shape)

    def scan(self, frame: np.ndarray, judge: Judge | None = None, part: int = 0) -> list[Box]:
        """New faces of a live frame, as of `detect`, in about half its time.

        The window grows in coarser steps and fewer neighbours suffice; what is found is kept only
        if a second, differently trained cascade sees a face there too.

        Args:
            frame: as for `detect`.
            judge: see `detect`; it takes the second cascade's place, and each call looks for faces
                of some sizes only, so that no frame waits for all.
            part: 0 to `scan_parts` − 1: with a judge, 0 is for large faces, as without one, the
                next ones for those down to `LEAST_FACE`.
        """
        grey = to_grey(frame)
        least = max(LEAST_FACE, 1.2 * self.least_share * min(grey.shape))
        if judge is not None:
            found = whole_boxes(self._band(grey, least, part), grey.shape)
            return self._believed(frame, found, judge)
        boxes = whole_boxes(self._search(grey, least, "alt2", 2, _COARSE), grey.shape)
        return [box for box in boxes if self._search_near(grey, box, "alt", 1, side=48)]

    def _band(self, grey: np.ndarray, large: float, part: int) -> list[tuple]:
        """Proposals of the sizes of one part of a scan."""
        if not part:
            return self._search(grey, large, "default", 1, _COARSE)
        if large < 1.1 * LEAST_FACE or min(grey.shape) < LEAST_FACE:
            return []
        growth = (large / LEAST_FACE) ** (1 / (self.scan_parts - 1))
        scale = growth ** (part + 1 - self.scan_parts)  # the band's least face becomes 24 pixels
        most = round(1.2 * growth * LEAST_FACE)
        found = self._run("default", _resize(grey, scale), _COARSE, 1, LEAST_FACE, most)
        return [tuple(float(value) / scale for value in box) for box in found]

    def refind(self, frame: np.ndarray, box: Iterable[float]) -> Box | None:
        """A known face, looked for only near its place and size: a tenth of `scan`'s cost.

        Args:
            frame: as for `detect`.
            box: where the face should be: (left, top, width, height) in pixels.

        Returns:
            Its box now, in whole pixels; None if it is not seen there.
        """
        found = self._search_near(frame, box, "alt2", 2, side=64)  # on less, boxes grow too wide
        return clip_box(nearest_box(found, box), frame.shape) if found else None

    def _search_near(self, frame, box, cascade, neighbours, side) -> list[tuple]:
        """Boxes of about this box's place and size; the face is brought to ``side`` pixels."""
        left, top, width, height = box
        wide = (left - 0.35 * width, top - 0.35 * height, 1.7 * width, 1.7 * height)
        clipped = clip_box(wide, frame.shape)
        if clipped is None:
            return []
        x, y, across, down = clipped
        scale = side / width
        copy = _resize(to_grey(frame[y : y + down, x : x + across]), scale)
        least, most = round(0.7 * side), round(1.4 * side)
        found = self._run(cascade, copy, _STEP, neighbours, least, most)
        return [(x + a / scale, y + b / scale, c / scale, d / scale) for a, b, c, d in found]

    def _passes(self, grey: np.ndarray, share: float) -> Iterator[list[tuple]]:
        """What the usual and each further pass over a still finds, all in copies of one size."""
        finest, least = (max(LEAST_FACE, s * min(grey.shape)) for s in (self.least_share, share))
        window = _WINDOW * least / finest
        yield self._search(grey, least, "alt2", 3, window=window)
        # The cascade wants some surroundings, which a tight crop of a face lacks.
        border = min(grey.shape) // 4
        bordered = cv2.copyMakeBorder(grey, *[border] * 4, cv2.BORDER_REPLICATE)
        large = max(LEAST_FACE, 0.4 * min(grey.shape))
        boxes = self._search(bordered, large, "alt2", 3, window=2 * _WINDOW)
        yield [(left - border, top - border, *side) for left, top, *side in boxes]
        scale = min(1.0, window / least)
        small = cv2.equalizeHist(_resize(grey, scale))
        for settings in _FALLBACK:
            boxes = self._search_turned(small, least * scale, window, *settings)
            yield [tuple(value / scale for value in box) for box in boxes]

    def _search_turned(self, grey, least, window, cascade, neighbours, degrees, mirrored) -> list:
        height, width = grey.shape
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        if degrees:
            grey = cv2.warpAffine(grey, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
        if mirrored:
            grey = np.ascontiguousarray(grey[:, ::-1])
        back = cv2.invertAffineTransform(turn)
        boxes = []
        for left, top, *side in self._search(grey, least, cascade, neighbours, window=window):
            if mirrored:
                left = width - left - side[0]
            centre = back @ (left + side[0] / 2, top + side[1] / 2, 1)
            boxes.append((centre[0] - side[0] / 2, centre[1] - side[1] / 2, *side))
        return boxes

    def _search(self, grey, least, name, neighbours, step=_STEP, window=_WINDOW, most=0) -> list:
        if min(grey.shape) < least:
            return []
        scale = window / least
        found = self._run(name, _resize(grey, scale), step, neighbours, round(0.95 * window), most)
        return [tuple(float(value) / scale for value in box) for box in found]

    def _run(self, cascade, grey, step, neighbours, least, most=0) -> np.ndarray:
        """Boxes of faces of ``least`` to ``most`` pixels; 0 is no limit."""
        sizes = {"minSize": (least, least), "maxSize": (most, most)}
        with self._lock:
            # A cascade keeps memory for the highest times the widest image that it has seen,
            # so a tall strip after a wide one could take all there is, and never give it back.
            reach = np.maximum(self._reach[cascade], grey.shape)
            if reach.prod() > max(_KEPT, grey.size):
                self._cascades[cascade] = _load(_FILES[cascade], self._folder)
                reach = grey.shape
            self._reach[cascade] = reach
            return self._cascades[cascade].detectMultiScale(grey, step, neighbours, **sizes)


def _resize(grey: np.ndarray, scale: float) -> np.ndarray:
    size = [max(1, round(side * scale)) for side in grey.shape[::-1]]
    shrinks = scale < 1
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _load(file: str, folder: str | Path | None):
    if not hasattr(cv2, "CascadeClassifier"):
        raise OSError(
            f"OpenCV {cv2.__version__} has no Haar cascades: version 5 removed them. "
            f"Install the last 4.x line: {INSTALL}"
        )
    path = Path(folder or cv2.data.haarcascades) / file
    if not path.is_file():
        raise OSError(
            f"The cascade {file} is missing from {path.parent} (OpenCV {cv2.__version__}; 5 "
            f"carries none). Install the last 4.x line: {INSTALL}"
        )
    cascade = cv2.CascadeClassifier(str(path))
    if cascade.empty():
        raise OSError(f"{path} is no Haar cascade, or damaged. Reinstall OpenCV: {INSTALL}")
    return cascade
