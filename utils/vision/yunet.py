"""Where the faces are: the YuNet network, for who has its model file.

YuNet (Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
Research 2023) runs in OpenCV itself and learned from WIDER FACE, whose faces are also tilted,
turned and covered. Its file does not come with OpenCV (see `utils.vision.yunet_file`).

An expression network learns from crops of one kind, and FER-2013's are in effect Haar boxes, while
those of WIDER FACE are oblong and reach from forehead to chin. So YuNet's own box is left aside,
and a square is laid around the eyes and the mouth that it marks, where FER-2013's images have them.
Turning the crop until the eyes are level gained nothing: of 831 validation images 64.1 % were
labelled right as they are, and 63.8 % when turned.
"""

from collections.abc import Iterable
from pathlib import Path
from threading import Lock

import numpy as np

from utils.vision.boxes import Box, Judge, apart, believed, clip_box, nearest_box, whole_boxes
from utils.vision.images import check_image
from utils.vision.opencv import cv2
from utils.vision.yunet_file import WHERE, find_yunet, why_not_yunet

SCORE = 0.7  # least score of a face; at the customary 0.9 one in five of a group is missed
_SIDE = 480  # pixels of the shorter side of the copy searched; YuNet sees faces of 10 to 300
_LEAST = 10  # pixels of the least face there, and of a face in the frame: what is looked for
_LEAST_FACE = 24
_DOUBT = 0.1  # how sure a second opinion must at least be: YuNet is seldom wrong
_NEAR = 128  # pixels of the shorter side around a known face
_TIGHT = 192  # the same of a face that fills the image, with a border of half its side

# As shares of the side of a FER-2013 image: between the eyes, the median of 735 training
# images in which haarcascade_eye finds one eye a half; the mouth's corners as they lie
# in the mean of those images. The eyes are at 0.38 of the height, the mouth at 0.785.
_BETWEEN_EYES = 0.383
_EYES_TO_MOUTH = 0.405
_CENTRE = 0.3  # the image's centre, on the way from the eyes to the mouth


class YuNetDetector:
    """YuNet, with the methods of `utils.vision.haar.FaceDetector`.

    Args:
        model_file: a file of OpenCV's model zoo; by default the one that lies in ``models/``.
        score: least score of what is taken for a face, 0–1.

    Raises:
        FileNotFoundError: there is no such file; the message says where to get it.
        ValueError: the file holds something else, or ``score`` is no share.
    """

    scan_parts = 1

    def __init__(self, model_file: str | Path | None = None, score: float = SCORE):
        if not 0 < score < 1:
            raise ValueError(f"score is a share between 0 and 1. Received: {score}")
        self._lock = Lock()  # the network keeps the size of the image that it searches
        path = find_yunet() if model_file is None else Path(model_file).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"There is no YuNet model at {path}. {WHERE}")
        data = np.fromfile(path, np.uint8)  # OpenCV cannot open every path on Windows
        if mistaken := why_not_yunet(data.tobytes()):
            raise ValueError(f"{path} is no YuNet model: it is {mistaken}. {WHERE}")
        try:
            self._network = cv2.FaceDetectorYN.create(
                "onnx", data, np.empty(0, np.uint8), (64, 64), score
            )
            self._network.detect(np.zeros((64, 64, 3), np.uint8))  # another network fails here
        except cv2.error as error:
            raise ValueError(
                f"{path} ({data.size:,} bytes) is no YuNet model that OpenCV {cv2.__version__} "
                f"reads. {WHERE}"
            ) from error

    def detect(
        self, frame: np.ndarray, thorough: bool = False, judge: Judge | None = None
    ) -> list[Box]:
        """The boxes of all faces of a frame, the largest first, apart from each other.

        Args:
            frame: uint8, (height, width) grey or (height, width, 3) BGR, 0–255.
            thorough: where nothing is found, look again for a face that fills the image.
            judge: a second opinion, asked of each box; see `utils.vision.boxes.Judge`.
        """
        check_image(frame)
        shorter = min(frame.shape[:2])
        scale, fine = min(1.0, _SIDE / shorter), _LEAST / _LEAST_FACE
        boxes = self._search(frame, max(scale, fine) if scale > fine / 1.5 else scale)
        if scale <= fine / 1.5:  # a large picture: large faces first, then the small ones
            boxes += [box for box in self._search(frame, fine) if apart(box, boxes)]
        if not boxes and thorough:
            border = shorter // 2
            bordered = cv2.copyMakeBorder(frame, *[border] * 4, cv2.BORDER_REPLICATE)
            found = self._search(bordered, _TIGHT / (shorter + 2 * border))
            # Smaller ones would have been found without a border.
            found = [box for box in found if box[2] > 0.4 * shorter]
            boxes = [(x - border, y - border, *side) for x, y, *side in found]
        boxes = whole_boxes(boxes, frame.shape)
        if judge is not None:
            boxes = sorted(believed(frame, boxes, judge, _DOUBT), key=lambda box: -box[2] * box[3])
        return boxes

    def scan(self, frame: np.ndarray, judge: Judge | None = None, part: int = 0) -> list[Box]:
        """New faces of a live frame: the same search as `detect`, of all sizes in one part."""
        return self.detect(frame, judge=judge)

    def refind(self, frame: np.ndarray, box: Iterable[float]) -> Box | None:
        """A known face near its place, as `utils.vision.haar.FaceDetector.refind` gives it."""
        left, top, width, height = box
        wide = (left - 0.5 * width, top - 0.5 * height, 2 * width, 2 * height)
        clipped = clip_box(wide, frame.shape)
        if clipped is None:
            return None
        x, y, across, down = clipped
        part = frame[y : y + down, x : x + across]
        found = self._search(part, min(1.0, _NEAR / min(across, down)))
        found = [(a + x, b + y, c, d) for a, b, c, d in found if 0.7 * width < c < 1.4 * width]
        return clip_box(nearest_box(found, box), frame.shape) if found else None

    def _search(self, frame: np.ndarray, scale: float) -> list[tuple]:
        height, width = frame.shape[:2]
        size = max(1, round(width * scale)), max(1, round(height * scale))
        shrinks = cv2.INTER_AREA if scale <= 1 else cv2.INTER_LINEAR
        copy = cv2.resize(frame, size, interpolation=shrinks)
        if copy.ndim == 2:
            copy = cv2.cvtColor(copy, cv2.COLOR_GRAY2BGR)
        with self._lock:
            self._network.setInputSize(size)
            _, faces = self._network.detect(copy)
        if faces is None:
            return []
        return [
            tuple(value / scale for value in box_around(face[4:14].reshape(5, 2))) for face in faces
        ]


def box_around(marks: np.ndarray) -> tuple[float, float, float, float]:
    """A square box in which eyes and mouth lie as in FER-2013's images, perhaps beyond the frame.

    Args:
        marks: float, (5, 2): x, y in pixels of one eye, the other, the nose's tip and the two
            corners of the mouth.
    """
    eyes, mouth = marks[:2].mean(axis=0), marks[3:].mean(axis=0)
    # A turned head shortens the first distance, a lowered one the second.
    side = max(
        np.hypot(*(marks[1] - marks[0])) / _BETWEEN_EYES,
        np.hypot(*(mouth - eyes)) / _EYES_TO_MOUTH,
    )
    left, top = eyes + _CENTRE * (mouth - eyes) - side / 2
    return float(left), float(top), float(side), float(side)
