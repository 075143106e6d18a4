"""Memory and time of transfer learning at 350 × 350, against holding everything in arrays.

    python -m benchmarks.transfer_memory [--few 24] [--many 120] [--rows 60000]

Both ways put the same drawn faces through VGG16 (random weights, which cost what
ImageNet's do) and train the same MLP head on what it makes of them. "ours" streams
pictures and features; "arrays" is the usual way: all pictures in one float32 array, one
`.npy` file per ten pictures, all features loaded at once. Each runs with few and with
many pictures, in a process of its own: what a picture more costs is their difference.
Last, "ours" trains the head on as many rows as the largest data set has, in a sparse
file of 10 × 10 × 512 features a row.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measuring import in_a_process, peak_megabytes, save

SIZE = 350


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--few", type=int, default=24)
    parser.add_argument("--many", type=int, default=120)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--contender", choices=CONTENDERS)
    parser.add_argument("--data", help="drawn faces, for one contender")
    parser.add_argument("--pictures", type=int, help="how many of them, for one contender")
    options = parser.parse_args()
    if options.contender:
        print(json.dumps(CONTENDERS[options.contender](Path(options.data), options.pictures)))
        return

    from utils.drawn.dataset import draw_dataset

    results = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "faces")
        characters = {"train": -(-options.many // 7)}
        draw_dataset(data, size=SIZE, characters=characters, images_per_expression=1)
        for contender, counts in (
            ("ours", (options.few, options.many)),
            ("arrays", (options.few, options.many)),
            ("head", (options.rows,)),
        ):
            for count in counts:
                results[f"{contender}_{count}"] = in_a_process(
                    "benchmarks.transfer_memory",
                    *("--contender", contender, "--data", str(data), "--pictures", str(count)),
                )
                print(contender, count, results[f"{contender}_{count}"], flush=True)
    per_picture = {
        contender: (
            results[f"{contender}_{options.many}"]["features_peak_mb"]
            - results[f"{contender}_{options.few}"]["features_peak_mb"]
        )
        / (options.many - options.few)
        for contender in ("ours", "arrays")
    }
    save("transfer_memory", {**results, "mb_for_one_picture_more": per_picture})


def ours(data: Path, count: int) -> dict:
    from utils import training
    from utils.training import features
    from utils.training.batches import Batches

    table, preprocessing, trunk, head = _task(data)
    pictures = Batches(table.head(count), preprocessing, batch_size=32)
    start = time.perf_counter()
    features.trunk_features(trunk, pictures, data.parent)
    computed, features_peak = time.perf_counter(), peak_megabytes()
    settings = training.Settings(epochs=1)
    # One picture in ten chooses the epoch, as the split of a real data set would have it.
    split = np.where(np.arange(len(pictures.table)) % 10, "train", "validation")
    parted = Batches(pictures.table.assign(split=split), preprocessing, batch_size=32)
    training.train_head(head, trunk, parted, settings, data.parent, cache=data.parent)
    return _result(start, computed, features_peak)


def arrays(data: Path, count: int) -> dict:
    import cv2

    table, preprocessing, trunk, head = _task(data, colour="rgb")
    table = table.head(count)
    start = time.perf_counter()
    pictures = np.array([cv2.imread(file) for file in table["file"]], np.float32)[..., ::-1]
    folder = Path(tempfile.mkdtemp(dir=data.parent))
    for first in range(0, count, 10):
        ten = trunk.predict(pictures[first : first + 10], verbose=0)
        np.save(folder / f"{first:06d}.npy", ten)
    files = sorted(folder.iterdir())
    found = np.concatenate([np.load(file) for file in files])
    computed, features_peak = time.perf_counter(), peak_megabytes()
    labels = np.eye(7)[table["class"].map(preprocessing.class_names.index)]
    head.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    head.fit(found, labels, batch_size=256, epochs=1, verbose=0)
    return _result(start, computed, features_peak)


def head_alone(data: Path, count: int) -> dict:
    """One epoch on features of so many pictures, which stand in a sparse file."""
    from utils import training
    from utils.training import features
    from utils.training.batches import Batches

    table, preprocessing, trunk, head = _task(data)
    repeated = table.iloc[np.arange(count) % len(table)].copy()
    repeated.iloc[:7, repeated.columns.get_loc("split")] = "validation"
    pictures = Batches(repeated, preprocessing)
    file = data.parent / f"features-{features.features_key(trunk, pictures)}.npy"
    shape = (count, *trunk.output_shape[1:])
    np.lib.format.open_memmap(file, "w+", np.float16, shape)
    start = time.perf_counter()
    settings = training.Settings(epochs=1)
    training.train_head(head, trunk, pictures, settings, data.parent, cache=data.parent)
    return {
        "file_mb": file.stat().st_size / 1e6,
        "head_seconds": time.perf_counter() - start,
        "peak_mb": peak_megabytes(),
    }


CONTENDERS = {"ours": ours, "arrays": arrays, "head": head_alone}


def _task(data, colour="grey"):
    """Batches, VGG16 and the MLP that the usual way trains on its features."""
    from utils import datasets
    from utils.config import CLASS_NAMES
    from utils.models import backbones
    from utils.models.backend import keras
    from utils.vision.preprocessing import Preprocessing

    preprocessing = Preprocessing(CLASS_NAMES, size=SIZE, colour=colour)
    keras.utils.set_random_seed(0)
    trunk = backbones.make_trunk("vgg16", preprocessing, weights=None)
    layers = keras.layers
    head = keras.Sequential(
        [
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(256, activation="relu"),
            layers.Dense(128, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(64, activation="relu"),
            layers.Dense(len(CLASS_NAMES), activation="softmax"),
        ],
        name="head",
    )
    return datasets.find_images(data), preprocessing, trunk, head


def _result(start, computed, features_peak) -> dict:
    return {
        "features_seconds": computed - start,
        "features_peak_mb": features_peak,
        "head_seconds": time.perf_counter() - computed,
        "peak_mb": peak_megabytes(),
    }


if __name__ == "__main__":
    main()
