"""What a layout says of a source: images in a folder per class, or as rows of numbers in a csv."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath

import numpy as np

from utils.config import CLASS_NAMES, class_name, class_place, near_split, split_name, split_names
from utils.files import columns_text
from utils.importing.archives import READ_ERRORS, Member, read_member
from utils.vision.opencv import cv2

FER2013_CODES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
TABLE_IMAGE_SIZE = 48

FER2013_COUNTS = {
    "train": dict(zip(CLASS_NAMES, (3995, 436, 4097, 7215, 4965, 4830, 3171), strict=True)),
    "validation": dict(zip(CLASS_NAMES, (467, 56, 496, 895, 607, 653, 415), strict=True)),
    "test": dict(zip(CLASS_NAMES, (491, 55, 528, 879, 626, 594, 416), strict=True)),
}
"""The official split: Training, PublicTest and PrivateTest (Goodfellow et al. 2013,
https://arxiv.org/abs/1307.0414)."""
_FER2013 = {"dataset": "FER-2013", "expected": FER2013_COUNTS}

_OFFICIAL_NAME = re.compile(r"(Training|PublicTest|PrivateTest)_\d+\.", re.IGNORECASE)
_AUGMENTED_NAME = re.compile(r"\.(jpe?g|png|bmp|gif|tiff?|webp)\d+\.\w+$", re.IGNORECASE)


Reject = Callable[[str, str], None]
"""Called with a path in the source and the reason ("kind" or "kind: detail")."""


@dataclass(frozen=True)
class Entry:
    """An image that a layout found.

    Attributes:
        source: its path in the source.
        label: what the source calls the class.
        split: one of `SPLITS`; "all" where the set is to be parted by subject later; "" where the
            source does not tell, and the importer may cut.
        name: what to call its file.
        read: gives the bytes of an image file; raises ValueError if damaged.
        subject: who is on it, "" if unknown.
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

    Attributes:
        entries: the images, each read only when its turn comes.
        labels: classes that must not turn out empty.
        total: number of entries, if known.
        recognised: images of the source that are named as this layout names them.
        dataset: name of the published data set, "" if it is none.
        domain: "people" or "animated", "" if the layout does not tell.
        expected: published images per split and class, empty if unknown.
        named: file names tell class and identity: a second image of a name is a copy, whatever its
            format, and only the seven expressions are taken unless others are named.
        hint: what else the source could be taken for, in a sentence, "" if nothing.
    """

    entries: Iterator[Entry]
    labels: frozenset[str] = frozenset()
    total: int | None = None
    recognised: int = 0
    dataset: str = ""
    domain: str = ""
    expected: dict[str, dict[str, int]] = field(default_factory=dict)
    named: bool = False
    hint: str = ""


def folder_layout(members: list[Member], reject: Reject) -> Layout | None:
    """A folder per class, perhaps inside split folders, perhaps under further folders.

    Folders in that of a known expression are parts of it, be they subjects, batches or splits.
    FER-2013's own file names (``PublicTest_10150476.jpg``) tell the official split
    whatever folder they lie in: the popular archive mixes PublicTest and PrivateTest.
    """
    files = [member for member in members if not member.path.endswith("/")]
    faults = {member.path: _fault(member) for member in files}
    images = [member for member in files if not faults[member.path]]
    labels = {member.path: _class_folder(member) for member in images}
    if len({class_name(label).casefold() for label in labels.values()}) < 2:
        return None
    splits, outside = _splits_of(images), set()
    if any(splits.values()):
        faults |= {path: "outside the split folders" for path, split in splits.items() if not split}
        outside = {"/".join(member.folders[: class_place(member.folders)]) or _class_folder(member)
                   for member in images if faults[member.path]}  # fmt: skip
    for path, fault in faults.items():
        if fault:
            reject(path, fault)
    # The outermost first, so that of nested copies the inner one is the one left out.
    images = sorted(
        (member for member in images if not faults[member.path]),
        key=lambda member: len(member.folders),
    )
    entries = (
        Entry(member.path, labels[member.path], splits[member.path], member.name,
              partial(read_member, member))
        for member in images
    )  # fmt: skip
    return Layout(
        entries,
        labels=frozenset(labels[member.path] for member in images) | _empty_classes(members),
        total=len(images),
        hint=_hint(images, outside, parted=any(splits.values())),
        **(_FER2013 if has_official_names(images) else {}),
    )


def has_official_names(members: list[Member]) -> bool:
    """Whether images are named as in FER-2013's archive, ``PublicTest_10150476.jpg``."""
    return any(_OFFICIAL_NAME.match(member.name) for member in members)


def fer2013_layout(members: list[Member], reject: Reject) -> Layout | None:
    """FER-2013 in either form: its archive's folders or a csv."""
    return (folder_layout if has_official_names(members) else table_layout)(members, reject)


def ckextended_layout(members: list[Member], reject: Reject) -> Layout | None:
    """CK+ as a csv like FER-2013's. It does not tell who is on an image."""
    found = table_layout(members, reject, codes=(*FER2013_CODES, "contempt"))
    return found and replace(found, dataset="ckextended", domain="people", expected={}, named=True)


def table_layout(
    members: list[Member], reject: Reject, codes: tuple[str, ...] = FER2013_CODES
) -> Layout | None:
    """A csv with ``emotion``, ``pixels`` and, except in FER-2013's train.csv, ``Usage``.

    The columns come in any order, with or without spaces around their names. Of several such tables
    the one that knows the official split is read. ``codes`` says what the numbers in ``emotion``
    mean.

    Raises:
        ValueError: there are csv files, but none with these columns.
    """
    headers = {member: _header(member) for member in members if member.suffix == ".csv"}
    fitting = [table for table, header in headers.items() if {"emotion", "pixels"} <= {*header}]
    if not headers:
        return None
    if not fitting:
        found = "; ".join(f"{table.path}: {columns_text(row)}" for table, row in headers.items())
        raise ValueError(f"Expected a csv with the columns emotion, pixels, Usage. Found {found}.")
    table = min(fitting, key=lambda table: ("usage" not in headers[table], len(table.folders)))
    for member in members:
        if member is not table and not member.path.endswith("/"):
            used = f"not used: {table.path} was read"
            reject(member.path, used if member.suffix == ".csv" else "not an image")
    return Layout(
        _table_entries(table, codes, reject), **(_FER2013 if "usage" in headers[table] else {})
    )


def _fault(member: Member) -> str:
    if not member.is_image:
        return "not an image"
    if _AUGMENTED_NAME.search(member.name):
        return "augmentation leftover"
    if not member.folders or split_name(_class_folder(member)):
        return "not in a class folder"
    return ""


def _class_folder(member: Member) -> str:
    return member.folders[class_place(member.folders)]


def _splits_of(images: list[Member]) -> dict[str, str]:
    """The split of each image by its path, "" where neither folders nor name tell."""
    places, beside = {}, defaultdict(set)
    for image in images:
        place = class_place(image.folders)
        places[image.path] = [(image.folders[:end], name) for end, name in enumerate(image.folders)
                              if end != place][::-1]  # fmt: skip
        for above, name in places[image.path]:
            beside[above].add(name)
    known = {above: split_names(names) for above, names in beside.items()}
    return {
        image.path: split_name(official[1])
        if (official := _OFFICIAL_NAME.match(image.name))
        else next(filter(None, (known[above][name] for above, name in places[image.path])), "")
        for image in images
    }


def _hint(images: list[Member], outside: set[str], parted: bool) -> str:
    """What a person may have meant otherwise: folders in classes, and folders beside splits."""
    inner = {"/".join(image.folders) for image in images if class_place(image.folders) + 1
             < len(image.folders)}  # fmt: skip
    near = {name for image in images for name in image.folders[: class_place(image.folders)]
            if not parted and near_split(name)}  # fmt: skip
    told = [
        (near, "Folders whose names may say a split, but were not taken for one"),
        (inner, "Folders in that of a class were taken for parts of it"),
        (outside, "Folders beside those of the splits were left out, as their names say no split"),
    ]
    return " ".join(
        f"{what}: {', '.join(sorted(folders)[:3])}{', …' if len(folders) > 3 else ''}."
        for folders, what in told
        if folders
    )


def _empty_classes(members: list[Member]) -> frozenset[str]:
    """Names of folders that stand beside class folders and hold nothing."""
    full = {member.folders[:end] for member in members for end in range(len(member.folders) + 1)
            if not member.path.endswith("/")}  # fmt: skip
    images = [member for member in members if member.is_image]
    parents = {member.folders[: class_place(member.folders)] for member in images if member.folders}
    folders = [member for member in members if member.path.endswith("/")]
    return frozenset(
        folder.name
        for folder in folders
        if folder.name
        and folder.folders in parents
        and (*folder.folders, folder.name) not in full
        and not split_name(folder.name)
    )


@contextmanager
def _csv_rows(table: Member):
    """The rows of a csv as lists of texts, the header first; blank lines skipped."""
    try:
        with table.open() as file:
            text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
            yield filter(None, csv.reader(text))
    except (csv.Error, *READ_ERRORS) as error:
        raise ValueError(f"{table.path} is damaged: {error}. Download it again.") from error


def _header(table: Member) -> list[str]:
    with _csv_rows(table) as rows:
        return [name.strip().lower() for name in next(rows, [])]


def _table_entries(table: Member, codes: tuple[str, ...], reject: Reject) -> Iterator[Entry]:
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
            split = split_name(usage)
            if "usage" in fields and not split:
                reject(source, f"unknown usage: {usage!r}")
            elif fields["emotion"] not in map(str, range(len(codes))):
                reject(
                    source,
                    f"bad emotion code: {fields['emotion']!r}, expected 0 to {len(codes) - 1}",
                )
            else:
                label = codes[int(fields["emotion"])]
                read = partial(_image_of_row, fields["pixels"])
                yield Entry(source, label, split, f"{usage}_{number:05}.png", read)


def _image_of_row(pixels: str) -> bytes:
    """2,304 numbers, row by row, as a grey 48×48 PNG file."""
    try:
        values = np.frombuffer(bytes(map(int, pixels.split())), np.uint8)
    except ValueError as error:
        raise ValueError("bad pixels: expected whole numbers from 0 to 255") from error
    if values.size != TABLE_IMAGE_SIZE**2:
        raise ValueError(f"wrong pixel count: {values.size}, expected {TABLE_IMAGE_SIZE**2}")
    return cv2.imencode(".png", values.reshape(TABLE_IMAGE_SIZE, TABLE_IMAGE_SIZE))[1].tobytes()
