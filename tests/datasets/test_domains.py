import numpy as np
import pandas as pd
import pytest

from utils.datasets.domains import balancing_weights, rows_by_domain
from utils.models.backend import keras
from utils.training.batches import Batches, Weighted
from utils.training.recorder import evaluate_apart


@pytest.fixture
def mixed():
    """Two images of people among six animated ones; happy is twice as frequent as sad."""
    return pd.DataFrame(
        {
            "class": ["happy", "sad", *["happy"] * 3, "happy", "sad", "sad"],
            "domain": ["people"] * 2 + ["animated"] * 6,
        }
    )


def test_rows_by_domain(mixed):
    rows = rows_by_domain(mixed)
    assert {name: found.tolist() for name, found in rows.items()} == {
        "animated": [2, 3, 4, 5, 6, 7],
        "people": [0, 1],
    }
    assert rows_by_domain(mixed.drop(columns="domain"))["all"].tolist() == list(range(8))


@pytest.mark.parametrize(
    "classes, domains, columns",
    [(True, False, ["class"]), (False, True, ["domain"]), (True, True, ["class", "domain"])],
)
def test_balanced_parts_weigh_the_same_in_total(mixed, classes, domains, columns):
    weights = balancing_weights(mixed, classes, domains)
    assert weights.mean() == pytest.approx(1)
    totals = mixed.assign(weight=weights).groupby(columns)["weight"].sum()
    assert np.allclose(totals, totals.iloc[0])


def test_nothing_to_balance(mixed):
    assert balancing_weights(mixed, False, False) is None
    with pytest.raises(ValueError, match="no column 'domain'"):
        balancing_weights(mixed.drop(columns="domain"), False, True)


def test_each_image_gets_its_own_weight(table, preprocessing):
    images = Batches(table, preprocessing, 16, shuffle=True)
    weights = np.arange(len(table), dtype=np.float32)
    weighted = Weighted(images, weights)
    assert len(weighted) == len(images)
    for epoch in range(2):
        seen = []
        for index in range(len(weighted)):
            _, one_hot, weight = weighted[index]
            assert np.array_equal(one_hot.argmax(axis=1), images.labels[weight.astype(int)])
            seen.extend(weight)
        assert sorted(seen) == weights.tolist()
        assert images.epoch == epoch
        weighted.on_epoch_end()


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
