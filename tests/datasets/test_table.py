import json
import os
import shutil

import pandas as pd
import pytest

from tests.single_images import image
from utils import datasets
from utils.config import CLASS_NAMES, class_name
from utils.datasets import splits
from utils.datasets.table import fingerprint
from utils.training.batches import Batches
from utils.vision.preprocessing import Preprocessing


def test_finding_folds_names_and_skips_what_is_no_image(tiny):
    table = datasets.find_images(tiny)
    assert table["class"].tolist() == ["angry", "angry", "happy", "happy", "wink"]
    assert table["split"].tolist() == ["train", "train", "train", "test", "test"]
    assert datasets.class_order(table) == ("angry", "happy", "wink")


def test_folder_without_splits(tiny):
    table = datasets.find_images(tiny / "train")
    assert set(table["split"]) == {"all"}
    assert len(table) == 3


def test_counts_add_up(tiny):
    counts = datasets.count_classes(datasets.find_images(tiny))
    assert counts.loc["angry"].tolist() == [2, 0, 2]
    assert counts.loc["total"].tolist() == [3, 2, 5]
    assert counts.columns.tolist() == ["train", "test", "total"]


def test_subset_of_classes(tiny):
    assert set(datasets.find_images(tiny, ["happy", "angry"])["class"]) == {"angry", "happy"}
    with pytest.raises(ValueError, match=r"No images of fear.*angry, happy, wink"):
        datasets.find_images(tiny, ["happy", "fear"])


def write_manifest(folder, *rows):
    lines = ["file,class,subject,domain,source,sha256", *(f"{row},source,0" for row in rows)]
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")


def test_subject_and_domain_come_from_the_manifest(tiny):
    assert set(datasets.find_images(tiny)["domain"]) == {"people"}
    write_manifest(tiny, "train/Anger/1.png,angry,007,people", "test/joy/4.png,happy,aia,animated")
    for folder, files in ((tiny, 5), (tiny / "test", 2)):  # a part finds the manifest above it
        table = datasets.find_images(folder)
        assert len(table) == files
        known = table[table["subject"] != ""].set_index("subject")
        assert known.loc["aia", ["class", "domain"]].tolist() == ["happy", "animated"]
        assert set(table.loc[table["subject"] == "", "domain"]) == {"people"}
    assert datasets.find_images(tiny)["subject"].tolist() == ["007", "", "", "aia", ""]


def test_a_manifest_of_another_kind_is_not_read(tiny):
    (tiny / "manifest.csv").write_text("file,owner\ntrain/Anger/1.png,me\n")
    assert set(datasets.find_images(tiny)["subject"]) == {""}


def test_a_set_without_parts_lies_in_all(tmp_path):
    image(tmp_path / "all" / "happy" / "1.png")
    write_manifest(tmp_path, "all/happy/1.png,happy,KA,people")
    table = datasets.find_images(tmp_path)
    assert table[["split", "class", "subject"]].values.tolist() == [["all", "happy", "KA"]]
    with pytest.raises(ValueError, match=r"data set has: all\. splits\.grouped_split"):
        datasets.split_of(table, "train")


def test_combined_sets_keep_their_people_apart(tmp_path):
    names = {"a": "CK+", "b": "CK+48", "c": "JAFFE", "d": ""}
    for folder, name in names.items():
        image(tmp_path / folder / "all" / "happy" / "1.png")
        image(tmp_path / folder / "all" / "sad" / "2.png")
        write_manifest(tmp_path / folder, "all/happy/1.png,happy,S005,people")
        (tmp_path / folder / "import.json").write_text(json.dumps({"dataset": name}))
    table = datasets.combine([tmp_path / folder for folder in names])
    assert table["dataset"].tolist() == ["CK+", "CK+", "CK+", "CK+", "JAFFE", "JAFFE", "d", "d"]
    # Who is the same person in both forms of CK+ is so here; the unknown stay unknown.
    assert table["subject"].tolist() == [
        "CK+/S005", "", "CK+/S005", "", "JAFFE/S005", "", "d/S005", "",
    ]  # fmt: skip
    image(tmp_path / "c" / "all" / "fear" / "3.png")
    chosen = datasets.combine([tmp_path / "a", tmp_path / "c"], ["fear", "happy"])
    assert chosen["class"].tolist() == ["happy", "fear", "happy"]
    with pytest.raises(ValueError, match="No images of angry in"):
        datasets.combine([tmp_path / "a", tmp_path / "c"], ["angry", "happy"])


def test_combined_and_parted_sets_stream_to_the_network(tmp_path):
    for folder, domain in (("posed", "people"), ("drawn", "animated")):
        rows = []
        for person in range(4):
            image(tmp_path / folder / "all" / "happy" / f"{person}.png", 10 * person)
            image(tmp_path / folder / "all" / "sad" / f"{person}.png", 10 * person + 5)
            rows += [
                f"all/{name}/{person}.png,{name},{person},{domain}" for name in ("happy", "sad")
            ]
        write_manifest(tmp_path / folder, *rows)
    table = splits.grouped_split(datasets.combine([tmp_path / "posed", tmp_path / "drawn"]))
    for part, count in (("train", 4), ("validation", 2), ("test", 2)):
        for domain in ("people", "animated"):
            chosen = datasets.split_of(table[table["domain"] == domain], part)
            faces, labels = Batches(chosen, Preprocessing(("happy", "sad"), size=8))[0]
            assert len(faces) == count
            assert labels.sum(axis=0).tolist() == [count / 2, count / 2]


def test_missing_and_empty_folders_are_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m utils import"):
        datasets.find_images(tmp_path / "absent")
    with pytest.raises(ValueError, match="No images in"):
        datasets.find_images(tmp_path)


def test_missing_split_is_explained(tiny):
    with pytest.raises(ValueError, match=r"No validation images.*test, train"):
        datasets.split_of(datasets.find_images(tiny), "validation")


def test_synonyms():
    words = ("ANGER", " disgusted ", "Fearful", "Happiness", "neutral", "Sadness", "surprised")
    assert tuple(class_name(word) for word in words) == CLASS_NAMES
    assert class_name("Wink") == "Wink"


def test_balanced_subset(table):
    subset = datasets.balanced_subset(datasets.split_of(table, "train"), 4, seed=1)
    assert set(subset["class"].value_counts()) == {4}
    assert subset["file"].is_unique
    with pytest.raises(ValueError, match=r"subset of 1000.*has only"):
        datasets.balanced_subset(table, 1000)


def test_fingerprint_follows_content_class_and_split(tiny, tmp_path_factory):
    first = fingerprint(datasets.find_images(tiny))
    copy = tmp_path_factory.mktemp("copy") / "elsewhere"
    shutil.copytree(tiny, copy)
    assert fingerprint(datasets.find_images(copy)) == first
    (copy / "test" / "wink" / "5.png").rename(copy / "test" / "joy" / "5.png")
    moved = fingerprint(datasets.find_images(copy))
    image(tiny / "train" / "joy" / "3.png", 31)
    changed = fingerprint(datasets.find_images(tiny))
    assert len({first, moved, changed}) == 3


def test_a_part_that_only_some_data_sets_have_does_not_judge():
    parts = pd.DataFrame(
        {"dataset": ["a", "a", "b", "b"], "split": ["test", "train", "validation", "test"]}
    )
    assert datasets.judging_part(parts) == "test"
    parts.loc[3, "split"] = "train"
    assert datasets.judging_part(parts) == "validation"


def test_the_margin_is_read_from_a_drawn_set_and_from_any_part_of_it(faces, tmp_path):
    assert datasets.margin_of(faces) == datasets.margin_of(faces / "train") == 0.125
    assert datasets.margin_of(tmp_path) == 0
    with pytest.raises(ValueError, match=r"different margins .*Received: .*faces"):
        datasets.margin_of(faces, tmp_path)


def test_names_that_are_no_text_are_found(tiny):
    pytest.importorskip("pyarrow", reason="whose strings refuse them")
    strange = os.fsdecode(os.fsencode(tiny) + b"/train/joy/\xff.png")
    try:
        shutil.copy(tiny / "train/joy/3.png", strange)
    except OSError:
        pytest.skip("names are text on this system")
    found = datasets.find_images(tiny)
    assert strange in found["file"].tolist()
    assert fingerprint(found) and datasets.count_classes(found).loc["happy", "train"] == 2
