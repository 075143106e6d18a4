"""Corrected labels come back into the table; the images stay as they are."""

import pandas as pd
import pytest

from utils import datasets
from utils.config import CLASS_NAMES
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
    assert datasets.find_images(tiny, corrections=file)["class"].equals(table["class"])
    assert sorted(path for path in tiny.rglob("*.png")) == before


def test_earlier_corrections_are_kept_and_their_number_is_told(tiny, tmp_path, capsys):
    table, file = datasets.find_images(tiny), tmp_path / "corrections.csv"
    angry = table[table["class"] == "angry"]
    save_corrections(angry.assign(**{"class": "happy"}), file)
    corrected = datasets.find_images(tiny, corrections=file)
    assert f"{file}: 2 labels corrected (2 in train)." in capsys.readouterr().out
    assert corrected["uncorrected"].tolist() == table["class"].tolist()
    save_corrections(corrected.head(0), file, corrected)  # another look that changes nothing
    assert datasets.find_images(tiny, corrections=file).equals(corrected)
    save_corrections(angry.head(1).assign(**{"class": "wink"}), file, corrected)  # another mind
    assert datasets.find_images(tiny, corrections=file)["class"].tolist()[:2] == ["wink", "happy"]


def test_a_correction_moves_nobody_to_another_part(tmp_path):
    people = [f"person {number // 7}" for number in range(140)]
    table = pd.DataFrame(
        {
            "file": [f"all/{CLASS_NAMES[number % 7]}/{number}.png" for number in range(140)],
            "class": [CLASS_NAMES[number % 7] for number in range(140)],
            "subject": people,
            "split": "all",
        }
    )
    file = tmp_path / "corrections.csv"
    save_corrections(table.iloc[::9].assign(**{"class": "neutral"}), file)
    corrected = correct(table, file)
    assert (corrected["class"] != table["class"]).any()
    for way in ("grouped", "random"):
        parts = [datasets.split_table(each, way)["split"].tolist() for each in (table, corrected)]
        assert parts[0] == parts[1]


def test_corrections_that_do_not_fit_are_refused(tiny, tmp_path):
    table, file = datasets.find_images(tiny), tmp_path / "corrections.csv"
    for text, expected in (
        ("file,class\ntrain/Anger/9.png,sad\n", r"no image for train/Anger/9\.png"),
        ("file,class\ntrain/Anger/1.png,sad\ntrain/Anger/1.png,fear\n", "has two classes"),
        ("file,class\ntrain/Anger/1.png,\n", "no class for"),
        ("file,class\ntrain/Anger/1.png,hapy\n", "class that no image has: hapy. Expected .*happy"),
        ("name,class\n1,sad\n", "needs the columns file and class. Received: name, class"),
        ("", "is no CSV file"),
    ):
        file.write_text(text)
        with pytest.raises(ValueError, match=expected):
            correct(table, file)
    file.write_text("file,class\ntrain/Anger/1.png,wink\n")
    with pytest.raises(ValueError, match="more than one image for train/Anger/1"):
        correct(pd.concat([table, table]), file)
    with pytest.raises(FileNotFoundError, match="No corrections at"):
        correct(table, tmp_path / "none.csv")
    with pytest.raises(ValueError, match="Missing: class"):
        save_corrections(table[["file"]], file)
    assert correct(table, None) is table
