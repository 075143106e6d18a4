"""Someone new, with an expression, as one square image.

All follows from the random generator passed in: in the same state it gives the same person, pose
and light.
"""

from dataclasses import asdict

import numpy as np

from utils.drawn.face_painting import (
    EXPRESSIONS,
    HAIR_STYLES,
    ActionUnits,
    Character,
    Colour,
    paint_head,
)
from utils.vision.opencv import cv2

FRAME = 2.85
"""Side of an image, in face units: 1.25 times the box that the Haar cascade finds in it."""
_FRAME_CENTRE = 0.14  # the height in the face that lies in the middle of an image

_SKINS = ("#f6d7c3", "#f1c7a5", "#e8b48c", "#dba478", "#c98d62", "#b5794f", "#99623f", "#7d4e33")
_HAIRS = ("#2b211d", "#4a3024", "#6f4527", "#a5682f", "#d2a95a", "#e8cf94", "#b6502a", "#9b9a9c")
_IRISES = ("#4a2f1c", "#6b4423", "#4d7a4a", "#3f78a8", "#5c6f7d", "#7a6a2e")
_CLOTHES = ("#c8553d", "#3d6fa8", "#4f8a5b", "#8a5aa0", "#d9a441", "#50545c", "#d98aa0", "#e6e2d8")


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
    """An expression, a key of `EXPRESSIONS`, as one person might make it.

    The strength is 0.5–1 of the prototype; each unit varies by a fifth around that, the opening of
    the mouth by more.
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
    zoom: float = 1.0,
    light: tuple[float, float] = (0.0, 0.0),
    brightness: float = 1.0,
    noise: np.ndarray | None = None,
    background: np.ndarray | Colour | None = None,
    **pose,
) -> np.ndarray:
    """One square image of a face, framed like a Haar box with an eighth of it around.

    OpenCV's frontalface_default cascade (scaleFactor 1.1, minNeighbors 5) found a face in more than
    95 % of `random_image`s of each expression, drawn at 192 pixels or drawn at 48 and enlarged to
    192; the tests repeat that on a sample. Drawn and searched at 48, hardly larger than its window,
    it misses more.

    Args:
        character: who.
        action_units: with what expression.
        size: side in pixels, at least 24.
        zoom: more than 1 brings the face nearer.
        light: share by which the right edge is brighter than the middle, and the bottom.
        brightness: factor on every pixel.
        noise: added grey levels, shape (size, size) or (size, size, 3).
        background: one BGR colour, or uint8 (height, width, 3) BGR, stretched to fit; by default a
            grey darker than the skin, on which the Haar cascade finds the face.
        **pose: tilt, turn and gaze of `paint_head`.

    Returns:
        uint8, (size, size, 3), BGR, 0–255.
    """
    if size < 24:
        raise ValueError(f"A face needs at least 24 pixels to be read. Received: size={size}.")
    if background is None:
        background = (int(0.35 * np.mean(character.skin)),) * 3
    # Painted at twice the size or more, then averaged down: smooth edges, fine lines.
    side = size * max(2, -(-192 // size))
    canvas = backdrop(background, side, side)
    unit = side * zoom / FRAME
    centre = side / 2, side / 2 - _FRAME_CENTRE * unit
    paint_head(canvas, character, action_units, centre, unit, **pose)
    image = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return expose(image, light, brightness, noise)


def random_image(
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


def backdrop(background, height: int, width: int) -> np.ndarray:
    """A BGR colour, or a few uint8 BGR pixels, stretched over (height, width, 3)."""
    colours = np.asarray(background, np.uint8)
    colours = colours.reshape((1, 1, 3) if colours.ndim == 1 else colours.shape)
    return cv2.resize(colours, (width, height), interpolation=cv2.INTER_CUBIC)


def expose(image, light, brightness, noise=None) -> np.ndarray:
    """A uint8 BGR image as it looks under a light; the arguments are `draw_face`'s."""
    height, width = image.shape[:2]
    across = np.linspace(-light[0], light[0], width, dtype=np.float32)
    down = np.linspace(-light[1], light[1], height, dtype=np.float32)[:, None]
    exposed = image * (brightness * (1 + across + down))[..., None]
    if noise is not None:
        exposed += np.reshape(noise, (height, width, -1))
    return np.clip(exposed, 0, 255).astype(np.uint8)
