"""FER-2013 with its votes, from archive and csv; wrong votes leave nothing behind."""

import pandas as pd
import pytest

from tests.made_up_votes import ten, write_votes_file
from tests.single_images import image
from utils import datasets
from utils.datasets.votes import VOTE_NAMES, VotesError, archive_rows
from utils.importing.importer import import_dataset


def of_part(part: str, label: str) -> str:
    return next(key for key in archive_rows().index if key.startswith(f"{label}/{part}_"))


@pytest.fixture
def archive(tmp_path):
    """Five images of the archive's names, PrivateTest among them, and one without a row."""
    names = [of_part("Training", "angry"), of_part("Training", "happy")]
    tests = [of_part("PublicTest", "angry"), of_part("PrivateTest", "happy")]
    files = [f"train/{name}" for name in names] + [f"test/{name}" for name in tests]
    for number, file in enumerate([*files, "train/happy/Training_1.jpg"]):
        image(tmp_path / "archive" / file, 10 * number)
    given = {int(archive_rows()[name]): ten(**{name.split("/")[0]: 10}) for name in names}
    given |= {int(archive_rows()[name]): ten(fear=6, unknown=4) for name in tests}
    return tmp_path / "archive", write_votes_file(tmp_path / "fer2013new.csv", given)


def run(source, destination, **settings):
    return import_dataset(source, destination, progress=False, **settings)


def test_archive_keeps_its_votes_beside_the_manifest(archive, tmp_path):
    source, votes = archive
    plain, voted = tmp_path / "plain", tmp_path / "voted"
    run(source, plain)
    report = run(source, voted, votes=votes)
    assert "Votes of ten people: for 4 images (votes.csv); 1 have no row in FER+." in str(report)
    kept = pd.read_csv(voted / "votes.csv")
    assert kept.columns.tolist() == ["file", *VOTE_NAMES]
    assert kept["file"].str.split("/").str[0].tolist() == ["test", "train", "train", "validation"]
    assert kept.loc[0, ["fear", "unknown"]].tolist() == [6, 4]
    for file in plain.rglob("*.*"):  # nothing else differs
        assert (voted / file.relative_to(plain)).read_bytes() == file.read_bytes()
    # Votes are added to what was imported without them, and can be added again.
    assert run(source, plain, votes=votes).notes == report.notes
    assert (plain / "votes.csv").read_bytes() == (voted / "votes.csv").read_bytes()
    assert run(source, plain).notes == report.notes


def test_faces_cut_out_keep_their_votes(archive, tmp_path):
    source, votes = archive
    run(source, tmp_path / "cut", face_size=16, votes=votes)
    table = datasets.find_images(tmp_path / "cut")
    assert table["file"].str.endswith(".png").all()
    assert sorted(table["votes"].map(len)) == [0, 10, 10, 10, 10]


def write_csv(path, usages):
    pixels = [" ".join([str(number)] * 2304) for number in range(len(usages))]
    codes = [0, 3] * (len(usages) // 2)
    pd.DataFrame({"emotion": codes, "pixels": pixels, "Usage": usages}).to_csv(path, index=False)
    return path


def test_csv_is_joined_by_row(tmp_path):
    source = write_csv(tmp_path / "fer2013.csv", ["Training"] * 8)
    votes = write_votes_file(tmp_path / "fer2013new.csv", {5: ten(sad=10)})
    report = run(source, tmp_path / "fer", votes=votes)
    assert "for 8 images (votes.csv), which are all." in str(report)
    table = datasets.find_images(tmp_path / "fer").set_index("file")["votes"]
    (sixth,) = (ten for file, ten in table.items() if "Training_00005" in file)
    assert sixth == ten(sad=10)


def test_wrong_votes_leave_nothing_behind(archive, tmp_path):
    source, votes = archive
    no_votes = tmp_path / "other.csv"
    no_votes.write_text("emotion,pixels\n0,1\n")
    with pytest.raises(VotesError, match="is not FER\\+'s fer2013new"):
        run(source, tmp_path / "fer", votes=no_votes)
    with pytest.raises(FileNotFoundError, match="No votes at"):
        run(source, tmp_path / "fer", votes=tmp_path / "none.csv")
    mixed = write_csv(tmp_path / "fer2013.csv", ["Training", "Training", "PublicTest", "Training"])
    with pytest.raises(VotesError, match="belongs to PublicTest, but its row"):
        run(mixed, tmp_path / "fer", votes=votes)
    assert not (tmp_path / "fer").exists()
    run(mixed, tmp_path / "fer")
    with pytest.raises(VotesError, match="belongs to PublicTest"):
        run(mixed, tmp_path / "fer", votes=votes)
    assert not (tmp_path / "fer" / "votes.csv").exists()
