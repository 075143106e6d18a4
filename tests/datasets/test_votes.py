"""What is read of FER+, and what is made of ten votes."""

import shutil

import numpy as np
import pandas as pd
import pytest

from tests.made_up_votes import ten, write_votes_file
from utils.config import CLASS_NAMES
from utils.datasets.votes import (
    VOTE_NAMES,
    VotesError,
    archive_rows,
    clear_majority,
    read_votes,
    shares,
    usable,
)


def test_votes_are_read_in_the_order_of_the_names(tmp_path):
    given = {0: ten(angry=3, disgust=2, neutral=4, sad=1), 30_000: ten(no_face=10)}
    table = read_votes(write_votes_file(tmp_path / "fer2013new.csv", given))
    assert len(table) == 35_887
    assert table.loc[0, list(VOTE_NAMES)].tolist() == [3, 2, 0, 0, 4, 1, 0, 0, 0, 0]
    assert table.loc[30_000, "no face"] == 10
    assert table["usage"].iloc[[0, 28_709, 35_886]].tolist() == [
        "Training",
        "PublicTest",
        "PrivateTest",
    ]


def test_other_files_are_refused(tmp_path):
    file = write_votes_file(tmp_path / "fer2013new.csv", {})
    table = pd.read_csv(file)
    for changed, expected in (
        (table.drop(columns="NF"), "no column NF"),
        (table.head(100), "Received: 100 rows; expected 35,887"),
        (table.assign(fear=11), "line 2: expected 0 to 10 votes. Received: 11 for fear"),
        (table.assign(fear="many"), "Received: many for fear"),
    ):
        changed.to_csv(file, index=False)
        with pytest.raises(VotesError, match=expected):
            read_votes(file)
    for data, expected in (
        (b"\xff\xfe\x00PK", "no CSV file with commas, in UTF-8"),
        (b"Usage;anger\nTraining;3\n", "save it as CSV with commas"),
        (f"file,{','.join(VOTE_NAMES)}\n".encode(), "Leave --votes out"),
    ):
        file.write_bytes(data)
        with pytest.raises(VotesError, match=expected):
            read_votes(file)
    with pytest.raises(FileNotFoundError, match=r"Expected fer2013new\.csv of FER\+"):
        read_votes(tmp_path / "none.csv")


def test_votes_are_found_in_the_zip_and_the_folder_that_github_gives(tmp_path):
    file = write_votes_file(tmp_path / "FERPlus-master" / "fer2013new.csv", {6: ten(happy=10)})
    zipped = shutil.make_archive(tmp_path / "FERPlus-master", "zip", tmp_path, file.parent.name)
    expected = read_votes(file)
    assert read_votes(zipped).equals(expected) and read_votes(file.parent).equals(expected)
    with pytest.raises(FileNotFoundError, match=r"No fer2013new\.csv in"):
        (tmp_path / "empty").mkdir()
        read_votes(tmp_path / "empty")


def test_rows_of_the_archive_hold_all_three_parts():
    rows = archive_rows()
    assert len(rows) == 35_712 and rows.between(0, 35_886).all() and rows.index.is_unique
    parts = rows.index.str.extract(r"/(\w+?)_")[0].value_counts()
    assert set(parts.index) == {"Training", "PublicTest", "PrivateTest"}
    # Usage follows from the row: the parts lie one after another.
    ends = {
        "Training": (0, 28_708),
        "PublicTest": (28_709, 32_297),
        "PrivateTest": (32_298, 35_886),
    }
    for part, (first, last) in ends.items():
        assert rows[rows.index.str.contains(f"/{part}_")].between(first, last).all()
    # A base name occurs in two classes, so a name alone would not do.
    assert rows.index.str.split("/").str[1].duplicated().sum() == 1


def test_shares_are_of_the_wanted_classes_and_need_five_votes():
    votes = np.array([ten(sad=4, neutral=2, happy=1, contempt=1, unknown=2), ten(no_face=10)])
    assert usable(votes).tolist() == [True, False]  # 7 and 0 of the seven classes
    assert usable(votes, ("sad", "happy")).tolist() == [True, False]  # just 5
    assert usable(votes, ("sad", "angry")).tolist() == [False, False]  # 4
    assert shares(votes, ("neutral", "sad"))[0] == pytest.approx([2 / 6, 4 / 6])
    assert shares(votes, ("sad", "contempt"))[0] == pytest.approx([4 / 5, 1 / 5])
    assert np.isnan(shares(votes)[1]).all()
    with pytest.raises(ValueError, match="Nobody could vote for wink"):
        shares(votes, ("sad", "wink"))


@pytest.mark.parametrize(
    "votes, seven, eight",
    [
        (ten(sad=6, neutral=4), "sad", "sad"),
        (ten(sad=5, neutral=5), None, None),  # half is not more than half
        # The single vote for fear is dropped: 5 of 9 are left, more than half.
        (ten(sad=5, neutral=4, fear=1), "sad", "sad"),
        # Contempt counts in the sum: 5 of 10.
        (ten(sad=5, contempt=5), None, None),
        (ten(contempt=6, neutral=4), None, "contempt"),
        # Votes for "unknown" are not in the sum, 4 of 4, but they are more than these.
        (ten(happy=4, unknown=6), None, None),
        (ten(happy=6, unknown=4), "happy", "happy"),
        (ten(no_face=10), None, None),
    ],
)
def test_clear_majority_follows_the_paper(votes, seven, eight):
    for names, expected in ((CLASS_NAMES, seven), ((*CLASS_NAMES, "contempt"), eight)):
        place = names.index(expected) if expected else -1
        assert clear_majority(np.array([votes]), names).tolist() == [place]
