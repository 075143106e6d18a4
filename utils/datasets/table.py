"""Folder-per-class images: finding, counting and choosing them."""

import json
from pathlib import Path

import pandas as pd

from utils.config import CLASS_NAMES, SPLITS, class_name, split_name
from utils.datasets.corrections import correct
from utils.datasets.found import ALL, images_of
from utils.datasets.joined_votes import NO_VOTES, votes_beside
from utils.files import digest

# A file's name may hold bytes that are no text, which Arrow's strings refuse.
pd.options.mode.string_storage = "python"

MANIFEST_COLUMNS = ("file", "class", "subject", "domain", "source", "sha256")


def find_images(
    folder: str | Path, class_names=None, corrections: str | Path | None = None
) -> pd.DataFrame:
    """List the images of a folder-per-class data set.

    A file without an image's name is told by its content, and links are followed. What is left out
    is counted and told in one line.

    Args:
        folder: holds ``train``, ``validation``, ``test`` and ``all`` folders (any of them, under
            whatever name `utils.config.split_name` knows) with a folder per class in each, or the
            class folders themselves.
        class_names: the classes to take, in the order wanted; None takes all that are there.
            "contempt" needs no folder where there are votes.
        corrections: a file of `corrections.save_corrections`; images that it names get its classes.

    Returns:
        One row an image, sorted: ``file`` (path as text), ``split`` ("train", "validation", "test"
        or "all"), ``class`` (the project's name for it), and ``subject`` and ``domain`` as the
        ``manifest.csv`` has them that importing and drawing write; else "" and "people". Where
        people have voted (`joined_votes`), ``votes`` too: a tuple of ten numbers, or an empty one.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: it holds no class folders, or a wanted class has no image.
    """
    table = correct(_images_in(Path(folder)), corrections)
    return table if class_names is None else _only_classes(table, class_names, folder)


def combine(folders, class_names=None, corrections: str | Path | None = None) -> pd.DataFrame:
    """List the images of one or several data sets together.

    Args:
        folders: one or more, each as for `find_images`.
        class_names: the classes to take; each must be in one of the folders at least.
        corrections: as for `find_images`.

    Returns:
        As `find_images`, and ``dataset``, its name, which is put before subjects' names
        ("JAFFE/KA"), so that those of different data sets never mix; CK+'s people are the same in
        each form.

    Raises:
        FileNotFoundError, ValueError: as `find_images`.
    """
    tables = []
    for folder in map(Path, folders):
        name = _record_of(folder).get("dataset") or folder.resolve().name
        name = {"CK+48": "CK+"}.get(name, name)  # the same people
        table = _images_in(folder).assign(dataset=name)
        known = table["subject"] != ""
        table.loc[known, "subject"] = name + "/" + table.loc[known, "subject"]
        tables.append(table)
    table = correct(pd.concat(tables, ignore_index=True), corrections)
    if "votes" in table:
        table["votes"] = [ten if isinstance(ten, tuple) else NO_VOTES for ten in table["votes"]]
    where = ", ".join(map(str, folders))
    return table if class_names is None else _only_classes(table, class_names, where)


def margin_of(*folders: str | Path) -> float:
    """The share that a crop of a found face needs on each side to be framed as data sets are.

    Args:
        folders: of data sets, or of parts of them such as ``data/animated/train``. Drawing writes
            the margin of its images into the data set; other sets have 0.

    Raises:
        ValueError: they differ.
    """
    margins = {_record_of(folder).get("margin", 0.0) for folder in map(Path, folders)}
    if len(margins) > 1:
        raise ValueError(
            "The data sets were cut with different margins around the face, but a model has one. "
            f"Received: {', '.join(map(str, folders))}. Name it yourself (margin=0 for images "
            f"cut to the face, {max(margins)} for those that this project draws)."
        )
    return margins.pop()


def split_of(table: pd.DataFrame, split: str) -> pd.DataFrame:
    """The rows of one split.

    Raises:
        ValueError: there are none.
    """
    part = table[table["split"] == split]
    if part.empty:
        raise ValueError(
            f"No {split} images. The data set has: {', '.join(sorted(set(table['split'])))}. "
            "splits.grouped_split parts a table by subject; for images without subjects, "
            "`python -m utils import SOURCE DESTINATION` cuts the splits that are missing."
        )
    return part


def judging_part(table: pd.DataFrame) -> str:
    """The part to judge a model by: "test" where every data set has one, else "validation".

    Args:
        table: with ``split`` and ``dataset``, of `combine` and `splits.split_table`.
    """
    every = (table["split"] == "test").groupby(table["dataset"]).any().all()
    return "test" if every else "validation"


def class_order(table: pd.DataFrame) -> tuple[str, ...]:
    """The classes of a table: the seven expressions in their order, then any others."""
    present = set(table["class"])
    known = [name for name in CLASS_NAMES if name in present]
    return tuple(known + sorted(present - set(known)))


def count_classes(table: pd.DataFrame) -> pd.DataFrame:
    """Images per class (rows) and split (columns), with totals."""
    counts = pd.crosstab(table["class"], table["split"])
    splits = [name for name in (*SPLITS, "all") if name in counts.columns]
    counts = counts.reindex(index=list(class_order(table)), columns=splits)
    counts["total"] = counts.sum(axis=1)
    counts.loc["total"] = counts.sum()
    return counts.rename_axis(index="class", columns=None)


def balanced_subset(table: pd.DataFrame, per_class: int, seed: int = 0) -> pd.DataFrame:
    """The same number of images of every class, drawn at random.

    Raises:
        ValueError: a class has fewer than ``per_class`` images, or that is none.
    """
    if per_class < 1:
        raise ValueError(f"Expected at least one image of each class. Received: {per_class}")
    counts = table["class"].value_counts()
    if counts.min() < per_class:
        raise ValueError(
            f"A balanced subset of {per_class} a class was asked for, but "
            f"{counts.idxmin()} has only {counts.min()}. Ask for at most that many."
        )
    return table.groupby("class").sample(per_class, random_state=seed).sort_index()


def balanced_train(table: pd.DataFrame, per_class: int, seed: int = 0) -> pd.DataFrame:
    """The table with a `balanced_subset` of its train part; the other parts stay whole."""
    train = balanced_subset(split_of(table, "train"), per_class, seed)
    return pd.concat([train, table[table["split"] != "train"]], ignore_index=True)


def fingerprint(table: pd.DataFrame) -> str:
    """Twelve hex digits that change when an image, its class or its split does."""
    rows = zip(table["split"], table["class"], table["file"], strict=True)
    parts = (part for split, name, file in rows for part in (f"{split}/{name}/", Path(file)))
    return digest(*parts, digits=12)


def _images_in(folder: Path) -> pd.DataFrame:
    if not folder.is_dir():
        raise FileNotFoundError(
            f"No data set at {folder}. Expected a folder with one folder per class; "
            "`python -m utils import SOURCE DESTINATION` makes one from a download."
        )
    images = images_of(folder)
    if not images:
        raise ValueError(
            f"No images in {folder}. Expected <class>/<image> or <split>/<class>/<image>, "
            f"splits named {', '.join(SPLITS)} (or train, val, dev, testing …). "
            "`python -m utils import SOURCE DESTINATION` sorts what lies otherwise."
        )
    table = pd.DataFrame(images, columns=["file", "split", "class", "inside"])
    names = {name: class_name(name) for name in set(table["class"])}
    table["class"] = table["class"].map(names)
    inside = table.pop("inside")
    if (votes := votes_beside(folder)) is not None:
        table["votes"] = [votes.get(file, NO_VOTES) for file in inside]
    known = _manifest_of(folder).reindex(inside)
    return table.assign(
        subject=known["subject"].fillna("").to_numpy(),
        domain=known["domain"].fillna("people").to_numpy(),
    )


def _only_classes(table: pd.DataFrame, class_names, where) -> pd.DataFrame:
    chosen = table[table["class"].isin(class_names)].reset_index(drop=True)
    missing = sorted(set(class_names) - set(chosen["class"]))
    if "votes" in table:  # nobody labelled contempt in FER-2013, but many voted for it
        missing = [name for name in missing if name != "contempt"]
    if missing:
        raise ValueError(
            f"No images of {', '.join(missing)} in {where}. "
            f"It holds: {', '.join(sorted(set(table['class'])))}."
        )
    return chosen


def _manifest_of(folder: Path) -> pd.DataFrame:
    """``subject`` and ``domain`` by path in the folder; empty if no manifest tells.

    The manifest lies in the folder, or above it if the folder is one part of a data set.
    """
    for path, above in ((folder, ""), (folder.parent, f"{folder.name}/")):
        if (path / "manifest.csv").is_file():
            manifest = pd.read_csv(path / "manifest.csv", dtype=str, keep_default_na=False)
            if {"file", "subject", "domain"} <= set(manifest):
                manifest["file"] = manifest["file"].str.removeprefix(above)
                known = manifest.drop_duplicates("file").set_index("file")
                return known[["subject", "domain"]]
    return pd.DataFrame(columns=["subject", "domain"])


def _record_of(folder: Path) -> dict:
    """What importing or drawing wrote down of a data set, or of the one that this is part of."""
    folder = folder.resolve()
    is_part = split_name(folder.name) or folder.name == ALL
    for place in (folder, folder.parent) if is_part else (folder,):
        for file in (place / "import.json", place / "drawing.json"):
            if file.is_file():
                return json.loads(file.read_text(encoding="utf-8"))
    return {}
