"""Train, validation and test parts: without leaks, and with them for comparison.

A person's images resemble each other more than those of one expression do. Where the same people
stand in train and test, a network can recognise them instead of reading their expression, and its
accuracy says little about anybody new. `grouped_split` keeps each person on one side; the gap to
`random_split`, the way of many papers, is what knowing the people was worth.
"""

import math
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

_SHARE = 0.1  # of the images, for validation and for test


def split_table(table: pd.DataFrame, way: str, seed: int = 0) -> pd.DataFrame:
    """Part the images of data sets that come in one piece; official parts stay.

    Args:
        table: as `datasets.find_images` and `datasets.combine` give it.
        way: "grouped" or "random": `grouped_split` or `random_split`.
        seed: of the split.

    Returns:
        A copy in which no ``split`` is "all".

    Raises:
        ValueError: an unknown way, or as the two functions say; with "grouped" also where an
            official split has somebody in two parts.
    """
    ways = {"grouped": grouped_split, "random": random_split}
    if way not in ways:
        raise ValueError(f"Unknown split. Received: {way!r}; expected {' or '.join(ways)}.")
    whole = table["split"] == "all"
    parted = table.copy()
    if whole.any():
        parted.loc[whole, "split"] = ways[way](table[whole], seed=seed)["split"]
    if way == "grouped":
        check_subjects_apart(parted)
    return parted


def grouped_split(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Part images by subject: nobody stands in two parts, classes are spread evenly.

    A tenth is for validation and a tenth for test, roughly, as subjects are whole: of six
    characters it is one. Folds are of scikit-learn's `StratifiedGroupKFold`, and chance picks one
    of them. Each of several data sets is parted by itself.

    Args:
        table: rows with ``class``, ``subject`` and, if combined, ``dataset``, as
            `datasets.find_images` and `datasets.combine` give them.
        seed: of the choice of subjects.

    Returns:
        A copy, ``split`` set to "train", "validation" or "test".

    Raises:
        ValueError: an image has no subject, or there are fewer subjects than parts.
    """
    unknown = int((table["subject"] == "").sum())
    if unknown:
        raise ValueError(
            f"{unknown} of {len(table)} images do not say who is on them, so they cannot be "
            "parted by subject. `python -m utils import FOLDER NEW` cuts the splits of class "
            'folders; so does the notebook with SPLIT = "random". If the same people stand in '
            "several splits, results flatter."
        )
    result = _split(table, _one_fold_of_subjects, seed)
    check_subjects_apart(result)
    return result


def random_split(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Part images at random, whoever is on them; only for comparing with `grouped_split`.

    Every part gets an image of each class at least, of a small data set thus more than its share.

    Args, returns: as for `grouped_split`; ``subject`` is not needed.

    Raises:
        ValueError: a class has fewer images than there are parts.
    """
    return _split(table, _one_share_of_images, seed)


def check_subjects_apart(table: pd.DataFrame) -> None:
    """Assert that no known ``subject`` ("" for unknown) of a table stands in two parts.

    Raises:
        ValueError: somebody does; the message names them.
    """
    parts = table[table["subject"] != ""].groupby("subject")["split"].unique()
    leaks = parts[parts.map(len) > 1]
    if len(leaks):
        shown = "; ".join(f"{name} in {' and '.join(sorted(of))}" for name, of in leaks[:5].items())
        more = f"; and {len(leaks) - 5} more" if len(leaks) > 5 else ""
        raise ValueError(
            f"Subjects that stand in more than one part: {shown}{more}. Move each to one part, "
            "or put all images into all/<class>/, and they are parted by subject."
        )


def share_of_distinct(table: pd.DataFrame, share: float, seed: int) -> set[str]:
    """Digests of the images to set aside: the share of each class, at least one image, never all.

    Distinct images are drawn, in an order that depends on their content alone, so identical ones
    stay on one side and every form of a download is cut alike.

    Args:
        table: rows with ``sha256`` and ``class``.
        share, seed: of the draw.
    """
    distinct = table.sort_values(["sha256", "class"]).drop_duplicates("sha256")
    chosen = set()
    for _, digests in distinct.groupby("class")["sha256"]:
        if len(digests) > 1:
            count = max(1, round(share * len(digests)))
            chosen.update(train_test_split(list(digests), test_size=count, random_state=seed)[1])
    return chosen


def _split(
    table: pd.DataFrame,
    choose: Callable[[pd.DataFrame, float, np.random.Generator], np.ndarray],
    seed: int,
) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    split = np.full(len(table), "train", object)
    # By the data set's own labels, so that a corrected one moves nobody to another part.
    labelled = table.assign(**{"class": table.get("uncorrected", table["class"])})
    data_sets = table["dataset"] if "dataset" in table else np.zeros(len(table))
    for rows in table.groupby(data_sets).indices.values():
        left = rows
        for part in ("test", "validation"):
            chosen = left[choose(labelled.iloc[left], _SHARE * len(rows) / len(left), random)]
            split[chosen] = part
            left = np.setdiff1d(left, chosen)
    return table.assign(split=split)


def _one_fold_of_subjects(
    table: pd.DataFrame, share: float, random: np.random.Generator
) -> np.ndarray:
    subjects = table["subject"].nunique()
    if subjects < 2:
        raise ValueError(
            f"There are too few subjects to part: {', '.join(table['subject'].unique())} alone is "
            "left for train and for another part. Add images of other people."
        )
    count = min(max(2, round(1 / share)), subjects, table["class"].value_counts().max())
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=int(random.integers(2**31)))
    with warnings.catch_warnings():  # a class rarer than the folds lacks in some: counts show it
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        parts = [part for _, part in folds.split(table, table["class"], table["subject"])]
    return parts[random.integers(count)]


def _one_share_of_images(
    table: pd.DataFrame, share: float, random: np.random.Generator
) -> np.ndarray:
    least = table["class"].nunique()  # of a small data set a tenth can be fewer
    try:
        return train_test_split(
            np.arange(len(table)),
            test_size=max(math.ceil(share * len(table)), least),
            stratify=table["class"],
            random_state=int(random.integers(2**31)),
        )[1]
    except ValueError as error:
        raise ValueError(
            f"The images are too few to part at random: {error} Take fewer classes, or more images."
        ) from error
