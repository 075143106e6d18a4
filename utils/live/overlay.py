"""What the viewer sees: boxes, names and bars on a copy of the frame.

A small face, or one of many with no free place beside it, has its name alone, cut short where its
box is narrow. Images are uint8 BGR, 0–255. Sizes follow the frame, so that a label takes the same
share of a 160×120 preview and of a 4K film. Light text on a darkened panel reads on any scene.
"""

from collections.abc import Sequence

import numpy as np

from utils.vision.boxes import Box, shared_area
from utils.vision.opencv import cv2

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SMALL = 48  # units (480 in the frame's shorter side) of a box that has no bars
_WHITE, _GREY = (255, 255, 255), (190, 190, 190)
# Okabe and Ito's colours (2008), told apart by colour-blind viewers too; BGR.
_COLOURS = (
    (0, 94, 213), (115, 158, 0), (167, 121, 204), (66, 228, 240),
    (200, 200, 200), (233, 180, 86), (0, 159, 230),
)  # fmt: skip


def draw_faces(
    frame: np.ndarray,
    faces: Sequence,
    class_names: Sequence[str],
    fps: float | None = None,
) -> np.ndarray:
    """A copy of the frame with every face boxed, named and, where they fit, its bars.

    Args:
        frame: uint8, (height, width) grey or (height, width, 3) BGR, 0–255; untouched.
        faces: `Face`s, of which there may be none.
        class_names: names of the classes, in the order of the probabilities.
        fps: frames read a second, written in the corner; None writes nothing.

    Returns:
        uint8, (height, width, 3) BGR.
    """
    canvas = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR) if frame.ndim == 2 else frame.copy()
    unit = min(canvas.shape[:2]) / 480  # everything below was tried out at 640×480
    for face in faces:  # boxes first: no panel may be crossed by a neighbour's box
        _draw_box(canvas, face, class_names, unit)
    for note in _notes(canvas.shape, faces, class_names, unit):
        _darken(canvas, *note.box)  # no two notes of a group lie on each other
        note.draw(canvas)
    if fps is not None:
        _draw_text_panel(canvas, f"{fps:.0f} fps read", unit)
    return canvas


def _notes(shape, faces, class_names, unit) -> list:
    """A panel or a label for each face; labels have their places first, and panels what is left."""
    taken, notes = [face.box for face in faces], []
    for face in sorted(faces, key=lambda face: face.box[2] >= _SMALL * unit):
        note = None
        if face.box[2] >= _SMALL * unit or len(faces) == 1:
            note = _Panel(shape, face, class_names, unit, taken)
        covers = note is not None and any(shared_area(note.box, one) > 0 for one in taken)
        if note is None or (covers and len(faces) > 1):
            note = _Label(shape, face, class_names, unit, taken)
        notes.append(note)
        taken.append(note.box)
    return notes


def class_colour(index: int) -> tuple[int, int, int]:
    """The BGR colour of a class, by its place among the classes."""
    return _COLOURS[index % len(_COLOURS)]


def _draw_box(canvas, face, class_names, unit) -> None:
    left, top, width, height = (round(value) for value in face.box)
    corners = (left, top), (left + width - 1, top + height - 1)
    thickness = max(1, round(min(2 * unit, width / 24)))
    cv2.rectangle(canvas, *corners, (0, 0, 0), thickness + max(2, thickness))
    cv2.rectangle(canvas, *corners, _face_colour(face, class_names), thickness)


class _Panel:
    """One face's name and bars, where they cover the least of what is taken."""

    def __init__(self, shape, face, class_names, unit, taken):
        self._face, self._names = face, class_names
        self.scale, self.title_scale = 0.45 * unit, max(0.54 * unit, 0.3)
        self.line, self.pad = max(4, round(15 * unit)), max(2, round(5 * unit))
        self.title = f"{face.track} {face.label} {face.confidence:.0%}"
        self.title_height = round(_text_height(self.title_scale) * 1.7)
        self.names_fit = self.line >= 9  # below, letters are illegible: colours must do
        names = max(_text_width(name, self.scale) for name in class_names) + self.pad
        self.name_width = names if self.names_fit else 0
        row = self.name_width + max(12, round(60 * unit))
        width = max(row, _text_width(self.title, self.title_scale)) + 2 * self.pad
        height = self.title_height + self.line * len(class_names) + 2 * self.pad
        size = min(width, shape[1]), min(height, shape[0])
        left, top, across, down = (round(value) for value in face.box)
        places = (
            (left + across + self.pad, top),
            (left - self.pad - size[0], top),
            (left, top + down + self.pad),
            (left, top - self.pad - size[1]),
        )
        self.box: Box = (*_place(places, size, shape, taken), *size)

    def draw(self, canvas) -> None:
        left, rows_top = self.box[0] + self.pad, self.box[1] + self.pad + self.title_height
        baseline = rows_top - round(0.35 * self.title_height)
        colour = _face_colour(self._face, self._names)
        _text(canvas, self.title, (left, baseline), self.title_scale, colour)
        bar_left = left + self.name_width
        longest = self.box[0] + self.box[2] - self.pad - bar_left - 1
        shares = self._face.probabilities
        best = int(np.argmax(shares))
        for index, (name, share) in enumerate(zip(self._names, shares, strict=True)):
            top = rows_top + index * self.line
            if self.names_fit:
                ink = _WHITE if index == best else _GREY
                _text(canvas, name, (left, top + round(0.8 * self.line)), self.scale, ink)
            end = bar_left + round(float(share) * longest), top + round(0.75 * self.line) - 1
            cv2.rectangle(canvas, (bar_left, top), end, class_colour(index), -1)


class _Label:
    """One face's name alone: as much of it as fits its box's width, below, above or inside it."""

    def __init__(self, shape, face, class_names, unit, taken):
        self._colour = _face_colour(face, class_names)
        left, top, across, down = (round(value) for value in face.box)
        name, most = face.label, max(0.54 * unit, 0.36)
        texts = (f"{face.track} {name} {face.confidence:.0%}", f"{face.track} {name}", name)
        for text, least in zip((*texts, name[:3]), (0.45, 0.38, 0.33, 0.0), strict=True):
            self.scale = min(most, (across + 4) / _text_width(text, 1.0))
            if self.scale >= least:
                break
        self.text, self.scale = text, max(self.scale, 0.3)
        size = _text_width(text, self.scale) + 4, _text_height(self.scale) + 5
        middle = left + (across - size[0]) // 2
        rows = top + down + 1, top - 1 - size[1], top + down - size[1], top
        self.box: Box = (*_place([(middle, row) for row in rows], size, shape, taken), *size)

    def draw(self, canvas) -> None:
        left, top, _, height = self.box
        _text(canvas, self.text, (left + 2, top + height - 4), self.scale, self._colour)


def _draw_text_panel(canvas, text, unit) -> None:
    scale, pad = max(0.6 * unit, 0.3), max(2, round(6 * unit))
    height = _text_height(scale)
    width = _text_width(text, scale)
    _darken(canvas, 0, 0, width + 2 * pad, height + 2 * pad)
    _text(canvas, text, (pad, pad + height), scale, _WHITE)


def _place(places, size, shape, taken) -> tuple[int, int]:
    """The left and top, inside the frame, where least is covered of what is taken."""
    most = shape[1] - size[0], shape[0] - size[1]
    inside = [(max(min(x, most[0]), 0), max(min(y, most[1]), 0)) for x, y in places]
    return min(inside, key=lambda place: sum(shared_area((*place, *size), one) for one in taken))


def _darken(canvas, left, top, width, height) -> None:
    part = canvas[max(top, 0) : top + height, max(left, 0) : left + width]
    part //= 4


def _text(canvas, text, origin, scale, colour) -> None:
    thickness = max(1, round(1.6 * scale))
    cv2.putText(canvas, text, origin, _FONT, scale, (0, 0, 0), thickness + 2, cv2.LINE_AA)
    cv2.putText(canvas, text, origin, _FONT, scale, colour, thickness, cv2.LINE_AA)


def _text_width(text: str, scale: float) -> int:
    return cv2.getTextSize(text, _FONT, scale, max(1, round(1.6 * scale)))[0][0]


def _text_height(scale: float) -> int:
    return cv2.getTextSize("Ag", _FONT, scale, max(1, round(1.6 * scale)))[0][1]


def _face_colour(face, class_names) -> tuple[int, int, int]:
    names = list(class_names)
    return class_colour(names.index(face.label)) if face.label in names else _WHITE
