"""Which pixels spoke for an answer.

Parts of a face are covered one after the other, and the answer is asked again: where the
probability of a class falls, there was something that spoke for it (Zeiler and Fergus, "Visualizing
and Understanding Convolutional Networks", ECCV 2014). Every predictor will do.

A map tells what this network used, not what a person would look at, nor whether the answer is
right.
"""

import numpy as np

from utils.vision.opencv import cv2

# Chosen on training images by `python -m benchmarks.explanations`.
PATCH = 1 / 8  # side of the covering square, as a share of the face's side
STEPS = 11  # places across and down; STEPS² + 1 answers are asked for
FILL = "blur"
FILLS = {  # what covers: each takes and gives a face, uint8 (size, size, channels)
    "mean": lambda face: np.full_like(face, face.mean(axis=(0, 1)).round()),
    "blur": lambda face: _blurred(face),
}
_BATCH = 32


def occlusion_map(
    predictor,
    face: np.ndarray,
    class_index: int | None = None,
    patch: float = PATCH,
    steps: int = STEPS,
    fill: str = FILL,
) -> np.ndarray:
    """How much each pixel's surroundings spoke for a class.

    Args:
        predictor: has ``probabilities(faces)``, as `utils.models.predictor.Predictor`.
        face: uint8, (size, size, channels), 0–255, as `preprocessing.prepare` makes it.
        class_index: the class asked about; by default the most probable one.
        patch: side of the covering square, as a share of the face's side.
        steps: places of the square across and down, at least; all pixels are covered.
        fill: what covers: the face's "mean" colour, or its own "blur".

    Returns:
        float32, (size, size), −1 to 1: by how much the class's probability falls, on average, when
        a square over that pixel is covered. Above zero the pixel spoke for the class.
    """
    size = len(face)
    side = min(max(round(patch * size), 1), size)
    steps = max(steps, -(-size // side))  # or pixels would be left out
    starts = np.unique(np.linspace(0, size - side, steps).round().astype(int))
    places = [np.s_[top : top + side, left : left + side] for top in starts for left in starts]
    cover = FILLS[fill](face)
    covered = np.repeat(face[None], len(places) + 1, axis=0)  # the last one stays as it is
    for copy, place in zip(covered, places, strict=False):
        copy[place] = cover[place]
    answers = in_batches(predictor, covered)
    if class_index is None:
        class_index = int(answers[-1].argmax())
    falls = answers[-1, class_index] - answers[:-1, class_index]

    total, times = np.zeros((2, size, size), np.float32)
    for place, fall in zip(places, falls, strict=True):
        total[place] += fall
        times[place] += 1
    return total / times


def in_batches(predictor, faces: np.ndarray) -> np.ndarray:
    """Probabilities, float32 (n, classes), of more faces than should be held at once."""
    parts = [faces[start : start + _BATCH] for start in range(0, len(faces), _BATCH)]
    return np.concatenate([predictor.probabilities(part) for part in parts])


def _blurred(face: np.ndarray) -> np.ndarray:
    """A face of which only light and dark areas are left; same shape and range."""
    blurred = cv2.GaussianBlur(face, None, sigmaX=len(face) / 8, borderType=cv2.BORDER_REPLICATE)
    return blurred.reshape(face.shape)
