"""Domains count alike in the validation of an epoch."""

import numpy as np
import pytest

from utils.models.backend import keras
from utils.training.recorder import evaluate_apart


class Rows(keras.utils.PyDataset):
    """One batch of one-hot answers, of which a share is labelled so that they are right."""

    def __init__(self, count, right):
        super().__init__()
        answers = np.eye(2, dtype=np.float32)[np.zeros(count, int)]
        labels = np.eye(2, dtype=np.float32)[(np.arange(count) >= right).astype(int)]
        self.batch = answers, labels

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.batch


def test_small_domain_counts_as_much_as_the_large_one():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Activation("softmax")])
    model.compile(loss="categorical_crossentropy", metrics=["accuracy"])
    row = evaluate_apart(model, {"animated": Rows(100, right=90), "people": Rows(10, right=4)})
    assert row["val_accuracy_animated"] == pytest.approx(0.9)
    assert row["val_accuracy_people"] == pytest.approx(0.4)
    assert row["val_accuracy"] == pytest.approx(0.65)
    assert set(evaluate_apart(model, {"all": Rows(10, right=5)})) == {"val_accuracy", "val_loss"}
