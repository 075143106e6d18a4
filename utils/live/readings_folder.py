"""A folder of tables that many processes write: what makes a piece of it complete.

Every piece is a file of rows, there in one step, and then a file in ``_sources`` that tells
what it was made of. What has both is done, whoever is killed.
"""

import csv
import json
from collections.abc import Iterable
from pathlib import Path

from utils.files import check_writable, replacing, write_json

# What begins with "_" is no data to pyarrow, pandas and Spark.
SETTINGS, SOURCES, FAILED = "_settings.json", "_sources", "_failed.csv"


class FolderUnseen(OSError):
    """A worker of another machine does not see the folder, so it can write nothing."""


def check_seen(folder: Path, worker: str) -> None:
    """Raises: FolderUnseen."""
    if not (folder / SETTINGS).is_file():
        raise FolderUnseen(
            f"{folder} is not seen by the worker {worker}. Choose a folder on a disk that all "
            "workers share, under the same path."
        )


def begin(folder: Path, settings: dict) -> None:
    """Make the folder, or see that what it holds was read in the same way."""
    file = folder / SETTINGS
    check_writable(file)
    (folder / SOURCES).mkdir(exist_ok=True)
    if not file.exists():
        if others := [path.name for path in folder.iterdir() if path.name != SOURCES]:
            raise ValueError(
                f"{folder} holds other files, such as {others[0]}. Name a new folder, or one that "
                "was read into before."
            )
        write_json(file, settings)
    before = json.loads(file.read_text(encoding="utf-8"))
    other = [name for name in before.keys() | settings if before.get(name) != settings.get(name)]
    if other:
        raise ValueError(
            f"{folder} was read with another {', '.join(sorted(other))}. Choose another folder, or "
            f"read with what {file} tells."
        )


def sources_in(folder: Path, form: str) -> set[str]:
    """The sources of pieces that are complete, as `safe_address` shows them."""
    done = set()
    for marker in (folder / SOURCES).glob("*.csv"):
        if (folder / f"{marker.stem}.{form}").is_file():
            with marker.open(encoding="utf-8", newline="") as file:
                done |= {row["source"] for row in csv.DictReader(file)}
    return done


def tidy(folder: Path, form: str, failed: dict[str, str]) -> None:
    """Remove what killed processes left, and list what could not be read."""
    known = {marker.stem for marker in (folder / SOURCES).glob("*.csv")}
    ours = "[0-9]" * 8 + "-*"  # as pieces are named; a person's own files stay
    left = [file for file in folder.glob(f"{ours}.{form}") if file.stem not in known]
    for file in [*left, *folder.glob(f".{ours}"), *(folder / SOURCES).glob(f".{ours}")]:
        file.unlink(missing_ok=True)
    (folder / FAILED).unlink(missing_ok=True)
    if failed:
        _write_rows(folder / FAILED, ("source", "reason"), failed.items())


def write_sources(folder: Path, piece: str, rows: Iterable[tuple]) -> None:
    """Tell what a piece was made of, once its file is there."""
    head = ("source", "frames", "faces", "seconds", "notes")
    _write_rows(folder / SOURCES / f"{piece}.csv", head, rows)


def _write_rows(path: Path, head: Iterable[str], rows: Iterable) -> None:
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        csv.writer(file).writerows([head, *rows])
