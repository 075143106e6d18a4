"""The model to keep is the one whose head was edited last."""

from types import SimpleNamespace

import pytest

from utils.models.backend import keras
from utils.training.recipe import just_edited
from utils.training.runs import describe_head


def finished(units: int) -> SimpleNamespace:
    """What `just_edited` looks at of a finished model, with a head of its own."""
    layers = [keras.Input((4,)), keras.layers.Dense(units, activation="relu")]
    head = keras.Sequential([*layers, keras.layers.Dense(2)], name="head")
    return SimpleNamespace(model=SimpleNamespace(get_layer=lambda name: head), units=units)


@pytest.mark.parametrize("edits", [[(8, 16), (8, 32), (8, 32)], [(8, 16), (8, 16)]])
def test_the_head_trained_alone_is_kept_at_first_and_when_it_was_edited(edits, tmp_path):
    for one, other in edits:
        assert just_edited(finished(one), finished(other), runs=tmp_path).units == other


def test_an_edit_of_the_whole_networks_head_keeps_that_one(tmp_path):
    steps = [  # heads of the two models, and which is kept
        ((8, 16), 16),
        ((9, 16), 9),  # the first was edited
        ((9, 16), 9),  # run again, with nothing edited
        ((9, 17), 17),  # the second was
        ((8, 17), 8),  # the first, back to what it was once
        ((10, 18), 18),  # both
    ]
    for (one, other), kept in steps:
        assert just_edited(finished(one), finished(other), runs=tmp_path).units == kept


def test_every_layer_of_a_head_is_named_in_full():
    layers = keras.layers
    head = keras.Sequential(
        [
            keras.Input((3, 3, 4)),
            layers.GlobalAveragePooling2D(),
            layers.Dense(512, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.1),
            layers.Dense(64),
            layers.ReLU(),
            layers.Dense(7, activation="softmax"),
        ]
    )
    assert describe_head(head) == (
        "average → dense 512 relu → norm → dropout 0.1 → dense 64 → relu → dense 7 softmax"
    )
