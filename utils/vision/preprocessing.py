"""What stands between every image and every network: colour, crop with margin, resize.

The steps are the same in training, in evaluation and on the webcam. They are kept as data
(`Preprocessing`), which is saved inside the model file, and as functions, which apply that data.

Images in OpenCV's form go in: uint8, height × width (grey) or height × width × 3 in **BGR** order.
uint8 arrays of the model's own size and colour come out, range 0–255; scaling to the network's
range is the network's first layer, so that it cannot be forgotten or done twice.
"""

from dataclasses import asdict, dataclass

import numpy as np

from utils.vision.boxes import Box
from utils.vision.images import check_image
from utils.vision.opencv import cv2

RESERVED_NAMES = {
    *("source", "file", "image", "frame", "seconds", "track", "face", "person"),
    *("x", "y", "width", "height", "label", "confidence", "unsure", "class", "split", "total"),
}
"""No class may be called so: a column or a value of the tables that tell of faces is."""


@dataclass(frozen=True)
class Preprocessing:
    """What a network expects of a face, and what its outputs are called.

    Attributes:
        class_names: names of the outputs, in the order of the network's softmax.
        size: side of the square input, in pixels.
        colour: "grey" (one channel) or "rgb" (three channels, in RGB order).
        margin: share of a detected box's side added on each of its four sides before cropping; 0.0
            for networks trained on images that already are tight Haar crops, as FER-2013's are.
        value_range: of the input array: (0, 255), for the scaling layer is in the network.
    """

    class_names: tuple[str, ...]
    size: int = 48
    colour: str = "grey"
    margin: float = 0.0
    value_range: tuple[int, int] = (0, 255)

    def __post_init__(self):
        object.__setattr__(self, "class_names", tuple(self.class_names))
        object.__setattr__(self, "value_range", tuple(self.value_range))
        problems = []
        if len(self.class_names) < 2 or len(set(self.class_names)) < len(self.class_names):
            problems.append("class_names must be two or more different names")
        check_class_names(self.class_names)
        if not isinstance(self.size, int) or not 8 <= self.size <= 1024:
            problems.append("size must be a whole number from 8 to 1,024 pixels")
        if self.colour not in ("grey", "rgb"):
            problems.append('colour must be "grey" or "rgb"')
        if not 0 <= self.margin <= 1:
            problems.append("margin must lie between 0 and 1")
        if self.value_range != (0, 255):
            problems.append("value_range must be (0, 255)")
        if problems:
            raise ValueError(f"{'; '.join(problems)}. Received: {self}")

    @property
    def channels(self) -> int:
        return 1 if self.colour == "grey" else 3

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of one prepared face."""
        return self.size, self.size, self.channels

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "Preprocessing":
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(
                f"These are not preprocessing settings ({error}). Received: {values}"
            ) from error


def check_class_names(names) -> None:
    """Refuse, with a ValueError, what no class can be called."""
    for name in names:
        if not isinstance(name, str) or not name.isprintable() or not _folded(name):
            reason = "a name is a text that can be printed, in one line"
        elif _folded(name) in RESERVED_NAMES:
            reason = "a column of the results is"
        else:
            continue
        raise ValueError(f"A class cannot be called {name!r}: {reason}. Rename its folder.")


def prepare(image: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """A whole image of one face, as the network wants it.

    Args:
        image: uint8, (height, width) grey or (height, width, 3) BGR, 0–255.
        preprocessing: of the model.

    Returns:
        uint8, shape ``preprocessing.input_shape``, range 0–255, grey or RGB.

    Raises:
        ValueError: the array is not such an image.
    """
    check_image(image)
    size = preprocessing.size
    image = _recolour(image, preprocessing.colour)
    if image.shape[:2] != (size, size):
        shrinks = min(image.shape[:2]) > size
        image = cv2.resize(
            image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
    return image.reshape(preprocessing.input_shape)


def prepare_faces(frame: np.ndarray, boxes: list[Box], preprocessing: Preprocessing) -> np.ndarray:
    """Every boxed face of a frame, as one batch for the network.

    Args:
        frame: uint8, (height, width) grey or (height, width, 3) BGR, 0–255.
        boxes: (left, top, width, height) of each face, in pixels of ``frame``. A box may reach over
            the border: what lies outside repeats the edge.
        preprocessing: of the model; its margin widens each box.

    Returns:
        uint8, shape (faces, *preprocessing.input_shape), range 0–255.
    """
    batch = np.empty((len(boxes), *preprocessing.input_shape), np.uint8)
    for row, box in zip(batch, boxes, strict=True):
        row[:] = prepare(crop(frame, box, preprocessing.margin), preprocessing)
    return batch


def crop(frame: np.ndarray, box: Box, margin: float = 0.0) -> np.ndarray:
    """The part of a frame inside a box, widened by a share of its side; edges repeat beyond.

    Args:
        frame: uint8, (height, width) or (height, width, 3), any colour order.
        box: (left, top, width, height) in pixels; must overlap the frame.
        margin: share of width and height added on each side.

    Returns:
        uint8, (height · (1 + 2 margin), width · (1 + 2 margin)[, 3]).
    """
    check_image(frame)
    left, top, width, height = (round(value) for value in box)
    across, down = round(width * margin), round(height * margin)
    left, top, right, bottom = left - across, top - down, left + width + across, top + height + down
    frame_height, frame_width = frame.shape[:2]
    inside = frame[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if inside.size == 0:
        raise ValueError(
            f"The box does not overlap the frame. Received: box={box} in a frame of "
            f"{frame_width}×{frame_height}; expected (left, top, width, height) in pixels."
        )
    beyond = max(-top, 0), max(bottom - frame_height, 0), max(-left, 0), max(right - frame_width, 0)
    if any(beyond):
        inside = cv2.copyMakeBorder(inside, *beyond, cv2.BORDER_REPLICATE)
    return inside


def _folded(name) -> str:
    return str(name).strip().casefold()


def _recolour(image: np.ndarray, colour: str) -> np.ndarray:
    if colour == "grey":
        return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB)
