"""How far a model reads what people read: arrays of votes and of answers in, numbers out.

Throughout, ``votes`` is an integer array (n, 10) in the order of `votes.VOTE_NAMES`, and
``probabilities`` a float array (n, classes) whose rows sum to one.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import rel_entr

from utils.config import CLASS_NAMES
from utils.datasets.joined_votes import votes_of
from utils.datasets.votes import VOTE_NAMES, VotesError, clear_majority, shares, usable
from utils.training.evaluation import calibration_gap, confusion, wilson_interval

EIGHT = (*CLASS_NAMES, "contempt")
"""The classes of the FER+ paper's protocol, to compare with published figures."""
LABELS = "the data set's labels"
MOST_FREQUENT = "people's most frequent answer"
MAJORITY = "people's clear majority"


def learned_answer(vote_weight: float) -> str:
    """What an answer is compared with while such targets are learned, as messages call it."""
    return {0: LABELS, 1: MOST_FREQUENT}.get(vote_weight, "the mixture of label and votes")


def agreement_lines(metrics: dict) -> list[str]:
    """Lines that tell of every agreement in a report what it is with."""

    def line(other, share, count, more=""):
        shown = "–" if share is None else f"{share:.2%}"
        return f"Agreement with {other} {shown} ({count:,} images){more}"

    lines = [line(LABELS, metrics["accuracy"], metrics["n"])]
    if "majority_accuracy" in metrics:
        agreeing = "–" if metrics["vote_n"] == 0 else f"{metrics['people_agreeing']:.2%}"
        more = f"; people who would agree {agreeing} ({metrics['vote_n']:,} images)"
        lines.append(line(MAJORITY, metrics["majority_accuracy"], metrics["majority_n"], more))
    if "majority8_per_class" in metrics:
        contempt = metrics["majority8_per_class"]["contempt"]
        recall = "–" if contempt["recall"] is None else f"{contempt['recall']:.2%}"
        more = f"; contempt's recall {recall} ({contempt['n']:,} images)"
        lines.append(
            line(
                f"{MAJORITY}, contempt counted as a class,",
                *(metrics["majority8_accuracy"], metrics["majority8_n"], more),
            )
        )
    return lines


def evaluate_people(
    votes: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str]
) -> dict:
    """Every number of a report that votes allow, ready for JSON.

    Args:
        votes, probabilities: see above.
        class_names: the model's classes; some of the seven, perhaps contempt.

    Returns:
        majority_n, majority_accuracy and majority_per_class {name: {recall, low, high, n}},
        all over the images with a `votes.clear_majority`, with 95 % intervals of Wilson;
        majority8_n and majority8_accuracy, the same with contempt as a class that can be
        right, where the model knows it or all seven, and majority8_per_class where it
        knows contempt; and over the vote_n images of which
        `votes.LEAST_VOTES` people named one of the classes: vote_log_loss and vote_kl (nats,
        from the shares of votes), people_agreeing (the mean share that the answer got) and
        vote_ece (the mean gap between confidence and that share, over 15 equally wide bins
        of confidence, each counted by its size). None stands for what no image tells.

    Raises:
        VotesError: people could not vote for a class, or the numbers of rows differ.
    """
    votes, probabilities = np.asarray(votes), np.asarray(probabilities, float)
    _check(votes, probabilities, class_names)
    names = list(class_names)
    answers = np.array(names)[probabilities.argmax(axis=1)]
    expressions = [name for name in names if name != "contempt"]
    measured = _majority_measures("majority", votes, answers, expressions)
    if set(CLASS_NAMES) <= set(names) or "contempt" in names:
        eight = _majority_measures("majority8", votes, answers, [*expressions, "contempt"])
        if "contempt" not in names:
            del eight["majority8_per_class"]
        measured |= eight
    return measured | _distances(votes, probabilities, names)


def against_people(table: pd.DataFrame, probabilities: np.ndarray, class_names) -> dict:
    """`evaluate_people` for the images of a table that have votes; {} where none has.

    Nor are there such numbers for classes that nobody could vote for.

    Args:
        table: as `table.find_images` gives it.
        probabilities: (n, classes), the answers to its images.
        class_names: the model's classes.
    """
    votes = votes_of(table)
    known = votes.any(axis=1)
    if not known.any() or not set(class_names) <= set(EIGHT):
        return {}
    return evaluate_people(votes[known], np.asarray(probabilities)[known], class_names)


def confusion_with_people(
    votes: np.ndarray, answers: Sequence[str], class_names: Sequence[str] = CLASS_NAMES
) -> np.ndarray:
    """How often each class of people's clear majority was called which.

    Args:
        votes: see above.
        answers: (n,), a name an image: a model's answer, or the data set's label. Images
            with other names than the classes' do not count.
        class_names: the classes; some of the seven, perhaps contempt.

    Returns:
        Counts, int (classes, classes): rows are what people saw, columns the answers.
    """
    names = list(class_names)
    majority = clear_majority(votes, names)
    answered = pd.Index(names).get_indexer(answers)  # -1 for others
    counted = (majority >= 0) & (answered >= 0)
    return confusion(majority[counted], answered[counted], len(names))


def _majority_measures(key, votes, answers, names) -> dict:
    """Share and recalls, over the images with a clear majority for one of the names."""
    majority = np.array([*names, ""])[clear_majority(votes, names)]  # -1 takes the last
    per_class = {}
    for name in names:
        right, count = int((answers[majority == name] == name).sum()), int((majority == name).sum())
        low, high = wilson_interval(right, count) if count else (None, None)
        recall = right / count if count else None
        per_class[name] = {"recall": recall, "low": low, "high": high, "n": count}
    return {
        f"{key}_n": int((majority != "").sum()),
        f"{key}_accuracy": _share(answers, majority),
        f"{key}_per_class": per_class,
    }


def _share(answers, majority) -> float | None:
    clear = majority != ""
    return float(np.mean(answers[clear] == majority[clear])) if clear.any() else None


def _distances(votes, probabilities, names) -> dict:
    enough = usable(votes, names)
    keys = ("vote_log_loss", "vote_kl", "people_agreeing", "vote_ece")
    if not enough.any():
        return {"vote_n": 0, **dict.fromkeys(keys)}
    given = shares(votes[enough], names)
    answered = np.clip(probabilities[enough], 1e-15, 1)
    top = answered.argmax(axis=1)
    agreeing = given[np.arange(len(given)), top]
    values = (
        -(given * np.log(answered)).sum(axis=1).mean(),
        rel_entr(given, answered).sum(axis=1).mean(),
        agreeing.mean(),
        calibration_gap(answered.max(axis=1), agreeing),
    )
    return {"vote_n": int(enough.sum()), **dict(zip(keys, map(float, values), strict=True))}


def _check(votes, probabilities, class_names) -> None:
    others = sorted(set(class_names) - set(EIGHT))
    if others:
        raise VotesError(
            f"People could not vote for {', '.join(others)}. Expected a model of some of: "
            f"{', '.join(EIGHT)}."
        )
    expected = (len(votes), len(VOTE_NAMES)), (len(votes), len(class_names))
    if (votes.shape, probabilities.shape) != expected or not len(votes):
        raise VotesError(
            f"Expected votes (n, {len(VOTE_NAMES)}) with n ≥ 1 and probabilities "
            f"(n, {len(class_names)}). Received: {votes.shape} and {probabilities.shape}."
        )
