"""The forms of a download that the importer knows, and how it tells which one it has."""

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

from utils.config import is_system_name
from utils.importing import face_databases, layouts
from utils.importing.archives import ENCRYPTED, UNREADABLE, Member
from utils.importing.layouts import Layout, Reject

FORMATS = {
    "ck+": face_databases.ck_plus_layout,
    "ck48": face_databases.ck48_layout,
    "ckextended": layouts.ckextended_layout,
    "jaffe": face_databases.jaffe_layout,
    "ferg": face_databases.ferg_layout,
    "impa": face_databases.impa_layout,
    "fer2013": layouts.fer2013_layout,
    "folders": layouts.folder_layout,
}
_KNOWN_BY_FILE_NAMES = ("ck+", "ck48", "jaffe", "ferg", "impa")
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")
_WORTH_A_WORD = 20
"""So many images named as in a known data set are no chance."""


def find_layout(
    source: Path,
    members: list[Member],
    reject: Reject,
    form: str | None = None,
    peak_frames: int = 3,
) -> Layout:
    """Recognise how a source is laid out; a database by the names of more than half its images.

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
        elif not any(map(is_system_name, parts)):
            usable.append(member)
        elif not member.path.endswith("/"):
            reject(member.path, "system file")
    if closed := [member for member in members if member.problem.startswith(UNREADABLE)]:
        raise PermissionError(
            f"{source}: {closed[0].path} is {closed[0].problem}. Ask for the right to read it, or "
            "take it out of the folder."
        )
    locked = [member for member in members if member.problem.startswith(ENCRYPTED)]
    if locked and not any(member.is_image or member.suffix == ".csv" for member in usable):
        raise ValueError(
            f"{source} is {locked[0].problem}: {len(locked):,} of its {len(members):,} files. "
            + (
                "Give the password that came with it: --password TEXT."
                if locked[0].problem == ENCRYPTED
                else "Unpack it with its password, for instance by 7-Zip, and import the folder."
            )
        )
    formats = FORMATS | {"ck+": partial(face_databases.ck_plus_layout, peak_frames=peak_frames)}
    if form:
        layout, hint = formats[form](usable, reject), ""
    else:
        layout, hint = _recognise(usable, reject, formats)
    if layout is None:
        raise ValueError(f"{_nothing_found(source, usable, form)} {hint}".strip())
    return replace(layout, hint=" ".join(filter(None, [layout.hint, hint])))


def _recognise(members: list[Member], reject: Reject, formats: dict) -> tuple[Layout | None, str]:
    """The layout that fits, and a word on a known set that lies beside other folders."""
    images = sum(member.is_image for member in members)
    hint = ""
    for name in _KNOWN_BY_FILE_NAMES:
        found = formats[name](members, reject)
        if found and 2 * found.recognised > images:
            return found, ""
        if found and found.recognised >= _WORTH_A_WORD:
            hint = (
                f"{found.recognised:,} of {images:,} images are named as in {found.dataset}: "
                f"--format {name} imports these, with who is on them, and nothing else."
            )
    is_ckextended = any(member.name.lower() == "ckextended.csv" for member in members)
    table = layouts.ckextended_layout if is_ckextended else layouts.table_layout
    try:
        return layouts.folder_layout(members, reject) or table(members, reject), hint
    except ValueError as error:  # a csv of another kind
        raise ValueError(f"{error} {hint}".strip()) from error


def _nothing_found(source: Path, members: list[Member], form: str | None) -> str:
    archives = [member.path for member in members if member.suffix in _ARCHIVES]
    if archives and not any(member.is_image for member in members):
        shown = f"{', '.join(archives[:3])}{', …' if len(archives) > 3 else ''}"
        return f"{source} holds archives ({shown}): unpack it once and import the folder."
    suffixes = Counter(member.suffix or "no suffix" for member in members)
    holds = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common())
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
