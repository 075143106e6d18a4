import numpy as np
import pytest

from utils import datasets, features, networks, training
from utils.augmentation import Augmentation
from utils.config import CLASS_NAMES
from utils.predictor import Predictor, load
from utils.streaming import Pictures


@pytest.fixture
def pictures(table, preprocessing):
    return Pictures(datasets.split_of(table, "train"), preprocessing, batch_size=16)


@pytest.fixture
def trunk(small_network):
    return small_network.get_layer("trunk")


def test_features_are_what_the_trunk_says(trunk, pictures, tmp_path):
    found = features.trunk_features(trunk, pictures, tmp_path)
    assert found.dtype == np.float16
    assert found.shape == (len(pictures.table), 3, 3, 8)
    expected = trunk.predict_on_batch(pictures[1][0])
    assert np.allclose(found[16:32], expected, rtol=1e-2, atol=1e-3)


def test_features_are_computed_once(trunk, pictures, tmp_path, monkeypatch):
    first = features.trunk_features(trunk, pictures, tmp_path).copy()
    monkeypatch.setattr(trunk, "predict_on_batch", None)  # calling it again would fail
    assert np.array_equal(features.trunk_features(trunk, pictures, tmp_path), first)


def test_key_follows_trunk_pictures_and_preprocessing(trunk, pictures, preprocessing):
    keys = {features._key(trunk, pictures)}
    fewer = Pictures(pictures.table.iloc[:-1], preprocessing)
    keys.add(features._key(trunk, fewer))
    weights = trunk.get_weights()
    weights[0] = weights[0] + 0.01
    trunk.set_weights(weights)
    keys.add(features._key(trunk, pictures))
    assert len(keys) == 3


def test_augmented_pictures_are_refused(trunk, table, preprocessing, tmp_path):
    changed = Pictures(table, preprocessing, augmentation=Augmentation())
    with pytest.raises(ValueError, match="neither shuffled nor augmented"):
        features.trunk_features(trunk, changed, tmp_path)


def test_head_alone_learns_and_the_saved_model_is_the_whole_network(
    trunk, pictures, table, preprocessing, tmp_path
):
    before = [weight.copy() for weight in trunk.get_weights()]
    head = networks.mlp_head(len(CLASS_NAMES), units=(32,), dropout=0)
    validation = Pictures(datasets.split_of(table, "validation"), preprocessing)
    run = features.train_head(
        head,
        trunk,
        pictures,
        validation,
        training.Settings(epochs=30, learning_rate=1e-2),
        runs=tmp_path,
        cache=tmp_path,
    )
    assert run.log["loss"].iloc[-1] < run.log["loss"].iloc[0]
    for now, then in zip(trunk.get_weights(), before, strict=True):
        assert np.array_equal(now, then)
    whole = Predictor(networks.join(trunk, head), preprocessing).predict_pictures(validation)
    saved = load(run.best_file).predict_pictures(validation)
    assert np.allclose(whole, saved, atol=1e-5)
    accuracy = (whole.argmax(axis=1) == validation.labels).mean()
    # The log was measured on float16 features; one picture may fall on the other side.
    assert accuracy == pytest.approx(run.log["val_accuracy"].max(), abs=1.5 / len(whole))
