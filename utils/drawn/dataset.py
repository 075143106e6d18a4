"""The embedded data set: labelled cartoon faces, drawn where they are needed.

Nothing is downloaded and nobody is shown. Every image follows from the seed, the split, the
character's number, the class and the image's number alone, so the same arguments give the same
bytes, and asking for more images leaves the others as they were. Each split and the clip have a
random stream of their own: nobody appears in two of them.
"""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

from utils.config import CLASS_NAMES, SPLITS
from utils.datasets.table import MANIFEST_COLUMNS
from utils.drawn.face_painting import EXPRESSIONS
from utils.drawn.random_face import random_character, random_image
from utils.files import digest, replacing_folder, write_json
from utils.progress import progress_bar
from utils.vision.opencv import cv2

CHARACTERS = {"train": 40, "validation": 10, "test": 10}
MARGIN = 0.125
"""Share of a Haar box to add on each side for a crop framed like these images: the
`margin` in the `Preprocessing` of a network that is trained on them."""


def draw_dataset(
    destination: str | os.PathLike,
    *,
    size: int = 48,
    characters: dict[str, int] | None = None,
    images_per_expression: int = 10,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Draws a folder-per-class data set, with a part for each split.

    The files are `<split>/<class>/<subject>_<number>.png` (BGR colour), with `manifest.csv` and
    `drawing.json` (these arguments) beside the splits. All is drawn into a hidden folder next to
    the destination and renamed at the end. Where the same drawing already lies there, it is checked
    against its manifest and left alone.

    Args:
        destination: folder to make.
        size: side of each image in pixels, 24–350.
        characters: how many for each split, `CHARACTERS` by default. Nobody is in two.
        images_per_expression: of each character.
        seed: another seed, other characters.
        progress: whether to show a bar.

    Returns:
        The manifest: one row an image, columns `MANIFEST_COLUMNS`; `file` is relative to the
        destination, with forward slashes.

    Raises:
        FileExistsError: something else lies at the destination.
        ValueError: an argument cannot be drawn.
    """
    destination = Path(destination)
    characters = CHARACTERS if characters is None else characters
    _check_drawing(size, characters, images_per_expression)
    settings = {
        "size": size,
        "characters": dict(characters),
        "images_per_expression": images_per_expression,
        "seed": seed,
        "class_names": list(CLASS_NAMES),
        "margin": MARGIN,
    }
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        return _read_drawing(destination, settings)

    people = [(split, number) for split in characters for number in range(characters[split])]
    rows = []
    with replacing_folder(destination) as folder:
        for split in characters:
            for name in CLASS_NAMES:
                (folder / split / name).mkdir(parents=True)
        for split, number in progress_bar(people, "drawing characters", disable=not progress):
            rows += _draw_character(folder, split, number, settings)
        manifest = pd.DataFrame(rows, columns=MANIFEST_COLUMNS)
        manifest.to_csv(folder / "manifest.csv", index=False)
        write_json(folder / "drawing.json", settings)
    return manifest


def _draw_character(folder, split, number, settings) -> list[tuple]:
    subject = f"{split}-{number:03d}"
    identity = (settings["seed"], SPLITS.index(split), number)
    character = random_character(np.random.default_rng(identity))
    rows = []
    for name in CLASS_NAMES:
        for count in range(settings["images_per_expression"]):
            rng = np.random.default_rng((*identity, tuple(EXPRESSIONS).index(name), count))
            image = random_image(character, name, settings["size"], rng)
            content = cv2.imencode(".png", image)[1].tobytes()
            file = f"{split}/{name}/{subject}_{count:03d}.png"
            (folder / file).write_bytes(content)
            code = digest(content, digits=64)
            rows.append((file, name, subject, "animated", "drawn", code))
    return rows


def _check_drawing(size, characters, images_per_expression) -> None:
    strangers = [split for split in characters if split not in SPLITS]
    if strangers or not characters or min(characters.values()) < 1 or images_per_expression < 1:
        raise ValueError(
            f"Each split out of {', '.join(SPLITS)} needs a character or more, each with an image "
            f"or more. Received: characters={characters}, "
            f"images_per_expression={images_per_expression}."
        )
    if not 24 <= size <= 350:
        raise ValueError(f"Images are drawn at 24–350 pixels. Received: size={size}.")


def _read_drawing(destination, settings) -> pd.DataFrame:
    """The manifest of what lies there already, if it is this very drawing."""
    advice = "Choose another destination, or remove this one yourself and draw again."
    try:
        found = json.loads((destination / "drawing.json").read_text())
        manifest = pd.read_csv(destination / "manifest.csv")
    except (OSError, ValueError) as error:
        raise FileExistsError(
            f"{destination} already exists and holds no drawn data set. {advice}"
        ) from error
    if found != settings:
        raise FileExistsError(
            f"{destination} was drawn with {found}; these are {settings}. {advice}"
        )
    for file, code in zip(manifest["file"], manifest["sha256"], strict=True):
        image = destination / file
        if not image.is_file() or digest(image, digits=64) != code:
            raise FileExistsError(f"{image} is missing or not as it was drawn. {advice}")
    return manifest
