"""The faces of single pictures, as a table."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from utils.faces import FaceDetector
from utils.overlay import UNSURE
from utils.pictures import read_picture


def read_stills(
    pictures: Iterable[str | Path | np.ndarray],
    predictor,
    detector: FaceDetector | None = None,
    threshold: float = 0.0,
    progress: bool = False,
) -> pd.DataFrame:
    """Find and read the faces of pictures.

    Args:
        pictures: files, or uint8 arrays (height, width) grey or (height, width, 3)
            BGR, 0–255.
        predictor: has ``class_names`` and ``predict_faces(frame, boxes)``, as
            `utils.predictor.Predictor`.
        detector: finds faces; a `FaceDetector` by default, searching thoroughly.
        threshold: least confidence for a label; below it the face is "unsure".
        progress: show a bar.

    Returns:
        One row a face, the largest first: file ("picture 0" … for arrays), face (from
        1), x, y, width, height (pixels), one column a class (0–1), label and
        confidence. A picture without a face has one row with face 0 and the label "no
        face"; one that cannot be read has the reason there instead.
    """
    detector = detector or FaceDetector()
    classes = list(predictor.class_names)
    rows = []
    for number, source in enumerate(tqdm(list(pictures), unit="picture", disable=not progress)):
        name = f"picture {number}" if isinstance(source, np.ndarray) else str(source)
        try:
            picture = source if isinstance(source, np.ndarray) else read_picture(source)
            boxes = detector.detect(picture, thorough=True)
        except (OSError, ValueError) as error:  # the other pictures go on
            rows.append({"file": name, "face": 0, "label": f"{type(error).__name__}: {error}"})
            continue
        if not boxes:
            rows.append({"file": name, "face": 0, "label": "no face"})
        answers = predictor.predict_faces(picture, boxes)
        for face, (box, answer) in enumerate(zip(boxes, answers, strict=True), start=1):
            best = int(answer.argmax())
            rows.append(
                {
                    "file": name,
                    "face": face,
                    **dict(zip(("x", "y", "width", "height"), box, strict=True)),
                    **dict(zip(classes, map(float, answer), strict=True)),
                    "label": classes[best] if answer[best] >= threshold else UNSURE,
                    "confidence": float(answer[best]),
                }
            )
    columns = ["file", "face", "x", "y", "width", "height", *classes, "label", "confidence"]
    table = pd.DataFrame(rows, columns=columns)
    whole = ["x", "y", "width", "height"]
    return table.astype({name: "Int64" for name in whole})  # no box is <NA>, not a number
