"""A group photograph, made of drawn heads or of a data set's images."""

from collections.abc import Sequence

import numpy as np

from utils.config import CLASS_NAMES
from utils.drawn.dataset import MARGIN
from utils.drawn.random_face import draw_face, random_action_units, random_character
from utils.vision.boxes import Box
from utils.vision.opencv import cv2

SIDES = (200, 24, 160, 28, 120, 32, 96, 40, 80, 48, 64, 56)  # pixels of the faces
_GROUND = 70  # grey level


def group_scene(
    faces: Sequence[np.ndarray] | None = None, sides: Sequence[int] = SIDES
) -> tuple[np.ndarray, list[Box]]:
    """Faces in a row of squares each, apart from each other, on a plain ground.

    Args:
        faces: uint8 grey or BGR crops as a Haar cascade frames them; drawn heads by default.
        sides: of the faces, in pixels.

    Returns:
        The image, uint8 (height, width, 3) BGR, and the place of each face.
    """
    margin = 0.0 if faces is not None else MARGIN
    canvas = np.full((720, 1280, 3), _GROUND, np.uint8)
    places, left, top, below = [], 30, 30, 0
    for number, side in enumerate(sides):
        face = _drawn(number) if faces is None else faces[number]
        border = round(margin * side)
        if left + 2 * side > canvas.shape[1]:
            left, top, below = 30, top + below, 0
        whole = side + 2 * border
        shown = cv2.resize(face, (whole, whole), interpolation=cv2.INTER_AREA)
        shown = cv2.cvtColor(shown, cv2.COLOR_GRAY2BGR) if shown.ndim == 2 else shown
        around = side // 3
        shown = cv2.copyMakeBorder(shown, *[around] * 4, cv2.BORDER_REPLICATE)
        canvas[top : top + len(shown), left : left + len(shown)] = shown
        places.append((left + around + border, top + around + border, side, side))
        left, below = left + len(shown) + 30, max(below, len(shown) + 30)
    return canvas, places


def found(boxes: Sequence[Box], places: Sequence[Box]) -> int:
    """How many of the faces have a box of about their place and size."""
    return sum(any(_same(box, place) for box in boxes) for place in places)


def _same(box: Box, place: Box) -> bool:
    centres = [np.array(one[:2]) + np.array(one[2:]) / 2 for one in (box, place)]
    near = np.hypot(*(centres[0] - centres[1])) < 0.3 * place[2]
    return bool(near and 0.5 < box[2] / place[2] < 2)


def _drawn(number: int) -> np.ndarray:
    random = np.random.default_rng(number)
    label = CLASS_NAMES[number % len(CLASS_NAMES)]
    units = random_action_units(label, random)
    return draw_face(random_character(random), units, 256)
