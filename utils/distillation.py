"""Learning from other models' answers as well as from the labels.

A label says one thing; a model that has learned from all of them says how much a face
looks like fear and how much like surprise. Trained towards a mixture of both, a network
learns more from each picture, and less from a wrong label (Hinton et al., "Distilling the
Knowledge in a Neural Network", 2015).
"""

from collections.abc import Sequence

import numpy as np

from utils.predictor import Predictor
from utils.streaming import Pictures


def soft_targets(
    teachers: Sequence[Predictor], pictures: Pictures, share: float = 0.5
) -> np.ndarray:
    """What to train towards, for `streaming.Pictures`.

    Args:
        teachers: models whose mean answer is taken, each in its own preprocessing.
        pictures: those to learn from; only their table and classes count.
        share: of the teachers' answer, 0–1; the label has the rest.

    Returns:
        float32, (n, classes), rows summing to 1, in the order of ``pictures.table``.

    Raises:
        ValueError: a teacher has other classes, or the share is out of range.
    """
    classes = pictures.preprocessing.class_names
    for teacher in teachers:
        if teacher.class_names != classes:
            raise ValueError(
                "A teacher must know the same classes in the same order. Received: "
                f"{', '.join(teacher.class_names)}; expected {', '.join(classes)}."
            )
    if not teachers or not 0 <= share <= 1:
        raise ValueError(
            "Expected at least one teacher, and a share between 0 and 1. Received: "
            f"{len(teachers)} teachers, share {share}."
        )
    answers = [
        teacher.predict_pictures(Pictures(pictures.table, teacher.preprocessing))
        for teacher in teachers
    ]
    labels = np.eye(len(classes))[pictures.labels]
    return (share * np.mean(answers, axis=0) + (1 - share) * labels).astype(np.float32)
