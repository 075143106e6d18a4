"""Judging a head on small data sets: everybody is held out once, by person and at random.

One split of a few hundred images of ten people judges by one person or two, and by luck.
Here each image is answered once, by a head that learned from other folds, and the intervals
resample people. The same at random, beside it, shows what knowing the people was worth.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from threadpoolctl import threadpool_limits

from utils.config import CACHE
from utils.datasets.domains import rows_by_domain
from utils.models.backend import keras
from utils.progress import progress_bar
from utils.training.batches import Batches
from utils.training.calibration import LEAST_IMAGES, fit_temperature, tempered
from utils.training.evaluation import evaluate, interval_by_subject
from utils.training.features import Features, trunk_features
from utils.training.head import enough_steps, fit_head
from utils.training.trainer import Settings

WAYS = ("grouped", "random")

AXES = 500
"""Principal axes that `linear_head` looks along."""

INNER = 3
"""Parts of the learning folds of which `linear_head` holds out one after the other to choose."""

Fit = Callable[[list[np.ndarray]], Callable[[np.ndarray], list[np.ndarray]]]
"""Positions of each fold to learn from → positions → each view's calibrated probabilities."""


def fold_numbers(table: pd.DataFrame, way: str, count: int = 10, seed: int = 0) -> np.ndarray:
    """Which fold holds each image out: int, (rows,), from 0; classes are spread evenly.

    Each data set is parted by itself, so every fold has its share of people and of animated
    characters; one with fewer subjects than folds has as many folds as subjects.

    Args:
        table: rows with ``class``, ``subject`` ("" for unknown) and, if combined, ``dataset``.
        way: "grouped": nobody is in two folds; an image of an unknown person stands for itself.
            "random": whoever is on it.
        count: how many folds, at least 2.
        seed: of the folds.

    Raises:
        ValueError: an unknown way, fewer than two folds, or a data set with one subject.
    """
    if way not in WAYS or count < 2:
        raise ValueError(
            f"Expected {' or '.join(WAYS)}, and two folds or more. Received: {way!r}, {count}."
        )
    own = pd.Series(np.arange(len(table)).astype(str), table.index)
    subjects = table["subject"].where(table["subject"] != "", own).to_numpy()
    data_sets = table["dataset"] if "dataset" in table else np.zeros(len(table))
    classes, folds = table["class"].to_numpy(), np.empty(len(table), int)
    for rows in table.groupby(data_sets).indices.values():
        groups = subjects[rows] if way == "grouped" else rows
        largest = pd.Series(classes[rows]).value_counts().max()
        parts = min(count, len(set(groups)), largest)
        if parts < 2:
            raise ValueError(
                f"{parts} subject cannot be parted into folds. Received: "
                f"{', '.join(sorted(set(subjects[rows]))[:3])} alone. Add images of other people."
            )
        kind = StratifiedGroupKFold if way == "grouped" else StratifiedKFold
        wanted = groups if way == "grouped" else None
        maker = kind(parts, shuffle=True, random_state=seed)
        with warnings.catch_warnings():  # a class rarer than the folds lacks in some
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            for number, (_, held_out) in enumerate(maker.split(rows, classes[rows], wanted)):
                folds[rows[held_out]] = number
    return folds


def cross_validate(
    images: Batches, fit: Fit, *, count: int = 10, seed: int = 0
) -> dict[str, np.ndarray]:
    """Answer every image by a head that learned from other folds.

    What is to be chosen (the epoch, a penalty's strength, the temperature) is chosen within the
    folds that are not held out. So nothing is chosen on what is judged.

    Args:
        images: all images; their ``split`` does not count.
        fit: how a head is trained: `mlp_head` or `linear_head`.
        count, seed: of parting, as for `fold_numbers`.

    Returns:
        For each of `WAYS` the probabilities, float (n, classes), in the order of ``images.table``.
    """
    unknown = int((images.table["subject"] == "").sum())
    if unknown:
        print(
            f"{unknown} of {len(images.table)} images do not say who is on them: for those, both "
            "ways are the same, and flatter."
        )
    folds = {way: fold_numbers(images.table, way, max(count, 3), seed) for way in WAYS}
    found = {way: np.zeros(images.wanted.shape) for way in WAYS}
    rounds = [(way, fold) for way in WAYS for fold in range(folds[way].max() + 1)]
    for way, fold in progress_bar(rounds, desc="folds", unit="fold"):
        rows = [np.flatnonzero(folds[way] == one) for one in range(folds[way].max() + 1)]
        answer = fit([*rows[fold + 1 :], *rows[:fold]])
        found[way][rows[fold]] = np.mean(answer(rows[fold]), axis=0)
    return found


def mlp_head(
    head: keras.Model,
    trunk: keras.Model,
    images: Batches,
    settings: Settings,
    mirror: bool = True,
    cache: str | Path = CACHE,
) -> Fit:
    """A head of one's own, trained as `head.train_head` does.

    Of the folds to learn from, the first chooses the epoch and gives the temperature.

    Args:
        head: its layers; its weights are not changed.
        trunk, images, settings, mirror, cache: as for `head.train_head`.
    """
    found = [trunk_features(trunk, images, cache, side) for side in (False, True)[: 1 + mirror]]

    told = False

    def fit(parts):
        nonlocal told
        choose, learn = parts[0], np.sort(np.concatenate(parts[1:]))
        worker = keras.models.clone_model(head)
        worker.build(trunk.output_shape)
        steps = -(-len(learn) // images.batch_size)
        enough, told = enough_steps(settings, steps, shown=not told), True  # said once, not a fold
        fit_head(worker, found, images, learn, choose, enough, shown=False)

        def answer(rows):
            return [
                worker.predict(
                    Features(view, images.wanted, rows, batch_size=images.batch_size), verbose=0
                )
                for view in found
            ]

        return _calibrated(answer, images.wanted[choose], answer(choose))

    return fit


def _calibrated(answer, wanted, views):
    """The same answers at the temperature that fits these views of what was wanted."""
    temperature = fit_temperature(wanted, views) if len(wanted) >= LEAST_IMAGES else 1.0
    return lambda rows: [tempered(view, temperature) for view in answer(rows)]


def linear_head(
    trunk: keras.Model,
    images: Batches,
    *,
    mirror: bool = True,
    penalties=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
    cache: str | Path = CACHE,
) -> Fit:
    """One dense layer, solved to the end instead of trained in steps: quick, and hard to beat.

    It is scikit-learn's `LogisticRegression` on the features' first `AXES` principal axes, found
    once of all images and without any label. Penalty and temperature are chosen by folds within the
    folds to learn from (nested cross-validation); then the layer is solved again on all of these.
    The features are held in memory: 28 MB for 1,000 maps of 6 × 6 × 192.

    Args:
        trunk, images, mirror, cache: as for `head.train_head`.
        penalties: inverse strengths (``C``), of which one is chosen by calibrated log loss.
    """
    found = [trunk_features(trunk, images, cache, side) for side in (False, True)[: 1 + mirror]]
    views = [np.asarray(view, np.float32).reshape(len(view), -1) for view in found]
    examples = np.concatenate(views)
    axes = PCA(
        min(AXES, *examples.shape), svd_solver="randomized", iterated_power=1, random_state=0
    )
    views = np.split(axes.fit_transform(examples), len(views))
    scale = np.sqrt((np.concatenate(views) ** 2).sum(axis=1).mean()) / 10
    views = [view / scale for view in views]

    def solve(penalty, rows):
        model = LogisticRegression(C=penalty, max_iter=200, tol=1e-3)
        model.fit(
            np.concatenate([view[rows] for view in views]), np.tile(images.labels[rows], len(views))
        )

        def answer(rows):
            answers = np.full((len(views), len(rows), images.wanted.shape[1]), 1e-12)
            for given, view in zip(answers, views, strict=True):
                given[:, model.classes_] = model.predict_proba(view[rows])
            return answers / answers.sum(axis=2, keepdims=True)

        return answer

    @threadpool_limits.wrap(limits=1)  # so small that threads only wait for one another
    def fit(parts):
        inner = [np.concatenate(parts[first::INNER]) for first in range(min(INNER, len(parts)))]
        rows, found = np.concatenate(inner), []
        for penalty in penalties:
            each = [solve(penalty, np.setdiff1d(rows, held_out))(held_out) for held_out in inner]
            given, wanted = np.concatenate(each, axis=1), images.wanted[rows]
            likely = np.mean(_calibrated(lambda _, given=given: given, wanted, given)(rows), axis=0)
            loss = -np.log(likely[np.arange(len(rows)), images.labels[rows]]).mean()
            found.append((loss, penalty, given))
        _, penalty, given = min(found, key=lambda one: one[:2])
        return _calibrated(solve(penalty, rows), images.wanted[rows], given)

    return fit


def compare_ways(images: Batches, answers: dict[str, np.ndarray]) -> pd.DataFrame:
    """What `cross_validate` found, people and animated characters apart.

    Returns:
        A row a domain and way: domain, way, images, people, accuracy with low and high (95 %
        interval, resampling people), macro_f1 (over the classes present) and ece.
    """
    rows = []
    for domain, chosen in rows_by_domain(images.table).items():
        subjects = images.table["subject"].to_numpy()[chosen]
        for way, probabilities in answers.items():
            labels, answer = images.labels[chosen], probabilities[chosen]
            metrics = evaluate(labels, answer, images.preprocessing.class_names)
            low, high = interval_by_subject(answer.argmax(axis=1) == labels, subjects)
            rows.append(
                {
                    "domain": domain,
                    "way": {"grouped": "by person", "random": "at random"}[way],
                    "images": len(chosen),
                    "people": len(set(subjects) - {""}),
                    "accuracy": metrics["accuracy"],
                    "low": low,
                    "high": high,
                    "macro_f1": metrics["macro_f1_present"],
                    "ece": metrics["ece"],
                }
            )
    return pd.DataFrame(rows)
