"""FER-2013's real archive, where FER2013_ARCHIVE names it: imported once, counted, audited."""

import hashlib
import zipfile
from collections import defaultdict

import pytest

from utils.datasets.audit import audit_images, images_also_in_train
from utils.datasets.table import find_images
from utils.importing.importer import import_dataset


@pytest.fixture(scope="module")
def imported(fer2013_archive, tmp_path_factory):
    """The folder, and what the importer reports."""
    folder = tmp_path_factory.mktemp("data") / "fer2013"
    return folder, import_dataset(fer2013_archive, folder, progress=False)


def test_the_real_archive_gives_the_published_counts(fer2013_archive, imported):
    folder, report = imported
    assert report.counts.loc["total", ["train", "validation"]].tolist() == [28709, 3589]
    assert (report.counts == report.expected).all(axis=None)
    with zipfile.ZipFile(fer2013_archive) as source:
        names = [info.filename for info in source.infolist() if not info.is_dir()]
        assert len(names) == report.counts.loc["total", "total"]
        for name in names[::997]:
            split, label, file = name.split("/")
            split = {"train": "train", "test": "validation"}[split]
            assert (folder / split / label / file).read_bytes() == source.read(name)


def test_the_real_archive_holds_the_copies_that_its_bytes_say(fer2013_archive, imported):
    copies = defaultdict(list)  # straight from the archive, without the importer
    with zipfile.ZipFile(fer2013_archive) as source:
        for info in source.infolist():
            copies[hashlib.sha256(source.read(info)).digest()].append(info.filename.split("/"))
    groups = [names for names in copies.values() if len(names) > 1]
    shared = [names for names in groups if any(name[2].startswith("Training") for name in names)]
    validation = sum(name[2].startswith("PublicTest") for names in shared for name in names)
    assert validation == 280  # published figure

    report = audit_images(find_images(imported[0]), progress=False)
    found = dict(report.summary.values)
    assert found["byte-identical: groups"] == len(groups)
    assert found["byte-identical: images in them"] == sum(map(len, groups))
    conflicting = sum(len({name[1] for name in names}) > 1 for names in groups)
    assert found["pixel-identical: groups with conflicting labels"] == conflicting
    assert len(images_also_in_train(report, "validation")) == validation
    assert found["near-identical: validation images also in train"] > validation
    assert 12 <= found["blank images"] <= 13
    assert report.duplicates.loc[report.duplicates["kind"] == "near", "images"].max() < 50
