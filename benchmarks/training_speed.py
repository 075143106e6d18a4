"""Training speed and memory against the plain recipe, on the same network.

    python -m benchmarks.training_speed [--data data/fer2013] [--pictures 12800]
                                        [--torch-python PYTHON]

The plain recipe is that of most FER-2013 tutorials: every picture decoded into one
float32 array, `ImageDataGenerator` with the same kinds of augmentation, float32
arithmetic, `fit`. Each runs in a process of its own, in turn, twice; the faster time
and the smaller peak of each counts. A third process streams the whole training part at
224 × 224 × 3 without training, to show what that costs in memory. With the interpreter of an
environment that has PyTorch, the residual network that is released, in batches of 256, is
timed on TensorFlow, on PyTorch, and on PyTorch without `utils.models.torch_layers`.
"""

import argparse
import json
import os
import sys
import time
from unittest.mock import patch

from benchmarks.measuring import in_a_process, peak_megabytes, save
from utils.config import project_path
from utils.training.batches import Batches

BATCH = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="data/fer2013")
    parser.add_argument("--pictures", type=int, default=12800, help="how many are timed")
    parser.add_argument("--torch-python", help="interpreter of an environment with PyTorch")
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
    found = {**best, "ours_to_plain": ratio, "reading_at_224": large}
    if options.torch_python:
        found["residual_on"] = _backends(options.torch_python, shared)
    save("training_speed", found)


def _backends(torch_python: str, shared) -> dict:
    """The residual network's pictures a second on each backend, the faster of two runs."""
    ways = {
        "tensorflow": ("tensorflow", "residual", sys.executable),
        "torch": ("torch", "residual", torch_python),
        "torch_with_keras_layers": ("torch", "residual-keras", torch_python),
    }
    best = dict.fromkeys(ways, 0.0)
    for _ in range(2):
        for name, (backend, contender, python) in ways.items():
            with patch.dict(os.environ, KERAS_BACKEND=backend):
                run = in_a_process(
                    "benchmarks.training_speed", "--contender", contender, *shared, python=python
                )
            best[name] = max(best[name], run["pictures_per_second"])
    return best


def ours(data: str, pictures: int) -> dict:
    from utils.models import networks
    from utils.models.backend import fastest_precision, xla_pays
    from utils.models.rebuilding import rebuild
    from utils.training.augmentation import Augmentation
    from utils.training.optimizer import Muon

    table, preprocessing = _table(data)
    stream = Batches(table, preprocessing, BATCH, True, Augmentation())
    network = rebuild(networks.six_layer_network(preprocessing), fastest_precision())
    network.compile(Muon(), "categorical_crossentropy", jit_compile=xla_pays())
    return _time(network, stream, pictures)


def residual(data: str, pictures: int) -> dict:
    """As `make release` trains it."""
    from utils.models import networks
    from utils.models.backend import fastest_precision, xla_pays
    from utils.models.rebuilding import rebuild
    from utils.training.augmentation import STRONG
    from utils.training.optimizer import Muon

    table, preprocessing = _table(data)
    stream = Batches(table, preprocessing, 256, True, STRONG)
    network = rebuild(networks.residual_network(preprocessing), fastest_precision())
    network.compile(Muon(), "categorical_crossentropy", jit_compile=xla_pays())
    return _time(network, stream, pictures)


def residual_keras(data: str, pictures: int) -> dict:
    """The same with Keras's own layers."""
    with patch("utils.models.torch_layers.LAYERS", {}):
        return residual(data, pictures)


def plain(data: str, pictures: int) -> dict:
    import cv2
    import numpy as np

    # Keras 3 keeps the class only here, for old code.
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    from utils.models import networks
    from utils.models.backend import keras

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
    stream = Batches(table, preprocessing, BATCH, shuffle=True)
    start = time.perf_counter()
    read = sum(len(stream[index][0]) for index in range(len(stream)))
    return {
        "pictures": read,
        "pictures_per_second": read / (time.perf_counter() - start),
        "peak_mb": peak_megabytes(),
    }


CONTENDERS = {
    "ours": ours,
    "plain": plain,
    "large": large,
    "residual": residual,
    "residual-keras": residual_keras,
}


def _table(data):
    from utils import datasets
    from utils.vision.preprocessing import Preprocessing

    table = datasets.find_images(project_path(data))
    preprocessing = Preprocessing(datasets.class_order(table))
    return datasets.split_of(table, "train"), preprocessing


def _time(network, stream, pictures: int) -> dict:
    """Batches a second of `fit` after a warm-up that compiles everything."""
    batch = getattr(stream, "batch_size", BATCH)
    steps = max(min(pictures, 28_709) // batch, 1)
    network.fit(stream, steps_per_epoch=5, epochs=1, verbose=0)
    start = time.perf_counter()
    network.fit(stream, steps_per_epoch=steps, epochs=1, verbose=0)
    seconds = time.perf_counter() - start
    return {"pictures_per_second": steps * batch / seconds, "peak_mb": peak_megabytes()}


if __name__ == "__main__":
    main()
