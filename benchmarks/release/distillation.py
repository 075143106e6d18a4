"""Learning from other models' answers as well as from the labels.

A label says one thing; a model that has learned from all of them says how much a face
looks like fear and how much like surprise. Trained towards a mixture of both, a network
learns more from each picture, and less from a wrong label (Hinton et al., "Distilling the
Knowledge in a Neural Network", 2015). The teachers see each picture just as it was
changed for the student, so their answer fits what the student sees, and is another one every
time (Beyer et al., "Knowledge distillation: A good teacher is patient and consistent",
2022).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.files import digest
from utils.models.backend import compiled, fastest_precision
from utils.models.model_file import load_model
from utils.models.rebuilding import rebuild
from utils.training.batches import Batches


class TaughtBatches(Batches):
    """`Batches` whose targets are in part the answers of teachers.

    Each item is as that of `Batches`, but for its second part: float32
    (batch, classes), rows summing to 1.

    Args:
        *args, **others: as for `Batches`.
        teachers: ``.keras`` files of this project, whose mean answer is taken, each as it
            is saved: over a face and its mirror image, where that was chosen.
        share: of the teachers' answer, 0–1; the label has the rest.
        variants: so many epochs differ, then they come again just as they were, and the
            teachers' answers are taken from memory; several large teachers otherwise cost
            more than the training itself. 0: no epoch is like another.

    Raises:
        ValueError: a teacher takes other pictures or knows other classes than
            ``preprocessing`` says, or the share or the variants are out of range.
    """

    def __init__(
        self, *args, teachers: Sequence[str | Path], share: float = 0.5, variants: int = 0, **others
    ):
        if variants < 0:
            raise ValueError(f"Expected variants of at least 0. Received: {variants}")
        self.variants = variants
        self._answers = {}
        super().__init__(*args, **others)
        if not teachers or not 0 <= share <= 1:
            raise ValueError(
                "Expected at least one teacher, and a share between 0 and 1. Received: "
                f"{len(teachers)} teachers, share {share}."
            )
        self.share = share
        self.targets = {"share": share, "teachers": []}
        if variants:
            self.targets["variants"] = variants
        self._teachers = []
        for file in teachers:
            model, preprocessing = load_model(file)
            if preprocessing != self.preprocessing:
                raise ValueError(
                    f"The teacher {file} reads other pictures than are to be learned from. "
                    f"Received: {preprocessing}; expected {self.preprocessing}."
                )
            teacher = rebuild(model, fastest_precision())
            teacher.set_weights(model.get_weights())
            self._teachers.append(compiled(teacher))
            self.targets["teachers"].append(digest(*(one.tobytes() for one in model.get_weights())))

    def start_epoch(self, epoch: int) -> None:
        super().start_epoch(epoch % self.variants if self.variants else epoch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        pictures, labels = super().__getitem__(index)
        answers = self._answers.get((self.epoch, index))
        if answers is None:
            answers = np.mean([teacher(pictures) for teacher in self._teachers], axis=0)
            if self.variants:
                self._answers[self.epoch, index] = answers
        return pictures, self.share * answers + (1 - self.share) * labels
