"""Learning from other models' answers as well as from the labels.

A label says one thing; a model that has learned from all of them says how much a face
looks like fear and how much like surprise. Trained towards a mixture of both, a network
learns more from each picture, and less from a wrong label (Hinton et al., "Distilling the
Knowledge in a Neural Network", 2015). The teachers see each picture just as it was
changed for the pupil, so their answer fits what the pupil sees, and is another one every
time (Beyer et al., "Knowledge distillation: A good teacher is patient and consistent",
2022).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils import networks
from utils.backend import compiled, fastest_precision, rebuild
from utils.model_file import load_model
from utils.streaming import Pictures
from utils.training import digest


class TaughtPictures(Pictures):
    """`Pictures` whose targets are half the answers of teachers.

    Each item is as that of `Pictures`, but for its second part: float32
    (batch, classes), rows summing to 1.

    Args:
        *args, **others: as for `Pictures`.
        teachers: ``.keras`` files of this project, whose mean answer is taken, each
            for the face alone and not for its mirror image.
        share: of the teachers' answer, 0–1; the label has the rest.

    Raises:
        ValueError: a teacher takes other pictures or knows other classes than
            ``preprocessing`` says, or the share is out of range.
    """

    def __init__(self, *args, teachers: Sequence[str | Path], share: float = 0.5, **others):
        super().__init__(*args, **others)
        if not teachers or not 0 <= share <= 1:
            raise ValueError(
                "Expected at least one teacher, and a share between 0 and 1. Received: "
                f"{len(teachers)} teachers, share {share}."
            )
        self.share = share
        self.targets = {"share": share, "teachers": []}
        self._teachers = []
        for file in teachers:
            model, preprocessing = load_model(file)
            if preprocessing != self.preprocessing:
                raise ValueError(
                    f"The teacher {file} reads other pictures than are to be learned from. "
                    f"Received: {preprocessing}; expected {self.preprocessing}."
                )
            network = networks.join(model.get_layer("trunk"), model.get_layer("head"))
            teacher = rebuild(network, fastest_precision())
            teacher.set_weights(network.get_weights())
            self._teachers.append(compiled(teacher))
            self.targets["teachers"].append(digest(network.get_weights()))

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        pictures, labels = super().__getitem__(index)
        answers = np.mean([teacher(pictures) for teacher in self._teachers], axis=0)
        return pictures, self.share * answers + (1 - self.share) * labels
