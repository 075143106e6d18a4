"""What training wants a network to answer: the label, people's votes, or a mixture of both.

The shares of ten people's votes are a soft target: "six of ten call it sad, four neutral"
(Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
Label Distribution", ICMI 2016).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from utils.datasets.corrections import corrected
from utils.datasets.joined_votes import votes_of
from utils.datasets.votes import LEAST_VOTES, VOTE_NAMES, shares, usable

Targets = str | float
"""“labels”, “votes”, or the weight of the votes in a mixture of both, from 0 to 1."""


def vote_weight(targets: Targets) -> float:
    """How much the votes count: 0 for "labels", 1 for "votes"; ValueError for no `Targets`."""
    try:
        weight = float({"labels": 0, "votes": 1}.get(targets, targets))
    except (TypeError, ValueError):
        weight = np.nan
    if not 0 <= weight <= 1:
        raise ValueError(
            'Targets are "labels", "votes", or the weight of the votes from 0 to 1. '
            f"Received: {targets!r}"
        )
    return weight


def soft_targets(
    table: pd.DataFrame, class_names: Sequence[str], targets: Targets
) -> tuple[np.ndarray, np.ndarray]:
    """What a network is to answer to each image, and which images say enough.

    Votes for other than the wanted classes do not count. An image with fewer than
    `votes.LEAST_VOTES` that do is left out. Data sets without votes are learned by their labels,
    and so is an image whose label a person has corrected.

    Args:
        table: rows with ``class``, and ``votes`` unless the labels alone count; ``dataset`` tells
            data sets apart.
        class_names: the wanted classes, in the order of the answers.
        targets: see `Targets`.

    Returns:
        float32, (n, classes), rows summing to 1; and bool, (n,), False where the image is left out.

    Raises:
        ValueError: no data set has votes, or nobody could vote for a class.
    """
    weight = vote_weight(targets)
    labels = pd.Categorical(table["class"], list(class_names)).codes
    wanted = np.eye(len(class_names), dtype=np.float32)[labels]
    if not weight:
        return wanted, np.ones(len(table), bool)
    if "votes" not in table:
        raise ValueError(
            f"No image has votes to learn from. Received: targets {targets!r}. Import FER-2013 "
            "once more with --votes fer2013new.csv onto the same folder, or learn the labels."
        )
    votes = votes_of(table)
    voted_sets = _in_voted_set(table, votes)
    unknown = sorted(set(class_names) - set(VOTE_NAMES))
    if unknown and not voted_sets.all():  # a class of another data set; here nobody voted for it
        voted_names = [name for name in class_names if name not in unknown]
    else:
        voted_names = list(class_names)
    places = [list(class_names).index(name) for name in voted_names]
    by_votes = voted_sets & ~corrected(table).to_numpy()
    enough = by_votes & usable(votes, voted_names)
    given = np.zeros_like(wanted[enough])
    given[:, places] = shares(votes[enough], voted_names)
    wanted[enough] = weight * given + (1 - weight) * wanted[enough]
    return wanted, enough | ~by_votes


def check_classes(images) -> None:
    """See that every class of `Batches` can be learned; contempt has images in few data sets.

    Raises:
        ValueError: a class has neither an image nor a vote.
    """
    names = images.preprocessing.class_names
    empty = [
        name for name, any_image in zip(names, images.wanted.any(0), strict=True) if not any_image
    ]
    if empty:
        raise ValueError(
            f"Nothing to learn {', '.join(empty)} from: no training image is labelled so, nor, "
            'with targets "votes", voted so. Leave it out of the classes, or learn votes.'
        )


def left_out(kept: np.ndarray, table: pd.DataFrame, targets: Targets) -> str:
    """What training on votes leaves out, or learns otherwise; arguments as of `soft_targets`."""
    if not vote_weight(targets):
        return ""
    sentences = []
    if few := int((~kept).sum()):
        sentences.append(
            f"{few:,} of {len(kept):,} images left out: fewer than {LEAST_VOTES} people "
            "voted for one of the classes."
        )
    if labelled := int((~_in_voted_set(table, votes_of(table))).sum()):
        sentences.append(f"{labelled:,} images of data sets without votes learned by their label.")
    if by_hand := int(corrected(table).sum()):
        sentences.append(f"{by_hand:,} images learned by their corrected label.")
    return " ".join(sentences)


def _in_voted_set(table: pd.DataFrame, votes: np.ndarray) -> np.ndarray:
    """bool, (n,): whether any image of an image's data set was voted on."""
    any_votes = pd.Series(votes.any(axis=1), table.index)
    if "dataset" not in table:
        return np.full(len(table), bool(any_votes.any()))
    return any_votes.groupby(table["dataset"]).transform("any").to_numpy(bool)
