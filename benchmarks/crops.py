"""From the data set to the camera: the same faces, cut and lit in other ways.

    python -m benchmarks.crops [--data data/fer2013/validation] [--model models/fer2013.keras]
        [--against MODEL]

Each picture of the data set is scored as it is, then as a camera would give it: enlarged
four times, bordered by its own edge, on a grey scene of 640 × 480, found there by the
Haar cascade of `utils.vision.haar.FaceDetector`, and cut out by its box; and under blur, poor
light, noise, compression, rotation and at half its size. A box that overlaps the face's
place by less than a half (intersection over union) has not found it; the same is given of
every box all the same. With another model, which reads the same crops, it is told who is
right more often, and whether by chance (McNemar's exact test). Prints a table, and writes
`results/crops.json`.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from tqdm.auto import tqdm

from benchmarks.measuring import save
from utils import datasets
from utils.config import project_path
from utils.models.predictor import Predictor, load
from utils.vision.boxes import Box, intersection_over_union
from utils.vision.haar import FaceDetector
from utils.vision.images import read_image
from utils.vision.opencv import cv2
from utils.vision.preprocessing import crop, prepare

SCENE = 640, 480  # pixels, width and height
FACE = 192  # side of the enlarged face in the scene, in pixels
BORDER = 96  # pixels on each side that repeat the picture's edge, before the scene begins
BACKGROUND = 110  # grey level
FOUND = 0.5  # least intersection over union of a box with the face's place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="data/fer2013/validation", help="folder per class")
    parser.add_argument("--model", default="models/fer2013.keras")
    parser.add_argument("--against", metavar="MODEL", help="another model for the same crops")
    options = parser.parse_args()

    predictor = load(project_path(options.model))
    table = datasets.find_images(project_path(options.data))
    labels = pd.Categorical(table["class"], predictor.class_names).codes
    pictures = [read_image(file) for file in table["file"]]
    plain = _right(predictor, pictures, labels)
    rows = {"data-set crop": plain}
    rows |= {
        name: _right(predictor, [change(picture) for picture in pictures], labels)
        for name, change in tqdm(_changes().items(), unit="condition")
    }
    crops, overlaps = _haar_crops(pictures, predictor.preprocessing.margin)
    boxed = overlaps > 0
    on_crops = np.zeros_like(plain)
    on_crops[boxed] = _right(predictor, crops, labels[boxed])
    found = overlaps >= FOUND
    values = {
        "haar_crops": _compared(plain[found], on_crops[found]),
        "haar_crops_of_any_box": _compared(plain[boxed], on_crops[boxed]),
    }
    if options.against:
        other = _right(load(project_path(options.against)), crops, labels[boxed])[found[boxed]]
        values["haar_crops_against"] = _paired(options.against, on_crops[found], other)
    conditions = {
        name: {"accuracy": right.mean(), "change_points": 100 * (right.mean() - plain.mean())}
        for name, right in rows.items()
    }
    print(pd.DataFrame(conditions).T.round(4).to_string())
    save(
        "crops",
        {
            "pictures": len(table),
            "conditions": conditions,
            **values,
            "mirrored_gets_the_same_label": _mirrored_alike(predictor, pictures),
        },
        model=options.model,
    )


def _compared(plain: np.ndarray, on_crops: np.ndarray) -> dict:
    """How often the same pictures were named rightly, bool (pictures,), in both ways."""
    return {
        "found": len(plain),
        "accuracy_as_data_set_crops": plain.mean(),
        "accuracy_as_haar_crops": on_crops.mean(),
        "loss_points": 100 * (plain.mean() - on_crops.mean()),
    }


def _paired(model: str, ours: np.ndarray, theirs: np.ndarray) -> dict:
    """Two models' right answers to the same pictures, bool (pictures,)."""
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return {
        "model": Path(model).stem,
        "accuracy_as_haar_crops": theirs.mean(),
        "only_this_model_right": only_ours,
        "only_the_other_right": only_theirs,
        "p": binomtest(only_ours, only_ours + only_theirs).pvalue,
    }


def _answers(predictor: Predictor, pictures: list[np.ndarray]) -> np.ndarray:
    faces = np.stack([prepare(picture, predictor.preprocessing) for picture in pictures])
    parts = np.array_split(faces, max(len(faces) // 128, 1))
    return np.concatenate([predictor.probabilities(part) for part in parts]).argmax(axis=1)


def _right(predictor, pictures, labels) -> np.ndarray:
    """Which answers were right: bool, (pictures,)."""
    return _answers(predictor, pictures) == labels


def _mirrored_alike(predictor, pictures) -> float:
    mirrored = [np.ascontiguousarray(picture[:, ::-1]) for picture in pictures]
    return (_answers(predictor, pictures) == _answers(predictor, mirrored)).mean()


def _changes() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What may befall a picture, uint8 in and out, sizes in pixels of 48 × 48."""
    random = np.random.default_rng(0)

    def light(gain, offset=0):
        levels = np.clip(np.arange(256) * gain + offset, 0, 255).astype(np.uint8)
        return lambda picture: cv2.LUT(picture, levels)

    def noise(deviation):
        def add(picture):
            noisy = picture + random.normal(0, deviation, picture.shape)
            return np.clip(noisy, 0, 255).astype(np.uint8)

        return add

    def turn(degrees):
        def warp(picture):
            height, width = picture.shape[:2]
            matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
            return cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)

        return warp

    def compress(quality):
        def through_jpeg(picture):
            data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            return cv2.imdecode(data, cv2.IMREAD_ANYCOLOR)

        return through_jpeg

    return {
        "blurred, sigma 1": lambda picture: cv2.GaussianBlur(picture, (0, 0), 1),
        "blurred, sigma 2": lambda picture: cv2.GaussianBlur(picture, (0, 0), 2),
        "dark, 40 % of the light": light(0.4),
        "over-exposed, 160 % + 30": light(1.6, 30),
        "noise, deviation 10": noise(10),
        "noise, deviation 25": noise(25),
        "JPEG, quality 30": compress(30),
        "JPEG, quality 10": compress(10),
        "turned by 20° to the left": turn(20),
        "turned by 20° to the right": turn(-20),
        "24 pixels wide": lambda picture: cv2.resize(
            picture, (24, 24), interpolation=cv2.INTER_AREA
        ),
    }


def _haar_crops(pictures: list[np.ndarray], margin: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Faces as the live path would cut them out of scenes.

    Returns:
        The crops by the boxes that lie on a face; and for every picture by how much its box
        overlaps the face's place: float, (pictures,), 0–1, 0 where there is none.
    """
    detector = FaceDetector()
    crops, best_overlaps = [], np.zeros(len(pictures))
    for number, picture in enumerate(tqdm(pictures, desc="finding faces", unit="picture")):
        scene, place = _scene(picture)
        overlaps = {box: intersection_over_union(box, place) for box in detector.detect(scene)}
        best = max(overlaps, key=overlaps.get, default=None)
        if best is not None and overlaps[best] > 0:
            best_overlaps[number] = overlaps[best]
            crops.append(crop(scene, best, margin))
    return crops, best_overlaps


def _scene(picture: np.ndarray) -> tuple[np.ndarray, Box]:
    """A grey scene with the face in its middle, and the face's place."""
    enlarged = cv2.resize(picture, (FACE, FACE), interpolation=cv2.INTER_CUBIC)
    bordered = cv2.copyMakeBorder(enlarged, *[BORDER] * 4, cv2.BORDER_REPLICATE)
    scene = np.full((SCENE[1], SCENE[0], *picture.shape[2:]), BACKGROUND, np.uint8)
    side = bordered.shape[0]
    left, top = (SCENE[0] - side) // 2, (SCENE[1] - side) // 2
    scene[top : top + side, left : left + side] = bordered
    return scene, (left + BORDER, top + BORDER, FACE, FACE)


if __name__ == "__main__":
    main()
