"""Paints one cartoon face from action units.

A face is a `Character` (who it is) and `ActionUnits` (what its muscles do). Which units make which
expression follows the Facial Action Coding System (Ekman and Friesen 1978) and its emotion
dictionary EMFACS (Friesen and Ekman 1983), as tabulated by Matsumoto and Ekman, "Facial expression
analysis", Scholarpedia 3(5):4237, 2008.

Everything is laid out in face coordinates: the origin is the middle of the head, x grows to the
viewer's right, y grows downwards, and one unit is about half the width of a head. Colours are BGR,
0–255.
"""

from contextlib import contextmanager
from dataclasses import astuple, dataclass
from functools import cache
from math import comb

import numpy as np

from utils.vision.opencv import cv2

Colour = tuple[int, int, int]
"""Blue, green, red, each 0–255."""


@dataclass(frozen=True)
class ActionUnits:
    """How far each group of facial muscles is pulled: 0 at rest, 1 fully.

    Two are different: `eye_opening` rests at 1 and falls as the eye narrows, and
    `lip_stretch` goes below 0 where the lips are tightened.
    """

    inner_brow: float = 0.0  # AU 1
    outer_brow: float = 0.0  # AU 2
    brow_lowering: float = 0.0  # AU 4
    upper_lid: float = 0.0  # AU 5
    eye_opening: float = 1.0  # below 1: AU 6 and 7
    nose_wrinkle: float = 0.0  # AU 9, with the upper lip, AU 10
    lip_corner_up: float = 0.0  # AU 12
    lip_corner_down: float = 0.0  # AU 15
    lip_stretch: float = 0.0  # AU 20; below 0: AU 23
    mouth_opening: float = 0.0  # AU 25
    jaw: float = 0.0  # AU 26 and 27

    def towards(self, other: "ActionUnits", amount: float) -> "ActionUnits":
        """The face that lies `amount` (0–1) of the way from this one to `other`."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return ActionUnits(*(start + (end - start) * amount for start, end in pairs))


EXPRESSIONS = {
    # 4 + 5 + 7 + 23
    "angry": ActionUnits(brow_lowering=1.0, upper_lid=0.3, eye_opening=0.8, lip_corner_down=0.5,
                         lip_stretch=-0.2, mouth_opening=0.4),
    # 9 + 10 + 15 + 16; the wrinkled nose pushes the lower lids up
    "disgust": ActionUnits(brow_lowering=0.55, eye_opening=0.4, nose_wrinkle=1.0,
                           lip_corner_down=0.7, mouth_opening=0.3),
    # 1 + 2 + 4 + 5 + 20 + 25
    "fear": ActionUnits(inner_brow=1.0, outer_brow=0.25, brow_lowering=0.3, upper_lid=1.0,
                        lip_corner_down=0.4, lip_stretch=1.0, mouth_opening=0.6),
    # 6 + 12 + 25
    "happy": ActionUnits(eye_opening=0.75, lip_corner_up=1.0, lip_stretch=0.2, mouth_opening=0.6,
                         jaw=0.15),
    "neutral": ActionUnits(),
    # 1 + 4 + 15
    "sad": ActionUnits(inner_brow=1.0, brow_lowering=0.2, eye_opening=0.65, lip_corner_down=1.0),
    # 1 + 2 + 5 + 26
    "surprise": ActionUnits(inner_brow=0.95, outer_brow=1.0, upper_lid=0.9, mouth_opening=0.7,
                            jaw=1.0),
}  # fmt: skip
"""Class name → the expression at full strength."""


@dataclass(frozen=True)
class Character:
    """Who is painted: lengths in face units, colours in BGR."""

    head_width: float
    head_height: float
    squareness: float  # 1 is an ellipse, less is boxier
    taper: float  # how much narrower the chin is
    skin: Colour
    hair: Colour
    hair_style: str  # one of HAIR_STYLES
    hairline: float  # height of the hairline; negative is up
    eye_size: float
    eye_spacing: float
    iris: Colour
    lashes: float
    brow_thickness: float
    nose_width: float
    nose_length: float
    mouth_width: float
    lip_fullness: float
    glasses: str  # none, round or square
    beard: str  # none, stubble, moustache or full
    freckles: bool
    clothes: Colour


HAIR_STYLES = ("bald", "short", "fringe", "parted", "long", "bun", "curly", "spiky", "headscarf")
_INK, _TEETH = (38, 30, 34), (214, 220, 224)
_EYE_HEIGHT, _MOUTH_HEIGHT = -0.1, 0.66


def paint_head(
    canvas: np.ndarray,
    character: Character,
    action_units: ActionUnits,
    centre: tuple[float, float],
    unit: float,
    *,
    tilt: float = 0.0,
    turn: tuple[float, float] = (0.0, 0.0),
    gaze: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Paints head and shoulders onto an image, in place.

    Args:
        canvas: uint8, (height, width, 3), BGR. Paint at twice the wanted size and average down:
            only then are all edges smooth.
        character: who.
        action_units: with what expression.
        centre: pixel (x, y) of the middle of the head.
        unit: pixels per face unit.
        tilt: degrees that the head leans, clockwise for the viewer.
        turn: how far the features move right and down as the head turns, in face units; up to about
            ±0.12 looks natural.
        gaze: where the eyes look, right and down, each -1 to 1.
    """
    pen = _Pen(canvas, centre, unit, tilt, turn)
    _paint_behind(pen, character)
    _paint_skin(pen, character, action_units)
    _paint_nose(pen, character, action_units)
    _paint_beard(pen, character, action_units)
    _paint_mouth(pen, character, action_units)
    _paint_hair(pen, character)
    for side in (-1, 1):
        _paint_eye(pen, character, action_units, side, gaze)
        _paint_brow(pen, character, action_units, side)
    _paint_glasses(pen, character)


class _Pen:
    """Draws in face coordinates; nearer parts (greater `depth`) move more in a turn."""

    def __init__(self, canvas, centre, unit, tilt, turn):
        self.canvas, self.centre, self.unit = canvas, np.asarray(centre, float), unit
        self.tilt, self.turn = tilt, np.asarray(turn, float)
        sine, cosine = np.sin(np.radians(tilt)), np.cos(np.radians(tilt))
        self.rotation = unit * np.array(((cosine, sine), (-sine, cosine)))

    def pixels(self, points, depth=1.0):
        """(n, 2) face coordinates as pixels in OpenCV's fixed point, 4 bits of fraction."""
        placed = (np.asarray(points, float) + depth * self.turn) @ self.rotation + self.centre
        return np.round(placed * 16).astype(np.int32)

    def fill(self, points, colour, depth=1.0):
        cv2.fillPoly(self.canvas, [self.pixels(points, depth)], colour, cv2.LINE_AA, 4)

    def line(self, points, colour, width, depth=1.0, closed=False):
        path, thickness = self.pixels(points, depth), max(1, round(width * self.unit))
        cv2.polylines(self.canvas, [path], closed, colour, thickness, cv2.LINE_AA, 4)

    @contextmanager
    def inside(self, points, depth=1.0):
        """Lends a pen whose strokes show only within the outline."""
        left, top, width, height = cv2.boundingRect(self.pixels(points, depth) // 16)
        bottom, right = self.canvas.shape[:2]
        left, top = min(max(left, 0), right - 1), min(max(top, 0), bottom - 1)
        window = self.canvas[top : top + height + 1, left : left + width + 1]
        pen = _Pen(window.copy(), self.centre - (left, top), self.unit, self.tilt, self.turn)
        yield pen
        mask = np.zeros(window.shape[:2], np.uint8)
        cv2.fillPoly(mask, [pen.pixels(points, depth)], 255, cv2.LINE_8, 4)
        cv2.copyTo(pen.canvas, mask, window)

    def shade(self, patches, blur):
        """Multiplies the canvas by soft patches: (outline, BGR factors, depth) each."""
        coarse = 4
        height, width = (-(-side // coarse) for side in self.canvas.shape[:2])
        tone = np.ones((height, width, 3), np.float32)
        small = _Pen(tone, self.centre / coarse, self.unit / coarse, self.tilt, self.turn)
        for patch in patches:
            small.fill(*patch)
        tone = cv2.GaussianBlur(tone, (0, 0), blur * small.unit)
        tone = cv2.resize(tone, self.canvas.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        cv2.multiply(self.canvas, tone, dst=self.canvas, dtype=cv2.CV_8U)


@cache
def _circle(steps):
    """The unit circle, clockwise from the top: (steps, 2)."""
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return np.stack((np.sin(angle), -np.cos(angle)), 1)


@cache
def _bernstein(degree, steps):
    """How much each control point weighs along a Bézier curve: (steps, degree + 1)."""
    along = np.linspace(0, 1, steps)
    weights = [comb(degree, k) * along**k * (1 - along) ** (degree - k) for k in range(degree + 1)]
    return np.stack(weights, 1)


def _curve(*controls, steps=14):
    """The Bézier curve of these control points: (steps, 2)."""
    return _bernstein(len(controls) - 1, steps) @ np.array(controls)


def _ellipse(x, y, across, down, steps=24):
    return _circle(steps) * (across, down) + (x, y)


def _tint(colour, factor):
    return tuple(int(min(255, value * factor)) for value in colour)


def _mix(colour, other, share):
    return tuple(int(a + (b - a) * share) for a, b in zip(colour, other, strict=True))


def _outline(character, jaw=0.0, grow=0.0):
    """The head, clockwise from the crown; the jaw lengthens the lower half: (48, 2)."""
    x, y = _circle(48).T
    lower = np.clip(y, 0, 1)
    x = np.sign(x) * np.abs(x) ** character.squareness * (1 - character.taper * lower**2)
    y = y * (character.head_height + grow) + 0.14 * jaw * lower
    return np.stack((x * (character.head_width + grow), y), 1)


def _paint_behind(pen, character):
    """Hair at the back, shoulders, neck and ears."""
    width, height = character.head_width, character.head_height
    hair, skin = character.hair, character.skin
    if character.hair_style == "long":
        pen.fill(_ellipse(0, 0.25, width + 0.24, height + 0.35), _tint(hair, 0.8), -0.3)
    if character.hair_style == "bun":
        pen.fill(_ellipse(0, -height - 0.12, 0.36, 0.3), _tint(hair, 0.9), -0.3)
    if character.hair_style == "curly":
        for angle in np.radians(np.arange(-200, 21, 20)):
            x, y = np.cos(angle) * width, np.sin(angle) * height * 0.95 - 0.08
            pen.fill(_ellipse(x, y, 0.27, 0.27), _tint(hair, 0.85), -0.3)
    pen.fill(_ellipse(0, 2.35, 1.45, 0.95), character.clothes, -0.4)
    pen.fill([(-0.36, 0.8), (0.36, 0.8), (0.42, 1.55), (-0.42, 1.55)], _tint(skin, 0.72), -0.2)
    for side in (-1, 1):
        pen.fill(_ellipse(side * width, 0.08, 0.14, 0.22), _tint(skin, 0.9), -0.3)
        pen.fill(_ellipse(side * (width + 0.02), 0.09, 0.07, 0.12), _tint(skin, 0.7), -0.3)
    if character.hair_style == "headscarf":
        pen.fill(_outline(character, grow=0.16), hair, -0.1)
        pen.fill(_ellipse(0, 1.5, 0.85, 0.5), _tint(hair, 0.8), -0.1)


def _paint_skin(pen, character, units):
    """The head, softly shaded: dark eye sockets, light forehead, nose and cheeks."""
    head = _outline(character, units.jaw)
    pen.fill(head, character.skin, 0.0)
    low, socket = 0.14 * units.jaw, 0.72 - 0.05 * units.brow_lowering
    patches = [(_ellipse(0, -0.6, 0.5, 0.2), (1.07, 1.07, 1.07), 0.6)]
    for side in (-1, 1):
        x = side * character.eye_spacing
        patches += [
            (_ellipse(side, 0.2, 0.16, 0.8), (0.8, 0.82, 0.86), 0.0),
            (_ellipse(x, _EYE_HEIGHT - 0.03, 0.33, 0.24), (socket, socket, socket + 0.04), 1.0),
            (_ellipse(x * 1.2, 0.33, 0.24, 0.17), (0.96, 0.98, 1.12), 0.8),
        ]
    patches += [
        (_ellipse(0, -0.05, 0.09, 0.34), (1.12, 1.12, 1.12), 1.1),
        (_ellipse(0, _MOUTH_HEIGHT, 0.42, 0.14), (0.93, 0.93, 0.97), 0.9),
        (_ellipse(0, 1.16 + low, 0.5, 0.1), (0.84, 0.84, 0.88), 0.0),
    ]
    with pen.inside(head, 0.0) as within:
        within.shade(patches, 0.09)
    pen.line(head, _tint(character.skin, 0.55), 0.025, 0.0, closed=True)
    raised, lowered = min(units.inner_brow, units.outer_brow + 0.3), units.brow_lowering
    if raised > 0.15:
        for height in (-0.68, -0.77):
            path = _curve((-0.3, height), (0, height - 0.05), (0.3, height))
            pen.line(path, _tint(character.skin, 1 - 0.26 * raised), 0.02)
    if lowered > 0.15:
        for x in (-0.06, 0.06):
            crease = _tint(character.skin, 0.95 - 0.35 * lowered)
            pen.line([(x, -0.36), (x * 0.8, -0.2)], crease, 0.028)
    if character.freckles:
        for x, y in ((0.3, 0.2), (0.42, 0.27), (0.53, 0.19), (0.36, 0.33), (0.5, 0.34)):
            for side in (-1, 1):
                pen.fill(_ellipse(side * x, y, 0.022, 0.022, 8), _tint(character.skin, 0.68))


def _paint_nose(pen, character, units):
    """Nose, the wrinkles across it, and the folds from its wings to the mouth."""
    wrinkle = units.nose_wrinkle
    dark, fold = _tint(character.skin, 0.5), _tint(character.skin, 0.9 - 0.3 * wrinkle)
    width = character.nose_width * (1 + 0.25 * wrinkle)
    tip = character.nose_length - 0.06 * wrinkle
    pen.fill(_ellipse(0, tip - 0.05, width * 0.8, 0.1), _tint(character.skin, 1.04), 1.5)
    base = _curve((-width, tip - 0.04), (-width, tip + 0.08), (0, tip - 0.02), (0, tip + 0.07))
    pen.line(np.concatenate((base, base[::-1] * (-1, 1))), dark, 0.03, 1.4)
    for side in (-1, 1):
        pen.fill(_ellipse(side * width * 0.45, tip + 0.035, 0.04, 0.022, 12), dark, 1.4)
        if wrinkle > 0.15:
            start, end = (side * (width + 0.07), tip - 0.02), (side * 0.47, 0.56)
            path = _curve(start, (side * (width + 0.25), tip + 0.05), end)
            pen.line(path, fold, 0.015 + 0.015 * wrinkle, 1.1)
            for height in (0.0, 0.08, 0.16):
                ends = (side * 0.03, height - 0.04), (side * 0.16, height + 0.04)
                path = _curve(ends[0], (side * 0.1, height - 0.03), ends[1])
                pen.line(path, fold, 0.015 + 0.012 * wrinkle, 1.2)


def _paint_beard(pen, character, units):
    if character.beard in ("stubble", "full"):
        cheeks = _curve((1.1, 0.2), (0.7, 0.8), (0.3, 0.45), (-0.3, 0.45), (-0.7, 0.8), (-1.1, 0.2))
        jaw = np.concatenate((cheeks, [(-1.2, 1.6), (1.2, 1.6)]))
        with pen.inside(_outline(character, units.jaw), 0.0) as within:
            if character.beard == "stubble":
                within.shade([(jaw, (0.84, 0.82, 0.8), 0.5)], 0.06)
            else:
                within.fill(jaw, _mix(character.hair, character.skin, 0.35), 0.4)
                chin = _ellipse(0, 0.68 + 0.1 * units.jaw, 0.36, 0.13 + 0.18 * units.jaw)
                within.fill(chin, _tint(character.skin, 0.95))
    if character.beard in ("moustache", "full"):
        for side in (-1, 1):
            end = (side * 0.4, 0.58 - 0.1 * units.lip_corner_up)
            upper = _curve((0, 0.42), (side * 0.2, 0.4), end)
            lower = _curve(end, (side * 0.2, 0.56), (0, 0.52))
            colour = _mix(character.hair, character.skin, 0.15)
            pen.fill(np.concatenate((upper, lower)), colour, 1.1)


def _paint_mouth(pen, character, units):
    """Lips, and what shows between them: dark, teeth, tongue."""
    up, down, stretch = units.lip_corner_up, units.lip_corner_down, units.lip_stretch
    wrinkle, jaw = units.nose_wrinkle, units.jaw
    rounding = 1 - (1 - jaw) ** 2  # a dropped jaw soon makes the mouth a round hole
    opening = 0.28 * units.mouth_opening + 0.26 * jaw
    half = character.mouth_width * (1 + 0.4 * up + 0.3 * stretch - 0.34 * rounding - 0.1 * wrinkle)
    centre = _MOUTH_HEIGHT + 0.08 * up - 0.05 * down - 0.05 * wrinkle + 0.02 * jaw
    corner = _MOUTH_HEIGHT - 0.16 * up + 0.13 * down + opening * (0.25 + 0.2 * rounding) * (1 - up)
    upper, lower = centre - 0.25 * opening, centre + 0.75 * opening
    upper -= 0.06 * wrinkle
    # Tight or stretched lips make a boxy mouth, a dropped jaw a round one.
    box = 0.45 + 0.3 * abs(stretch) + 0.2 * jaw

    def lip(middle):
        control = (8 * middle - 2 * corner) / 6  # where a cubic's middle is wanted
        return _curve(
            (-half, corner), (-half * box, control), (half * box, control), (half, corner), steps=20
        )

    top, bottom = lip(upper), lip(lower)
    lips = tuple(int(v) for v in np.multiply(character.skin, (0.62, 0.55, 0.8)))
    line = _tint(character.skin, 0.38)
    thick = character.lip_fullness * (1 - 0.4 * max(0.0, -stretch))
    swell = np.sin(np.linspace(0, np.pi, 20))[:, None] * (0, thick)
    pen.fill(np.concatenate((top - swell, (bottom + 1.3 * swell)[::-1])), lips)
    if opening > 0.03:
        gap = np.concatenate((top, bottom[::-1]))
        with pen.inside(gap) as within:
            within.fill(gap, (44, 26, 72))
            within.fill(_ellipse(0, lower + 0.02, half * 0.55, opening * 0.4), (98, 88, 196))
            bared = 0.3 + 0.22 * abs(stretch)
            teeth = opening * bared * (1 - 0.75 * rounding)
            within.fill(np.concatenate((top - (0, 0.05), (top + (0, teeth))[::-1])), _TEETH)
            if abs(stretch) > 0.15 and up < 0.3:  # clenched
                row = bottom - (0, 0.8 * teeth)
                within.fill(np.concatenate((row, (bottom + (0, 0.05))[::-1])), _TEETH)
                within.line(row, (110, 100, 120), 0.012)
        pen.line(gap, line, 0.022, closed=True)
    else:
        pen.line((top + bottom) / 2, line, 0.035)
    for side in (-1, 1):
        dent = 0.05 * (up - down)
        pen.line([(side * half, corner), (side * (half + 0.03), corner - dent)], line, 0.03)
        if up > 0.15:  # the smile's fold beside the corner
            x, fold = half + 0.07, _tint(character.skin, 0.95 - 0.3 * up)
            path = _curve((x - 0.06, corner - 0.2), (x + 0.1, corner - 0.06), (x, corner + 0.12))
            pen.line(path * (side, 1), fold, 0.025)
    if down > 0.15:
        below = lower + thick * 1.3 + 0.07
        path = _curve((-0.14, below + 0.02), (0, below - 0.03), (0.14, below + 0.02))
        pen.line(path, _tint(character.skin, 0.9 - 0.24 * down), 0.022)


def _paint_eye(pen, character, units, side, gaze):
    """One eye; side is -1 for the viewer's left and 1 for the right."""
    across, down = 0.21 * character.eye_size, 0.145 * character.eye_size
    up = units.lip_corner_up
    above = down * (units.eye_opening + 0.42 * units.upper_lid)
    below = down * 0.8 * (0.3 + 0.7 * units.eye_opening) * (1 - 0.5 * up)
    # Lowered brows press the inner end of the lid down; a sad brow pulls it up.
    slant = 0.08 * units.brow_lowering - 0.07 * units.inner_brow * (1 - units.upper_lid)

    def place(points):
        return np.asarray(points) * (side, 1) + (side * character.eye_spacing, _EYE_HEIGHT)

    inner, outer = (-across, 0.03 + 0.3 * slant), (across, 0.0 - 0.5 * slant)
    upper = _curve(
        inner, (-0.6 * across, -1.33 * above + slant), (0.6 * across, -1.33 * above - slant), outer
    )
    lower = _curve(outer, (0.55 * across, 1.33 * below), (-0.55 * across, 1.33 * below), inner)
    shape = place(np.concatenate((upper, lower)))
    radius = 0.126 * character.eye_size
    x, y = gaze[0] * 0.05 * side, gaze[1] * 0.03 + 0.15 * (below - above)
    with pen.inside(shape) as within:
        within.fill(shape, (214, 217, 218))
        within.fill(place(_ellipse(x, y, radius, radius)), _tint(character.iris, 0.55))
        within.fill(place(_ellipse(x, y, radius * 0.82, radius * 0.82)), character.iris)
        within.fill(place(_ellipse(x, y, radius * 0.5, radius * 0.5)), (20, 16, 18))
        shadow = np.concatenate((upper, (upper + (0, 0.035))[::-1]))
        within.fill(place(shadow), (150, 148, 152))
        within.fill(place(_ellipse(x - 0.04 * side, y - 0.045, 0.032, 0.032, 10)), (255, 255, 255))
    pen.line(place(lower), _tint(character.skin, 0.5), 0.018)
    pen.line(place(upper), _INK, 0.035 + 0.02 * character.lashes)
    if character.lashes > 0.6:
        tip = (across + 0.07, upper[-1][1] - 0.06)
        pen.line(place([upper[-2], tip]), _INK, 0.03)
    crease = upper[2:-1] * (1, 1) - (0, 0.05)
    pen.line(place(crease), _tint(character.skin, 0.6), 0.02)
    squeeze = max(up, units.nose_wrinkle)
    if squeeze > 0.15:
        bag = _curve((across, below + 0.02), (0, below * 1.5 + 0.09), (-0.8 * across, below + 0.05))
        pen.line(place(bag), _tint(character.skin, 0.9 - 0.24 * squeeze), 0.022)


def _paint_brow(pen, character, units, side):
    """One eyebrow, thick inside and thin outside."""
    raised, lowered, spacing = units.inner_brow, units.brow_lowering, character.eye_spacing
    wrinkle = units.nose_wrinkle
    inner_x = spacing - 0.23 - 0.06 * max(lowered, wrinkle)
    inner_y = -0.42 - 0.17 * raised + 0.17 * lowered * (1 - 0.6 * raised) + 0.05 * wrinkle
    arch = -0.49 - 0.06 * raised - 0.16 * units.outer_brow + 0.07 * lowered + 0.03 * wrinkle
    outer_y = -0.38 + 0.05 * raised - 0.15 * units.outer_brow - 0.02 * lowered
    over = (spacing - 0.06, arch), (spacing + 0.1, arch)
    spine = _curve((inner_x, inner_y), *over, (spacing + 0.25, outer_y))
    thick = np.linspace(1.1, 0.3, len(spine))[:, None] * (0, character.brow_thickness)
    band = np.concatenate((spine - thick, (spine + thick)[::-1])) * (side, 1)
    colour = _INK if character.hair_style == "headscarf" else character.hair
    pen.fill(band, _tint(colour, min(0.75, 75 / max(1, np.mean(colour)))))


def _paint_hair(pen, character):
    """Hair in front of the head, from the temples over the crown down to the hairline."""
    style, line = character.hair_style, character.hairline
    if style == "bald":
        return
    grow = 0.12 if style in ("short", "curly", "headscarf") else 0.07
    head = _outline(character, grow=grow)
    crown = np.roll(head, 12, axis=0)[:25]  # from one temple over the crown to the other
    edge = character.head_width - 0.04
    right, left = (edge, -0.02), (-edge, -0.02)
    waves, spikes = np.linspace(edge - 0.08, 0.28 - edge, 8), np.linspace(0.8, -0.8, 11)
    short = _curve(
        *(right, (edge - 0.08, -0.5), (edge - 0.3, line - 0.24)),
        *((0.3 - edge, line - 0.04), (0.08 - edge, -0.5), left),
        steps=24,
    )
    parted = [
        _curve(right, (edge - 0.05, -0.6), (0.35, line - 0.2)),
        _curve((0.35, line - 0.2), (-0.2, line + 0.25), (-edge, line + 0.25), (-edge, 0)),
    ]
    high, low = line + 0.1, line + 0.2
    wavy = [_curve((x, high), (x - 0.1, low), (x - 0.2, high), steps=6) for x in waves]
    fringes = {
        "fringe": np.concatenate([[right], *wavy, [left]]),
        "spiky": np.array(
            [right, *((x, line + 0.14 * (-1) ** n) for n, x in enumerate(spikes)), left]
        ),
        **dict.fromkeys(("parted", "long"), np.concatenate(parted)),
        **dict.fromkeys(("short", "bun", "curly", "headscarf"), short),
    }
    shape = np.concatenate((crown, fringes[style]))
    pen.fill(shape, character.hair, 0.3)
    shine = _curve((-0.5, line - 0.2), (0, line - 0.34), (0.5, line - 0.2))
    pen.line(shine, _tint(character.hair, 1.3), 0.05, 0.3)
    pen.line(fringes[style], _tint(character.hair, 0.7), 0.02, 0.3)


def _paint_glasses(pen, character):
    if character.glasses == "none":
        return
    frame, spacing = (70, 62, 66), character.eye_spacing
    for side in (-1, 1):
        rim = _ellipse(side * spacing, _EYE_HEIGHT + 0.03, 0.31, 0.29)
        if character.glasses == "square":
            rim = _outline(character)[::2] * (0.29, 0.21) + (side * spacing, _EYE_HEIGHT + 0.04)
        pen.line(rim, frame, 0.035, 1.2, closed=True)
        pen.line([(side * (spacing + 0.3), -0.12), (side * 0.98, -0.1)], frame, 0.03, 0.6)
    pen.line(_curve((-spacing + 0.3, -0.1), (0, -0.16), (spacing - 0.3, -0.1)), frame, 0.035, 1.2)
