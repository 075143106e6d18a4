"""The forms of a download that the importer knows, and how it tells which one it has."""

from functools import partial
from pathlib import Path, PurePosixPath

import pandas as pd

from utils.config import IMAGE_SUFFIXES
from utils.importing.archives import Member
from utils.importing.entries import Layout, Reject
from utils.importing.face_databases import (
    ck48_layout,
    ck_plus_layout,
    ferg_layout,
    impa_layout,
    jaffe_layout,
)
from utils.importing.layouts import ckextended_layout, fer2013_layout, folder_layout, table_layout

FORMATS = {
    "ck+": ck_plus_layout,
    "ck48": ck48_layout,
    "ckextended": ckextended_layout,
    "jaffe": jaffe_layout,
    "ferg": ferg_layout,
    "impa": impa_layout,
    "fer2013": fer2013_layout,
    "folders": folder_layout,
}
_KNOWN_BY_FILE_NAMES = ("ck+", "ck48", "jaffe", "ferg", "impa")
_SYSTEM_NAMES = {"thumbs.db", "desktop.ini", "__macosx"}


def find_layout(
    source: Path,
    members: list[Member],
    reject: Reject,
    form: str | None = None,
    peak_frames: int = 3,
) -> Layout:
    """Recognise how a source is laid out.

    A database is recognised when more than half of the images are named as in it.

    Args:
        source: for messages.
        members: its files.
        reject: told what is left out: system files now, others as the entries are read.
        form: a key of `FORMATS`, to recognise nothing else.
        peak_frames: of each CK+ sequence that show the expression.

    Raises:
        ValueError: no layout fits.
    """
    usable = []
    for member in members:
        parts = PurePosixPath(member.path).parts
        if member.problem:
            reject(member.path, member.problem)
        elif not any(part.startswith(".") or part.lower() in _SYSTEM_NAMES for part in parts):
            usable.append(member)
        elif not member.path.endswith("/"):
            reject(member.path, "system file")
    formats = FORMATS | {"ck+": partial(ck_plus_layout, peak_frames=peak_frames)}
    layout = formats[form](usable, reject) if form else _recognise(usable, reject, formats)
    if layout is None:
        raise ValueError(_nothing_found(source, usable, form))
    return layout


def _recognise(members: list[Member], reject: Reject, formats: dict) -> Layout | None:
    images = sum(member.suffix in IMAGE_SUFFIXES for member in members)
    for name in _KNOWN_BY_FILE_NAMES:
        found = formats[name](members, reject)
        if found and 2 * found.recognised > images:
            return found
    is_ckextended = any(member.name.lower() == "ckextended.csv" for member in members)
    table = ckextended_layout if is_ckextended else table_layout
    return folder_layout(members, reject) or table(members, reject)


def _nothing_found(source: Path, members: list[Member], form: str | None) -> str:
    suffixes = pd.Series([member.suffix or "no suffix" for member in members], dtype=str)
    holds = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.value_counts().items())
    expected = (
        f"the format {form}: {FORMATS[form].__doc__.splitlines()[0].rstrip('.')}"
        if form
        else "images in two or more class folders, a csv with the columns emotion and pixels, "
        f"or one of the formats {', '.join(FORMATS)} (see data/README.md)"
    )
    return (
        f"{source} holds nothing to import. Expected {expected}. "
        f"Found: {holds or 'no usable file'}."
    )
