"""A finished model that should not be relied on is not kept in silence."""

import numpy as np
import pytest

from utils import datasets, training
from utils.training.calibration import _RANGE
from utils.training.people import learned_answer
from utils.training.recipe import doubts_about


def answers(right: int, count: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Classes equally frequent, and answers of which so many are right."""
    labels = np.arange(count) % classes
    said = np.where(np.arange(count) < right, labels, (labels + 1) % classes)
    return np.eye(classes)[labels], np.eye(classes)[said]


def test_a_good_model_is_not_doubted():
    assert doubts_about(*answers(90, 120), 1.3, 0.04) == []


def test_no_better_than_the_most_frequent_class_counts_with_its_interval():
    (doubt,) = doubts_about(*answers(36, 120), 1.3, 0.04)  # 30 %, but 22 to 39; a class has 25
    assert "next to nothing" in doubt and "25.0%" in doubt and "smaller batches" in doubt
    assert "agreement with the data set's labels is 30.0%" in doubt
    (doubt,) = doubts_about(*answers(36, 120), 1.3, 0.04, "test", learned_answer(1))
    assert "agreement with people's most frequent answer is 30.0%" in doubt


@pytest.mark.parametrize("bound", _RANGE)
def test_a_temperature_at_its_bound_is_doubted(bound):
    (doubt,) = doubts_about(*answers(90, 120), bound * 1.0001, 0.04)
    assert f"{bound:.2f}" in doubt and "steps" in doubt


def test_confidence_far_from_accuracy_is_doubted_and_few_images_are_named():
    (doubt,) = doubts_about(*answers(90, 120), 1.3, 0.3)
    assert "0.30" in doubt and "more people" in doubt
    (doubt,) = doubts_about(*answers(90, 120), 1.3, 0.3, "validation")
    assert "on these same images" in doubt and "unlike" not in doubt
    (doubt,) = doubts_about(*answers(60, 80), 1.0, 0.3)
    assert "80 validation images are fewer than 100" in doubt


def test_finishing_says_the_doubts(faces, small_network, preprocessing, tmp_path):
    table = datasets.split_table(datasets.combine([faces]), "grouped")
    settings = training.Settings(epochs=1, learning_rate=1e-9, precision="float32")
    with pytest.warns(UserWarning, match="learned next to nothing"):
        training.train_model(small_network, table, preprocessing, settings, runs=tmp_path)
