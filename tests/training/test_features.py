import numpy as np
import pytest

from utils import datasets, training
from utils.config import CLASS_NAMES
from utils.datasets import splits
from utils.models import networks
from utils.models.backend import keras
from utils.models.model_file import ModelFileError
from utils.models.predictor import Predictor, load
from utils.training import features
from utils.training.augmentation import Augmentation
from utils.training.batches import Batches


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """A head's least steps have a test of their own, in test_cross_validation.py."""
    monkeypatch.setattr("utils.training.head.LEAST_STEPS", 1)


@pytest.fixture
def images(table, preprocessing):
    return Batches(datasets.split_of(table, "train"), preprocessing, batch_size=16)


@pytest.fixture
def all_images(table, preprocessing):
    return Batches(table, preprocessing, batch_size=16)


@pytest.fixture
def trunk(small_network):
    return small_network.get_layer("trunk")


def test_features_are_what_the_trunk_says(trunk, images, tmp_path):
    found = features.trunk_features(trunk, images, tmp_path)
    assert found.dtype == np.float16
    assert found.shape == (len(images.table), 12, 12, 8)
    expected = trunk.predict_on_batch(images[1][0])
    assert np.allclose(found[16:32], expected, rtol=1e-2, atol=1e-3)


def test_features_are_computed_once(trunk, images, tmp_path, monkeypatch):
    first = features.trunk_features(trunk, images, tmp_path).copy()
    monkeypatch.setattr(trunk, "predict_on_batch", None)  # calling it again would fail
    assert np.array_equal(features.trunk_features(trunk, images, tmp_path), first)


def test_computing_goes_on_where_it_was_killed(trunk, images, tmp_path, monkeypatch):
    whole = features.trunk_features(trunk, images, tmp_path / "whole").copy()
    read, getitem = [], Batches.__getitem__

    def killed_at_the_fourth(self, index):
        read.append(index)
        if read == [0, 1, 2, 3]:
            raise KeyboardInterrupt
        return getitem(self, index)

    monkeypatch.setattr(Batches, "__getitem__", killed_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        features.trunk_features(trunk, images, tmp_path)
    (part,) = tmp_path.glob(".features-*.part")
    with open(part, "r+b") as stream:
        stream.truncate(part.stat().st_size - 100)  # as if killed while the third was written
    assert np.array_equal(features.trunk_features(trunk, images, tmp_path), whole)
    assert read == [0, 1, 2, 3, 2, 3]
    assert not list(tmp_path.glob(".features-*"))


def test_few_images_at_once_give_the_same_features(trunk, images, tmp_path, monkeypatch):
    together = features.trunk_features(trunk, images, tmp_path / "together")
    monkeypatch.setattr(features, "_images_at_once", lambda trunk: 5)
    apart = features.trunk_features(trunk, images, tmp_path / "apart")
    assert np.allclose(apart, together, rtol=1e-3, atol=1e-3)


def test_features_too_large_for_float16_are_refused(trunk, images, tmp_path):
    normalisation = trunk.get_layer("block2_normalisation")
    normalisation.gamma.assign(np.full(8, 1e7))
    with pytest.raises(ValueError, match="float16 holds up to 65504"):
        features.trunk_features(trunk, images, tmp_path)


def test_batches_of_features_hold_the_rows_asked_for(tmp_path):
    np.save(tmp_path / "features.npy", np.arange(20, dtype=np.float16).reshape(10, 2))
    found = np.load(tmp_path / "features.npy", mmap_mode="r")
    labels, weights = np.arange(10) % 3, np.linspace(0, 1, 10, dtype=np.float32)
    wanted = np.eye(3, dtype=np.float32)[labels]
    rows = features.Features(found, wanted, [1, 3, 5, 7, 9, 8], seed=1, batch_size=4)
    assert len(rows) == 2
    seen = np.concatenate([rows[index][0] for index in range(2)])
    assert sorted(seen[:, 0] / 2) == [1, 3, 5, 7, 8, 9]
    chosen = [9, 2, 4]
    weighted = features.Features(found, wanted, chosen, seed=1, weights=weights[chosen])
    values, one_hot, weight = weighted[0]
    number = (values[:, 0] / 2).astype(int)
    assert sorted(number) == sorted(chosen)
    assert np.array_equal(one_hot.argmax(axis=1), labels[number])
    assert np.array_equal(weight, weights[number])


def test_another_split_of_the_same_images_finds_their_features(trunk, all_images, tmp_path):
    first = features.trunk_features(trunk, all_images, tmp_path)
    parted = splits.random_split(all_images.table, seed=5)
    other = Batches(parted, all_images.preprocessing, batch_size=16)
    assert features.trunk_features(trunk, other, tmp_path).filename == first.filename
    assert other.fingerprint != all_images.fingerprint


def test_key_follows_trunk_images_and_preprocessing(trunk, images, preprocessing):
    keys = {features.features_key(trunk, images)}
    fewer = Batches(images.table.iloc[:-1], preprocessing)
    keys.add(features.features_key(trunk, fewer))
    weights = trunk.get_weights()
    weights[0] = weights[0] + 0.01
    trunk.set_weights(weights)
    keys.add(features.features_key(trunk, images))
    assert len(keys) == 3


def test_augmented_images_are_refused(trunk, table, preprocessing, tmp_path):
    changed = Batches(table, preprocessing, augmentation=Augmentation())
    with pytest.raises(ValueError, match="neither shuffled nor augmented"):
        features.trunk_features(trunk, changed, tmp_path)


def test_head_that_gives_no_classes_is_refused_before_any_work(
    trunk, images, preprocessing, tmp_path
):
    forgotten = keras.Sequential([keras.layers.Dense(7, activation="softmax")])  # no Flatten
    with pytest.raises(ModelFileError, match="the metadata says"):
        training.train_head(forgotten, trunk, images, training.Settings(), tmp_path, cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_domains_are_weighed_and_logged_apart(trunk, table, preprocessing, tmp_path):
    people = np.arange(len(table)) % 5 == 0
    mixed = Batches(
        table.assign(domain=np.where(people, "people", "animated")), preprocessing, batch_size=16
    )
    head = networks.mlp_head(len(CLASS_NAMES), units=(8,))
    settings = training.Settings(epochs=2, balance_domains=True)
    run = training.train_head(head, trunk, mixed, settings, tmp_path, cache=tmp_path)
    apart = run.log[["val_accuracy_people", "val_accuracy_animated"]]
    assert np.allclose(run.log["val_accuracy"], apart.mean(axis=1))


def test_head_alone_learns_and_the_saved_model_is_the_whole_network(
    trunk, all_images, table, preprocessing, tmp_path
):
    before = [weight.copy() for weight in trunk.get_weights()]
    head = networks.mlp_head(len(CLASS_NAMES), units=(32,), dropout=0)
    validation = Batches(datasets.split_of(table, "validation"), preprocessing)
    run = training.train_head(
        head,
        trunk,
        all_images,
        training.Settings(epochs=30, learning_rate=1e-2),
        runs=tmp_path,
        cache=tmp_path,
    )
    assert run.log["loss"].iloc[-1] < run.log["loss"].iloc[0]
    for now, then in zip(trunk.get_weights(), before, strict=True):
        assert np.array_equal(now, then)
    whole = Predictor(networks.join(trunk, head), preprocessing).predict_batches(validation)
    saved = load(run.best_file).predict_batches(validation)
    assert np.allclose(whole, saved, atol=1e-5)
    accuracy = (whole.argmax(axis=1) == validation.labels).mean()
    stored = features.trunk_features(trunk, all_images, tmp_path)
    stored = stored[all_images.table["split"] == "validation"].astype(np.float32)
    assert np.allclose(head.predict(stored, verbose=0), whole, atol=0.01)  # of float16 features
    assert accuracy == pytest.approx(run.log["val_accuracy"].max(), abs=1.5 / len(whole))
