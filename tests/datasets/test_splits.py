import numpy as np
import pandas as pd
import pytest

from utils.config import CLASS_NAMES
from utils.datasets.splits import (
    check_subjects_apart,
    grouped_split,
    random_split,
    split_table,
)
from utils.datasets.table import count_classes


def images_of(people: int, per_class: int = 3, classes=CLASS_NAMES, prefix="S") -> pd.DataFrame:
    """A table in which everybody shows every class."""
    rows = [
        (f"{prefix}{person}/{name}{number}.png", "all", name, f"{prefix}{person:03}", "people")
        for person in range(people)
        for name in classes
        for number in range(per_class)
    ]
    return pd.DataFrame(rows, columns=["file", "split", "class", "subject", "domain"])


def posed_sequences(seed: int = 0) -> pd.DataFrame:
    """Like CK+: 118 people, each in some of the classes, rare classes in few people."""
    random = np.random.default_rng(seed)
    counts = dict(zip(CLASS_NAMES, (45, 59, 25, 69, 118, 28, 83), strict=True))
    rows = [
        (f"{person}/{name}{frame}.png", "all", name, f"S{person:03}", "people")
        for name, count in counts.items()
        for person in random.choice(118, count, replace=False)
        for frame in range(1 if name == "neutral" else 3)
    ]
    return pd.DataFrame(rows, columns=["file", "split", "class", "subject", "domain"])


@pytest.mark.parametrize("seed", range(5))
def test_nobody_stands_in_two_parts_and_classes_are_spread(seed):
    table = posed_sequences()
    parted = grouped_split(table, seed=seed)
    assert (parted.groupby("subject")["split"].nunique() == 1).all()
    shares = parted["split"].value_counts(normalize=True)
    assert shares[["validation", "test"]].between(0.07, 0.13).all()
    counts = count_classes(parted)
    assert (counts.loc[list(CLASS_NAMES), ["validation", "test"]] >= 3).all(axis=None)
    pd.testing.assert_frame_equal(parted.drop(columns="split"), table.drop(columns="split"))
    assert set(table["split"]) == {"all"}  # what came in is unchanged


def test_a_seed_gives_the_same_parts_and_another_gives_others():
    table = posed_sequences()
    for split in (grouped_split, random_split):
        assert split(table, seed=1).equals(split(table, seed=1))
        assert not split(table, seed=1).equals(split(table, seed=2))


def test_row_order_and_index_are_kept():
    table = posed_sequences().sample(frac=1, random_state=0)
    parted = grouped_split(table)
    assert parted.index.equals(table.index)
    assert parted["file"].equals(table["file"])


def test_six_characters_give_one_to_each_small_part():
    table = images_of(6, per_class=20)
    chosen = set()
    for seed in range(12):
        people = grouped_split(table, seed=seed).groupby("split")["subject"].nunique()
        assert people.to_dict() == {"train": 4, "validation": 1, "test": 1}
        chosen |= set(grouped_split(table, seed=seed).query("split == 'test'")["subject"])
    assert len(chosen) > 2  # chance picks the character


def test_each_data_set_is_parted_by_itself():
    small = images_of(10, per_class=1, prefix="JAFFE/").assign(dataset="JAFFE")
    large = images_of(6, per_class=200, prefix="FERG/").assign(dataset="FERG-DB")
    parted = grouped_split(pd.concat([small, large], ignore_index=True))
    people = parted.groupby(["dataset", "split"])["subject"].nunique().unstack()
    assert people.loc["JAFFE"].to_dict() == {"train": 8, "validation": 1, "test": 1}
    assert people.loc["FERG-DB"].to_dict() == {"train": 4, "validation": 1, "test": 1}


def test_the_random_split_is_stratified_and_shares_people():
    parted = random_split(images_of(20, per_class=5))
    for part, count in (("train", 80), ("validation", 10), ("test", 10)):
        assert (parted[parted["split"] == part]["class"].value_counts() == count).all()
    with pytest.raises(ValueError, match=r"more than one part: S000 in .*; and 15 more"):
        check_subjects_apart(parted)


def test_of_a_small_data_set_each_random_part_has_every_class():
    parted = random_split(images_of(4, per_class=1))
    counts = count_classes(parted).loc[list(CLASS_NAMES)]
    assert (counts[["validation", "test"]] == 1).all(axis=None)
    assert (counts["train"] == 2).all()


def test_a_leak_is_named():
    table = images_of(4).assign(split="train")
    table.loc[table["subject"] == "S003", "split"] = "test"
    check_subjects_apart(table)
    table.loc[0, "split"] = "test"
    with pytest.raises(ValueError, match=r"more than one part: S000 in test and train\."):
        check_subjects_apart(table)
    check_subjects_apart(table.assign(subject=""))  # of the unknown nothing can be said


def test_what_cannot_be_parted_is_said():
    table = images_of(10)
    table.loc[3, "subject"] = ""
    with pytest.raises(ValueError, match="1 of 210 images do not say who"):
        grouped_split(table)
    assert grouped_split(images_of(3))["split"].nunique() == 3
    with pytest.raises(ValueError, match="too few subjects"):
        grouped_split(images_of(2))
    with pytest.raises(ValueError, match="too few to part at random"):
        random_split(images_of(1, per_class=1))


def test_only_what_comes_in_one_piece_is_parted():
    table = images_of(10)
    official = table.assign(split="train", subject="", dataset="official")
    both = pd.concat([official, table.assign(dataset="one piece")], ignore_index=True)
    for way in ("grouped", "random"):
        parted = split_table(both, way, seed=1)
        assert set(parted.loc[: len(official) - 1, "split"]) == {"train"}
        assert set(parted["split"]) == {"train", "validation", "test"}
    check_subjects_apart(split_table(both, "grouped"))
    with pytest.raises(ValueError, match="Unknown split"):
        split_table(both, "by person")


def test_official_parts_that_share_a_subject_are_no_grouped_split():
    table = images_of(4)
    table["split"] = ["train", "test"] * (len(table) // 2)
    with pytest.raises(ValueError, match="stand in more than one part"):
        split_table(table, "grouped")
    assert split_table(table, "random")["split"].equals(table["split"])
