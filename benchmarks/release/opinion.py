"""Teach a released model to say whether a box holds a face at all.

    python -m benchmarks.release.opinion PHOTOS [--model models/expressions.keras] [--faces FOLDER]

A logistic regression on the trunk's features of a box and of one 1.6 times as wide, written into
the model file's metadata (`utils.models.opinion`). It learns from what the cascades propose in one
half of the photographs (PHOTOS as for `benchmarks.detection`; halves by the seed 0 over their
sorted names), as they are and at 0.6 times their size, from scikit-image's and scikit-learn's
sample pictures without a face in four turns, and from images of FOLDER in a border. Printed is
what it does to the proposals in the other half, which it has not seen.
"""

import argparse

import numpy as np
from sklearn.linear_model import LogisticRegression
from tqdm.auto import tqdm

from benchmarks.conditions import scene
from benchmarks.detection import face_free_pictures
from benchmarks.photographs import SEED, learned_from, read_photographs
from utils import datasets
from utils.config import project_path
from utils.models import litert
from utils.models.metadata import read_metadata
from utils.models.opinion import Opinion, opinion_features, write_opinion
from utils.models.predictor import load
from utils.vision.haar import FaceDetector
from utils.vision.images import read_image, to_grey
from utils.vision.opencv import cv2

SCALES = (1.0, 0.6)
STRENGTH = 0.02  # C of the regression


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos")
    parser.add_argument("--model", default="models/expressions.keras")
    parser.add_argument("--faces", default="data/fer2013", help="images of faces")
    parser.add_argument("--count", type=int, default=300, help="how many of them")
    options = parser.parse_args()
    model = project_path(options.model)
    if not read_metadata(model).get(litert.FEATURES):
        from utils.models.model_file import add_litert_model

        add_litert_model(model)  # a file of before, whose LiteRT model tells no features
    network, detector = load(model), FaceDetector()
    pictures = dict(read_photographs(options.photos))
    learned = learned_from(pictures)

    rows = {True: [], False: []}  # features and answers, by whether they are learned from
    for name, (picture, faces) in tqdm(pictures.items(), "photographs"):
        places = faces[["x", "y", "width", "height"]].to_numpy(float)
        for scale in SCALES if name in learned else SCALES[:1]:
            grey = cv2.resize(
                to_grey(picture), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
            )
            boxes = detector.propose(grey, generous=True)
            known = [(box, _holds(box, places * scale)) for box in boxes]
            boxes = [box for box, holds in known if holds is not None]
            answers = [holds for _, holds in known if holds is not None]
            if boxes:
                rows[name in learned].append((opinion_features(network, grey, boxes), answers))
    for picture in tqdm(face_free_pictures()[0].values(), "face-free"):
        for turn in range(4):
            grey = np.ascontiguousarray(np.rot90(picture, turn))
            boxes = detector.propose(grey, generous=True)
            if boxes:
                rows[True].append((opinion_features(network, grey, boxes), [0] * len(boxes)))
    table = datasets.split_of(datasets.find_images(project_path(options.faces)), "train")
    for file in tqdm(table.sample(options.count, random_state=SEED)["file"], "faces"):
        whole, place = scene(to_grey(read_image(file)))
        rows[True].append((opinion_features(network, whole, [place]), [1]))

    features, answers = _joined(rows[True])
    centre, spread = features.mean(0), features.std(0) + 1e-6
    fit = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=5000)
    fit.fit((features - centre) / spread, answers)
    weights = fit.coef_[0] / spread
    opinion = Opinion(weights, float(fit.intercept_[0] - centre @ weights))
    write_opinion(model, opinion)
    for half, name in ((True, "learned"), (False, "held out")):
        features, answers = _joined(rows[half])
        shares = opinion(features)
        print(f"{name}: {answers.sum()} faces, {len(answers) - answers.sum()} others")
        for least in (0.3, 0.5, 0.6, 0.7, 0.8):
            kept = shares >= least
            print(f"  from {least}: {kept[answers].sum()} and {kept[~answers].sum()}")


def _holds(box, places: np.ndarray) -> bool | None:
    """Whether a proposed box holds a face; None where one could quarrel about it."""
    if not len(places):
        return False
    centre = np.array(box[:2]) + np.array(box[2:]) / 2
    sides = places[:, 2:].max(axis=1)
    apart = np.linalg.norm(places[:, :2] + places[:, 2:] / 2 - centre, axis=1) / sides
    growth = np.abs(np.log(box[2] / np.sqrt(places[:, 2] * places[:, 3])))
    if ((apart < 0.35) & (growth < np.log(1.8))).any():
        return True
    return None if ((apart < 0.8) & (growth < np.log(4))).any() else False


def _joined(rows: list) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([row[0] for row in rows]), np.concatenate(
        [np.asarray(row[1], bool) for row in rows]
    )


if __name__ == "__main__":
    main()
