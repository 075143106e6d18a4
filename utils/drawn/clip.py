"""A clip of someone who moves through the expressions, drawn where it is needed."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd

from utils.drawn.face_painting import EXPRESSIONS, ActionUnits, paint_head
from utils.drawn.random_face import backdrop, expose, random_background, random_character
from utils.files import replacing
from utils.vision.opencv import cv2
from utils.vision.video_writer import Mp4Writer

CLIP_ORDER = ("neutral", "happy", "surprise", "fear", "sad", "angry", "disgust")
_STREAM = 3  # of random numbers, one beyond those of `dataset`'s splits: nobody is in both


def clip_timeline(seconds_per_expression: float = 2.0) -> pd.DataFrame:
    """When the clip shows which expression: columns start and end (seconds) and label."""
    starts = np.arange(len(CLIP_ORDER)) * float(seconds_per_expression)
    ends = starts + seconds_per_expression
    return pd.DataFrame({"start": starts, "end": ends, "label": CLIP_ORDER})


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

    The face passes from one expression into the next within half a second around each boundary of
    `clip_timeline`. Nobody in the clip is in a data set, whatever their seeds.

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
    rngs = [np.random.default_rng((seed, _STREAM, n)) for n in range(characters)]
    people = [random_character(rng) for rng in rngs]
    darkest = min(people, key=lambda person: sum(person.skin))
    background = random_background(darkest, rngs[0], level=0.35)
    width, height = size
    unit = 2 * min(height / 4.2, width / (3.4 * characters))
    canvas_size = 2 * height, 2 * width  # averaged down, as in draw_face
    for index in range(round(len(order) * seconds_per_expression * frames_per_second)):
        seconds = index / frames_per_second
        units = _units_at(seconds, seconds_per_expression, order)
        canvas = backdrop(background, *canvas_size)
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
        yield seconds, expose(frame, (0.12, -0.08), 1.0), label


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
    characters: int = 1,
) -> pd.DataFrame:
    """Writes the clip of `clip_frames`, of these settings, as an mp4; returns its timeline.

    Browsers play it, too. An earlier file at the path is replaced when this one is complete.

    Raises:
        ValueError: the path does not end in .mp4.
        OSError: the video cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".mp4":
        raise ValueError(f"The clip is an mp4; give a path that ends in .mp4. Received: {path}")
    with (
        replacing(path) as temporary,
        closing(Mp4Writer(temporary, size, frames_per_second)) as writer,
    ):
        pace = {
            "frames_per_second": frames_per_second,
            "seconds_per_expression": seconds_per_expression,
        }
        for seconds, frame, _ in clip_frames(size=size, characters=characters, **pace):
            writer.write(seconds, frame)
    return clip_timeline(seconds_per_expression)
