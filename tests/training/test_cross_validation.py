"""Everybody is held out once; steps, batches and views of a head on features."""

import numpy as np
import pandas as pd
import pytest

from utils import training
from utils.config import CLASS_NAMES
from utils.models import networks
from utils.training import cross_validation
from utils.training import head as heads
from utils.training.batches import Batches
from utils.training.features import Features, trunk_features


@pytest.fixture
def people():
    """Twelve people and four characters, each with two images of three classes."""
    rows = [
        {"file": f"{who}-{name}-{n}", "class": name, "subject": who, "dataset": data, "domain": of}
        for data, of, count in (("A", "people", 12), ("B", "animated", 4))
        for who in (f"{data}/{number}" for number in range(count))
        for name in ("happy", "neutral", "sad")
        for n in range(2)
    ]
    return pd.DataFrame(rows)


def test_nobody_is_in_two_folds_and_every_image_is_in_one(people):
    folds = training.fold_numbers(people, "grouped", 6)
    assert (people.groupby("subject")["file"].count() == 6).all() and len(folds) == len(people)
    assert (pd.Series(folds).groupby(people["subject"].to_numpy()).nunique() == 1).all()
    of_people, of_characters = (
        set(folds[people["domain"] == domain]) for domain in ("people", "animated")
    )
    assert of_people == set(range(6)) and of_characters == set(range(4))
    assert not np.array_equal(folds, training.fold_numbers(people, "grouped", 6, seed=1))


def test_at_random_people_are_in_many_folds_and_classes_are_even(people):
    folds = training.fold_numbers(people, "random", 6)
    assert pd.Series(folds).groupby(people["subject"].to_numpy()).nunique().max() > 2
    each = pd.crosstab(folds[people["dataset"] == "A"], people["class"][people["dataset"] == "A"])
    assert (each == 4).all(axis=None)


def test_unknown_people_stand_for_themselves_and_one_alone_is_refused(people):
    assert training.fold_numbers(people.assign(subject=""), "grouped", 5).max() == 4
    with pytest.raises(ValueError, match="1 subject cannot be parted"):
        training.fold_numbers(people.assign(subject="A/0"), "grouped")
    with pytest.raises(ValueError, match="grouped or random"):
        training.fold_numbers(people, "by person")


def test_every_image_is_answered_by_a_head_that_did_not_see_its_person(
    table, preprocessing, small_network, tmp_path, monkeypatch
):
    images = Batches(table, preprocessing, batch_size=16)
    trunk, seen = small_network.get_layer("trunk"), []
    monkeypatch.setattr(heads, "LEAST_STEPS", 4)
    head = networks.mlp_head(len(CLASS_NAMES), units=(8,))
    mlp = training.mlp_head(head, trunk, images, training.Settings(epochs=1), cache=tmp_path)
    linear = training.linear_head(trunk, images, cache=tmp_path)

    def watched(parts):
        seen.append([set(images.table["subject"].iloc[rows]) for rows in parts])
        return (linear if len(seen) > 1 else mlp)(parts)

    answers = training.cross_validate(images, watched, count=3)
    assert list(answers) == ["grouped", "random"] and len(seen) == 6
    for probabilities in answers.values():
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    folds = training.fold_numbers(images.table, "grouped", 3)
    for fold, (one, other) in enumerate(seen[:3]):
        held_out = set(images.table["subject"][folds == fold])
        assert not one & other and not held_out & (one | other)
        assert held_out | one | other == set(images.table["subject"])
    compared = training.compare_ways(images, answers)
    assert list(compared["way"]) == ["by person", "at random"]
    assert (compared["people"] == images.table["subject"].nunique()).all()
    assert (compared["low"] <= compared["accuracy"]).all()
    assert (compared["accuracy"] <= compared["high"]).all()


def test_a_linear_head_learns_from_all_folds_it_is_given_and_from_no_other(
    table, preprocessing, small_network, tmp_path, monkeypatch
):
    images, fitted = Batches(table, preprocessing, batch_size=16), []

    class Watched(cross_validation.LogisticRegression):
        def fit(self, examples, labels):
            fitted.append((self.C, np.unique(examples, axis=0)))
            return super().fit(examples, labels)

    monkeypatch.setattr(cross_validation, "LogisticRegression", Watched)
    trunk = small_network.get_layer("trunk")
    fit = training.linear_head(trunk, images, mirror=False, penalties=(0.1, 1.0), cache=tmp_path)
    parts = np.array_split(np.random.default_rng(0).permutation(len(table))[10:], 5)
    (answers,) = fit(parts)(np.arange(len(table)))
    assert answers.shape == images.wanted.shape
    *inner, (penalty, last) = fitted
    assert len(inner) == 2 * cross_validation.INNER and penalty in (0.1, 1.0)
    everything = {row.tobytes() for row in last}
    learned = [{row.tobytes() for row in rows} for _, rows in inner]
    assert all(rows < everything for rows in learned)
    for first in (learned[:3], learned[3:]):  # of each penalty: every image is held out once
        assert set.union(*first) == everything and not set.intersection(*first)
    assert len(everything) == len(np.concatenate(parts))


def test_a_head_learns_from_batches_of_the_size_asked_for_and_enough_of_them(
    table, preprocessing, small_network, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(heads, "LEAST_STEPS", 30)
    for size in (8, 16):
        images = Batches(table, preprocessing, batch_size=size)
        steps = -(-(table["split"] == "train").sum() // size)
        head = networks.mlp_head(len(CLASS_NAMES), units=(8,))
        settings = training.Settings(epochs=2)
        run = training.train_head(
            head, small_network.get_layer("trunk"), images, settings, tmp_path, cache=tmp_path
        )
        assert run.settings["batch_size"] == size
        assert run.settings["epochs"] == -(-heads.LEAST_STEPS // steps)
        assert len(run.log) > 2
        assert f"learns for {run.settings['epochs']} epochs, not 2" in capsys.readouterr().out
    whole = training.Settings(epochs=900)
    assert heads.enough_steps(whole, 100) == whole and not capsys.readouterr().out


def test_views_are_drawn_row_by_row_to_learn_from_and_the_first_one_judges(
    table, preprocessing, small_network, tmp_path
):
    images = Batches(table, preprocessing, batch_size=16)
    trunk = small_network.get_layer("trunk")
    views = [trunk_features(trunk, images, tmp_path, side) for side in (False, True)]
    faces = images[0][0]
    expected = trunk.predict_on_batch(faces[:, :, ::-1])
    np.testing.assert_allclose(views[1][:16], expected, rtol=1e-2, atol=1e-3)
    rows = np.arange(len(table))
    judged = Features(views, images.wanted, rows, batch_size=len(rows))[0][0]
    np.testing.assert_array_equal(judged, views[0].astype(np.float32))
    drawn = Features(views, images.wanted, rows, seed=0, batch_size=len(rows))
    learned, order = drawn[0][0], drawn._order
    sides = [np.all(learned == view[order], axis=(1, 2, 3)) for view in views]
    assert (sides[0] | sides[1]).all() and 0.2 < sides[1].mean() < 0.8
