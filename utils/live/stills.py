"""The faces of single pictures, as a table."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from tqdm.auto import tqdm

from utils.config import PICTURE_SUFFIXES
from utils.live.results import Face, face_columns, labelled_face
from utils.vision.haar import FaceDetector
from utils.vision.images import Picture, PictureError, open_picture
from utils.vision.opencv import cv2

# All of these can be iterated over as well, as can an open file.
_SINGLE = str | Path | bytes | bytearray | memoryview | Image.Image | np.ndarray


def read_stills(
    pictures: Picture | Iterable[Picture],
    predictor,
    detector: FaceDetector | None = None,
    threshold: float = 0.0,
    progress: bool = False,
    colour_order: str = "bgr",
) -> pd.DataFrame:
    """Find and read the faces of pictures.

    Args:
        pictures: a picture as `utils.vision.images.open_picture` takes it (path, bytes of a
            picture file, binary file, PIL image, uint8 array), a folder of them, or an
            iterable of these. Of a folder, the picture files are taken by name, its own
            folders not.
        predictor: has ``class_names`` and ``predict_faces(frame, boxes)``, as
            `utils.models.predictor.Predictor`.
        detector: finds faces; a `FaceDetector` by default, searching thoroughly.
        threshold: least confidence for a label; below it the face is "unsure".
        progress: show a bar.
        colour_order: "bgr" or "rgb", the order of the channels of arrays.

    Returns:
        One row a face, the largest first: file ("picture 0" … for what has no path),
        face (from 1), x, y, width, height (pixels of the upright picture), one column a
        class (0–1), label and confidence. A picture without a face has one row with
        face 0 and the label "no face"; one that cannot be read has "not read: …" there.

    Raises:
        TypeError: something is no picture, folder or iterable of them.
        ValueError: ``colour_order`` is neither "bgr" nor "rgb".
    """
    detector = detector or FaceDetector()
    columns = ["file", "face", *face_columns(predictor.class_names)]
    sources = _flatten(pictures)
    if not isinstance(pictures, Iterator):  # a generator's pictures need not fit into memory
        sources = list(sources)
    rows = []
    for number, source in enumerate(tqdm(sources, unit="picture", disable=not progress)):
        name = str(source) if isinstance(source, str | Path) else f"picture {number}"
        try:
            faces = read_still(source, predictor, detector, threshold, colour_order)
        except (OSError, PictureError, cv2.error) as error:  # the other pictures go on
            rows.append({"file": name, "face": 0, "label": f"not read: {error}"})
            continue
        if not faces:
            rows.append({"file": name, "face": 0, "label": "no face"})
        for face in faces:
            found = zip(columns, [name, face.track, *face.row()], strict=True)
            rows.append(dict(found))
    table = pd.DataFrame(rows, columns=columns)
    whole = ["x", "y", "width", "height"]
    return table.astype({name: "Int64" for name in whole})  # no box is <NA>, not a number


def read_still(
    picture: Picture, predictor, detector: FaceDetector, threshold: float, colour_order: str = "bgr"
) -> list[Face]:
    """The faces of one picture, the largest first, numbered from 1.

    Args, raises: as for `read_stills`, but for what one picture raises: OSError or
        `PictureError` where it cannot be read.
    """
    image = open_picture(picture, colour_order)
    boxes = detector.detect(image, thorough=True)
    answers = predictor.predict_faces(image, boxes) if boxes else ()
    return [
        labelled_face(number, box, answer, predictor.class_names, threshold)
        for number, (box, answer) in enumerate(zip(boxes, answers, strict=True), start=1)
    ]


def _flatten(pictures) -> Iterator[Picture]:
    """Every single picture, with folders and iterables opened."""
    if isinstance(pictures, str | Path) and os.path.isdir(pictures):
        files = [file for file in sorted(Path(pictures).iterdir()) if _is_picture(file)]
        yield from files or [pictures]  # an empty folder gets its row, too
    elif isinstance(pictures, _SINGLE) or pictures is None or hasattr(pictures, "read"):
        yield pictures
    elif isinstance(pictures, Iterable):
        for one in pictures:
            yield from _flatten(one)
    else:
        yield pictures  # refused where it is opened


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURE_SUFFIXES and file.name[0] != "." and file.is_file()
