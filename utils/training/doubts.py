"""What speaks against a finished model, said before anyone relies on it."""

import numpy as np

from utils.training.calibration import LEAST_IMAGES, at_a_bound
from utils.training.evaluation import wilson_interval

GREATEST_GAP = 0.1
"""Expected calibration error above which a model's confidence says too little."""


def doubts_about(
    wanted: np.ndarray, answers: np.ndarray, temperature: float, calibration_error: float
) -> list[str]:
    """Reasons to train again before a model is used.

    Args:
        wanted: float, (n, classes), what the validation images' answers should be.
        answers: (n, classes), what they were.
        temperature: that `calibration.calibrate` has set.
        calibration_error: on the images that the model is measured on, calibrated.

    Returns:
        A sentence or two each: what is wrong, and what to do about it. Empty if nothing is.
    """
    found = []
    labels = wanted.argmax(axis=1)
    right, share = int((answers.argmax(axis=1) == labels).sum()), np.bincount(labels).max()
    low, high = wilson_interval(right, len(labels))
    if low <= share / len(labels):
        found.append(
            f"The model has learned next to nothing: on {len(labels)} validation images it is "
            f"right in {right / len(labels):.1%} ({low:.1%} to {high:.1%}); always answering their "
            f"most frequent class would be in {share / len(labels):.1%}. Train for more steps "
            "(more epochs, smaller batches), raise the learning rate, or look at the labels."
        )
    if at_a_bound(temperature):
        found.append(
            f"The temperature ended at its bound, {temperature:.2f}: the network's confidence is "
            "far from its accuracy, as after a training of too few steps. Train for more steps, "
            "or smooth the labels less."
        )
    if calibration_error > GREATEST_GAP:
        few = len(labels) < LEAST_IMAGES
        found.append(
            f"Its confidence is off by {calibration_error:.2f} on average. "
            + (
                f"No temperature was fitted: {len(labels)} validation images are fewer than "
                f"{LEAST_IMAGES}. Set more aside."
                if few
                else "The validation images are too few or unlike those it was measured on; take "
                "more people, or do not rely on a threshold of confidence."
            )
        )
    return found
