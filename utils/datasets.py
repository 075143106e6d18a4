"""Folder-per-class pictures: finding, counting and choosing them."""

import hashlib
from pathlib import Path

import pandas as pd

from utils.config import CLASS_NAMES, PICTURE_SUFFIXES, SPLITS, class_name


def find_pictures(folder: str | Path, class_names=None) -> pd.DataFrame:
    """List the pictures of a folder-per-class data set.

    Args:
        folder: holds ``train``, ``validation`` and ``test`` folders (any of them)
            with a folder per class in each, or the class folders themselves.
        class_names: the classes to take, in the order wanted; None takes all that
            are there.

    Returns:
        One row a picture, sorted: ``file`` (path as text), ``split`` ("train",
        "validation", "test" or "all") and ``class`` (the project's name for it).

    Raises:
        FileNotFoundError: no such folder.
        ValueError: it holds no class folders, or a wanted class has no picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"No data set at {folder}. Expected a folder with one folder per class; "
            "`python -m utils import SOURCE DESTINATION` makes one from a download."
        )
    parts = {name: folder / name for name in SPLITS if (folder / name).is_dir()}
    rows = [
        (str(file), split, class_name(file.parent.name))
        for split, part in (parts or {"all": folder}).items()
        for file in sorted(part.glob("*/*"))
        if file.suffix.lower() in PICTURE_SUFFIXES and not file.name.startswith(".")
    ]
    table = pd.DataFrame(rows, columns=["file", "split", "class"])
    if class_names is not None:
        table = table[table["class"].isin(class_names)].reset_index(drop=True)
        missing = sorted(set(class_names) - set(table["class"]))
        if missing:
            raise ValueError(
                f"No pictures of {', '.join(missing)} in {folder}. "
                f"It holds: {', '.join(sorted({row[2] for row in rows})) or 'no class folders'}."
            )
    if table.empty:
        raise ValueError(
            f"No pictures in {folder}. Expected <class>/<picture> or "
            f"<split>/<class>/<picture>, splits named {', '.join(SPLITS)}."
        )
    return table


def split_of(table: pd.DataFrame, split: str) -> pd.DataFrame:
    """The rows of one split.

    Raises:
        ValueError: there are none.
    """
    part = table[table["split"] == split]
    if part.empty:
        raise ValueError(
            f"No {split} pictures. The data set has: {', '.join(sorted(set(table['split'])))}. "
            "`python -m utils import SOURCE DESTINATION` cuts the splits that are missing."
        )
    return part


def class_order(table: pd.DataFrame) -> tuple[str, ...]:
    """The classes of a table: the seven expressions in their order, then any others."""
    present = set(table["class"])
    known = [name for name in CLASS_NAMES if name in present]
    return tuple(known + sorted(present - set(known)))


def count_classes(table: pd.DataFrame) -> pd.DataFrame:
    """Pictures per class (rows) and split (columns), with totals."""
    counts = pd.crosstab(table["class"], table["split"])
    splits = [name for name in (*SPLITS, "all") if name in counts.columns]
    counts = counts.reindex(index=list(class_order(table)), columns=splits)
    counts["total"] = counts.sum(axis=1)
    counts.loc["total"] = counts.sum()
    return counts.rename_axis(index="class", columns=None)


def balanced_subset(table: pd.DataFrame, per_class: int, seed: int = 0) -> pd.DataFrame:
    """The same number of pictures of every class, drawn at random.

    Raises:
        ValueError: a class has fewer than ``per_class`` pictures.
    """
    counts = table["class"].value_counts()
    if counts.min() < per_class:
        raise ValueError(
            f"A balanced subset of {per_class} a class was asked for, but "
            f"{counts.idxmin()} has only {counts.min()}. Ask for at most that many."
        )
    return table.groupby("class").sample(per_class, random_state=seed).sort_index()


def class_weights(table: pd.DataFrame, class_names) -> dict[int, float]:
    """Weight per class index, inversely proportional to its share (mean 1 per picture)."""
    counts = table["class"].value_counts().reindex(class_names)
    return dict(enumerate(float(len(table) / (len(class_names) * count)) for count in counts))


def fingerprint(table: pd.DataFrame) -> str:
    """Twelve hex digits that change when a picture, its class or its split does."""
    digest = hashlib.blake2b(digest_size=6)
    for row in table.itertuples(index=False):
        digest.update(f"{row.split}/{row[2]}/".encode())
        digest.update(hashlib.blake2b(Path(row.file).read_bytes()).digest())
    return digest.hexdigest()
