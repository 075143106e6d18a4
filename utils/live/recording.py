"""Takes of one person's face, kept as images in a folder per class, while a button is held.

The folder holds ``<take>/<class>/<image>.png``, a ``manifest.csv`` as every data set has it, and
``import.json`` with the margin of the crops; `utils.datasets.takes` reads it. Nothing is written
before `TakeRecorder.hold` or after `release`, and nothing elsewhere.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from threading import RLock

import numpy as np

from utils.config import class_name
from utils.files import free_path, replacing, write_json, write_text
from utils.live.results import Reading
from utils.live.sinks import Sink
from utils.live.unsure import Face
from utils.vision.images import to_grey
from utils.vision.opencv import cv2
from utils.vision.preprocessing import crop

COLUMNS = "file", "class", "subject", "domain", "source", "sha256"
MANIFEST, RECORD = "manifest.csv", "import.json"
SIDE = 350  # pixels at most, as crops of data sets have
_ALIKE = 1.5  # mean grey levels by which two crops of 24 × 24 pixels differ at least
_NAME = re.compile(r"\w[\w .'-]{0,39}")  # of classes and people


class TakeRecorder(Sink):
    """A sink that keeps crops of one face while it is told to.

    Args:
        folder: made when the first image is kept.
        subject: the person's name.
        margin: of the model's preprocessing; shown around the box.
        per_second: images at most.

    Attributes:
        track: number of the face that is recorded; None for the largest.
        images: how many it has kept.

    Raises:
        ValueError: no usable name, or recordings with another margin lie there.
    """

    def __init__(
        self, folder: str | Path, subject: str, margin: float = 0.0, per_second: float = 4.0
    ):
        self.folder, self.margin, self.per_second = Path(folder), margin, per_second
        self.subject, self.track = checked_name(subject, "person"), None
        self.images, self._door, self._take, self._class = 0, RLock(), None, None
        self._kept, self._small = -np.inf, None
        record = self.folder / RECORD
        if record.is_file():
            there = json.loads(record.read_text(encoding="utf-8")).get("margin", 0.0)
            if there != margin:
                raise ValueError(
                    f"The faces in {folder} were cut with a margin of {there}, this model wants "
                    f"{margin}. Name another folder."
                )

    @property
    def held(self) -> str | None:
        """The class that is being recorded, or None."""
        return self._class

    def hold(self, name: str, take: str | None = None) -> str:
        """Record a class, perhaps a new one, from the next frame on; returns the take's name.

        Args:
            name: of the class.
            take: go on with this take; a new one by default.
        """
        name, now = class_name(checked_name(name, "class")), f"{datetime.now():%Y%m%d-%H%M%S}"
        with self._door:
            self._take, self._class = take or free_path(self.folder / now).name, name
            self._kept, self._small = -np.inf, None
            return self._take

    def release(self) -> None:
        """Record nothing more."""
        with self._door:
            self._class = None

    def write(self, reading: Reading) -> None:
        """A sink's part: keep the face, if it is time and it has changed."""
        with self._door:
            face = self._chosen(reading.faces) if self._class else None
            if face is None or reading.seconds - self._kept < 1 / self.per_second:
                return
            image = crop(reading.image, face.box, self.margin)
            small = cv2.resize(to_grey(image), (24, 24), interpolation=cv2.INTER_AREA).astype(float)
            if self._small is not None and np.abs(small - self._small).mean() < _ALIKE:
                return
            self._kept, self._small = reading.seconds, small
            self._keep(image, f"{reading.source} {reading.seconds:.2f} s")

    def close(self, complete: bool) -> None:
        """A sink's part: a run that ends lets go of the button."""
        self.release()

    def counts(self) -> dict[str, int]:
        """How many images of this person there are of each class."""
        rows = [row for row in read_manifest(self.folder) if row["subject"] == self.subject]
        return dict(Counter(row["class"] for row in rows))

    def undo(self) -> str | None:
        """Remove this person's last take; its name, or None where there is none."""
        with self._door:
            self.release()
            rows = read_manifest(self.folder)
            takes = [_take_of(row) for row in rows if row["subject"] == self.subject]
            if not takes:
                return None
            last = self.subject, takes[-1]
            remove(self.folder, lambda row: (row["subject"], _take_of(row)) == last)
            return takes[-1]

    def _chosen(self, faces: Sequence[Face]) -> Face | None:
        if self.track is not None:
            return next((face for face in faces if face.track == self.track), None)
        return max(faces, key=lambda face: face.box[2] * face.box[3], default=None)

    def _keep(self, image: np.ndarray, source: str) -> None:
        side = max(image.shape[:2])
        if side > SIDE:
            size = [max(1, round(length * SIDE / side)) for length in image.shape[1::-1]]
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        data = cv2.imencode(".png", image)[1].tobytes()
        place = self.folder / self._take / self._class
        number = len(list(place.glob("*.png"))) + 1
        file = place / f"{number:03}.png"
        rows = read_manifest(self.folder)
        if not (self.folder / RECORD).is_file():
            write_json(self.folder / RECORD, {"dataset": "recordings", "margin": self.margin})
        inside = file.relative_to(self.folder).as_posix()
        values = inside, self._class, self.subject, "people", source, sha256(data).hexdigest()
        # The row first: an image that the manifest does not know would outlive its person.
        rows.append(dict(zip(COLUMNS, values, strict=True)))
        write_text(self.folder / MANIFEST, manifest_text(rows))
        with replacing(file) as temporary:
            temporary.write_bytes(data)
        self.images += 1


class GuidedRound(Sink):
    """A sink that leads through the classes: announces each, waits, holds the button, goes on.

    Args:
        recorder: what keeps the images; give both to `utils.live.loop.read_live`, this one first.
        classes: in this order.
        say: gets "Now look happy …" at the beginning of each wait, and "Thank you." at the end.
        seconds, pause: that each class is recorded for, and before that.

    Attributes:
        done: 0–1, how much of the round is over.
    """

    def __init__(
        self,
        recorder: TakeRecorder,
        classes: Sequence[str],
        say: Callable[[str], None] = print,
        seconds: float = 3.0,
        pause: float = 2.0,
    ):
        self._recorder, self._classes, self._say = recorder, list(classes), say
        self._seconds, self._pause = seconds, pause
        self._start = self._take = None
        self._step, self.done = -1, 0.0

    def write(self, reading: Reading) -> bool | None:
        """A sink's part, by the source's own time; False at the end of the round."""
        if self.done >= 1:
            return False
        if self._start is None:
            self._start = reading.seconds
        each = self._pause + self._seconds
        step, inside = divmod(reading.seconds - self._start, each)
        self.done = min(1.0, (reading.seconds - self._start) / (each * len(self._classes)))
        if step >= len(self._classes):
            self._recorder.release()
            self.done = 1.0
            self._say("Thank you.")
            return False
        if step != self._step:
            self._step = step
            self._recorder.release()
            self._say(f"Now look {self._classes[int(step)]} for {self._seconds:g} seconds …")
        elif inside >= self._pause and self._recorder.held is None:
            self._take = self._recorder.hold(self._classes[int(step)], self._take)
        return None

    def close(self, complete: bool) -> None:
        """A sink's part: tell what a round that ended early has not recorded to its end."""
        if self._step >= 0 and self.done < 1:
            left = ", ".join(self._classes[int(self._step) :])
            self._say(f"The round ended early, without {left}.")


def checked_name(name: str, what: str) -> str:
    """A name of a class or a person, stripped; ValueError if it could be no folder's."""
    name = name.strip()
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise ValueError(
            f"The name of a {what} is of up to 40 letters, digits, spaces and - _ . ' and begins "
            f"with a letter or digit. Received: {name!r}"
        )
    return name


def read_manifest(folder: Path) -> list[dict]:
    """The rows of a folder's manifest; none where there is no manifest."""
    file = Path(folder) / MANIFEST
    if not file.is_file():
        return []
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))


def manifest_text(rows: list[dict]) -> str:
    """Rows as a manifest's text."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def remove(folder: Path, which: Callable[[dict], bool]) -> int:
    """Remove the recordings whose rows are chosen, and what was theirs alone; how many."""
    rows = read_manifest(folder)
    gone, kept = [row for row in rows if which(row)], [row for row in rows if not which(row)]
    for file in [inside(folder, row["file"]) for row in gone]:  # all are checked first
        file.unlink(missing_ok=True)
        for place in (file.parent, file.parent.parent):
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()
    write_text(folder / MANIFEST, manifest_text(kept))
    if not kept:
        for name in (MANIFEST, RECORD):
            (folder / name).unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()
    return len(gone)


def _take_of(row: dict) -> str:
    return row["file"].split("/")[0]


def inside(folder: Path, name: str) -> Path:
    """The path of a manifest's file; ValueError where it leads out of the folder."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"{folder / MANIFEST} names a file outside of its folder: {name}")
    return folder / name
