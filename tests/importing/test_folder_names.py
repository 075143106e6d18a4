"""What the names of folders mean, to importing and to the table that audit and training read."""

import os
import shutil
import unicodedata
import zipfile

import pandas as pd
import pytest

from tests.importing.test_odd_sources import image, run, write
from utils.cli import main
from utils.datasets.audit import audit_images
from utils.datasets.found import Found, walk
from utils.datasets.table import find_images
from utils.importing import archives


def both(tmp_path, folders) -> tuple[dict, dict, str]:
    """Images per split and class as importing has them, as the table has them, and the report."""
    data = write(tmp_path / "data", {f"{folder}/{number}.png": image(10 * place + number)
                 for place, folder in enumerate(folders) for number in range(2)})  # fmt: skip
    report = run(data, tmp_path / "out", validation_share=0)
    read = find_images(data)
    table = [frame.groupby(["split", "class"]).size().to_dict()
             for frame in (find_images(tmp_path / "out"), read)]  # fmt: skip
    return *table, str(report)


@pytest.mark.parametrize(
    ("names", "splits"),
    [(("train_class", "val_class"), ("train", "validation")),
     (("dataset_train", "dataset_test"), ("train", "test")), (("train", "2_eval"), ("train",
     "validation")), (("Training", "validate"), ("train", "validation"))],
)  # fmt: skip
def test_words_for_splits_may_be_a_part_of_the_name(tmp_path, names, splits):
    imported, read, _ = both(tmp_path, [f"{name}/{label}" for name in names
                                        for label in ("happy", "sad")])  # fmt: skip
    expected = {(split, label): 2 for split in splits for label in ("happy", "sad")}
    assert imported == read == expected


def test_classes_and_other_folders_are_no_splits(tmp_path):
    imported, read, _ = both(tmp_path, ["happy", "test_subject", "train_station"])
    assert {label for _, label in imported} == {label for _, label in read} == {
        "happy", "test_subject", "train_station"}  # fmt: skip
    shutil.rmtree(tmp_path / "data")
    shutil.rmtree(tmp_path / "out")
    parts = ("train", "test", "test_old", "holdout")
    imported, read, told = both(tmp_path, [f"{part}/{label}" for part in parts
                                           for label in ("happy", "sad")])  # fmt: skip
    assert imported == read == {(split, label): 2 for split in parts[:2]
                                for label in ("happy", "sad")}  # fmt: skip
    assert "left out, as their names say no split: holdout, test_old." in told
    alone = write(tmp_path / "alone", {f"{part}/{label}/1.png": image(seed)
                  for seed, part in enumerate(("train_class", "own"))
                  for label in ("happy", "sad")})  # fmt: skip
    assert "not taken for one: train_class." in str(run(alone, tmp_path / "other"))


def test_a_split_folder_without_classes_parts_nothing(tmp_path):
    imported, read, _ = both(tmp_path, ["happy", "sad/sad", "test"])
    assert imported == {("train", "happy"): 2, ("train", "sad"): 2}
    assert read == {("all", "happy"): 2, ("all", "sad"): 2}


def test_folders_in_that_of_an_expression_are_parts_of_it(tmp_path):
    imported, read, told = both(tmp_path, ["joy", "sad", "sad/batch2", "fear/images", "Contempt/a"])
    counts = {"happy": 2, "sad": 4, "fear": 2, "Contempt": 2}
    assert imported == {("train", name): count for name, count in counts.items()}
    assert read == {("all", name): count for name, count in counts.items()}
    assert "taken for parts of it: Contempt/a, fear/images, sad/batch2." in told


def test_splits_may_lie_in_class_folders(tmp_path):
    imported, read, _ = both(tmp_path, [f"{label}/{split}" for label in ("happy", "sad")
                                        for split in ("train", "test")])  # fmt: skip
    expected = {(split, label): 2 for split in ("train", "test") for label in ("happy", "sad")}
    assert imported == read == expected


def test_a_word_written_in_two_ways_is_one_class(tmp_path):
    word = "glücklich"
    forms = [unicodedata.normalize(form, word) for form in ("NFC", "NFD")]
    imported, read, _ = both(tmp_path, [f"train/{forms[0]}", f"train/{forms[1]}x", "train/own",
                                        f"test/{forms[1]}", f"test/{forms[0]}x"])  # fmt: skip
    assert imported == read and {label for _, label in read} == {word, f"{word}x", "own"}


def test_names_of_a_zip_that_are_utf_8_without_saying_so(tmp_path):
    with zipfile.ZipFile(tmp_path / "finder.zip", "w") as archive:
        for number, label in enumerate(("glücklich", "traurig")):
            info = zipfile.ZipInfo("x" * len(label.encode()) + "/1.png")
            archive.writestr(info, image(number))
    data = (tmp_path / "finder.zip").read_bytes()
    for label in ("glücklich", "traurig"):
        data = data.replace(b"x" * len(label.encode()) + b"/1", label.encode() + b"/1")
    (tmp_path / "finder.zip").write_bytes(data)
    report = run(tmp_path / "finder.zip", tmp_path / "out")
    assert list(report.counts.index[:-1]) == ["glücklich", "traurig"]


def test_names_that_are_no_utf_8_are_read_as_old_systems_wrote_them(tmp_path):
    data = write(tmp_path / "data", {f"{label}/{number}.png": image(10 * seed + number)
                 for seed, label in enumerate(("joy", "own")) for number in range(3)})  # fmt: skip
    old = os.fsencode(data)
    try:
        os.rename(old + b"/own", old + b"/w\xfctend")
        os.rename(old + b"/joy/0.png", old + b"/joy/M\xfcller.png")
    except OSError:
        pytest.skip("names are text on this system")
    for _ in range(2):  # the second changes nothing
        report = run(data, tmp_path / "out", validation_share=0)
    assert list(report.counts.index[:-1]) == ["happy", "wütend"]
    assert (tmp_path / "out" / "train" / "happy" / "Müller.png").is_file()
    table = find_images(data)
    assert set(table["class"]) == {"happy", "wütend"}
    saved = audit_images(table, progress=False).save(tmp_path / "audit")
    assert len(pd.read_csv(saved / "images.csv")) == 6


def test_archives_in_an_archive_are_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr("train.zip", b"PK")
    with pytest.raises(ValueError, match=r"holds archives \(train\.zip\): unpack it once"):
        run(tmp_path / "outer.zip", tmp_path / "out")


def test_a_folder_that_may_not_be_read_ends_the_import(tmp_path, monkeypatch):
    data = write(tmp_path / "data", {f"{label}/1.png": image(1) for label in ("happy", "sad")})
    closed = Found(str(data / "fear"), ("fear",), "not readable (Permission denied)")
    monkeypatch.setattr(archives, "walk", lambda *_, **__: iter([*walk(data), closed]))
    with pytest.raises(PermissionError, match=r"fear is not readable .* Ask for the right"):
        run(data, tmp_path / "out")


def test_a_wrong_class_name_is_told_beside_all_that_there_are(tmp_path, capsys):
    data = write(tmp_path / "data", {f"{label}/1.png": image(seed)
                 for seed, label in enumerate(("happy", "sad", "own"))})  # fmt: skip
    assert main(["import", str(data), str(tmp_path / "out"), "--classes", "happy,joyy"]) == 1
    told = capsys.readouterr().err
    assert "image of joyy" in told and "has happy, own, sad" in told and "--classes" in told
