"""Domains count alike in the validation of an epoch, and no number that is none is kept."""

import numpy as np
import pytest

from utils.models.backend import keras
from utils.training.recorder import Recorder, TrainingFailed, evaluate_apart


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


@pytest.mark.parametrize("fault", ["loss", "weights"])
def test_training_stops_at_the_first_number_that_is_none(fault):
    inputs = keras.Input((2,))
    layer = keras.layers.Dense(2, activation="softmax")
    model = keras.Model(inputs, layer(inputs))
    loss = "categorical_crossentropy"
    if fault == "loss":
        layer.set_weights([np.full((2, 2), np.nan), np.zeros(2)])
    model.compile("sgd", loss, metrics=["accuracy"])
    kept = []

    class Spoiling(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if fault == "weights":
                layer.set_weights([np.full((2, 2), np.inf), np.zeros(2)])

    recorder = Recorder([], 3, 1, {"people": Rows(4, right=4)}, kept.append)
    with recorder, pytest.raises(TrainingFailed, match=r"epoch 1.*learning rate \(it was 0.01\)"):
        model.fit(Rows(4, right=4), epochs=3, callbacks=[Spoiling(), recorder], verbose=0)
    assert not kept and not recorder.log
