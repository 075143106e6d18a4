"""The faces of single images, as a table."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from utils.live.arguments import as_predictor, check_threshold
from utils.live.results import face_columns
from utils.live.unsure import Face, labelled_face
from utils.models.opinion import judge_of
from utils.progress import progress_bar
from utils.vision.boxes import Box
from utils.vision.detectors import make_detector
from utils.vision.image_kinds import images_in
from utils.vision.images import ImageError, ImageSource, open_image
from utils.vision.opencv import cv2
from utils.vision.preprocessing import prepare

pd.options.mode.string_storage = "python"  # see `results.ResultsTable`

# All of these can be iterated over as well, as can an open file.
_SINGLE = str | Path | bytes | bytearray | memoryview | Image.Image | np.ndarray


def read_stills(
    images: ImageSource | Iterable[ImageSource],
    predictor=None,
    detector="haar",
    threshold: float = 0.0,
    progress: bool = False,
    colour_order: str = "bgr",
    whole: bool = False,
) -> pd.DataFrame:
    """Find and read the faces of images.

    In an empty notebook, with the released model:

        from utils import live, plots
        faces = live.read_stills("photo.jpg")
        plots.still("photo.jpg", faces)

    Args:
        images: an image as `utils.vision.images.open_image` takes it (path, bytes of an image file,
            binary file, PIL image, uint8 array), a folder of them, or an iterable of these. Of a
            folder, the image files are taken by name, its own folders not.
        predictor: has ``class_names`` and ``predict_faces(frame, boxes)``, as
            `utils.models.predictor.Predictor`; or a model's path; by default the released model.
        detector: "haar", "yunet" or a detector, which searches thoroughly: see
            `utils.vision.detectors.make_detector`.
        threshold: least confidence for a label; below it the face is "unsure".
        progress: show a bar.
        colour_order: "bgr" or "rgb", the order of the channels of arrays.
        whole: take each image as one face, as FER-2013's files are; nothing is looked for.

    Returns:
        One row a face, the largest first: file ("image 0" … for what has no path), face (from 1),
        x, y, width, height (pixels of the upright image), one column a class (0–1), label and
        confidence. An image without a face has one row with face 0 and the label "no face"; one
        that cannot be read has "not read: …" there.

    Raises:
        TypeError: something is no image, folder or iterable of them.
        ValueError: ``colour_order`` is neither "bgr" nor "rgb"; the threshold is no share.
    """
    check_threshold(threshold)
    predictor = as_predictor(predictor)
    detector = None if whole else make_detector(detector or "haar")
    columns = ["file", "face", *face_columns(predictor.class_names)]
    sources = _flatten(images)
    if not isinstance(images, Iterator):  # a generator's images need not fit into memory
        sources = list(sources)
    rows = []
    for number, source in enumerate(progress_bar(sources, unit="image", disable=not progress)):
        name = str(source) if isinstance(source, str | Path) else f"image {number}"
        try:
            faces = read_still(source, predictor, detector, threshold, colour_order)
        except (OSError, ImageError, cv2.error) as error:  # the other images go on
            empty = isinstance(source, str | Path) and os.path.isdir(source)
            reason = "a folder without images" if empty else error
            rows.append({"file": name, "face": 0, "label": f"not read: {reason}"})
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
    image: ImageSource,
    predictor,
    detector,
    threshold: float,
    colour_order: str = "bgr",
) -> list[Face]:
    """The faces of one image, the largest first, numbered from 1; arguments as for `read_stills`.

    Without a detector (None) the whole image is the face, prepared as in training. OSError or
    `ImageError` is raised where the image cannot be read.
    """
    image = open_image(image, colour_order)
    if detector is None:
        boxes = [(0, 0, image.shape[1], image.shape[0])]
        answers = predictor.probabilities(prepare(image, predictor.preprocessing)[None])
    else:
        boxes = find_faces(image, predictor, detector)
        answers = predictor.predict_faces(image, boxes) if boxes else ()
    return [
        labelled_face(number, box, answer, predictor.class_names, threshold)
        for number, (box, answer) in enumerate(zip(boxes, answers, strict=True), start=1)
    ]


def find_faces(image: np.ndarray, predictor, detector) -> list[Box]:
    """The boxes of a still's faces, the largest first; the predictor is asked for its opinion.

    Args:
        image: uint8, (height, width) grey or (height, width, 3) BGR, 0–255.
        predictor, detector: see `read_stills`.
    """
    judge = judge_of(predictor)
    second = {} if judge is None else {"judge": judge}  # a detector need not know of judges
    return detector.detect(image, thorough=True, **second)


def _flatten(images) -> Iterator[ImageSource]:
    """Every single image, with folders and iterables opened."""
    if isinstance(images, str | Path) and os.path.isdir(images):
        yield from images_in(images) or [images]  # an empty folder gets its row, too
    elif isinstance(images, _SINGLE) or hasattr(images, "read") or not isinstance(images, Iterable):
        yield images  # what is no image is refused where it is opened
    else:
        for one in images:
            yield from _flatten(one)
