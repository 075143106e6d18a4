"""What ten people saw in each FER-2013 image: Microsoft's FER+ votes, and what to make of them.

For FER+ (Barsoum et al., "Training Deep Networks for Facial Expression Recognition with
Crowd-Sourced Label Distribution", ICMI 2016) ten people each voted for one of the seven
expressions, contempt, "unknown", or "no face". The votes come as `fer2013new.csv`, in the row order
of `fer2013.csv`; `fer2013_rows.csv.gz` says which file of the usual folder-per-class archive is
which row.
"""

import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from utils.config import CLASS_NAMES
from utils.files import columns_text

OTHER_VOTES = ("contempt", "unknown", "no face")
VOTE_NAMES = (*CLASS_NAMES, *OTHER_VOTES)
"""What can be voted for; the order of every array of votes."""
LEAST_VOTES = 5
"""Votes for the wanted classes that an image needs, for its shares to say something."""
ROWS = 35_887

_COLUMNS = {  # as FER+ has them
    "anger": "angry", "disgust": "disgust", "fear": "fear", "happiness": "happy",
    "neutral": "neutral", "sadness": "sad", "surprise": "surprise",
    "contempt": "contempt", "unknown": "unknown", "NF": "no face",
}  # fmt: skip


class VotesError(ValueError):
    """The file holds no votes, or those of other images; the message says why."""


def _file_in(path: Path) -> Path | zipfile.Path:
    """The file of votes that is named, or lies in the zip or folder that is."""
    name = "fer2013new.csv"
    inside = path
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            found = [one for one in archive.namelist() if PurePosixPath(one).name == name]
        inside = zipfile.Path(path, found[0]) if found else None
    elif path.is_dir():
        inside = next(iter(sorted(path.rglob(name))), None)
    if inside is None or not inside.is_file():
        where = f"{name} in {path}" if path.exists() else f"votes at {path}"
        raise FileNotFoundError(
            f"No {where}. Expected {name} of FER+ (github.com/microsoft/FERPlus)."
        )
    return inside


def read_votes(path: str | Path) -> pd.DataFrame:
    """The votes as FER+ hands them out, a row for each row of `fer2013.csv`.

    Args:
        path: `fer2013new.csv`, unchanged; or the zip or folder of FER+ that holds it.

    Returns:
        Columns ``usage`` ("Training", "PublicTest" or "PrivateTest") and `VOTE_NAMES` (0–10 votes).

    Raises:
        FileNotFoundError: no such file.
        VotesError: it is another file, or rows are missing or out of range.
    """
    path = _file_in(Path(path))
    table = read_table(path)
    if list(table.columns) == ["file", *VOTE_NAMES]:
        raise VotesError(
            f"{path} is what importing kept of the votes. Leave --votes out: what lies beside a "
            "data set's images is taken by itself."
        )
    missing = [name for name in ("Usage", *_COLUMNS) if name not in table.columns]
    if missing:
        raise VotesError(
            f"{path} is not FER+'s fer2013new.csv: it has no column {', '.join(missing)}. "
            f"Received the columns: {columns_text(table.columns)}."
        )
    if len(table) != ROWS:
        raise VotesError(
            f"{path} is not whole: its rows stand for those of fer2013.csv. "
            f"Received: {len(table):,} rows; expected {ROWS:,}."
        )
    votes = checked_counts(table.rename(columns=_COLUMNS), path)
    return votes.assign(usage=table["Usage"].astype(str).str.strip())


def read_table(path: Path | zipfile.Path) -> pd.DataFrame:
    """A CSV file of votes; VotesError where it is none."""
    try:
        with path.open("rb") as file:
            return pd.read_csv(file, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise VotesError(
            f"{path} is no CSV file with commas, in UTF-8 ({error}). Expected fer2013new.csv, or "
            "the votes.csv that importing wrote."
        ) from error


def checked_counts(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The columns `VOTE_NAMES` of a file as whole numbers; VotesError: not 0 to 10 each."""
    votes = table[list(VOTE_NAMES)]
    numeric = votes.apply(pd.to_numeric, errors="coerce")
    good = numeric.notna() & (numeric >= 0) & (numeric <= 10) & (numeric % 1 == 0)
    if not good.all(axis=None):
        row, column = np.argwhere(~good.to_numpy())[0]
        raise VotesError(
            f"{path}, line {row + 2}: expected 0 to 10 votes. "
            f"Received: {votes.iat[row, column]} for {VOTE_NAMES[column]}."
        )
    return numeric.astype(int)


@cache
def archive_rows() -> pd.Series:
    """Rows of `fer2013.csv` by the archive's ``class/file name``, of 35,712 of its 35,887 files.

    The archive's numbers do not tell the row: it was found by comparing pixels.
    """
    table = pd.read_csv(Path(__file__).with_name("fer2013_rows.csv.gz"))
    return table.set_index("file")["row"]


def usable(votes: np.ndarray, class_names: Sequence[str] = CLASS_NAMES) -> np.ndarray:
    """Whether at least `LEAST_VOTES` of an image's votes are for the wanted classes: bool, (n,).

    Args:
        votes: (n, 10), in the order of `VOTE_NAMES`.
        class_names: the wanted ones; seven, some of them, or "contempt" too.
    """
    return _of(votes, class_names).sum(axis=1) >= LEAST_VOTES


def shares(votes: np.ndarray, class_names: Sequence[str] = CLASS_NAMES) -> np.ndarray:
    """The votes for the wanted classes as shares of these, a soft target; see `usable`.

    Returns:
        float64, (n, classes), rows summing to 1; NaN where no such vote was given.
    """
    chosen = _of(votes, class_names).astype(float)
    total = chosen.sum(axis=1, keepdims=True)
    return np.divide(chosen, total, out=np.full_like(chosen, np.nan), where=total > 0)


def clear_majority(votes: np.ndarray, class_names: Sequence[str] = CLASS_NAMES) -> np.ndarray:
    """The class that most people agree on, where most do.

    The rule of the FER+ paper: single votes are taken for slips and dropped; then the top of the
    classes must have more than half of what the seven and contempt have together, and more than
    each of the answers that are no class here (contempt, "unknown", "no face").

    Args:
        votes: (n, 10), in the order of `VOTE_NAMES`.
        class_names: the classes to judge by: the seven, or these and "contempt".

    Returns:
        int, (n,): the position in ``class_names``, or -1 where there is no clear majority.
    """
    kept = np.where(np.asarray(votes) > 1, votes, 0)
    chosen = _of(kept, class_names)
    expressions = _of(kept, (*CLASS_NAMES, "contempt")).sum(axis=1)
    others = [name for name in OTHER_VOTES if name not in class_names]
    top = chosen.max(axis=1)
    clear = (2 * top > expressions) & (top > _of(kept, others).max(axis=1))
    return np.where(clear, chosen.argmax(axis=1), -1)


def _of(votes, names) -> np.ndarray:
    unknown = [name for name in names if name not in VOTE_NAMES]
    if unknown:
        raise ValueError(
            f"Nobody could vote for {', '.join(unknown)}. Expected some of: "
            f"{', '.join(VOTE_NAMES)}."
        )
    return np.asarray(votes)[:, [VOTE_NAMES.index(name) for name in names]]
