"""One face as it was read, and when its label is "unsure"."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.vision.boxes import Box

UNSURE = "unsure"


@dataclass(frozen=True)
class Face:
    """What was read of one face in one frame.

    Attributes:
        track: the face's number, the same from frame to frame; in a still from 1.
        box: (left, top, width, height) in whole pixels, inside the frame.
        probabilities: float, (classes,), sum 1; of a film smoothed over time.
        label: the most probable class, or `UNSURE`.
        confidence: its probability, 0–1.
    """

    track: int
    box: Box
    probabilities: np.ndarray
    label: str
    confidence: float

    def row(self) -> list:
        """Its values in the order of `face_columns`, rounded for print."""
        shares = [round(float(share), 6) for share in self.probabilities]
        return [*self.box, *shares, self.label, round(self.confidence, 6)]


def labelled_face(
    track: int, box: Box, probabilities: np.ndarray, class_names: Sequence[str], threshold: float
) -> Face:
    """A face with its most probable class, or `UNSURE` where that is below the threshold."""
    best = int(np.argmax(probabilities))
    confidence = float(probabilities[best])
    label = class_names[best] if confidence >= threshold else UNSURE
    return Face(track, box, probabilities, label, confidence)
