"""Agreement with people, against examples worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from tests.made_up_votes import ten
from utils.config import CLASS_NAMES
from utils.datasets.votes import VotesError
from utils.training.people import (
    EIGHT,
    against_people,
    agreement_lines,
    confusion_with_people,
    evaluate_people,
)


def answer(names=CLASS_NAMES, **probabilities) -> list[float]:
    return [probabilities.get(name, 0.0) for name in names]


VOTES = np.array(
    [
        ten(happy=8, neutral=2),
        ten(sad=6, neutral=4),
        ten(contempt=6, neutral=4),
        ten(unknown=6, fear=4),
        ten(sad=8, contempt=2),
    ]
)
ANSWERS = np.array(
    [
        answer(happy=0.75, neutral=0.25),
        answer(neutral=0.6, sad=0.4),
        answer(neutral=1.0),
        answer(fear=0.9, sad=0.1),
        answer(sad=1.0),
    ]
)


def test_majority_by_hand():
    measured = evaluate_people(VOTES, ANSWERS, CLASS_NAMES)
    # Clear by the seven are happy, sad and sad: in the third neutral has 4 of 10 and contempt
    # more, in the fourth "unknown" has more than fear. Answers: happy, neutral, sad.
    assert measured["majority_n"] == 3
    assert measured["majority_accuracy"] == pytest.approx(2 / 3)
    of_class = measured["majority_per_class"]
    assert list(of_class) == list(CLASS_NAMES)
    assert (of_class["happy"]["recall"], of_class["happy"]["n"]) == (1, 1)
    assert (of_class["sad"]["recall"], of_class["sad"]["n"]) == (0.5, 2)
    # Wilson's interval of 1 of 2, with z = 1.96: 0.5 ± z·√(1/8 + z²/16) / (1 + z²/2).
    assert of_class["sad"]["low"] == pytest.approx(0.0945, abs=1e-4)
    assert of_class["sad"]["high"] == pytest.approx(0.9055, abs=1e-4)
    assert of_class["fear"] == {"recall": None, "low": None, "high": None, "n": 0}
    # With contempt as an eighth class the third is clear, too, and a model without it wrong.
    assert measured["majority8_n"] == 4
    assert measured["majority8_accuracy"] == pytest.approx(2 / 4)


def test_distances_by_hand():
    measured = evaluate_people(VOTES[[0, 1, 3]], ANSWERS[[0, 1, 3]], CLASS_NAMES)
    # The last has but four votes for the seven classes and is left out.
    assert measured["vote_n"] == 2
    loss = -(0.8 * np.log(0.75) + 0.2 * np.log(0.25)), -(0.6 * np.log(0.4) + 0.4 * np.log(0.6))
    assert measured["vote_log_loss"] == pytest.approx(np.mean(loss))
    distance = (
        0.8 * np.log(0.8 / 0.75) + 0.2 * np.log(0.2 / 0.25),
        0.6 * np.log(0.6 / 0.4) + 0.4 * np.log(0.4 / 0.6),
    )
    assert measured["vote_kl"] == pytest.approx(np.mean(distance))
    # 8 of 10 agree with "happy", 4 of 10 with "neutral".
    assert measured["people_agreeing"] == pytest.approx((0.8 + 0.4) / 2)
    # Confidences .75 and .6 fall into different fifteenths: gaps of .05 and .2.
    assert measured["vote_ece"] == pytest.approx((0.05 + 0.2) / 2)


def test_gaps_in_one_bin_cancel():
    votes = np.array([ten(happy=8, sad=2), ten(happy=6, sad=4)])
    answers = np.array([answer(happy=0.7, sad=0.3)] * 2)
    # Both confidences are 0.7, and 0.8 and 0.6 of people agree: 0.7 in the mean.
    assert evaluate_people(votes, answers, CLASS_NAMES)["vote_ece"] == pytest.approx(0, abs=1e-9)


def test_shares_are_of_the_classes_that_the_model_knows():
    votes = np.array([ten(happy=6, sad=2, fear=2)])
    answers = np.array([[0.75, 0.25]])
    measured = evaluate_people(votes, answers, ("happy", "sad"))
    assert measured["people_agreeing"] == pytest.approx(6 / 8)
    assert measured["vote_ece"] == pytest.approx(0)
    assert "majority8_n" not in measured


def test_contempt_can_be_right_where_a_model_knows_it():
    answers = np.array([answer(EIGHT, contempt=0.6, neutral=0.4)])
    measured = evaluate_people(VOTES[[2]], answers, EIGHT)
    assert (measured["majority_n"], measured["majority_accuracy"]) == (0, None)
    assert (measured["majority8_n"], measured["majority8_accuracy"]) == (1, 1)
    assert measured["majority8_per_class"]["contempt"]["recall"] == 1
    assert "contempt" not in measured["majority_per_class"]
    lines = agreement_lines({"accuracy": 0.25, "n": 4, **measured})
    assert lines[0] == "Agreement with the data set's labels 25.00% (4 images)"
    assert lines[1].startswith("Agreement with people's clear majority – (0 images)")
    assert lines[2].endswith("100.00% (1 images); contempt's recall 100.00% (1 images)")
    measured = evaluate_people(VOTES[[2]], np.array([[0.6, 0.4]]), ("contempt", "neutral"))
    assert measured["majority8_per_class"]["contempt"]["n"] == 1
    assert measured["vote_kl"] == pytest.approx(0)


def test_only_images_with_votes_count():
    table = pd.DataFrame({"votes": [(), tuple(VOTES[0])], "file": ["a", "b"]})
    measured = against_people(table, ANSWERS[:2][::-1], CLASS_NAMES)
    assert measured["majority_n"] == 1 and measured["majority_accuracy"] == 1
    assert against_people(table.head(1), ANSWERS[:1], CLASS_NAMES) == {}
    assert against_people(table.drop(columns="votes"), ANSWERS[:2], CLASS_NAMES) == {}
    assert against_people(table, ANSWERS[:2, :2], ("happy", "wink")) == {}


def test_confusion_counts_clear_majorities():
    labels = ["happy", "neutral", "neutral", "fear", "wink"]
    counts = confusion_with_people(VOTES, labels)
    happy, neutral, sad = (CLASS_NAMES.index(name) for name in ("happy", "neutral", "sad"))
    assert counts.sum() == 2  # the last label is no class
    assert counts[happy, happy] == 1 and counts[sad, neutral] == 1


def test_what_does_not_fit_is_refused():
    with pytest.raises(VotesError, match="People could not vote for wink"):
        evaluate_people(VOTES[:, :], ANSWERS[:, :2], ("happy", "wink"))
    with pytest.raises(VotesError, match=r"Received: \(5, 10\) and \(4, 7\)"):
        evaluate_people(VOTES, ANSWERS[:4], CLASS_NAMES)
