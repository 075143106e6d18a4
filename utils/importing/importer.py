"""Downloads of labelled images, sorted into one folder per class.

`archives` lists the files of a source and `formats` says which class, split and subject each image
has. The rest is the same for all: check the image, copy or crop it, cut what splits are missing,
write the manifest, rename the finished folder into place.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from utils.config import CLASS_NAMES, SPLITS, class_name
from utils.datasets.joined_votes import write_votes
from utils.datasets.table import MANIFEST_COLUMNS
from utils.datasets.votes import read_votes
from utils.files import locked, replacing_folder, write_json
from utils.importing.archives import fingerprint_source, open_archive
from utils.importing.face_crops import WITHOUT_FACE, FaceCropper
from utils.importing.formats import FORMATS, find_layout
from utils.importing.report import ImportReport, read_report
from utils.importing.writing import UNWANTED, cut_missing_splits, stage_images
from utils.vision.detectors import make_detector
from utils.vision.preprocessing import check_class_names


def import_dataset(
    source: str | Path,
    destination: str | Path,
    *,
    class_names=None,
    validation_share: float = 0.1,
    seed: int = 0,
    domain: str = "people",
    form: str | None = None,
    peak_frames: int = 3,
    face_size: int | None = None,
    without_face: str = "centre",
    detector: str = "haar",
    votes: str | Path | None = None,
    password: str | None = None,
    progress: bool = True,
) -> ImportReport:
    """Sort labelled images into ``destination/<split>/<class>/``.

    A data set whose file names tell who is on each image goes into ``destination/all/<class>/``
    instead: `splits.grouped_split` parts it by subject.

    Beside these folders it writes ``manifest.csv`` (file, class, subject, domain, source, sha256),
    ``rejected.csv`` (source, reason) and ``import.json`` (what was imported and how). Everything is
    staged in a hidden folder beside the destination and renamed at the end; the source is only
    read. The same import again changes nothing and returns the same report; with ``votes`` it adds
    these. A second import into the same destination is refused while one runs.

    Images are copied byte by byte. What Keras cannot read becomes PNG with the same pixels; so do
    the face databases' BMP and RGBA images, transparent parts white.

    Args:
        source: a folder, .zip or .tar(.gz, .bz2, .xz) with a folder per class, with or without
            split folders; FER-2013's csv, alone or inside one of these; or CK+, JAFFE, FERG-DB or
            IMPA-FACE3D as they are published (see data/README.md).
        destination: the folder to make; must not exist, be empty, or hold this import.
        class_names: the classes to take; None takes all that the source has, but of a face database
            only the seven expressions. "contempt" (CK+) and "other" (IMPA-FACE3D's further poses)
            have to be named.
        validation_share: share of train set aside where the source has no validation part (and once
            more for test where it has no split at all); 0 cuts nothing.
        seed: of that cut.
        domain: "people" or "animated", where the source is no database of which this is known.
        form: a key of `formats.FORMATS`; None recognises the form by itself.
        peak_frames: how many of the last frames of a CK+ sequence, 1–3, are taken.
        face_size: None leaves the images as they are; a number of pixels crops people to the face
            found and everything else to its central square, and writes PNGs of that side.
        without_face: what to do, when cropping, with images of people in which no face is found:
            "centre" takes the central square and lists them in ``without_face.csv``, "omit" lists
            them in ``rejected.csv``.
        detector: "haar" or "yunet": what finds faces when cropping.
        votes: FER+'s `fer2013new.csv`, if the source is FER-2013; kept as ``votes.csv``.
        password: of an encrypted zip; it is written nowhere.
        progress: show a progress bar.

    Raises:
        FileNotFoundError: no such source.
        FileExistsError: the destination holds something else.
        ValueError: the source holds nothing to import, a class is empty, a setting is out of range,
            or the votes are not those of the images. Settings are checked before anything is read.
        OSError: the disk is full, cannot be written to, or another import is at the destination.
    """
    source, destination = Path(source).expanduser(), Path(destination).expanduser()
    class_chooser(class_names)
    _check_settings(validation_share, form, peak_frames, face_size, without_face)
    if face_size is not None:
        make_detector(detector)  # refused before any work
    if not source.exists():
        raise FileNotFoundError(
            f"No source at {source}. Expected a folder, .zip, .tar or .csv; data/README.md says "
            "where to ask for each data set."
        )
    if votes is not None:
        votes = Path(votes).expanduser()
        read_votes(votes)  # or a wrong file would be found out after all the work
    if source.is_dir() and destination.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"The destination {destination} lies inside the source {source}.")
    other = {} if detector == "haar" else {"detector": detector}
    settings = {
        "source": fingerprint_source(source),
        "class_names": None if class_names is None else [class_name(name) for name in class_names],
        "validation_share": validation_share,
        "seed": seed,
        "domain": domain,
        "form": form,
        "peak_frames": peak_frames,
        "faces": face_size and {"size": face_size, "without_face": without_face, **other},
    }
    rejected: list[tuple[str, str]] = []

    def reject(path: str, reason: str) -> None:
        rejected.append((path, reason))

    with locked(destination, "imported into"):
        if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
            _check_same_import(destination, settings)
            if votes is not None:
                write_votes(destination, votes)
            return read_report(destination)
        with replacing_folder(destination) as staging, open_archive(source, password) as members:
            layout = find_layout(source, members, reject, form, peak_frames)
            wanted = class_names or (CLASS_NAMES if layout.named else None)
            check_class_names({class_chooser(wanted)(label) for label in layout.labels} - {None})
            choose = class_chooser(wanted)  # anew, as it keeps the spelling that it sees first
            domain = layout.domain or domain
            cropper = FaceCropper(face_size, domain, without_face, detector) if face_size else None
            table, notes = stage_images(layout, staging, choose, cropper, reject, progress)
            notes += filter(None, [layout.hint])
            _check_classes(table, layout, choose, class_names, source, rejected)
            notes += cut_missing_splits(table, staging, validation_share, seed)
            notes += _remarks_on_content(table, layout.named)
            _write_tables(staging, table, rejected, domain)
            if votes is not None:
                write_votes(staging, votes)
            settings |= {"dataset": layout.dataset, "expected": layout.expected, "notes": notes}
            write_json(staging / "import.json", settings)
        return read_report(destination)


def class_chooser(class_names=None) -> Callable[[str], str | None]:
    """A function from a source's label to the class name to use, None for "leave out".

    Case and synonyms are folded. With ``class_names`` those names are the only ones taken, in the
    spelling given; without, whichever spelling comes first is kept.
    """
    spelling = {class_name(name).casefold(): class_name(name) for name in class_names or ()}
    if class_names is not None and (isinstance(class_names, str) or len(spelling) < 2):
        received = class_names if isinstance(class_names, str) else ", ".join(class_names)
        raise ValueError(f"Expected two or more class names. Received: {received or 'none'}")

    def choose(label: str) -> str | None:
        name = class_name(label)
        if class_names is None:
            return spelling.setdefault(name.casefold(), name)
        return spelling.get(name.casefold())

    return choose


def _check_settings(validation_share, form, peak_frames, face_size, without_face) -> None:
    if not 0 <= validation_share < 0.5:
        raise ValueError(
            "validation_share must be from 0 to below 0.5 (--validation-share). "
            f"Received: {validation_share}"
        )
    if form not in (None, *FORMATS):
        raise ValueError(
            f"form must be one of {', '.join(FORMATS)}, or not named (--format). Received: {form!r}"
        )
    if peak_frames not in (1, 2, 3):
        raise ValueError(f"peak_frames must be 1, 2 or 3. Received: {peak_frames!r}")
    if face_size is not None and not 8 <= face_size <= 2048:
        raise ValueError(f"face_size must be 8 to 2048 pixels (--faces). Received: {face_size}")
    if without_face not in WITHOUT_FACE:
        raise ValueError(
            f"without_face must be {' or '.join(map(repr, WITHOUT_FACE))}. "
            f"Received: {without_face!r}"
        )


def _check_classes(table, layout, choose, class_names, source, rejected) -> None:
    classes = _classes_in(table, layout, rejected)
    if table.empty:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in rejected[:3])
        known = f" Its classes: {', '.join(classes)}." if classes else ""
        raise ValueError(f"No usable image in {source}. Left out: {reasons or 'nothing'}.{known}")
    wanted = {choose(label) for label in (*layout.labels, *(class_names or ()))} - {None}
    train = table[table["split"].isin(["train", ""])]
    empty = sorted(wanted - set((table if train.empty else train)["class"]))
    if empty:
        present = ", ".join(name for name in classes if name not in empty)
        raise ValueError(
            f"No usable {'' if train.empty else 'training '}image of {', '.join(empty)} in "
            f"{source}, which has {present}. Complete the source, or "
            "name the classes to import: --classes A,B (class_names in Python)."
        )


def _classes_in(table: pd.DataFrame, layout, rejected) -> list[str]:
    """All that the source has, wanted or not."""
    refused = (reason.removeprefix(UNWANTED) for _, reason in rejected if UNWANTED in reason)
    return sorted({*table["class"], *map(class_name, (*layout.labels, *refused))})


def _remarks_on_content(table: pd.DataFrame, database: bool) -> list[str]:
    notes = []
    if faceless := int((~table["face"]).sum()):
        notes.append(
            f"Images in which no face was found, so that their centre was taken: {faceless} "
            "(see without_face.csv)."
        )
    if database and (table["subject"] == "").any():
        notes.append(
            "It is not told who is on an image. The same people stand in several parts, so "
            "results on them flatter."
        )
    if set(table["split"]) == {"all"}:
        return [
            *notes,
            f"{table['subject'].nunique()} subjects. Nothing was set aside: "
            "utils.datasets.splits.grouped_split parts the images by subject.",
        ]
    names = sorted(set(table["class"]))
    if not set(names) & set(CLASS_NAMES):  # perhaps folders of people, not of classes
        notes.append(f"No class is a known expression. Are these classes? {', '.join(names)}")
    parts = {part: set(table.loc[table["split"] == part, "class"]) for part in SPLITS}
    for part, present in parts.items():
        if not present:
            meaning = {"test": ": results will be those of the validation part"}.get(part, "")
            notes.append(f"No {part} part{meaning}.")
        elif missing := sorted(set(table["class"]) - present):
            notes.append(f"No image of {', '.join(missing)} in {part}.")
    return notes


def _write_tables(staging: Path, table: pd.DataFrame, rejected: list, domain: str) -> None:
    manifest = table.assign(
        file=table["split"] + "/" + table["class"] + "/" + table["name"], domain=domain
    ).sort_values("file")
    as_text = {"index": False, "encoding": "utf-8", "errors": "backslashreplace"}
    manifest[list(MANIFEST_COLUMNS)].to_csv(staging / "manifest.csv", **as_text)
    rejects = pd.DataFrame(rejected, columns=["source", "reason"])
    rejects.to_csv(staging / "rejected.csv", **as_text)
    if not table["face"].all():
        faceless = manifest.loc[~manifest["face"], ["file", "source"]]
        faceless.to_csv(staging / "without_face.csv", **as_text)


def _check_same_import(destination: Path, settings: dict) -> None:
    """Raise FileExistsError unless an earlier run was this very import and is still whole."""
    record = destination / "import.json"
    done = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    same = all(done.get(key) == value for key, value in settings.items())
    if done and same:
        files = pd.read_csv(destination / "manifest.csv", usecols=["file"])["file"]
        if all((destination / file).is_file() for file in files):
            return
    what = "an import whose images were changed since" if done and same else (
        "another import (other source or settings)" if done else "files of its own"
    )  # fmt: skip
    raise FileExistsError(
        f"{destination} already holds {what}. Nothing was written. Choose another destination, "
        "or remove that folder and import again."
    )
