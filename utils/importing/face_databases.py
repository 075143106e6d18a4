"""Face databases as their laboratories publish them: class and person stand in file names.

Each function knows one database by its file names alone, whatever folders they lie in, and however
many copies. Nothing is rejected before the entries are read: a layout that does not fit leaves no
trace.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath

from utils.config import CLASS_NAMES, IMAGE_SUFFIXES, class_name
from utils.importing.archives import Member, read_member
from utils.importing.layouts import Entry, Layout, Reject

CK_CODES = ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")
CK_SEQUENCES = dict(zip(CK_CODES[1:], (45, 18, 59, 25, 69, 28, 83), strict=True))
"""Labelled sequences (Lucey et al., "The Extended Cohn-Kanade Dataset", CVPRW 2010)."""
JAFFE_CODES = dict(zip(("AN", "DI", "FE", "HA", "NE", "SA", "SU"), CLASS_NAMES, strict=True))
JAFFE_COUNTS = dict(zip(CLASS_NAMES, (30, 29, 32, 31, 30, 31, 30), strict=True))
FERG_COUNTS = dict(zip(CLASS_NAMES, (9169, 8571, 7419, 7330, 6939, 7627, 8712), strict=True))
IMPA_CODES = ("neutral", "happy", "sad", "surprise", "angry", "disgust", "fear")
IMPA_PEOPLE = 38
OTHER = "other"
"""Label of IMPA-FACE3D's further poses and views: like contempt, taken only if asked for."""

_CK_FRAME = re.compile(r"(S\d{3})_(\d{3})_(\d{8})\.\w+", re.IGNORECASE)
_CK_LABEL = re.compile(r"(S\d{3})_(\d{3})_\d{8}_emotion\.txt", re.IGNORECASE)
_JAFFE = re.compile(r"([A-Z]{2})\.([A-Z]{2})\d?\.\d+(\.\w+)+", re.IGNORECASE)
_FERG = re.compile(
    r"(aia|bonnie|jules|malcolm|mery|ray)_(anger|disgust|fear|joy|neutral|sadness|surprise)"
    r"_\d+\.\w+",
    re.IGNORECASE,
)
_IMPA = re.compile(r"(s\d{3})-(\d{2})_img\.\w+", re.IGNORECASE)

# Of several copies of an image the first one that is whole is taken.
_BEST_FIRST = (".tiff", ".tif", ".png", ".bmp", ".gif", ".jpg", ".jpeg", ".webp")

Sequence = tuple[str, str]
"""A person of CK+ and the number of the sequence: ("S005", "001")."""


def ck_plus_layout(members: list[Member], reject: Reject, peak_frames: int = 3) -> Layout | None:
    """CK+ with its labels apart: ``S005/001/S005_001_00000011.png`` and ``…_emotion.txt``.

    Of each labelled sequence the first frame is neutral and the last ``peak_frames``
    show the expression. A sequence whose frame 1 is missing gives no neutral image.
    Without any label file, reading the entries raises a ValueError.
    """
    frames: dict[Sequence, dict[int, list[Member]]] = defaultdict(lambda: defaultdict(list))
    others = []
    for member in _files(members):
        match = _CK_FRAME.fullmatch(member.name)
        if match and member.is_image and not _expression_folder(member):
            frames[match[1].upper(), match[2]][int(match[3])].append(member)
        else:
            others.append(member)
    if not frames:
        return None
    labels, left_out = _ck_labels(others)
    entries = []
    for sequence, numbers in sorted(frames.items()):
        for number, label in _label_frames(numbers, labels.get(sequence), peak_frames).items():
            for member in numbers[number]:
                if label in CK_CODES:
                    entries.append(_entry(member, label, sequence[0]))
                else:
                    left_out.append((member.path, label))
    for subject, number in sorted(set(labels) - set(frames)):
        left_out.append((f"{subject}_{number}", "no frames: of this labelled sequence"))
    expected = {name: count * peak_frames for name, count in CK_SEQUENCES.items()}
    expected["neutral"] = sum(CK_SEQUENCES.values())
    layout = _layout("CK+", "people", expected, entries, left_out, reject)
    recognised = sum(len(copies) for numbers in frames.values() for copies in numbers.values())
    return replace(
        layout, entries=layout.entries if labels else _no_labels(), recognised=recognised
    )


def ck48_layout(members: list[Member], reject: Reject) -> Layout | None:
    """CK+48: ``CK+48/anger/S010_004_00000017.png``, the last three frames of each sequence."""

    def read(member):
        match = _CK_FRAME.fullmatch(member.name)
        if match and (folder := _expression_folder(member)):
            return folder, match[1].upper()

    expected = {name: 3 * count for name, count in CK_SEQUENCES.items()}
    return _layout_by_name("CK+48", "people", expected, members, reject, read)


def jaffe_layout(members: list[Member], reject: Reject) -> Layout | None:
    """JAFFE: ``KA.AN1.39.tiff``, also ``.tiff.bmp`` or ``.jpg``: person, expression, serial."""

    def read(member):
        match = _JAFFE.fullmatch(member.name)
        if match and match[2].upper() in JAFFE_CODES:
            return JAFFE_CODES[match[2].upper()], match[1].upper()

    return _layout_by_name("JAFFE", "people", JAFFE_COUNTS, members, reject, read)


def ferg_layout(members: list[Member], reject: Reject) -> Layout | None:
    """FERG-DB: ``aia/aia_anger/aia_anger_1.png``, six drawn characters."""

    def read(member):
        if match := _FERG.fullmatch(member.name):
            return class_name(match[2]), match[1].lower()

    return _layout_by_name("FERG-DB", "animated", FERG_COUNTS, members, reject, read)


def impa_layout(members: list[Member], reject: Reject) -> Layout | None:
    """IMPA-FACE3D: ``s001/bmp/s001-00_img.bmp``, 00 to 06 the expressions."""

    def read(member):
        if match := _IMPA.fullmatch(member.name):
            code = int(match[2])
            return IMPA_CODES[code] if code < len(IMPA_CODES) else OTHER, match[1].lower()

    expected = dict.fromkeys(CLASS_NAMES, IMPA_PEOPLE)
    return _layout_by_name("IMPA-FACE3D", "people", expected, members, reject, read)


def _layout_by_name(
    dataset: str,
    domain: str,
    expected: dict[str, int],
    members: list[Member],
    reject: Reject,
    read: Callable[[Member], tuple[str, str] | None],
) -> Layout | None:
    """A layout in which ``read`` gives an image's label and subject, or None."""
    entries, left_out = [], []
    for member in _files(members):
        if not member.is_image:
            left_out.append((member.path, "not an image"))
        elif found := read(member):
            entries.append(_entry(member, *found))
        else:
            left_out.append((member.path, f"not named as in {dataset}"))
    return _layout(dataset, domain, expected, entries, left_out, reject) if entries else None


def _layout(dataset, domain, expected, entries, left_out, reject) -> Layout:
    def stream() -> Iterator[Entry]:
        for path, reason in left_out:
            reject(path, reason)
        yield from entries

    return Layout(
        stream(),
        total=len(entries),
        recognised=len(entries),
        dataset=dataset,
        domain=domain,
        expected={"all": expected},
        named=True,
    )


def _files(members: list[Member]) -> list[Member]:
    """All but the folders, of several copies the best one first, then the outermost."""
    rank = {suffix: place for place, suffix in enumerate(_BEST_FIRST)}
    files = [member for member in members if not member.path.endswith("/")]
    return sorted(
        files,
        key=lambda member: (rank.get(member.suffix, len(rank)), len(member.folders), member.path),
    )


def _entry(member: Member, label: str, subject: str) -> Entry:
    stem = member.name
    while PurePosixPath(stem).suffix.lower() in IMAGE_SUFFIXES:  # KA.AN1.39.tiff.bmp
        stem = PurePosixPath(stem).stem
    name = f"{stem}{member.suffix}"
    return Entry(member.path, label, "all", name, partial(read_member, member), subject)


def _expression_folder(member: Member) -> str:
    """The expression that the innermost folder is named after, or ""."""
    name = class_name(member.folders[-1]).casefold() if member.folders else ""
    return name if name in CK_CODES else ""


def _ck_labels(files: list[Member]) -> tuple[dict[Sequence, str], list[tuple[str, str]]]:
    """The label of each sequence, and what is no label file with the reason."""
    labels, left_out = {}, []
    for member in files:
        match = _CK_LABEL.fullmatch(member.name)
        if not match:
            image = member.is_image
            left_out.append((member.path, "not named as in CK+" if image else "not an image"))
            continue
        try:
            code = float(read_member(member))
            labels.setdefault((match[1].upper(), match[2]), CK_CODES[range(8).index(code)])
        except ValueError as error:
            left_out.append((member.path, f"bad label: {error}"))
    return labels, left_out


def _no_labels() -> Iterator[Entry]:
    raise ValueError(
        "These are CK+'s sequences without their labels. Expected files such as "
        "S005_001_00000011_emotion.txt: put Emotion_labels.zip beside "
        "cohn-kanade-images.zip in one folder, or unpack both into one, and import that. If "
        "the folders here are classes of your own, name the format: folders."
    )
    yield  # which makes this a generator: it raises when the entries are read


def _label_frames(numbers: Iterable[int], label: str | None, peak_frames: int) -> dict[int, str]:
    """What each frame of a sequence shows, or why it is left out."""
    if label is None:
        return dict.fromkeys(numbers, "no label: for its sequence")
    later = sorted(number for number in numbers if number > 1)
    return {
        **dict.fromkeys(numbers, "neutral"),
        **dict.fromkeys(later, "between neutral and peak"),
        **dict.fromkeys(later[-peak_frames:], label),
    }
