"""What was read: a frame's reading, and the table of all of them.

Numbers are rounded for print by `Reading.rows`, and by `Face.row`, which they are made of, and
nowhere else: a CSV file, a JSON file and the table that is returned hold the same digits.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from utils.live.overlay import draw_faces
from utils.live.unsure import UNSURE, Face
from utils.vision.opencv import cv2

if TYPE_CHECKING:
    import pandas as pd


def face_columns(class_names: Sequence[str]) -> list[str]:
    """Names of the columns that tell of one face: its box, a column a class, its label."""
    return ["x", "y", "width", "height", *class_names, "label", "confidence"]


def table_columns(class_names: Sequence[str]) -> list[str]:
    """Names of the table's columns, in order."""
    return ["source", "frame", "seconds", "track", *face_columns(class_names)]


@dataclass
class Reading:
    """All that a sink may want to know of one frame."""

    source: str
    frame: int
    seconds: float
    image: np.ndarray | None  # uint8, grey or BGR, as it came; None of a still
    faces: list[Face]
    class_names: tuple[str, ...]
    fps: float | None = None  # frames a second that the loop manages
    source_fps: float | None = None  # frames a second that the source was made at

    @cached_property
    def annotated(self) -> np.ndarray:
        """The frame with boxes, names and bars: uint8, (height, width, 3) BGR."""
        return draw_faces(self.image, self.faces, self.class_names, self.fps)

    def enlarged(self, height: int = 480) -> np.ndarray:
        """As `annotated`, of a frame that is at least so many pixels high: text can be read."""
        scale = height / self.image.shape[0]
        if scale <= 1:
            return self.annotated
        image = cv2.resize(self.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        faces = [
            replace(face, box=tuple(round(value * scale) for value in face.box))
            for face in self.faces
        ]
        return draw_faces(image, faces, self.class_names, self.fps)

    @cached_property
    def rows(self) -> list[list]:
        """One row a face, in the order of `table_columns`."""
        start = [self.source, self.frame, round(self.seconds, 4)]
        return [[*start, face.track, *face.row()] for face in self.faces]

    def text(self) -> str:
        """The probabilities of every face, as lines to print."""
        lines = [
            f"face {face.track}: "
            + ", ".join(
                f"{name} {share:.2f}"
                for name, share in zip(self.class_names, face.probabilities, strict=True)
            )
            for face in self.faces
        ]
        return f"{self.seconds:.2f} s: " + ("\n".join(lines) or "no face")


class ResultsTable:
    """The rows of readings, kept as bare numbers: hours of video fit in memory."""

    def __init__(self, class_names: Sequence[str]):
        self.columns = table_columns(class_names)
        self.frames = 0
        self._labels = [*class_names, UNSURE]
        self._sources: list[str] = []
        self._numbers = array("d")

    def add(self, reading: Reading) -> None:
        """Take a reading's rows in."""
        self.frames += 1
        if not self._sources or self._sources[-1] != reading.source:
            self._sources.append(reading.source)
        source = len(self._sources) - 1
        for _, *values, label, confidence in reading.rows:
            self._numbers.extend((source, *values, self._labels.index(label), confidence))

    def to_pandas(self) -> pd.DataFrame:
        """One row for each face of each frame, in the order of `table_columns`."""
        import pandas as pd  # 80 MB and a quarter of a second, which no frame needs

        # A file's name may hold bytes that are no text, which Arrow's strings refuse.
        pd.options.mode.string_storage = "python"
        numbers = np.array(self._numbers, np.float64).reshape(-1, len(self.columns))
        table = pd.DataFrame(numbers, columns=self.columns)
        whole = ["frame", "track", "x", "y", "width", "height"]
        table[whole] = table[whole].astype(int)
        for column, names in (("source", self._sources), ("label", self._labels)):
            table[column] = np.array(names, dtype=object)[table[column].astype(int)]
        return table
