import itertools
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from utils.datasets.audit import audit_images, images_also_in_train, near_pairs
from utils.datasets.table import find_images


def scene(seed: int, side: int = 64) -> np.ndarray:
    """A smooth random image, grey, with room to crop: unlike any other seed's."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8), np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def write(path: Path, values: np.ndarray, *options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, values, list(options))[1].tobytes())
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Ten distinct images, and on top of them one of each thing an audit looks for."""
    root = tmp_path_factory.mktemp("data")
    for seed in range(8):
        write(root / "train" / ("happy" if seed % 2 else "sad") / f"{seed}.png", scene(seed))
    write(root / "validation" / "sad" / "own.png", scene(100))
    write(root / "validation" / "happy" / "other.png", scene(101))
    # The same bytes: within train, across splits with the same and with another label.
    write(root / "train" / "sad" / "0 again.png", scene(0))
    write(root / "validation" / "sad" / "copy of 2.png", scene(2))
    write(root / "validation" / "sad" / "copy of 1.png", scene(1))
    # The same pixels in another format; nearly the same after compression.
    write(root / "validation" / "happy" / "copy of 3.bmp", scene(3))
    write(root / "validation" / "happy" / "like 5.jpg", scene(5), cv2.IMWRITE_JPEG_QUALITY, 70)
    write(root / "validation" / "sad" / "like 7.jpg", scene(7), cv2.IMWRITE_JPEG_QUALITY, 70)
    # Blank ones of two shades, and files that are no complete image.
    write(root / "train" / "sad" / "black.png", np.zeros((64, 64), np.uint8))
    write(root / "validation" / "sad" / "red.png", np.full((64, 64, 3), (0, 0, 200), np.uint8))
    whole = write(root / "train" / "happy" / "cut.jpg", scene(200)).read_bytes()
    (root / "train" / "happy" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "train" / "happy" / "empty.png").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def report(folder):
    return audit_images(find_images(folder), progress=False)


def in_groups(report, kind) -> list[set[str]]:
    rows = report.duplicates[report.duplicates["kind"] == kind]
    return [{Path(file).name for file in group["file"]} for _, group in rows.groupby("group")]


def test_identical_images_are_grouped_whatever_their_format(report):
    groups = in_groups(report, "identical")
    expected = [
        {"0.png", "0 again.png"},
        {"1.png", "copy of 1.png"},
        {"2.png", "copy of 2.png"},
        {"3.png", "copy of 3.bmp"},
    ]
    assert sorted(groups, key=sorted) == sorted(expected, key=sorted)
    rows = report.duplicates[report.duplicates["kind"] == "identical"]
    rows = rows.set_index(rows["file"].map(lambda file: Path(file).name))
    assert (rows["images"] == 2).all()
    assert rows.loc[rows["across_splits"]].index.str.contains("[123]").all()
    assert set(rows.index[rows["conflicting"]]) == {"1.png", "copy of 1.png"}


def test_near_identical_images_are_grouped_and_unlike_ones_are_not(report):
    assert sorted(in_groups(report, "near"), key=sorted) == [
        {"5.png", "like 5.jpg"},
        {"7.png", "like 7.jpg"},
    ]
    near = report.duplicates[report.duplicates["kind"] == "near"]
    assert set(near.loc[near["conflicting"], "class"]) == {"happy", "sad"}
    assert near["conflicting"].sum() == 2


def test_a_shifted_crop_is_near(tmp_path):
    photograph = scene(1, 200)
    for number, place in enumerate((slice(10, 190), slice(12, 192))):
        face = cv2.resize(photograph[place, place], (48, 48), interpolation=cv2.INTER_AREA)
        write(tmp_path / "sad" / f"{number}.png", face)
    write(tmp_path / "happy" / "other.png", scene(2, 48))
    assert in_groups(audit_images(find_images(tmp_path), progress=False), "near") == [
        {"0.png", "1.png"}
    ]


def test_look_alikes_of_known_people_are_no_copies_but_equal_pixels_are(tmp_path):
    """One person's images of one part, two people alike, one person in two parts, a true copy."""
    rows = []
    for name, split, subject, noise in (
        ("a", "train", "Ann", 0), ("b", "train", "Ann", 1), ("c", "validation", "Bea", 2),
        ("d", "validation", "Ann", 3), ("e", "validation", "Cleo", 0),
    ):  # fmt: skip
        values = scene(1).astype(int) + np.random.default_rng(noise).integers(-2, 3, (64, 64))
        file = write(tmp_path / f"{name}.png", values.clip(0, 255).astype(np.uint8))
        rows.append({"file": str(file), "split": split, "class": "sad", "subject": subject})
    table = pd.DataFrame(rows)

    def groups(*names, **changed):
        chosen = table[table["file"].map(lambda file: Path(file).stem in names)]
        report = audit_images(chosen.assign(**changed), progress=False)
        return in_groups(report, "identical"), in_groups(report, "near"), report

    assert groups("a", "b", "c")[:2] == ([], [])
    assert groups("a", "b", "c", subject="")[1] == [{"a.png", "b.png", "c.png"}]
    assert groups("b", "d")[1] == [{"b.png", "d.png"}]
    identical, near, report = groups("a", "c", "e")
    assert (identical, near) == ([{"a.png", "e.png"}], [])
    summary = dict(report.summary.values)
    assert summary["pixel-identical: groups under several people's names"] == 1
    assert summary["pixel-identical: validation images also in train"] == 1
    assert summary["look-alikes of known people, not counted: pairs"] > 0


def test_blank_and_unreadable_images_are_told_apart(report):
    images = report.images
    images = images.set_index(images["file"].map(lambda file: Path(file).name))
    assert set(images.index[images["blank"]]) == {"black.png", "red.png"}
    assert set(images.index[images["problem"] != ""]) == {"cut.jpg", "empty.png"}
    assert (images.loc[images["problem"] != "", ["identical", "near"]] == -1).all(axis=None)


def test_summary_and_balance_count_what_is_there(report):
    assert dict(report.summary.values) == {
        "images": 20,
        "unreadable images": 2,
        "blank images": 2,
        "byte-identical: groups": 3,
        "byte-identical: images in them": 6,
        "pixel-identical: groups": 4,
        "pixel-identical: images in them": 8,
        "pixel-identical: groups across splits": 3,
        "pixel-identical: groups with conflicting labels": 1,
        "pixel-identical: validation images also in train": 3,
        "near-identical: groups": 2,
        "near-identical: images in them": 4,
        "near-identical: groups across splits": 2,
        "near-identical: groups with conflicting labels": 1,
        "near-identical: validation images also in train": 5,
    }
    assert report.balance.loc["sad"].to_dict() == {"train": 6, "validation": 5, "total": 11}
    assert "blank images" in str(report) and "blank images" in repr(report)


def test_images_also_in_train(folder, report):
    same = {Path(file).name for file in images_also_in_train(report, "validation")}
    assert same == {"copy of 1.png", "copy of 2.png", "copy of 3.bmp"}
    for split in ("test", "train"):
        with pytest.raises(ValueError, match=split):
            images_also_in_train(report, split)


def test_save_writes_every_table(report, tmp_path):
    saved = report.save(tmp_path / "audit")
    assert sorted(path.name for path in saved.iterdir()) == [
        "balance.csv", "duplicates.csv", "images.csv", "summary.csv"
    ]  # fmt: skip
    images = pd.read_csv(saved / "images.csv", keep_default_na=False)
    assert list(images["file"]) == list(report.images["file"])
    assert pd.read_csv(saved / "balance.csv", index_col="class").loc["total", "total"] == 20


def test_class_folders_without_splits_are_audited_too(tmp_path):
    for label in ("happy", "sad"):
        write(tmp_path / label / "same.png", scene(1))
    report = audit_images(find_images(tmp_path), progress=False)
    assert dict(report.summary.values)["pixel-identical: groups with conflicting labels"] == 1
    assert "also in train" not in str(report)


@pytest.mark.parametrize("distance", [0, 3, 7])
def test_near_pairs_are_those_of_a_plain_count(distance):
    hashes = np.random.default_rng(0).random((60, 16)) < 0.5
    expected = {
        (i, j)
        for i, j in itertools.combinations(range(60), 2)
        if np.count_nonzero(hashes[i] != hashes[j]) <= distance
    }
    pairs = [tuple(pair) for block in near_pairs(hashes, distance) for pair in block]
    assert sorted(pairs) == sorted(expected)
    assert not list(near_pairs(hashes[:0], distance))


def test_what_cannot_be_hashed_is_unreadable_and_ends_nothing(tmp_path):
    write(tmp_path / "happy" / "1.png", scene(1))
    (tmp_path / "sad").mkdir()
    Image.new("LAB", (9, 9), (9, 8, 7)).save(tmp_path / "sad" / "lab.tif")
    images = audit_images(find_images(tmp_path), progress=False).images
    assert images["problem"].map(bool).tolist() == [False, True]
