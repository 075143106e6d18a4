"""Labels that people or a model would not give are found, the surest first."""

import numpy as np
import pandas as pd
import pytest

from tests.made_up_votes import ten
from tests.single_images import image
from utils.config import CLASS_NAMES
from utils.training.batches import Batches
from utils.training.label_review import (
    doubtful_labels,
    out_of_fold,
    review_labels,
    unlike_people,
)


def test_labels_unlike_people_by_hand():
    table = pd.DataFrame(
        {
            "file": list("abcdef"),
            "class": ["fear", "happy", "sad", "sad", "fear", "wink"],
            "votes": [
                ten(neutral=7, fear=3),
                ten(happy=10),  # as labelled
                ten(neutral=9, sad=1),
                ten(neutral=5, sad=5),  # no clear majority
                (),
                ten(happy=7, neutral=3),
            ],
        }
    )
    found = unlike_people(table)
    # Nine of ten, then seven of ten; of equal ones that with fewer votes for the label first.
    assert found["file"].tolist() == ["c", "f", "a"]
    assert found["better"].tolist() == ["neutral", "happy", "neutral"]
    assert found["people"].tolist() == pytest.approx([0.9, 0.7, 0.7])
    assert found["for_label"].tolist() == pytest.approx([0.1, 0, 0.3])


def test_doubtful_labels_follow_the_bar_of_each_class():
    table = pd.DataFrame({"file": list("abcde"), "class": ["sad", "sad", "happy", "happy", "sad"]})
    happy = np.array([0.1, 0.3, 0.9, 0.7, 0.85])
    found = doubtful_labels(table, np.stack([happy, 1 - happy], axis=1), ("happy", "sad"))
    # The bars: happy (.9 + .7) / 2 = .8, sad (.9 + .7 + .15) / 3 = .583. Only the last image's
    # answer for another class, .85 for happy, reaches its bar.
    assert found["file"].tolist() == ["e"]
    assert found["better"].tolist() == ["happy"]
    assert found["model"].tolist() == pytest.approx([0.85])
    assert found["for_label"].tolist() == pytest.approx([0.15])


def test_a_label_that_is_likelier_is_not_doubted():
    table = pd.DataFrame({"file": list("abc"), "class": ["sad", "sad", "happy"]})
    happy = np.array([0.1, 0.45, 0.4])  # the bars: happy .4, sad .725
    assert doubtful_labels(table, np.stack([happy, 1 - happy], 1), ("happy", "sad")).empty


def test_a_class_without_images_is_nobodys_meaning():
    table = pd.DataFrame({"file": ["a", "b"], "class": ["sad", "sad"]})
    answers = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert doubtful_labels(table, answers, ("happy", "sad")).empty


WRONG = [4, 41, 72]  # one of each class


@pytest.fixture
def features(tmp_path):
    """Features of three classes far apart, as 2 × 2 maps, and three wrong labels."""
    random = np.random.default_rng(0)
    true = np.arange(90) % 3
    labels = true.copy()
    labels[WRONG] = (true[WRONG] + 1) % 3
    maps = random.normal(0, 0.3, (90, 2, 2, 8)).astype(np.float16)
    maps[np.arange(90), :, :, true] += 4
    files = [tmp_path / f"{number}.png" for number in range(90)]
    for number, file in enumerate(files):
        image(file, number)
    names = CLASS_NAMES[:3]
    rows = {"file": list(map(str, files)), "class": np.array(names)[labels], "subject": ""}
    return maps, pd.DataFrame(rows), names


def test_wrong_labels_are_found_out_of_fold(features):
    maps, table, names = features
    answers = out_of_fold(maps, table, names)
    assert answers.shape == (90, 3) and answers.sum(axis=1) == pytest.approx(np.ones(90))
    found = doubtful_labels(table, answers, names)
    assert sorted(found.index[:3]) == WRONG


def test_nobody_answers_for_a_copy_of_what_was_learned(features):
    """The same image with the wrong label twice is not told by its copy."""
    maps, table, names = features
    rows = [*range(90), 4, 4, 4]
    table = table.iloc[rows].reset_index(drop=True)
    found = doubtful_labels(table, out_of_fold(maps[rows], table, names), names)
    assert {4, 90, 91, 92} <= set(found.index)


def test_too_few_images_are_refused(features):
    maps, table, names = features
    with pytest.raises(ValueError, match="two images or more of every class"):
        out_of_fold(maps[:3], table.head(3), names)
    with pytest.raises(ValueError, match="two images or more of every class"):
        out_of_fold(maps, table, names[:2])


def test_review_asks_people_where_they_voted(table, small_network, preprocessing, tmp_path):
    votes = [ten(**{name: 10}) for name in table["class"]]
    votes[0] = ten(sad=10) if table["class"][0] != "sad" else ten(happy=10)
    trunk = small_network.get_layer("trunk")
    voted = review_labels(Batches(table.assign(votes=votes), preprocessing), trunk, tmp_path)
    assert voted["file"].tolist() == [table["file"][0]]
    assert not list(tmp_path.iterdir())  # no features were needed
    asked = table.assign(votes=votes, uncorrected=table["class"])
    asked.loc[0, "uncorrected"] = "fear"  # a person has looked at it
    assert review_labels(Batches(asked, preprocessing), trunk, tmp_path).empty
    doubted = review_labels(Batches(table, preprocessing), trunk, tmp_path)
    assert {"file", "class", "better", "model", "for_label"} <= set(doubted)
    assert (doubted["better"] != doubted["class"]).all()
    assert list(tmp_path.iterdir())
