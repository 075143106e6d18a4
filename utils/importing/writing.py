"""Writing the images of an import, each where it belongs and in a form that Keras reads."""

import io
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pandas as pd
from PIL import ImageOps

from utils.config import IMAGE_SUFFIXES
from utils.datasets.splits import share_of_distinct
from utils.files import digest
from utils.importing.face_crops import FaceCropper
from utils.importing.layouts import Layout, Reject
from utils.progress import progress_bar
from utils.vision.image_kinds import HEAD_BYTES, image_kind
from utils.vision.images import load_image, open_image
from utils.vision.opencv import cv2

KERAS_SUFFIXES = {"BMP": ".bmp", "GIF": ".gif", "JPEG": ".jpg", "PNG": ".png"}
"""What Keras reads, and the suffix by which `image_dataset_from_directory` finds it."""
UNWANTED = "of classes not wanted: "  # and what the source calls it
_PNG_MODES = ("1", "L", "LA", "I;16", "P", "RGB", "RGBA")


def stage_images(
    layout: Layout,
    folder: Path,
    choose: Callable[[str], str | None],
    cropper: FaceCropper | None,
    reject: Reject,
    progress: bool,
) -> tuple[pd.DataFrame, list[str]]:
    """Write the images of a source into ``folder/<split>/<class>/``.

    Args:
        layout: what the source holds.
        folder: where to write.
        choose: gives the class for a label, None to leave the image out.
        cropper: crops every image to its face; None leaves them as they are.
        reject: told what is left out.
        progress: show a progress bar.

    Returns:
        One row an image: split, class, name, subject, source, sha256 and face (False where one was
        looked for in vain); and what was done, in sentences.
    """
    rows, taken = [], {}
    converted = renamed = 0
    for entry in progress_bar(
        layout.entries, "Importing", layout.total, unit=" images", disable=not progress
    ):
        label = choose(entry.label)
        try:
            if label is None:
                raise ValueError(f"{UNWANTED}{entry.label}")
            if len(os.fsencode(entry.name)) > 200:
                raise ValueError("file name too long")
            original = entry.read()
            if cropper:
                data, face = cropper.crop(original)
                plain_name = f"{PurePosixPath(entry.name).stem}.png"
            else:
                data, plain_name = _keras_readable(original, entry.name, layout.named)
                face = True
            content = digest(data, digits=64)
            part = entry.split or "train"
            name = _free_name(taken, (part, label), plain_name, content, entry.source, layout.named)
        except ValueError as error:
            reject(entry.source, str(error))
            continue
        converted += data is not original
        renamed += name != plain_name
        file = folder / part / label / name
        for place in (file.parent.parent, file.parent):  # but not the folder, if it was deleted
            place.mkdir(exist_ok=True)
        file.write_bytes(data)
        rows.append((entry.split, label, name, entry.subject, entry.source, content, face))
    columns = ["split", "class", "name", "subject", "source", "sha256", "face"]
    notes = []
    if cropper:
        notes.append(f"Cropped to the {cropper.target}, {cropper.size}×{cropper.size} pixels each.")
    elif converted:
        notes.append(f"{converted} images were converted to PNG, which Keras reads.")
    if renamed:
        notes.append(f"{renamed} images were renamed, as their names were taken.")
    return pd.DataFrame(rows, columns=columns), notes


def _keras_readable(data: bytes, name: str, database: bool) -> tuple[bytes, str]:
    """The same bytes or, where Keras cannot read them, a PNG; so of a database's BMP and RGBA."""
    image, kind = load_image(data), image_kind(data[:HEAD_BYTES])
    plain = not database or (kind != "BMP" and image.mode != "RGBA")
    path = PurePosixPath(name)
    stem = path.stem if path.suffix.lower() in IMAGE_SUFFIXES else name
    if plain and kind in KERAS_SUFFIXES:
        known = path.suffix.lower() in KERAS_SUFFIXES.values() or path.suffix.lower() == ".jpeg"
        return data, name if known else f"{stem}{KERAS_SUFFIXES[kind]}"
    if (database and image.mode == "RGBA") or image.mode not in _PNG_MODES:
        png = cv2.imencode(".png", open_image(data))[1].tobytes()
    else:
        ImageOps.exif_transpose(image, in_place=True)
        file = io.BytesIO()
        image.save(file, "PNG")
        png = file.getvalue()
    return png, f"{stem}.png"


def _free_name(
    taken: dict, place: tuple, name: str, content: str, source: str, identifying: bool
) -> str:
    """A name free in its class folder, whatever the file system makes of case.

    Where names are ``identifying``, one that is taken means the same image; ValueError says so.
    """
    stem, suffix = os.path.splitext(name)
    count = 1
    while (key := (*place, (stem if identifying else name).casefold())) in taken:
        if identifying or taken[key][0] == content:
            raise ValueError(f"second copy: of {taken[key][1]}")
        count += 1
        name = f"{stem}-{count}{suffix}"
    taken[key] = content, source
    return name


def cut_missing_splits(table: pd.DataFrame, folder: Path, share: float, seed: int) -> list[str]:
    """Move images from train where the source tells no validation (and test) part.

    Args:
        table: as `stage_images` gives it; its ``split`` is changed.
        folder: where the images were written.
        share: of each class, for each part.
        seed: of the choice.

    Returns:
        What was done, in sentences.
    """
    present = set(table["split"])
    parts = {"": ("validation", "test"), "train": ("validation",)}
    parts = parts["" if "" in present else "train"] if present & {"", "train"} else ()
    parts = () if "validation" in present else parts
    table["split"] = table["split"].replace("", "train")
    if parts and not share:
        return [f"The source has no {' or '.join(parts)} part, and none was cut."]
    notes = []
    for number, part in enumerate(parts):
        train = table["split"] == "train"
        digests = share_of_distinct(table[train], share / (1 - number * share), seed)
        chosen = train & table["sha256"].isin(digests)
        for label, name in table.loc[chosen, ["class", "name"]].itertuples(index=False):
            goal = folder / part / label / name
            goal.parent.mkdir(parents=True, exist_ok=True)
            os.replace(folder / "train" / label / name, goal)
        table.loc[chosen, "split"] = part
        notes.append(
            f"No {part} part in the source: {chosen.sum()} images ({share:.0%} of each class) "
            f"were set aside from train, identical ones kept together, seed {seed}."
        )
    return notes
