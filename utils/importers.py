"""Downloads of labelled pictures, sorted into one folder per class.

`utils.archives` lists the files of a source — a folder, a zip, a tar or a csv — and
`utils.layouts` says which class and split each picture has. What follows is the same
for all of them: check the picture, copy it, cut what splits are missing, write the
manifest, rename the finished folder into place.
"""

import errno
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd
from sklearn.model_selection import train_test_split
from tqdm.auto import tqdm

from utils.archives import fingerprint_source, open_archive
from utils.config import CLASS_NAMES, SPLITS, class_name
from utils.datasets import count_classes
from utils.layouts import find_layout
from utils.pictures import load_picture

KERAS_FORMATS = {"BMP", "GIF", "JPEG", "PNG"}
KERAS_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")  # image_dataset_from_directory's
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
        name = self.destination.resolve().name
        lines = [f"Pictures in {name}", self.counts.to_string(), *self._remarks()]
        return "\n".join(lines)

    def __repr__(self) -> str:  # what a notebook keeps beside the table
        return str(self)

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
        with open_archive(source) as members:
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
