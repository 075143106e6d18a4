"""Training speed and memory against the plain recipe, on the same network.

    python -m benchmarks.training_speed [--data data/fer2013] [--pictures 12800]

The plain recipe is that of most FER-2013 tutorials: every picture decoded into one
float32 array, `ImageDataGenerator` with the same kinds of augmentation, float32
arithmetic, `fit`. Each runs in a process of its own, in turn, twice; the faster time
and the smaller peak of each counts. A third process streams the whole training part at
224 × 224 × 3 without training, to show what that costs in memory.
"""

import argparse
import json
import time

from benchmarks.measuring import in_a_process, peak_megabytes, save
from utils.config import project_path
from utils.streaming import Pictures

BATCH = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="data/fer2013")
    parser.add_argument("--pictures", type=int, default=12800, help="how many are timed")
    parser.add_argument("--contender", choices=CONTENDERS)
    options = parser.parse_args()
    if options.contender:
        print(json.dumps(CONTENDERS[options.contender](options.data, options.pictures)))
        return
    shared = ("--data", options.data, "--pictures", str(options.pictures))
    runs = {"ours": [], "plain": []}
    for _ in range(2):
        for name, results in runs.items():
            results.append(in_a_process("benchmarks.training_speed", "--contender", name, *shared))
    best = {
        name: {
            "pictures_per_second": max(run["pictures_per_second"] for run in results),
            "peak_mb": min(run["peak_mb"] for run in results),
        }
        for name, results in runs.items()
    }
    large = in_a_process("benchmarks.training_speed", "--contender", "large", *shared)
    ratio = {
        "pictures_per_second": best["ours"]["pictures_per_second"]
        / best["plain"]["pictures_per_second"],
        "peak_mb": best["ours"]["peak_mb"] / best["plain"]["peak_mb"],
    }
    save("training_speed", {**best, "ours_to_plain": ratio, "reading_at_224": large})


def ours(data: str, pictures: int) -> dict:
    from utils import networks
    from utils.augmentation import Augmentation
    from utils.backend import fastest_precision, rebuild, xla_pays
    from utils.optimizers import Muon

    table, preprocessing = _table(data)
    stream = Pictures(table, preprocessing, BATCH, True, Augmentation())
    network = rebuild(networks.six_layer_network(preprocessing), fastest_precision())
    network.compile(Muon(), "categorical_crossentropy", jit_compile=xla_pays())
    return _time(network, stream, pictures)


def plain(data: str, pictures: int) -> dict:
    import cv2
    import numpy as np

    # Keras 3 keeps the class only here, for old code.
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    from utils import networks
    from utils.backend import keras

    table, preprocessing = _table(data)
    arrays = [cv2.imread(file, cv2.IMREAD_GRAYSCALE) for file in table["file"]]
    arrays = np.array(arrays, "float32")[..., None]
    codes = table["class"].map(preprocessing.class_names.index)
    labels = keras.utils.to_categorical(codes, len(preprocessing.class_names))
    generator = ImageDataGenerator(
        rotation_range=10,
        width_shift_range=0.08,
        height_shift_range=0.08,
        zoom_range=0.12,
        brightness_range=(0.8, 1.2),
        horizontal_flip=True,
    )
    network = networks.six_layer_network(preprocessing)
    network.compile("adam", "categorical_crossentropy")
    return _time(network, generator.flow(arrays, labels, batch_size=BATCH), pictures)


def large(data: str, pictures: int) -> dict:
    """Every training picture once, resized to 224 × 224 × 3."""
    from dataclasses import replace

    table, preprocessing = _table(data)
    preprocessing = replace(preprocessing, size=224, colour="rgb")
    stream = Pictures(table, preprocessing, BATCH, shuffle=True)
    start = time.perf_counter()
    read = sum(len(stream[index][0]) for index in range(len(stream)))
    return {
        "pictures": read,
        "pictures_per_second": read / (time.perf_counter() - start),
        "peak_mb": peak_megabytes(),
    }


CONTENDERS = {"ours": ours, "plain": plain, "large": large}


def _table(data):
    from utils import datasets
    from utils.preprocessing import Preprocessing

    table = datasets.find_pictures(project_path(data))
    preprocessing = Preprocessing(datasets.class_order(table))
    return datasets.split_of(table, "train"), preprocessing


def _time(network, stream, pictures: int) -> dict:
    """Pictures a second of `fit` after a warm-up that compiles everything."""
    steps = max(min(pictures, 28_709) // BATCH, 1)
    network.fit(stream, steps_per_epoch=5, epochs=1, verbose=0)
    start = time.perf_counter()
    network.fit(stream, steps_per_epoch=steps, epochs=1, verbose=0)
    seconds = time.perf_counter() - start
    return {"pictures_per_second": steps * BATCH / seconds, "peak_mb": peak_megabytes()}


if __name__ == "__main__":
    main()
