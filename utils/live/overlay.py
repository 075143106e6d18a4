"""What the viewer sees: boxes, names and bars on a copy of the frame.

Images are uint8 BGR, 0–255. Sizes follow the frame, so that a label takes the
same share of a 160×120 preview and of a 4K film. Light text on a darkened panel
reads on bright and dark scenes alike.
"""

from collections.abc import Sequence

import numpy as np

from utils.vision.boxes import Box, shared_area
from utils.vision.opencv import cv2

_FONT = cv2.FONT_HERSHEY_SIMPLEX
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
    """A copy of the frame with every face boxed, named and its probabilities as bars.

    Args:
        frame: uint8, (height, width) grey or (height, width, 3) BGR, 0–255; untouched.
        faces: `results.Face`s, each with `track`, `box` (left, top, width, height in pixels of the
            frame), `probabilities` (classes,), `label` and `confidence` 0–1.
        class_names: names of the classes, in the order of the probabilities.
        fps: frames read a second, written in the corner; None writes nothing.

    Returns:
        uint8, (height, width, 3) BGR.
    """
    canvas = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR) if frame.ndim == 2 else frame.copy()
    unit = min(canvas.shape[:2]) / 480  # everything below was tried out at 640×480
    for face in faces:  # boxes first: no panel may be crossed by a neighbour's box
        _draw_box(canvas, face, class_names, unit)
    taken, panels = [face.box for face in faces], []
    for face in faces:
        panels.append(_Panel(canvas.shape, face, class_names, unit, taken))
        taken.append(panels[-1].box)
    for panel in panels:  # shade first: no neighbour's panel may dim a text
        _darken(canvas, *panel.box)
    for panel, face in zip(panels, faces, strict=True):
        _draw_bars(canvas, panel, face, class_names)
    if fps is not None:
        _draw_text_panel(canvas, f"{fps:.0f} fps read", unit)
    return canvas


def class_colour(index: int) -> tuple[int, int, int]:
    """The BGR colour of a class, by its place among the classes."""
    return _COLOURS[index % len(_COLOURS)]


def _draw_box(canvas, face, class_names, unit) -> None:
    left, top, width, height = (round(value) for value in face.box)
    corners = (left, top), (left + width - 1, top + height - 1)
    thickness = max(1, round(2 * unit))
    cv2.rectangle(canvas, *corners, (0, 0, 0), thickness + max(2, round(2 * unit)))
    cv2.rectangle(canvas, *corners, _face_colour(face, class_names), thickness)


class _Panel:
    """Place and measures of one face's name and bars, in pixels; `taken` is better left free."""

    def __init__(self, shape, face, class_names, unit, taken):
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
        self.width, self.height = min(width, shape[1]), min(height, shape[0])
        size = self.width, self.height
        self.left, self.top = _place(face.box, size, shape, self.pad, taken)

    @property
    def box(self) -> Box:
        return self.left, self.top, self.width, self.height


def _draw_bars(canvas, panel, face, class_names) -> None:
    left, rows_top = panel.left + panel.pad, panel.top + panel.pad + panel.title_height
    baseline = rows_top - round(0.35 * panel.title_height)
    colour = _face_colour(face, class_names)
    _text(canvas, panel.title, (left, baseline), panel.title_scale, colour)
    bar_left = left + panel.name_width
    longest = panel.left + panel.width - panel.pad - bar_left - 1
    best = int(np.argmax(face.probabilities))
    for index, (name, share) in enumerate(zip(class_names, face.probabilities, strict=True)):
        top = rows_top + index * panel.line
        if panel.names_fit:
            ink = _WHITE if index == best else _GREY
            _text(canvas, name, (left, top + round(0.8 * panel.line)), panel.scale, ink)
        end = bar_left + round(float(share) * longest), top + round(0.75 * panel.line) - 1
        cv2.rectangle(canvas, (bar_left, top), end, class_colour(index), -1)


def _draw_text_panel(canvas, text, unit) -> None:
    scale, pad = max(0.6 * unit, 0.3), max(2, round(6 * unit))
    height = _text_height(scale)
    width = _text_width(text, scale)
    _darken(canvas, 0, 0, width + 2 * pad, height + 2 * pad)
    _text(canvas, text, (pad, pad + height), scale, _WHITE)


def _place(box, size, shape, gap, taken) -> tuple[int, int]:
    """Left and top of a panel: right of the face, or where it covers less of what is taken."""
    left, top, width, height = (round(value) for value in box)
    places = (
        (left + width + gap, top),
        (left - gap - size[0], top),
        (left, top + height + gap),
        (left, top - gap - size[1]),
    )
    most = shape[1] - size[0], shape[0] - size[1]  # the panel stays inside the frame
    inside = [(min(max(x, 0), most[0]), min(max(y, 0), most[1])) for x, y in places]
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
