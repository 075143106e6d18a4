"""Votes find their images, by name or by row, and stand in the table of these."""

import numpy as np
import pandas as pd
import pytest

from tests.made_up_votes import ten, write_votes_file
from tests.single_images import image
from utils import datasets
from utils.datasets.joined_votes import NO_VOTES, join_votes, votes_of, with_votes
from utils.datasets.votes import VotesError, archive_rows, read_votes

FIRST = "angry/Training_1426440.jpg"  # row 0


def joined(sources, tmp_path, given, files=None):
    table = read_votes(write_votes_file(tmp_path / "fer2013new.csv", given))
    return join_votes(pd.Series(sources), pd.Series(files or sources), table).tolist()


def test_images_of_the_archive_are_known_by_class_and_name(tmp_path):
    private = next(name for name in archive_rows().index if "/PrivateTest_" in name)
    row = int(archive_rows()[private])
    sources = [
        f"train/{FIRST}",
        f"some/where/else/{FIRST.replace('angry', 'Anger')}",
        FIRST.replace("angry", "happy"),  # not of this class
        f"test/{private}",
    ]
    one, other = ten(angry=7, fear=3), ten(sad=10)
    assert joined(sources, tmp_path, {0: one, row: other}) == [one, one, NO_VOTES, other]


def test_images_of_a_csv_are_known_by_their_row(tmp_path):
    sources = ["fer2013.csv#0", "fer/fer2013.csv#28709", "fer2013.csv#35887"]
    files = [
        "train/angry/Training_00000.png",
        "validation/sad/PublicTest_28709.png",
        "test/sad/PrivateTest_35887.png",  # after the last row
    ]
    one, other = ten(angry=10), ten(sad=10)
    given = {0: one, 28_709: other}
    assert joined(sources, tmp_path, given, files) == [one, other, NO_VOTES]


def test_images_of_another_data_set_are_refused(tmp_path):
    with pytest.raises(VotesError, match=r"None of the images has votes.*KA\.AN1\.39\.tiff"):
        joined(["jaffe/KA.AN1.39.tiff"], tmp_path, {})


def test_rows_in_another_part_are_refused(tmp_path):
    with pytest.raises(VotesError, match=r"belongs to PublicTest, but its row .* to Training"):
        joined(["fer2013.csv#7"], tmp_path, {}, ["validation/sad/PublicTest_00007.png"])


def test_votes_that_do_not_fit_the_labels_are_refused(tmp_path):
    sources = [f"fer2013.csv#{row}" for row in range(200)]
    files = [f"train/{'happy' if row % 2 else 'sad'}/Training_{row:05}.png" for row in range(200)]
    # People usually agree with 93 % of "happy" and 40 % of "sad": 66 % of half and half.
    fitting = {row: ten(happy=10) if row % 2 else ten(sad=10) for row in range(200)}
    assert all(joined(sources, tmp_path, fitting, files))
    one_too_far = {row + 1: votes for row, votes in fitting.items()}
    with pytest.raises(VotesError, match="gave 0% of them their label; expected about 66%"):
        joined(sources, tmp_path, one_too_far, files)
    # Of labels that people seldom share, few agreeing are no reproach: 15 % for "fear".
    seldom = [file.replace("happy", "fear").replace("sad", "fear") for file in files]
    given = {row: ten(fear=10) if row % 7 == 0 else ten(neutral=10) for row in range(200)}
    assert all(joined(sources, tmp_path, given, seldom))


@pytest.fixture
def voted(tmp_path):
    """Three images with a manifest, two of them with votes."""
    folder = tmp_path / "fer"
    files = ["train/angry/a.png", "train/happy/b.png", "validation/happy/c.png"]
    for number, file in enumerate(files):
        image(folder / file, 10 * number)
    manifest = pd.DataFrame({"file": files, "subject": "", "domain": "people"})
    manifest["source"] = [f"fer2013.csv#{row}" for row in (5, 6, 28_709)]
    manifest.to_csv(folder / "manifest.csv", index=False)
    votes = pd.DataFrame([ten(angry=6, contempt=4), ten(happy=10)], columns=datasets.VOTE_NAMES)
    votes.insert(0, "file", [files[0], files[2]])
    votes.to_csv(folder / "votes.csv", index=False)
    return folder


def test_table_holds_the_votes_of_its_images(voted, tiny):
    table = datasets.find_images(voted)
    assert table["votes"].tolist() == [ten(angry=6, contempt=4), NO_VOTES, ten(happy=10)]
    assert datasets.find_images(voted / "validation")["votes"].tolist() == [ten(happy=10)]
    assert np.array_equal(votes_of(table)[1], np.zeros(10))
    assert "votes" not in datasets.find_images(tiny)
    assert votes_of(datasets.find_images(tiny)).shape == (5, 10)
    together = datasets.combine([tiny, voted])
    assert together["votes"].map(len).tolist() == [0] * 5 + [10, 0, 10]


def test_contempt_needs_no_folder_where_there_are_votes(voted, tiny):
    assert len(datasets.find_images(voted, ("angry", "happy", "contempt"))) == 3
    with pytest.raises(ValueError, match="No images of contempt"):
        datasets.find_images(tiny, ("angry", "happy", "contempt"))
    with pytest.raises(ValueError, match="No images of sad"):
        datasets.find_images(voted, ("angry", "happy", "sad"))


def test_a_table_takes_the_votes_of_a_file(voted, tmp_path):
    file = write_votes_file(tmp_path / "fer2013new.csv", {6: ten(happy=9, fear=1)})
    table = with_votes(datasets.find_images(voted), file)  # the manifest tells the rows
    assert table["votes"].tolist() == [ten(unknown=10), ten(happy=9, fear=1), ten(unknown=10)]
    image(tmp_path / "loose" / FIRST, 1)
    image(tmp_path / "loose" / "happy" / "own.png", 1)
    table = with_votes(datasets.find_images(tmp_path / "loose"), file)
    assert table["votes"].tolist() == [ten(unknown=10), NO_VOTES]


@pytest.mark.parametrize("count", ["99", "-3", "5.5", "many", ""])
def test_votes_kept_by_hand_are_checked(voted, count):
    text = (voted / "votes.csv").read_text()
    (voted / "votes.csv").write_text(text.replace("/", "\\"))
    assert datasets.find_images(voted)["votes"].map(len).tolist() == [10, 0, 10]
    (voted / "votes.csv").write_text(text.replace(",6,", f",{count},", 1))
    with pytest.raises(VotesError, match=r"votes\.csv, line 2: expected 0 to 10 votes"):
        datasets.find_images(voted)
    (voted / "votes.csv").write_text("")
    with pytest.raises(VotesError, match=r"votes\.csv is no CSV file"):
        datasets.find_images(voted)


def test_a_damaged_file_of_votes_is_named(voted):
    (voted / "votes.csv").write_text("file,angry\ntrain/angry/a.png,3\n")
    with pytest.raises(VotesError, match=r"votes\.csv is not as importing writes it"):
        datasets.find_images(voted)
