"""The embedded data set: labelled cartoon faces and a clip, drawn where they are needed.

Nothing is downloaded and nobody is shown. Every picture follows from the seed, the
split, the character's number, the class and the picture's number alone, so the same
arguments give the same bytes, and asking for more pictures leaves the others as they
were. Characters come from a separate random stream for each split and for the clip:
nobody appears in two of them.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from utils.config import CLASS_NAMES, SPLITS
from utils.datasets.table import MANIFEST_COLUMNS
from utils.drawn.character import (
    EXPRESSIONS,
    HAIR_STYLES,
    ActionUnits,
    Character,
    Colour,
    paint_head,
)
from utils.vision.opencv import cv2

CHARACTERS = {"train": 40, "validation": 10, "test": 10}
CLIP_ORDER = ("neutral", "happy", "surprise", "fear", "sad", "angry", "disgust")

FRAME = 2.85
"""Side of a picture, in face units: 1.25 times the box that the Haar cascade finds in it."""
MARGIN = 0.125
"""Share of a Haar box to add on each side for a crop framed like these pictures: the
`margin` in the `Preprocessing` of a network that is trained on them."""
_FRAME_CENTRE = 0.14  # the height in the face that lies in the middle of a picture
_STREAMS = (*SPLITS, "clip")

_SKINS = ("#f6d7c3", "#f1c7a5", "#e8b48c", "#dba478", "#c98d62", "#b5794f", "#99623f", "#7d4e33")
_HAIRS = ("#2b211d", "#4a3024", "#6f4527", "#a5682f", "#d2a95a", "#e8cf94", "#b6502a", "#9b9a9c")
_IRISES = ("#4a2f1c", "#6b4423", "#4d7a4a", "#3f78a8", "#5c6f7d", "#7a6a2e")
_CLOTHES = ("#c8553d", "#3d6fa8", "#4f8a5b", "#8a5aa0", "#d9a441", "#50545c", "#d98aa0", "#e6e2d8")


def margin_of(*folders: str | os.PathLike) -> float:
    """The crop margin that suits data sets: `MARGIN` for those drawn here, else 0.

    Raises:
        ValueError: they differ.
    """
    margins = {MARGIN if (Path(one) / "drawing.json").is_file() else 0.0 for one in folders}
    if len(margins) > 1:
        raise ValueError(
            "The data sets were cut with different margins around the face, but a model has one. "
            f"Received: {', '.join(map(str, folders))}. Name it yourself (margin=0 for pictures "
            f"cut to the face, {MARGIN} for those that this project draws)."
        )
    return margins.pop()


def random_character(rng: np.random.Generator) -> Character:
    """Someone new; a generator in the same state gives the same person."""

    def colour(palette):
        code = palette[rng.integers(len(palette))]
        red, green, blue = (int(code[start : start + 2], 16) for start in (1, 3, 5))
        shade = rng.uniform(0.92, 1.06) + rng.normal(0, 0.02, 3)
        return tuple(int(v) for v in np.clip((blue, green, red) * shade, 0, 255))

    def pick(*names, weights=None):
        return str(rng.choice(names, p=weights))

    hair_style, skin = pick(*HAIR_STYLES), colour(_SKINS)
    hair = colour(_CLOTHES if hair_style == "headscarf" else _HAIRS)
    # The Haar cascade knows faces that are brighter than what surrounds them.
    hair = tuple(int(value * min(1.0, 0.6 * sum(skin) / sum(hair))) for value in hair)
    bearded = hair_style in ("bald", "short", "parted", "curly", "spiky") and rng.random() < 0.5
    return Character(
        head_width=rng.uniform(0.90, 1.02),
        head_height=rng.uniform(1.12, 1.26),
        squareness=rng.uniform(0.76, 0.95),
        taper=rng.uniform(0.08, 0.30),
        skin=skin,
        hair=hair,
        hair_style=hair_style,
        hairline=rng.uniform(-0.84, -0.76),
        eye_size=rng.uniform(0.86, 1.06),
        eye_spacing=rng.uniform(0.38, 0.44),
        iris=colour(_IRISES),
        lashes=rng.uniform(0.0, 1.0),
        brow_thickness=rng.uniform(0.035, 0.06),
        nose_width=rng.uniform(0.12, 0.2),
        nose_length=rng.uniform(0.27, 0.36),
        mouth_width=rng.uniform(0.30, 0.38),
        lip_fullness=rng.uniform(0.04, 0.085),
        glasses=pick("none", "round", "square", weights=(0.7, 0.15, 0.15)),
        beard=pick("stubble", "moustache", "full") if bearded else "none",
        freckles=bool(rng.random() < 0.2),
        clothes=colour(_CLOTHES),
    )


def random_action_units(label: str, rng: np.random.Generator) -> ActionUnits:
    """An expression as one person might make it: weaker or stronger, some muscles more.

    Args:
        label: a key of `EXPRESSIONS`.
        rng: source of the variation. The strength is 0.5–1 of the prototype; each
            unit varies by a fifth around that, the opening of the mouth by more.
    """
    rest = EXPRESSIONS["neutral"]
    prototype = asdict(rest.towards(EXPRESSIONS[label], rng.uniform(0.5, 1.0)))
    units = {}
    for name, resting in asdict(rest).items():
        pull = rng.uniform(0.6, 1.25) if name == "mouth_opening" else rng.uniform(0.8, 1.2)
        units[name] = resting + pull * (prototype[name] - resting) + rng.normal(0, 0.02)
    return ActionUnits(**units)


def draw_face(
    character: Character,
    action_units: ActionUnits,
    size: int = 192,
    *,
    tilt: float = 0.0,
    turn: tuple[float, float] = (0.0, 0.0),
    gaze: tuple[float, float] = (0.0, 0.0),
    zoom: float = 1.0,
    light: tuple[float, float] = (0.0, 0.0),
    brightness: float = 1.0,
    noise: np.ndarray | None = None,
    background: np.ndarray | Colour | None = None,
) -> np.ndarray:
    """One square picture of a face, framed like a Haar box with an eighth of it around.

    OpenCV's frontalface_default cascade (scaleFactor 1.1, minNeighbors 5) found a face
    in more than 95 % of `random_picture`s of each expression, drawn at 192 pixels or
    drawn at 48 and enlarged to 192; the tests repeat that on a sample. Drawn at 48 and
    searched at 48, it misses more: a face is then hardly larger than its window.

    Args:
        character: who.
        action_units: with what expression.
        size: side in pixels, at least 24.
        tilt, turn, gaze: as for `paint_head`.
        zoom: more than 1 brings the face nearer.
        light: share by which the right edge is brighter than the middle, and the bottom.
        brightness: factor on every pixel.
        noise: added grey levels, shape (size, size) or (size, size, 3).
        background: one BGR colour, or uint8 (height, width, 3) BGR, stretched to fit.
            By default a grey darker than the skin, on which the Haar cascade finds
            the face.

    Returns:
        uint8, (size, size, 3), BGR, 0–255.
    """
    if size < 24:
        raise ValueError(f"A face needs at least 24 pixels to be read. Received: size={size}.")
    if background is None:
        background = (int(0.35 * np.mean(character.skin)),) * 3
    # Painted at twice the size or more, then averaged down: smooth edges, fine lines.
    side = size * max(2, -(-192 // size))
    canvas = _backdrop(background, side, side)
    unit = side * zoom / FRAME
    centre = side / 2, side / 2 - _FRAME_CENTRE * unit
    paint_head(canvas, character, action_units, centre, unit, tilt=tilt, turn=turn, gaze=gaze)
    picture = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return _expose(picture, light, brightness, noise)


def random_picture(
    character: Character, label: str, size: int, rng: np.random.Generator
) -> np.ndarray:
    """A character with an expression under a random pose, light, noise and background.

    Returns:
        uint8, (size, size, 3), BGR, 0–255.
    """
    return draw_face(
        character,
        random_action_units(label, rng),
        size,
        tilt=float(np.clip(rng.normal(0, 5), -10, 10)),
        turn=rng.uniform(-0.08, 0.08, 2),
        gaze=rng.uniform(-0.6, 0.6, 2),
        zoom=rng.uniform(0.92, 1.04),
        light=rng.uniform(-0.2, 0.2, 2),
        brightness=rng.uniform(0.75, 1.1),
        noise=rng.normal(0, rng.uniform(1, 7), (size, size)),
        background=random_background(character, rng),
    )


def random_background(
    character: Character, rng: np.random.Generator, level: float | None = None
) -> np.ndarray:
    """A few soft patches of colour, darker than the character's skin.

    Args:
        character: who will stand before it.
        rng: source of the colours.
        level: brightness as a share of the skin's; 0.15–0.4 at random by default.

    Returns:
        uint8, (n, n, 3), BGR: a few pixels, to be stretched.
    """
    if level is None:
        level = rng.uniform(0.15, 0.4)
    tiles = int(rng.integers(1, 6))
    shades = rng.uniform(0.7, 1.3, 3) * rng.uniform(0.7, 1.3, (tiles, tiles, 1))
    return np.clip(level * np.mean(character.skin) * shades, 0, 255).astype(np.uint8)


def _backdrop(background, height, width) -> np.ndarray:
    colours = np.asarray(background, np.uint8)
    colours = colours.reshape((1, 1, 3) if colours.ndim == 1 else colours.shape)
    return cv2.resize(colours, (width, height), interpolation=cv2.INTER_CUBIC)


def _expose(picture, light, brightness, noise=None) -> np.ndarray:
    height, width = picture.shape[:2]
    across = np.linspace(-light[0], light[0], width, dtype=np.float32)
    down = np.linspace(-light[1], light[1], height, dtype=np.float32)[:, None]
    exposed = picture * (brightness * (1 + across + down))[..., None]
    if noise is not None:
        exposed += np.reshape(noise, (height, width, -1))
    return np.clip(exposed, 0, 255).astype(np.uint8)


def draw_dataset(
    destination: str | os.PathLike,
    *,
    size: int = 48,
    characters: dict[str, int] | None = None,
    pictures_per_expression: int = 10,
    seed: int = 0,
    class_names: Sequence[str] = CLASS_NAMES,
    progress: bool = True,
) -> pd.DataFrame:
    """Draws a folder-per-class data set, with a part for each split.

    The files are `<split>/<class>/<subject>_<number>.png` (BGR colour), with
    `manifest.csv` and `drawing.json` (these arguments) beside the splits. All is
    drawn into a hidden folder next to the destination and renamed at the end, so a
    killed run leaves nothing half done. Where the same drawing already lies there,
    it is checked against its manifest and left alone.

    Args:
        destination: folder to make.
        size: side of each picture in pixels, 24–350.
        characters: how many for each split, `CHARACTERS` by default. Nobody is in two.
        pictures_per_expression: of each character.
        seed: another seed, other characters.
        class_names: which expressions, keys of `EXPRESSIONS`.
        progress: whether to show a bar.

    Returns:
        The manifest: one row a picture, columns `MANIFEST_COLUMNS`; `file` is relative
        to the destination, with forward slashes.

    Raises:
        FileExistsError: something else lies at the destination.
        ValueError: an argument cannot be drawn.
    """
    destination = Path(destination)
    characters = CHARACTERS if characters is None else characters
    _check_drawing(size, characters, pictures_per_expression, class_names)
    settings = {
        "size": size,
        "characters": dict(characters),
        "pictures_per_expression": pictures_per_expression,
        "seed": seed,
        "class_names": list(class_names),
    }
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        return _read_drawing(destination, settings)

    staging = destination.with_name(f".{destination.name}.partial")
    shutil.rmtree(staging, ignore_errors=True)
    for split in characters:
        for name in class_names:
            (staging / split / name).mkdir(parents=True)
    people = [(split, number) for split in characters for number in range(characters[split])]
    rows = []
    for split, number in tqdm(people, "drawing characters", disable=not progress):
        rows += _draw_character(staging, split, number, settings)
    manifest = pd.DataFrame(rows, columns=MANIFEST_COLUMNS)
    manifest.to_csv(staging / "manifest.csv", index=False)
    (staging / "drawing.json").write_text(json.dumps(settings, indent=2) + "\n")
    if destination.exists():
        destination.rmdir()  # empty, or it would have been read above
    os.replace(staging, destination)
    return manifest


def _draw_character(folder, split, number, settings) -> list[tuple]:
    subject = f"{split}-{number:03d}"
    identity = (settings["seed"], _STREAMS.index(split), number)
    character = random_character(np.random.default_rng(identity))
    rows = []
    for name in settings["class_names"]:
        for count in range(settings["pictures_per_expression"]):
            rng = np.random.default_rng((*identity, tuple(EXPRESSIONS).index(name), count))
            picture = random_picture(character, name, settings["size"], rng)
            content = cv2.imencode(".png", picture)[1].tobytes()
            file = f"{split}/{name}/{subject}_{count:03d}.png"
            (folder / file).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            rows.append((file, name, subject, "animated", "drawn", digest))
    return rows


def _check_drawing(size, characters, pictures_per_expression, class_names) -> None:
    unknown = [name for name in class_names if name not in EXPRESSIONS]
    if unknown or len(set(class_names)) < max(2, len(class_names)):
        raise ValueError(
            f"Two or more different expressions can be drawn, out of {', '.join(EXPRESSIONS)}. "
            f"Received: class_names={list(class_names)}."
        )
    strangers = [split for split in characters if split not in SPLITS]
    if strangers or not characters or min(characters.values()) < 1 or pictures_per_expression < 1:
        raise ValueError(
            f"Each split out of {', '.join(SPLITS)} needs a character or more, each with a picture "
            f"or more. Received: characters={characters}, "
            f"pictures_per_expression={pictures_per_expression}."
        )
    if not 24 <= size <= 350:
        raise ValueError(f"Pictures are drawn at 24–350 pixels. Received: size={size}.")


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
    for file, digest in zip(manifest["file"], manifest["sha256"], strict=True):
        picture = destination / file
        if not picture.is_file() or hashlib.sha256(picture.read_bytes()).hexdigest() != digest:
            raise FileExistsError(f"{picture} is missing or not as it was drawn. {advice}")
    return manifest


def clip_timeline(
    seconds_per_expression: float = 2.0, order: Sequence[str] = CLIP_ORDER
) -> pd.DataFrame:
    """When the clip shows which expression: columns start and end (seconds) and label."""
    starts = np.arange(len(order)) * float(seconds_per_expression)
    return pd.DataFrame(
        {"start": starts, "end": starts + seconds_per_expression, "label": list(order)}
    )


def clip_frames(
    *,
    size: tuple[int, int] = (640, 480),
    frames_per_second: float = 15,
    seconds_per_expression: float = 2.0,
    seed: int = 1,
    characters: int = 1,
    order: Sequence[str] = CLIP_ORDER,
) -> Iterator[tuple[float, np.ndarray, str]]:
    """The clip, frame by frame: someone moves through the expressions and looks around.

    The face passes from one expression into the next within half a second around each
    boundary of `clip_timeline`. Nobody in the clip is in a data set, whatever their seeds.

    Args:
        size: (width, height) of a frame in pixels.
        frames_per_second: how densely the movement is sampled.
        seconds_per_expression: at least half a second.
        seed: who appears.
        characters: 1, or 2 side by side, who always make the same expression.
        order: the expressions.

    Yields:
        (seconds from the start, uint8 frame of shape (height, width, 3) in BGR, label).
    """
    if characters not in (1, 2) or seconds_per_expression < 0.5 or frames_per_second <= 0:
        raise ValueError(
            "A clip shows 1 or 2 characters, each expression for at least 0.5 seconds, at more "
            f"than 0 frames per second. Received: characters={characters}, "
            f"seconds_per_expression={seconds_per_expression}, "
            f"frames_per_second={frames_per_second}."
        )
    rngs = [np.random.default_rng((seed, _STREAMS.index("clip"), n)) for n in range(characters)]
    people = [random_character(rng) for rng in rngs]
    darkest = min(people, key=lambda person: sum(person.skin))
    background = random_background(darkest, rngs[0], level=0.35)
    width, height = size
    unit = 2 * min(height / 4.2, width / (3.4 * characters))
    canvas_size = 2 * height, 2 * width  # averaged down, as in draw_face
    for index in range(round(len(order) * seconds_per_expression * frames_per_second)):
        seconds = index / frames_per_second
        units = _units_at(seconds, seconds_per_expression, order)
        canvas = _backdrop(background, *canvas_size)
        for number, person in enumerate(people):
            sway, nod = (np.sin(seconds * pace + 2 * number) for pace in (1.1, 1.7))
            middle = 2 * width * (number + 0.5) / characters
            paint_head(
                canvas,
                person,
                units,
                (middle + 0.25 * unit * sway, height + 0.06 * unit * nod),
                unit,
                tilt=5 * np.sin(seconds * 0.9 + number),
                turn=(0.07 * sway, 0.04 * nod),
                gaze=(0.5 * np.sin(seconds * 0.7 - number), 0.2 * nod),
            )
        frame = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
        # A hair is added so that a boundary computed as 1.9999… belongs to what starts there.
        label = order[min(int(seconds / seconds_per_expression + 1e-9), len(order) - 1)]
        yield seconds, _expose(frame, (0.12, -0.08), 1.0), label


def _units_at(seconds, seconds_per_expression, order) -> ActionUnits:
    """The face at a moment: at a boundary it is half one expression and half the next."""
    position = seconds / seconds_per_expression
    nearest = round(position)
    if not 0 < nearest < len(order):
        return EXPRESSIONS[order[0 if nearest == 0 else -1]]
    passed = (position - nearest) * seconds_per_expression / 0.5 + 0.5
    share = float(np.clip(passed, 0, 1))
    eased = share * share * (3 - 2 * share)
    return EXPRESSIONS[order[nearest - 1]].towards(EXPRESSIONS[order[nearest]], eased)


def draw_clip(
    path: str | os.PathLike,
    *,
    size: tuple[int, int] = (640, 480),
    frames_per_second: float = 15,
    seconds_per_expression: float = 2.0,
    seed: int = 1,
    characters: int = 1,
) -> pd.DataFrame:
    """Writes the clip of `clip_frames` as an mp4 and returns its timeline.

    The codec is MPEG-4 Part 2 ("mp4v"), the one that every OpenCV wheel writes and
    reads. The file appears under its name only when it is complete.

    Args:
        path: the mp4 to write; an earlier one is replaced.
        size, frames_per_second, seconds_per_expression, seed, characters: as for
            `clip_frames`.

    Returns:
        `clip_timeline`: columns start and end (seconds) and label.

    Raises:
        ValueError: the path does not end in .mp4.
        OSError: the video cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".mp4":
        raise ValueError(f"The clip is an mp4; give a path that ends in .mp4. Received: {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.stem}.partial.mp4")
    codec = cv2.VideoWriter_fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(staging), codec, frames_per_second, size)
    try:
        if not writer.isOpened():
            raise OSError(f"OpenCV cannot write an mp4 video at {path}. Is the folder writable?")
        for _, frame, _ in clip_frames(
            size=size,
            frames_per_second=frames_per_second,
            seconds_per_expression=seconds_per_expression,
            seed=seed,
            characters=characters,
        ):
            writer.write(frame)
        writer.release()
        os.replace(staging, path)
    finally:
        writer.release()
        staging.unlink(missing_ok=True)
    return clip_timeline(seconds_per_expression)
