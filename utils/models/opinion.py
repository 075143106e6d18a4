"""A second opinion: whether a box holds a face at all, by what the network's trunk sees in it.

A cascade that is to find every face also takes wheels and folds for some. The trunk of an
expression network has learned what faces look like; a logistic regression on the mean of each of
its channels, over the box and over one 1.6 times as wide, tells them apart. Its weights travel in
the model file's metadata (`benchmarks.release.opinion` finds them); a file without them has no
opinion, and boxes are then taken as the detector gives them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.models.metadata import ModelFileError, add_metadata, read_metadata
from utils.vision.boxes import Box, Judge
from utils.vision.preprocessing import prepare_faces

ENTRY = "opinion"  # in the metadata
WIDER = 1.6  # the second box, against the first


@dataclass(frozen=True)
class Opinion:
    """Weights of the regression: float, (2 × features,), and what is added to their sum."""

    weights: np.ndarray
    bias: float

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """How sure it is of faces, float (n,), 0–1, by `opinion_features` (n, 2 × features)."""
        sums = np.clip(features @ self.weights + self.bias, -50, 50)
        return 1 / (1 + np.exp(-sums))


def opinion_features(predictor, frame: np.ndarray, boxes: list[Box]) -> np.ndarray:
    """The trunk's features of each box and of a wider one: float32, (n, 2 × features).

    Args:
        predictor: has ``preprocessing`` and ``with_features(faces)``, as
            `utils.models.predictor.Predictor`.
        frame: uint8, (height, width) grey or (height, width, 3) BGR, 0–255.
        boxes: in pixels of the frame; at least one.
    """
    both = [*boxes, *map(_wider, boxes)]
    crops = prepare_faces(frame, both, predictor.preprocessing)
    # Those of one box one after the other, or a second core would hold the weights, too, for good.
    parts = [crops] if len(boxes) > 1 else np.split(crops, 2)
    features = np.concatenate([predictor.with_features(part)[1] for part in parts])
    return np.hstack(np.split(features, 2))


def face_shares(predictor, frame: np.ndarray, boxes: list[Box]) -> np.ndarray | None:
    """How sure a predictor is of a face in each box: float, (boxes,), 0–1; None: no opinion."""
    if predictor.opinion is None:
        return None
    return predictor.opinion(opinion_features(predictor, frame, boxes)) if boxes else np.empty(0)


def judge_of(predictor) -> Judge | None:
    """What a detector may ask about boxes; None where the predictor has no opinion of them."""
    return predictor.face_shares if getattr(predictor, "opinion", None) is not None else None


def read_opinion(path: str | Path, features: int) -> Opinion | None:
    """The opinion in a model file, or None; ModelFileError where it does not fit the features."""
    stored = read_metadata(path).get(ENTRY)
    if stored is None or not features:
        return None
    try:
        opinion = Opinion(np.asarray(stored["weights"], np.float64), float(stored["bias"]))
        finite = np.isfinite([*opinion.weights.ravel(), opinion.bias]).all()
        fits = opinion.weights.shape == (2 * features,) and finite
    except (KeyError, OverflowError, TypeError, ValueError):
        fits = False
    if not fits:
        raise ModelFileError(
            f"{path} is refused: its opinion of what is a face needs {2 * features} weights and a "
            "bias. Write it again with benchmarks.release.opinion."
        )
    return opinion


def write_opinion(path: str | Path, opinion: Opinion) -> Path:
    """Put an opinion into a model file, in one step; an older one is replaced."""
    weights = [float(f"{weight:.6g}") for weight in opinion.weights]
    return add_metadata(path, {ENTRY: {"weights": weights, "bias": opinion.bias}})


def _wider(box: Box) -> Box:
    left, top, width, height = box
    more = (WIDER - 1) / 2
    across, down = round(width * more), round(height * more)
    return left - across, top - down, width + 2 * across, height + 2 * down
