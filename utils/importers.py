"""Downloads of labelled pictures, sorted into one folder per class.

A source — a folder, a zip, a tar or a csv — is listed as `Member`s. One small
function per layout (`folder_layout`, `table_layout`) says which class and split
each picture has, as a stream of `Entry`s; everything after that is the same for
all of them: check the picture, copy it, cut what splits are missing, write the
manifest, rename the finished folder into place. A further layout is one more such
function, tried in `find_layout`.
"""

import csv
import errno
import hashlib
import io
import json
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from lzma import LZMAError
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pandas as pd
from PIL import Image
from sklearn.model_selection import train_test_split
from tqdm.auto import tqdm

from utils.config import CLASS_NAMES, PICTURE_SUFFIXES, SPLITS, class_name
from utils.datasets import count_classes

MAX_PICTURE_BYTES = 64 << 20
MAX_TABLE_BYTES = 2 << 30
MAX_PIXELS = 50_000_000
KERAS_FORMATS = {"BMP", "GIF", "JPEG", "PNG"}
KERAS_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")  # image_dataset_from_directory's

FER2013_CODES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FER2013_SIZE = 48
FER2013_COUNTS = pd.DataFrame(
    {
        "train": (3995, 436, 4097, 7215, 4965, 4830, 3171),
        "validation": (467, 56, 496, 895, 607, 653, 415),
        "test": (491, 55, 528, 879, 626, 594, 416),
    },
    index=pd.Index(CLASS_NAMES, name="class"),
)
"""The official split: Training, PublicTest and PrivateTest (Goodfellow et al. 2013,
https://arxiv.org/abs/1307.0414)."""

_SPLIT_WORDS = {
    "train": ("train", "training", "trainset", "trainingset"),
    "validation": ("val", "valid", "validation", "validationset", "publictest"),
    "test": ("test", "testing", "testset", "privatetest"),
}
_SPLIT_OF = {word: split for split, words in _SPLIT_WORDS.items() for word in words}
_OFFICIAL_NAME = re.compile(r"(Training|PublicTest|PrivateTest)_\d+\.", re.IGNORECASE)
_AUGMENTED_NAME = re.compile(r"\.(jpe?g|png|bmp|gif|tiff?|webp)\d+\.\w+$", re.IGNORECASE)
_SYSTEM_NAMES = {"thumbs.db", "desktop.ini", "__macosx"}
_READ_ERRORS = (
    OSError, EOFError, RuntimeError, NotImplementedError,
    zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError,
)  # fmt: skip

Reject = Callable[[str, str], None]
"""Called with a path in the source and the reason ("kind" or "kind: detail")."""


@dataclass(frozen=True)
class Member:
    """A file of the source. Paths use "/" and end in it for folders."""

    path: str
    size: int
    open: Callable[[], io.BufferedIOBase]
    problem: str = ""

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def folders(self) -> tuple[str, ...]:
        return PurePosixPath(self.path).parts[:-1]

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix.lower()


@dataclass(frozen=True)
class Entry:
    """A picture that a layout found.

    ``label`` is what the source calls the class, ``split`` one of `SPLITS` or ""
    where the source does not tell; ``read`` returns the bytes of a picture file.
    """

    source: str
    label: str
    split: str
    name: str
    read: Callable[[], bytes]
    subject: str = ""


@dataclass(frozen=True)
class Layout:
    """What a layout function found: a stream of entries, and what to expect of it.

    ``labels`` are classes that must not turn out empty; ``official`` says that the
    splits are FER-2013's own; ``total`` is the number of entries, if known.
    """

    entries: Iterator[Entry]
    labels: frozenset[str] = frozenset()
    official: bool = False
    total: int | None = None


@dataclass(frozen=True)
class ImportReport:
    """What an import did; print it, or leave it at the end of a notebook cell.

    Attributes:
        destination: the folder-per-class data set.
        counts: pictures per class (rows) and split (columns), with totals.
        expected: the same table as published, or None where there is none.
        rejected: ``source`` and ``reason`` of everything that was left out.
        notes: what was decided on the way, in sentences.
    """

    destination: Path
    counts: pd.DataFrame
    expected: pd.DataFrame | None
    rejected: pd.DataFrame
    notes: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"Pictures in {self.destination}", self.counts.to_string(), *self._remarks()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        remarks = "".join(f"<li>{remark}</li>" for remark in self._remarks())
        return f"{self.counts.to_html()}<ul>{remarks}</ul>"

    def _remarks(self) -> list[str]:
        remarks = list(self.notes)
        if self.expected is not None:
            difference = (self.counts - self.expected).stack()
            difference = difference[difference != 0]
            cells = (f"{name} in {part} {count:+d}" for (name, part), count in difference.items())
            remarks.insert(
                0,
                "The counts are those published for FER-2013."
                if difference.empty
                else f"The counts differ from those published for FER-2013: {', '.join(cells)}.",
            )
        kinds = self.rejected["reason"].str.split(":").str[0].value_counts()
        what = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        remarks.append(f"Left out: {what} (see rejected.csv)." if what else "Nothing left out.")
        return remarks


def import_dataset(
    source: str | Path,
    destination: str | Path,
    *,
    class_names=None,
    validation_share: float = 0.1,
    seed: int = 0,
    domain: str = "people",
    progress: bool = True,
) -> ImportReport:
    """Sort labelled pictures into ``destination/<split>/<class>/``.

    Beside the split folders it writes ``manifest.csv`` (file, class, subject, domain,
    source, sha256), ``rejected.csv`` (source, reason) and ``import.json`` (what was
    imported and how). Everything is staged in a hidden folder beside the destination
    and renamed at the end; the source is only read. Doing the same import again
    changes nothing and returns the same report. Run one import into a destination
    at a time.

    Args:
        source: a folder, .zip or .tar(.gz, .bz2, .xz) with a folder per class, with or
            without split folders; or FER-2013's csv, alone or inside one of these.
        destination: the folder to make; must not exist, be empty, or hold this import.
        class_names: the classes to take; None takes all that the source has.
        validation_share: share of train set aside where the source has no validation
            part (and once more for test where it has no split at all); 0 cuts nothing.
        seed: of that cut.
        domain: kind of picture, for the manifest: "people", "drawings", …
        progress: show a progress bar.

    Raises:
        FileNotFoundError: no such source.
        FileExistsError: the destination holds something else.
        ValueError: the source holds nothing to import, a class is empty, a setting is
            out of range.
        OSError: the disk is full, or cannot be written to.
    """
    source, destination = Path(source).expanduser(), Path(destination).expanduser()
    choose = class_chooser(class_names)
    if not 0 <= validation_share < 0.5:
        raise ValueError(f"validation_share must be in [0, 0.5). Received: {validation_share}")
    if not source.exists():
        raise FileNotFoundError(
            f"No source at {source}. Expected a folder, .zip, .tar or .csv; data/README.md says "
            "where to ask for each data set."
        )
    if source.is_dir() and destination.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"The destination {destination} lies inside the source {source}.")
    settings = {
        "source": fingerprint_source(source),
        "class_names": None if class_names is None else [class_name(name) for name in class_names],
        "validation_share": validation_share,
        "seed": seed,
        "domain": domain,
    }
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        return _report_same_import(destination, settings)

    staging = destination.parent / f".{destination.name}.importing"
    rejected: list[tuple[str, str]] = []
    try:
        shutil.rmtree(staging, ignore_errors=True)  # left by a run that was killed
        staging.mkdir(parents=True)
        with open_source(source) as members:
            layout = find_layout(source, members, lambda *row: rejected.append(row))
            table, notes = _stage(layout, staging, choose, rejected, progress)
        _check_classes(table, layout, choose, class_names, source, rejected)
        notes += _cut_missing_splits(table, staging, validation_share, seed)
        notes += _remarks_on_content(table)
        _write_tables(staging, table, rejected, domain)
        settings |= {"official_split": layout.official, "notes": notes}
        (staging / "import.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
        if destination.exists():
            destination.rmdir()  # empty, as checked; Windows cannot rename onto a folder
        os.replace(staging, destination)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(
                error.errno,
                f"The disk is full: {destination} could not be written, and nothing was left "
                "there. Free some space, or choose a destination on another disk",
            ) from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return _read_report(destination)


def class_chooser(class_names=None) -> Callable[[str], str | None]:
    """A function from a source's label to the class name to use, None for "leave out".

    Case and synonyms are folded. With ``class_names`` those names are the only ones
    taken, in the spelling given; without, whichever spelling comes first is kept.
    """
    spelling = {class_name(name).casefold(): class_name(name) for name in class_names or ()}
    if class_names is not None and (isinstance(class_names, str) or len(spelling) < 2):
        raise ValueError(f"Expected two or more class names. Received: {class_names!r}")

    def choose(label: str) -> str | None:
        name = class_name(label)
        if class_names is None:
            return spelling.setdefault(name.casefold(), name)
        return spelling.get(name.casefold())

    return choose


def load_picture(data: bytes) -> Image.Image:
    """Decode a picture file wholly; a truncated one does not pass.

    Returns:
        The first frame, in the file's own mode.

    Raises:
        ValueError: not a complete picture, or one of more than `MAX_PIXELS`.
    """
    try:
        picture = Image.open(io.BytesIO(data))
        if picture.width * picture.height <= MAX_PIXELS:  # known from the header alone
            picture.load()
            return picture
    except Exception as error:  # decoders raise almost anything on damaged data
        raise ValueError(f"unreadable picture: {error or type(error).__name__}") from error
    raise ValueError(f"picture too large: {picture.width}×{picture.height} pixels")


# --- Sources: folders, archives and single files, listed alike -----------------------------


def fingerprint_source(source: Path) -> str:
    """Hex digest of a file's bytes, or of a folder's names, sizes and times."""
    digest = hashlib.sha256()
    if source.is_file():
        with source.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    else:
        for member in _folder_members(source):
            changed = 0 if member.problem else (source / member.path).stat().st_mtime_ns
            digest.update(os.fsencode(f"{member.path}\0{member.size}\0{changed}\n"))
    return digest.hexdigest()


@contextmanager
def open_source(source: Path) -> Iterator[list[Member]]:
    """The files of a folder, an archive, or a csv standing alone; nothing is unpacked.

    Raises:
        ValueError: a file of another kind, or an archive damaged beyond listing.
    """
    if source.is_dir():
        yield _folder_members(source)
    elif source.suffix.lower() == ".csv":
        yield [Member(source.name, source.stat().st_size, partial(source.open, "rb"))]
    else:
        try:
            is_tar, is_zip = tarfile.is_tarfile(source), zipfile.is_zipfile(source)
            if not is_tar and not is_zip:
                raise ValueError(
                    f"{source} is neither a folder nor a readable .zip, .tar(.gz, .bz2, .xz) or "
                    ".csv. Unpack other archives first; if it is one of these, the download is "
                    "incomplete or damaged."
                )
            archive = (tarfile.open if is_tar else zipfile.ZipFile)(source)
        except _READ_ERRORS as error:
            raise ValueError(f"{source} cannot be opened: {error}. Download it again.") from error
        with archive:
            try:
                members = (_tar_members if is_tar else _zip_members)(archive)
            except _READ_ERRORS as error:
                raise ValueError(f"{source} is damaged: {error}. Download it again.") from error
            yield members


def read_member(member: Member) -> bytes:
    """The bytes of a picture file.

    Raises:
        ValueError: damaged in the archive, or larger than `MAX_PICTURE_BYTES`.
    """
    try:
        with member.open() as file:
            return file.read(MAX_PICTURE_BYTES)
    except _READ_ERRORS as error:
        raise ValueError(f"unreadable file: {error}") from error


def _folder_members(folder: Path) -> list[Member]:
    def fail(error):
        raise error

    members = []
    for place, folders, files in os.walk(folder, onerror=fail):
        folders.sort()
        place = Path(place)
        if not folders and not files and place != folder:
            members.append(_member(f"{place.relative_to(folder).as_posix()}/", 0, None))
        for file in (place / name for name in sorted(files)):
            path = file.relative_to(folder).as_posix()
            if file.is_file():
                members.append(_member(path, file.stat().st_size, partial(file.open, "rb")))
            else:
                members.append(_member(path, 0, None, "not a regular file"))
    return members


def _zip_members(archive: zipfile.ZipFile) -> list[Member]:
    members = []
    for info in archive.infolist():
        problem = "encrypted" if info.flag_bits & 1 else ""
        if stat.S_ISLNK(info.external_attr >> 16):
            problem = "link"
        path = info.filename.replace("\\", "/")
        members.append(_member(path, info.file_size, partial(archive.open, info), problem))
    return members


def _tar_members(archive: tarfile.TarFile) -> list[Member]:
    members = []
    for info in archive.getmembers():
        regular = info.isfile() or info.isdir()
        problem = "" if regular else "link" if info.issym() or info.islnk() else "not a file"
        path = info.name + "/" * info.isdir()
        members.append(_member(path, info.size, partial(archive.extractfile, info), problem))
    return members


def _member(path: str, size: int, opener, problem: str = "") -> Member:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or re.match(r"[A-Za-z]:", path):
        problem = "unsafe path"
    elif size > (MAX_TABLE_BYTES if pure.suffix.lower() == ".csv" else MAX_PICTURE_BYTES):
        problem = problem or f"too large: {size} bytes"
    elif not problem:
        path = f"{pure}/" if path.endswith("/") else str(pure)
    return Member(path, size, opener, problem)


# --- Layouts: one function each; add a further download here ------------------------------


def find_layout(source: Path, members: list[Member], reject: Reject) -> Layout:
    """Recognise how a source is laid out.

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
    for layout in (folder_layout, table_layout):
        if found := layout(usable, reject):
            return found
    suffixes = pd.Series([member.suffix or "no suffix" for member in usable], dtype=str)
    holds = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.value_counts().items())
    raise ValueError(
        f"{source} holds nothing to import. Expected pictures in two or more class folders, or a "
        f"csv with the columns emotion and pixels. Found: {holds or 'no usable file'}. "
        "An archive inside it has to be imported by itself."
    )


def folder_layout(members: list[Member], reject: Reject) -> Layout | None:
    """A folder per class, perhaps inside split folders, perhaps under further folders.

    FER-2013's own file names (``PublicTest_10150476.jpg``) tell the official split
    whatever folder they lie in: the popular archive mixes PublicTest and PrivateTest.
    """
    files = [member for member in members if not member.path.endswith("/")]
    faults = {member.path: _fault(member) for member in files}
    pictures = [member for member in files if not faults[member.path]]
    if len({class_name(member.folders[-1]).casefold() for member in pictures}) < 2:
        return None
    splits = {member.path: _split_of(member) for member in pictures}
    if any(splits.values()):
        faults |= {path: "outside the split folders" for path, split in splits.items() if not split}
    for path, fault in faults.items():
        if fault:
            reject(path, fault)
    # The outermost first, so that of nested copies the inner one is the one left out.
    pictures = sorted(
        (member for member in pictures if not faults[member.path]),
        key=lambda member: len(member.folders),
    )
    entries = (
        Entry(member.path, member.folders[-1], splits[member.path], member.name,
              partial(read_member, member))
        for member in pictures
    )  # fmt: skip
    return Layout(
        entries,
        labels=frozenset(member.folders[-1] for member in pictures) | _empty_classes(members),
        official=any(_OFFICIAL_NAME.match(member.name) for member in pictures),
        total=len(pictures),
    )


def table_layout(members: list[Member], reject: Reject) -> Layout | None:
    """FER-2013 as a csv: ``emotion``, ``pixels`` and, except in train.csv, ``Usage``.

    The columns come in any order, with or without spaces around their names. Of
    several such tables the one that knows the official split is read.

    Raises:
        ValueError: there are csv files, but none with these columns.
    """
    headers = {member: _header(member) for member in members if member.suffix == ".csv"}
    fitting = [table for table, header in headers.items() if {"emotion", "pixels"} <= {*header}]
    if not headers:
        return None
    if not fitting:
        found = "; ".join(f"{table.path}: {', '.join(row)}" for table, row in headers.items())
        raise ValueError(f"Expected a csv with the columns emotion, pixels, Usage. Found {found}.")
    table = min(fitting, key=lambda table: ("usage" not in headers[table], len(table.folders)))
    for member in members:
        if member is not table and not member.path.endswith("/"):
            used = f"not used: {table.path} was read"
            reject(member.path, used if member.suffix == ".csv" else "not a picture")
    return Layout(_table_entries(table, reject), official="usage" in headers[table])


def _fault(member: Member) -> str:
    if member.suffix not in PICTURE_SUFFIXES:
        return "not a picture"
    if _AUGMENTED_NAME.search(member.name):
        return "augmentation leftover"
    if not member.folders or _split_word(member.folders[-1]):
        return "not in a class folder"
    return ""


def _split_word(word: str) -> str:
    return _SPLIT_OF.get(re.sub(r"[\s_-]", "", word.lower()), "")


def _split_of(member: Member) -> str:
    if official := _OFFICIAL_NAME.match(member.name):
        return _split_word(official[1])
    return next(filter(None, map(_split_word, reversed(member.folders[:-1]))), "")


def _empty_classes(members: list[Member]) -> frozenset[str]:
    """Names of folders that stand beside class folders and hold nothing."""
    full = {member.folders[:end] for member in members for end in range(len(member.folders) + 1)
            if not member.path.endswith("/")}  # fmt: skip
    pictures = [member for member in members if member.suffix in PICTURE_SUFFIXES]
    parents = {member.folders[:-1] for member in pictures if member.folders}
    folders = [member for member in members if member.path.endswith("/")]
    return frozenset(
        folder.name
        for folder in folders
        if folder.name
        and folder.folders in parents
        and (*folder.folders, folder.name) not in full
        and not _split_word(folder.name)
    )


@contextmanager
def _csv_rows(table: Member):
    """The rows of a csv as lists of texts, the header first; blank lines skipped."""
    try:
        with table.open() as file:
            text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
            yield filter(None, csv.reader(text))
    except (csv.Error, *_READ_ERRORS) as error:
        raise ValueError(f"{table.path} is damaged: {error}. Download it again.") from error


def _header(table: Member) -> list[str]:
    with _csv_rows(table) as rows:
        return [name.strip().lower() for name in next(rows, [])]


def _table_entries(table: Member, reject: Reject) -> Iterator[Entry]:
    header = _header(table)
    stem = PurePosixPath(table.path).stem
    with _csv_rows(table) as rows:
        next(rows)
        for number, row in enumerate(rows):
            source = f"{table.path}#{number}"
            if len(row) != len(header):
                reject(source, f"bad row: {len(row)} fields, expected {len(header)}")
                continue
            fields = dict(zip(header, map(str.strip, row), strict=True))
            usage = fields.get("usage", stem)
            split = _split_word(usage)
            if "usage" in fields and not split:
                reject(source, f"unknown usage: {usage!r}")
            elif fields["emotion"] not in map(str, range(len(FER2013_CODES))):
                reject(source, f"bad emotion code: {fields['emotion']!r}, expected 0 to 6")
            else:
                label = FER2013_CODES[int(fields["emotion"])]
                read = partial(_picture_of_row, fields["pixels"])
                yield Entry(source, label, split, f"{usage}_{number:05}.png", read)


def _picture_of_row(pixels: str) -> bytes:
    """2,304 numbers, row by row, as a grey 48×48 PNG file."""
    try:
        values = np.frombuffer(bytes(map(int, pixels.split())), np.uint8)
    except ValueError as error:
        raise ValueError("bad pixels: expected whole numbers from 0 to 255") from error
    if values.size != FER2013_SIZE**2:
        raise ValueError(f"wrong pixel count: {values.size}, expected {FER2013_SIZE**2}")
    return cv2.imencode(".png", values.reshape(FER2013_SIZE, FER2013_SIZE))[1].tobytes()


# --- What every layout shares ---------------------------------------------------------------


def _stage(layout, staging, choose, rejected, progress) -> tuple[pd.DataFrame, list[str]]:
    """Copy the pictures; give one row each (split, class, name, subject, source, sha256)."""
    rows, taken = [], {}
    converted = renamed = 0
    for entry in tqdm(
        layout.entries, "Importing", layout.total, unit=" pictures", disable=not progress
    ):
        label = choose(entry.label)
        try:
            if label is None:
                raise ValueError(f"class not wanted: {entry.label}")
            original = entry.read()
            data, plain_name = _keras_readable(original, entry.name)
            digest = hashlib.sha256(data).hexdigest()
            part = entry.split or "train"
            name = _free_name(taken, (part, label), plain_name, digest, entry.source)
        except ValueError as error:
            rejected.append((entry.source, str(error)))
            continue
        converted += data is not original
        renamed += name != plain_name
        file = staging / part / label / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        rows.append((entry.split, label, name, entry.subject, entry.source, digest))
    columns = ["split", "class", "name", "subject", "source", "sha256"]
    notes = []
    if converted:
        notes.append(f"{converted} pictures were converted to PNG, which Keras reads.")
    if renamed:
        notes.append(f"{renamed} pictures were renamed, as their names were taken.")
    return pd.DataFrame(rows, columns=columns), notes


def _keras_readable(data: bytes, name: str) -> tuple[bytes, str]:
    """The same bytes, or where Keras cannot read them, the picture as a lossless PNG."""
    picture = load_picture(data)
    if len(os.fsencode(name)) > 200:
        raise ValueError("file name too long")
    if picture.format in KERAS_FORMATS and name.lower().endswith(KERAS_SUFFIXES):
        return data, name
    if picture.mode not in ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA"):
        picture = picture.convert("RGB")
    png = io.BytesIO()
    picture.save(png, "PNG")
    return png.getvalue(), f"{PurePosixPath(name).stem}.png"


def _free_name(taken: dict, place: tuple, name: str, digest: str, source: str) -> str:
    """A name free in its class folder, whatever the file system makes of case.

    Raises:
        ValueError: this very picture lies there under this name already.
    """
    stem, suffix = os.path.splitext(name)
    count = 1
    while (key := (*place, name.casefold())) in taken:
        if taken[key][0] == digest:
            raise ValueError(f"second copy: of {taken[key][1]}")
        count += 1
        name = f"{stem}-{count}{suffix}"
    taken[key] = digest, source
    return name


def _check_classes(table, layout, choose, class_names, source, rejected) -> None:
    if table.empty:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in rejected[:3])
        raise ValueError(f"No usable picture in {source}. Left out: {reasons or 'nothing'}.")
    wanted = {choose(label) for label in (*layout.labels, *(class_names or ()))} - {None}
    train = table[table["split"].isin(["train", ""])]
    empty = sorted(wanted - set((table if train.empty else train)["class"]))
    if empty:
        raise ValueError(
            f"No usable {'' if train.empty else 'training '}picture of {', '.join(empty)} in "
            f"{source}, which has {', '.join(sorted(set(table['class'])))}. Complete the "
            "source, or name the classes to import in class_names."
        )


def _cut_missing_splits(table, staging, share: float, seed: int) -> list[str]:
    """Move pictures from train where the source tells no validation (and test) part."""
    present = set(table["split"])
    parts = {"": ("validation", "test"), "train": ("validation",)}
    parts = parts["" if "" in present else "train"] if present & {"", "train"} else ()
    parts = () if "validation" in present else parts
    table["split"] = table["split"].replace("", "train")
    if parts and not share:
        return [f"The source has no {' or '.join(parts)} part, and none was cut."]
    notes = []
    for number, part in enumerate(parts):
        chosen = _share_of_train(table, share / (1 - number * share), seed)
        for label, name in table.loc[chosen, ["class", "name"]].itertuples(index=False):
            goal = staging / part / label / name
            goal.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging / "train" / label / name, goal)
        table.loc[chosen, "split"] = part
        notes.append(
            f"No {part} part in the source: {chosen.sum()} pictures ({share:.0%} of each class) "
            f"were set aside from train, identical ones kept together, seed {seed}."
        )
    return notes


def _share_of_train(table: pd.DataFrame, share: float, seed: int) -> pd.Series:
    """Which rows to set aside: the share of each class, at least one, never its last.

    Distinct pictures are drawn, in an order that depends on their content alone, so
    identical ones stay on one side and every form of a source is cut alike.
    """
    train = table["split"] == "train"
    distinct = table[train].sort_values(["sha256", "class"]).drop_duplicates("sha256")
    chosen = []
    for _, digests in distinct.groupby("class")["sha256"]:
        if len(digests) > 1:
            count = max(1, round(share * len(digests)))
            chosen += train_test_split(list(digests), test_size=count, random_state=seed)[1]
    return train & table["sha256"].isin(chosen)


def _remarks_on_content(table: pd.DataFrame) -> list[str]:
    notes = []
    names = sorted(set(table["class"]))
    if not set(names) & set(CLASS_NAMES):  # perhaps folders of people, not of classes
        notes.append(f"No class is a known expression. Are these classes? {', '.join(names)}")
    parts = {part: set(table.loc[table["split"] == part, "class"]) for part in SPLITS}
    for part, present in parts.items():
        if not present:
            meaning = {"test": ": results will be those of the validation part"}.get(part, "")
            notes.append(f"No {part} part{meaning}.")
        elif missing := sorted(set(table["class"]) - present):
            notes.append(f"No picture of {', '.join(missing)} in {part}.")
    return notes


def _write_tables(staging: Path, table: pd.DataFrame, rejected: list, domain: str) -> None:
    manifest = table.assign(
        file=table["split"] + "/" + table["class"] + "/" + table["name"], domain=domain
    ).sort_values("file")
    columns = ["file", "class", "subject", "domain", "source", "sha256"]
    as_text = {"index": False, "encoding": "utf-8", "errors": "backslashreplace"}
    manifest[columns].to_csv(staging / "manifest.csv", **as_text)
    rejects = pd.DataFrame(rejected, columns=["source", "reason"])
    rejects.to_csv(staging / "rejected.csv", **as_text)


def _read_report(folder: Path) -> ImportReport:
    done = json.loads((folder / "import.json").read_text(encoding="utf-8"))
    manifest, rejected = (
        pd.read_csv(folder / name, dtype=str, keep_default_na=False)
        for name in ("manifest.csv", "rejected.csv")
    )
    counts = count_classes(manifest.assign(split=manifest["file"].str.split("/").str[0]))
    expected = None
    if done["official_split"]:
        expected = FER2013_COUNTS.loc[list(counts.index[:-1]), list(counts.columns[:-1])]
        expected = expected.assign(total=expected.sum(axis=1))
        expected.loc["total"] = expected.sum()
    return ImportReport(folder, counts, expected, rejected, tuple(done["notes"]))


def _report_same_import(destination: Path, settings: dict) -> ImportReport:
    """The report of an earlier run, if it was this very import and is still whole."""
    record = destination / "import.json"
    done = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    same = all(done.get(key) == value for key, value in settings.items())
    if done and same:
        files = pd.read_csv(destination / "manifest.csv", usecols=["file"])["file"]
        if all((destination / file).is_file() for file in files):
            return _read_report(destination)
    what = "an import whose pictures were changed since" if done and same else (
        "another import (other source or settings)" if done else "files of its own"
    )  # fmt: skip
    raise FileExistsError(
        f"{destination} already holds {what}. Nothing was written. Choose another destination, "
        "or remove that folder and import again."
    )
