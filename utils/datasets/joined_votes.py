"""Votes of a data set's images: joined with FER+, kept in `votes.csv`, and in its table.

`votes.csv` lies beside `manifest.csv` and has a row for each image that was voted on: its
``file`` as the manifest names it, then `votes.VOTE_NAMES`. In a table of images the same
stands in the column ``votes``: ten numbers an image, or an empty tuple where none are known.
"""

import re
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from utils.config import CLASS_NAMES, class_name
from utils.datasets.votes import (
    ROWS,
    VOTE_NAMES,
    VotesError,
    archive_rows,
    checked_counts,
    read_table,
    read_votes,
)
from utils.files import columns_text, replacing

VOTES_FILE = "votes.csv"
NO_VOTES = ()

# How often FER+'s ten people give an image the label of FER-2013, for each such label.
_AGREEING = dict(zip(CLASS_NAMES, (0.51, 0.35, 0.15, 0.93, 0.86, 0.40, 0.78), strict=True))
_ENOUGH = 100  # labelled images, to say how often people agree with labels
_ROW = re.compile(r"#(\d+)$")
_USAGE = re.compile(r"(train|publictest|privatetest)", re.IGNORECASE)


def write_votes(folder: str | Path, votes_file: str | Path) -> None:
    """Join an imported FER-2013 with its votes, and keep these in its `votes.csv`, in one step.

    Args:
        folder: as importing made it.
        votes_file: FER+'s `fer2013new.csv`.

    Raises:
        FileNotFoundError, VotesError: as `votes.read_votes` and `join_votes`.
    """
    folder = Path(folder)
    manifest = pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)
    joined = join_votes(manifest["source"], manifest["file"], read_votes(votes_file))
    has_votes = joined.map(len) > 0
    kept = pd.DataFrame(joined[has_votes].tolist(), columns=list(VOTE_NAMES))
    kept.insert(0, "file", manifest.loc[has_votes, "file"].to_numpy())
    with replacing(folder / VOTES_FILE) as temporary:
        kept.to_csv(temporary, index=False, encoding="utf-8")


def join_votes(sources: pd.Series, files: pd.Series, table: pd.DataFrame) -> pd.Series:
    """Which votes each image of FER-2013 got.

    An image of a csv is known by its row ("fer2013.csv#17"), one of the archive by its class folder
    and file name ("test/angry/PublicTest_10150476.jpg"), wherever that folder lies.

    Args:
        sources: where each image comes from.
        files: where it lies, as ``…/class/name``; the class is the label.
        table: as `votes.read_votes` gives it.

    Returns:
        A tuple of ten votes an image, in the order of `votes.VOTE_NAMES`; `NO_VOTES` where FER+ has
        no row for it.

    Raises:
        VotesError: the images are not those of the votes, by their part (Training, PublicTest or
            PrivateTest), or by how often people agree with labels.
    """
    rows = sources.map(_row_of).to_numpy()
    found = rows >= 0
    if not found.any():
        raise VotesError(
            "None of the images has votes, which were given on FER-2013. Received: "
            f"{sources.iloc[0]} and others; expected files named as in its archive "
            "(angry/Training_3908.jpg), or the rows of fer2013.csv."
        )
    files = files.map(PurePosixPath)
    given = table[list(VOTE_NAMES)].to_numpy()[rows[found]]
    _check_usage(sources[found], files[found], table["usage"].to_numpy()[rows[found]])
    _check_labels(np.array([class_name(file.parent.name) for file in files[found]]), given)
    tens = iter(map(tuple, given.tolist()))
    votes = [next(tens) if one else NO_VOTES for one in found]
    return pd.Series(votes, sources.index, dtype=object)


def with_votes(table: pd.DataFrame, votes_file: str | Path) -> pd.DataFrame:
    """A table of `table.find_images` with the votes of a file of FER+; see `write_votes`."""
    files = table["file"].map(lambda file: Path(file).resolve().as_posix())
    joined = join_votes(_sources_of(files), files, read_votes(votes_file))
    return table.assign(votes=joined)


def votes_beside(folder: Path) -> pd.Series | None:
    """The votes of a data set, or of one part of it, by path in the folder; None if it has none.

    Raises:
        VotesError: its `votes.csv` is not as `write_votes` writes it.
    """
    for path, above in ((folder, ""), (folder.parent, f"{folder.name}/")):
        file = path / VOTES_FILE
        if file.is_file() and (path / "manifest.csv").is_file():
            kept = read_table(file)
            if list(kept.columns) != ["file", *VOTE_NAMES]:
                raise VotesError(
                    f"{file} is not as importing writes it. Expected the columns file, "
                    f"{', '.join(VOTE_NAMES)}. Received: {columns_text(kept.columns)}. Remove it, "
                    "or import with --votes again."
                )
            names = kept["file"].astype(str).str.replace("\\", "/").str.removeprefix(above)
            tens = map(tuple, checked_counts(kept, file).to_numpy().tolist())
            known = pd.Series(list(tens), names, dtype=object)
            return known[~known.index.duplicated()]
    return None


def votes_of(table: pd.DataFrame) -> np.ndarray:
    """The votes of a table's images, or zeros: int (n, 10), in the order of `votes.VOTE_NAMES`."""
    nothing = (0,) * len(VOTE_NAMES)
    if "votes" not in table:
        return np.zeros((len(table), len(VOTE_NAMES)), int)
    tens = [ten or nothing for ten in table["votes"]]
    return np.array(tens, int).reshape(len(table), len(VOTE_NAMES))


def _sources_of(files: pd.Series) -> pd.Series:
    """Where images come from: what a manifest says of them, else the files themselves."""
    known = {}
    for folder in {Path(file).parents[2] for file in files}:
        if (folder / "manifest.csv").is_file():
            manifest = pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)
            if {"file", "source"} <= set(manifest):
                names = (folder / file for file in manifest["file"])
                known |= dict(zip(map(Path.as_posix, names), manifest["source"], strict=True))
    return files.map(lambda file: known.get(file, file))


def _row_of(source: str) -> int:
    """The row of an image in fer2013.csv, -1 if it has none."""
    if row := _ROW.search(source):
        number = int(row[1])
        return number if number < ROWS else -1
    path = PurePosixPath(source)
    file = f"{class_name(path.parent.name)}/{path.stem}.jpg"  # cut to the face it is a PNG
    return int(archive_rows().get(file, -1))


def _check_usage(sources: pd.Series, files: pd.Series, usages: np.ndarray) -> None:
    for source, file, usage in zip(sources, files, usages, strict=True):
        stated = _USAGE.match(file.name)  # importing names a csv's images by their part, too
        if stated and not usage.lower().startswith(stated[1].lower()):
            raise VotesError(
                f"The votes are not those of these images: {source} belongs to {stated[1]}, "
                f"but its row of the votes to {usage}. Expected FER+'s fer2013new.csv as "
                "published, and FER-2013 with its rows in their order."
            )


def _check_labels(labels: np.ndarray, votes: np.ndarray) -> None:
    """People agree with 63 % of FER-2013's labels; with those of other images far less."""
    known = np.isin(labels, CLASS_NAMES)
    labels, votes = labels[known], votes[known]
    if len(labels) < _ENOUGH:
        return
    agreed = float(np.mean(np.array(VOTE_NAMES)[votes.argmax(axis=1)] == labels))
    usual = float(np.mean([_AGREEING[label] for label in labels]))
    if agreed < 0.8 * usual:  # 50 % for all seven classes
        raise VotesError(
            "The votes are not those of these images: most people gave "
            f"{agreed:.0%} of them their label; expected about {usual:.0%} for FER-2013's. Its "
            "rows, or those of the votes, are in another order, or the labels were changed."
        )
