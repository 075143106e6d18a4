"""Which labels to look at: those that people would not give, or that a model finds doubtful.

Each review is a table of images, the surest doubt first: ``file``, ``class`` (its label),
``better`` (the class that people or the model would give) and how sure they are. A reader looks at
the images, keeps the rows to change, and saves them:

    changed = doubtful.head(20).assign(**{"class": doubtful["better"]})
    datasets.save_corrections(changed, "corrections.csv")

What a person has corrected already is not asked again.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from utils.config import CACHE, CLASS_NAMES
from utils.datasets.corrections import corrected
from utils.datasets.joined_votes import votes_of
from utils.datasets.votes import VOTE_NAMES, clear_majority
from utils.files import digest
from utils.models.backend import keras
from utils.training.batches import Batches
from utils.training.features import trunk_features

EXPRESSIONS = (*CLASS_NAMES, "contempt")


def review_labels(images: Batches, trunk: keras.Model, cache: str | Path = CACHE) -> pd.DataFrame:
    """The images whose label to look at, by people's votes or, without any, by a model.

    Args:
        images: neither shuffled nor augmented. Labels that the trunk has been taught it doubts
            less: those of other images than the training's show most.
        trunk: whose features a linear head learns from; not used where there are votes.
        cache: where features are kept.

    Returns:
        As `unlike_people`, or as `doubtful_labels` of `out_of_fold`.
    """
    names, table = images.preprocessing.class_names, images.table
    if votes_of(table).any():
        review = unlike_people(table, [name for name in names if name in EXPRESSIONS])
    else:
        features = trunk_features(trunk, images, cache)
        review = doubtful_labels(table, out_of_fold(features, table, names), names)
    return review[~corrected(review)]


def unlike_people(table: pd.DataFrame, class_names: Sequence[str] = CLASS_NAMES) -> pd.DataFrame:
    """The images whose label ten people would not give, the surest first.

    Args:
        table: with ``file``, ``class`` and ``votes``, as `table.find_images` gives it.
        class_names: the classes that people's clear majority is looked for in.

    Returns:
        The rows in which that is another class than the label, with ``better`` (that class),
        ``people`` and ``for_label`` (the shares of all votes for it and for the label).
    """
    votes = votes_of(table)
    majority = np.array([*class_names, ""])[clear_majority(votes, class_names)]
    share = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)
    rows = np.arange(len(table))
    voted = pd.Index(VOTE_NAMES)
    labels = voted.get_indexer(table["class"])  # -1: a class of one's own
    reviewed = table.assign(
        better=majority,
        people=share[rows, voted.get_indexer(majority)],
        for_label=np.where(labels < 0, 0, share[rows, labels]),
    )
    unlike = reviewed[(majority != "") & (majority != table["class"].to_numpy())]
    return unlike.sort_values(["people", "for_label"], ascending=[False, True], kind="stable")


def out_of_fold(
    features: np.ndarray, table: pd.DataFrame, class_names: Sequence[str]
) -> np.ndarray:
    """What a linear head says of each image after learning from the other images alone.

    The same person, and the very same image twice, stay on one side.

    Args:
        features: (n, …), of `features.trunk_features`; maps are averaged over their places.
        table: the images, with ``file``, ``class`` and ``subject``.
        class_names: the classes, in the order wanted; each needs two images or more.

    Returns:
        float64, (n, classes), rows summing to 1.
    """
    values = np.asarray(features, np.float32)
    values = values.mean(axis=tuple(range(1, values.ndim - 1)))
    labels = pd.Index(list(class_names)).get_indexer(table["class"])
    people = table["subject"].where(table["subject"] != "", table["file"].map(Path).map(digest))
    least = min((labels == place).sum() for place in range(len(class_names)))
    if (labels < 0).any() or least < 2:
        raise ValueError(
            "Out-of-fold answers need two images or more of every class, and no others. "
            f"Received: {table['class'].value_counts().to_dict()}; expected {tuple(class_names)}."
        )
    cut = StratifiedGroupKFold(min(5, int(least)), shuffle=True, random_state=0)
    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))
    # On one core: BLAS shares out work that is too small for it, and took 45 times as long.
    with threadpool_limits(1), warnings.catch_warnings():
        # A fit that has nearly converged answers as well.
        warnings.filterwarnings("ignore", "lbfgs failed to converge")
        return cross_val_predict(
            head, values, labels, groups=people, cv=cut, method="predict_proba"
        )


def doubtful_labels(
    table: pd.DataFrame, probabilities: np.ndarray, class_names: Sequence[str]
) -> pd.DataFrame:
    """The images whose label a model doubts that was not taught them, the surest first.

    The rule of confident learning (Northcutt, Jiang & Chuang, "Confident Learning: Estimating
    Uncertainty in Dataset Labels", 2021): a class is meant where its probability is at least the
    mean of that over the images labelled so; one of which the model is never sure has a lower bar.
    Where the label is likelier all the same, the model does not doubt it.

    Args:
        table: the images, with ``file`` and ``class``.
        probabilities: (n, classes), such as `out_of_fold` answers.
        class_names: the classes in their order.

    Returns:
        The rows in which another class than the label is meant, with ``better`` (that class),
        ``model`` (its probability) and ``for_label`` (the label's).
    """
    probabilities = np.asarray(probabilities, float)
    labels = pd.Index(list(class_names)).get_indexer(table["class"])
    bars = [
        probabilities[labels == place, place].mean() if (labels == place).any() else np.inf
        for place in range(len(class_names))
    ]
    meant = np.where(probabilities >= bars, probabilities, -1)
    best = meant.argmax(axis=1)
    rows = np.arange(len(table))
    doubted = meant[rows, best] > probabilities[rows, labels]
    reviewed = table.assign(
        better=np.array(class_names)[best],
        model=probabilities[rows, best],
        for_label=probabilities[rows, labels],
    )[doubted]
    order = (reviewed["for_label"] - reviewed["model"]).sort_values(kind="stable").index
    return reviewed.loc[order]
