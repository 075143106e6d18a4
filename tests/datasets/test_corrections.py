"""Corrected labels come back into the table; the images stay as they are."""

import pandas as pd
import pytest

from utils import datasets
from utils.datasets.corrections import correct, save_corrections


def test_corrections_are_saved_and_taken(tiny, tmp_path):
    table = datasets.find_images(tiny)
    before = sorted(path for path in tiny.rglob("*.png"))
    changed = table[table["class"] == "angry"].assign(**{"class": ["Joy", "angry"]})
    file = tmp_path / "corrections.csv"
    save_corrections(changed, file)
    assert file.read_text().splitlines() == [
        "file,class",
        "train/Anger/1.png,happy",
        "train/Anger/2.png,angry",
    ]
    corrected = datasets.find_images(tiny, corrections=file)
    assert corrected["class"].tolist() == ["happy", "angry", *table["class"][2:]]
    assert corrected["file"].tolist() == table["file"].tolist()
    assert datasets.combine([tiny], corrections=file)["class"][0] == "happy"
    assert datasets.find_images(tiny, ("happy", "angry"), file)["class"].tolist()[0] == "happy"
    save_corrections(changed.head(0), file)  # none yet
    assert datasets.find_images(tiny, corrections=file).equals(table)
    assert sorted(path for path in tiny.rglob("*.png")) == before


def test_corrections_that_do_not_fit_are_refused(tiny, tmp_path):
    table, file = datasets.find_images(tiny), tmp_path / "corrections.csv"
    for text, expected in (
        ("file,class\ntrain/Anger/9.png,sad\n", r"no image for train/Anger/9\.png"),
        ("file,class\ntrain/Anger/1.png,sad\ntrain/Anger/1.png,fear\n", "has two classes"),
        ("file,class\ntrain/Anger/1.png,\n", "no class for"),
        ("name,class\n1,sad\n", "needs the columns file and class. Received: name, class"),
        ("", "is no CSV file"),
    ):
        file.write_text(text)
        with pytest.raises(ValueError, match=expected):
            correct(table, file)
    file.write_text("file,class\ntrain/Anger/1.png,sad\n")
    with pytest.raises(ValueError, match="more than one image for train/Anger/1"):
        correct(pd.concat([table, table]), file)
    with pytest.raises(FileNotFoundError, match="No corrections at"):
        correct(table, tmp_path / "none.csv")
    with pytest.raises(ValueError, match="Missing: class"):
        save_corrections(table[["file"]], file)
    assert correct(table, None) is table
