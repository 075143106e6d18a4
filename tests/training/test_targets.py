"""Labels, votes and mixtures as what a network is to answer."""

import numpy as np
import pandas as pd
import pytest

from tests.made_up_votes import ten
from utils import training
from utils.config import CLASS_NAMES
from utils.training.batches import Batches
from utils.training.targets import left_out, soft_targets, vote_weight
from utils.training.trainer import Settings
from utils.vision.preprocessing import Preprocessing

NAMES = ("happy", "neutral", "sad")
TABLE = pd.DataFrame(
    {
        "class": ["happy", "sad", "sad", "neutral"],
        "votes": [
            ten(happy=6, neutral=2, fear=2),
            ten(sad=4, unknown=6),  # too few for any of the classes
            ten(neutral=10),
            (),
        ],
    }
)


def test_labels_votes_and_mixture_by_hand():
    wanted, kept = soft_targets(TABLE, NAMES, "labels")
    assert kept.all() and wanted.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0]]
    wanted, kept = soft_targets(TABLE, NAMES, "votes")
    assert kept.tolist() == [True, False, True, False]
    assert wanted.dtype == np.float32
    # Fear is none of the classes: of the 8 other votes happy has 6.
    assert wanted[kept] == pytest.approx(np.array([[6 / 8, 2 / 8, 0], [0, 1, 0]]))
    wanted, kept = soft_targets(TABLE, NAMES, "0.25")
    expected = np.array([[0.25 * 6 / 8 + 0.75, 0.25 * 2 / 8, 0], [0, 0.25, 0.75]])
    assert wanted[kept] == pytest.approx(expected)
    told = left_out(kept, TABLE, 0.25)
    assert told == ("2 of 4 images left out: fewer than 5 people voted for one of the classes.")
    assert left_out(kept, TABLE, "labels") == ""


def test_a_corrected_label_outweighs_the_votes():
    table = TABLE.assign(uncorrected=["happy", "happy", "sad", "neutral"])  # the second is new
    for targets in ("votes", 0.5):
        wanted, kept = soft_targets(table, NAMES, targets)
        assert kept.tolist() == [True, True, True, False]
        assert wanted[1].tolist() == [0, 0, 1]
    assert "1 images learned by their corrected label." in left_out(kept, table, "votes")


def test_contempt_can_be_learned_from_votes():
    table = TABLE.assign(votes=[ten(happy=5, contempt=5)] * 4)
    wanted, _ = soft_targets(table, (*CLASS_NAMES, "contempt"), "votes")
    assert wanted[0, [3, 7]] == pytest.approx([0.5, 0.5])


def test_data_sets_without_votes_are_learned_by_their_labels():
    drawn = TABLE.assign(votes=[()] * 4, dataset="animated")
    both = pd.concat([TABLE.assign(dataset="FER-2013"), drawn])
    wanted, kept = soft_targets(both, NAMES, "votes")
    assert kept.tolist() == [True, False, True, False, True, True, True, True]
    assert wanted[4:].tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0]]
    assert "4 images of data sets without votes learned by their label." in left_out(
        kept, both, "votes"
    )


def test_what_cannot_be_learned_is_refused():
    for targets in ("vote", 1.5, -0.1, None, "nan"):
        with pytest.raises(ValueError, match='Targets are "labels", "votes"'):
            vote_weight(targets)
    with pytest.raises(ValueError, match="No image has votes to learn from"):
        soft_targets(TABLE.drop(columns="votes"), NAMES, "votes")
    with pytest.raises(ValueError, match="Nobody could vote for wink"):
        soft_targets(TABLE.assign(**{"class": "wink"}), ("happy", "wink"), "votes")


@pytest.fixture(scope="module")
def voted(table):
    """Drawn faces; seven people see what was drawn, three "neutral", and one face none."""
    votes = [ten(**{name: 10} if name == "neutral" else {name: 7, "neutral": 3})
             for name in table["class"]]  # fmt: skip
    votes[0] = ten(no_face=10)
    return table.assign(votes=votes, dataset="drawn")


def test_batches_give_the_targets(voted, preprocessing):
    images = Batches(voted, preprocessing, 8, shuffle=True, targets="votes")
    assert len(images.table) == len(voted) - 1 == len(images.labels)
    assert voted["file"][0] not in set(images.table["file"])
    for faces, wanted in (images[index] for index in range(len(images))):
        assert len(faces) == len(wanted)
        assert np.isin((wanted.max(axis=1) * 10).round(), [7, 10]).all()
    labels = Batches(voted, preprocessing)
    assert labels.targets is None and labels.left_out == "" and len(labels.table) == len(voted)
    assert images.targets["votes"] == 1
    half = Batches(voted, preprocessing, targets=0.5)
    assert half.targets["wanted"] != images.targets["wanted"]
    part = half.part(np.arange(10))
    assert np.array_equal(part.wanted, half.wanted[:10])


@pytest.mark.parametrize("targets", ["votes", "labels"])
def test_training_on_each_kind(voted, small_network, preprocessing, tmp_path, targets, capsys):
    done = training.train_model(
        small_network,
        voted,
        preprocessing,
        Settings(epochs=1),
        batch_size=28,
        targets=targets,
        runs=tmp_path,
    )
    left_out = "images left out: fewer than 5 people" in capsys.readouterr().out
    assert left_out == (targets != "labels")
    expected = None if targets == "labels" else vote_weight(targets)
    assert done.run.settings.get("targets", {}).get("votes") == expected
    assert done.metrics["n"] == (done.table["split"] == "test").sum()  # labels are judged as ever
    assert 0 <= done.metrics["people_agreeing"] <= 1
    assert done.metrics["majority_n"] == done.metrics["n"] - (voted["split"][0] == "test")


def test_contempt_is_learned_from_votes_alone(voted, tmp_path):
    from utils.models import networks

    names = (*CLASS_NAMES, "contempt")
    described = Preprocessing(names)
    votes = voted["votes"].map(lambda votes: ten(contempt=5, happy=5) if votes[3] else votes)
    trunk = networks.convolutional_trunk(described, widths=(4, 8))
    network = networks.join(trunk, networks.mlp_head(8, units=(8,)))
    arguments = described, Settings(epochs=1)
    with pytest.raises(ValueError, match="Nothing to learn contempt from"):
        training.train_model(network, voted, *arguments, runs=tmp_path)
    done = training.train_model(
        network, voted.assign(votes=votes), *arguments, targets="votes", runs=tmp_path
    )
    assert done.probabilities.shape[1] == 8
    assert done.metrics["majority8_n"] > 0


def test_a_head_learns_from_votes(voted, small_network, preprocessing, tmp_path, monkeypatch):
    monkeypatch.setattr("utils.training.head.LEAST_STEPS", 1)
    trunk, head = (small_network.get_layer(name) for name in ("trunk", "head"))
    images = Batches(voted, preprocessing, targets="votes")
    run = training.train_head(
        head, trunk, images, Settings(epochs=2), runs=tmp_path, cache=tmp_path / "cache"
    )
    assert run.settings["targets"]["votes"] == 1
    assert len(run.log) == 2
