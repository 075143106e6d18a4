"""Retraining the head alone, on features of a frozen trunk.

The trunk looks at every picture once; what it says is kept on disk, so an edited
MLP head is trained in seconds. (Known as bottleneck features; see Chollet,
"Building powerful image classification models using very little data", 2016.)
"""

import hashlib
import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from utils.backend import keras, rebuild, xla_pays
from utils.config import CACHE, RUNS
from utils.datasets import class_weights
from utils.files import write_text
from utils.model_file import save_model
from utils.networks import join
from utils.runs import Run, best_epoch, start_run
from utils.streaming import Pictures
from utils.training import Settings, describe


def trunk_features(trunk: keras.Model, pictures: Pictures, cache: str | Path = CACHE) -> np.ndarray:
    """What a trunk makes of every picture, computed once and then read from disk.

    The file is keyed by the pictures, the trunk's layers and weights, and the
    preprocessing; change any of them and it is computed anew. It is written batch
    by batch, so memory stays small, and gets its name when it is complete.

    Args:
        trunk: maps (n, *preprocessing.input_shape), 0–255, to any shape of features.
        pictures: neither shuffled nor augmented.
        cache: folder for the feature files.

    Returns:
        A read-only memory map, float16, (n, *trunk.output_shape[1:]), in the order
        of ``pictures.table``.
    """
    if pictures.shuffle or pictures.augmentation:
        raise ValueError(
            "Features are computed once, so their pictures must be neither shuffled nor augmented. "
            f"Received: shuffle={pictures.shuffle}, augmentation={pictures.augmentation}."
        )
    cache = Path(cache)
    cache.mkdir(parents=True, exist_ok=True)
    file = cache / f"features-{_key(trunk, pictures)}.npy"
    if not file.is_file():
        temporary = cache / f".{file.name}"  # one that was killed is written over
        shape = (len(pictures.table), *trunk.output_shape[1:])
        features = np.lib.format.open_memmap(temporary, "w+", np.float16, shape)
        trunk.jit_compile = xla_pays()
        start = 0
        for index in tqdm(range(len(pictures)), desc="trunk features", unit="batch"):
            batch = np.asarray(trunk.predict_on_batch(pictures[index][0]))
            features[start : start + len(batch)] = batch
            start += len(batch)
        features.flush()
        del features
        os.replace(temporary, file)
    return np.load(file, mmap_mode="r")


class Features(keras.utils.PyDataset):
    """Streams cached features and their labels to Keras.

    Each item is float32 (batch, *feature shape) and one-hot float32 (batch, classes).

    Args:
        features: (n, …), as `trunk_features` returns them.
        labels: int, (n,).
        classes: number of classes.
        batch_size: rows a batch.
        seed: of the order, which is new for every epoch; None keeps the given order.
    """

    def __init__(self, features, labels, classes: int, batch_size: int = 256, seed=None):
        super().__init__()
        self.features = features
        self.one_hot = np.eye(classes, dtype=np.float32)[labels]
        self.batch_size = batch_size
        self._random = None if seed is None else np.random.default_rng(seed)
        self._order = np.arange(len(labels))
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        if self._random is not None:
            self._random.shuffle(self._order)

    def __len__(self) -> int:
        return -(-len(self._order) // self.batch_size)

    def __getitem__(self, index: int):
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.features[chosen].astype(np.float32), self.one_hot[chosen]


def train_head(
    head: keras.Model,
    trunk: keras.Model,
    training: Pictures,
    validation: Pictures,
    settings: Settings,
    runs: str | Path = RUNS,
    name: str = "head",
    cache: str | Path = CACHE,
) -> Run:
    """Train an MLP head on the features of a frozen trunk.

    Args:
        head: maps the trunk's output to (classes,) probabilities. Training begins
            with new weights; it has those of the best epoch afterwards.
        trunk: not changed.
        training: pictures to learn from, neither shuffled nor augmented.
        validation: pictures that choose the epoch.
        settings: epochs, learning rate, label smoothing, class balance and seed are used.
        runs: folder that the run's folder is made in.
        name: begins the run folder's name.
        cache: where the features are kept.

    Returns:
        The run; its `best_file` is the whole network, trunk and head.
    """
    model = join(trunk, head)
    classes = len(training.preprocessing.class_names)
    rows = Features(
        trunk_features(trunk, training, cache), training.labels, classes, seed=settings.seed
    )
    held_out = Features(trunk_features(trunk, validation, cache), validation.labels, classes)
    described = {**describe(training, validation, settings), "trunk": _key(trunk, training)}
    folder = start_run(runs, name, model, described)

    keras.utils.set_random_seed(settings.seed)
    worker = rebuild(head)
    weights = class_weights(training.table, training.preprocessing.class_names)
    schedule = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate, settings.epochs * len(rows)
    )
    worker.compile(
        keras.optimizers.Adam(schedule),
        keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
        metrics=["accuracy"],
        jit_compile=xla_pays(),
    )
    with tqdm(total=settings.epochs, desc="training the head", unit="epoch") as bar:
        recorder = _Recorder(bar)
        worker.fit(
            rows,
            validation_data=held_out,
            epochs=settings.epochs,
            shuffle=False,  # Features draws its own order
            class_weight=weights if settings.balance_classes else None,
            callbacks=[recorder],
            verbose=0,
        )
    head.set_weights(recorder.best_weights)
    log = pd.DataFrame(recorder.log)
    write_text(folder / "log.csv", log.to_csv(index=False))
    run = Run(folder, log)
    save_model(model, training.preprocessing, run.best_file)
    return run


class _Recorder(keras.callbacks.Callback):
    """Keeps the log and, in memory, the best epoch's weights."""

    def __init__(self, bar):
        super().__init__()
        self.bar = bar
        self.log = []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        row = {"epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}}
        row["learning_rate"] = float(rate)
        row["seconds"] = round(time.perf_counter() - self.started, 1)
        self.log.append(row)
        if best_epoch(pd.DataFrame(self.log)) == epoch + 1:
            self.best_weights = self.model.get_weights()
        self.bar.update()
        self.bar.set_postfix(validation=f"{logs['val_accuracy']:.3f}")


def _key(trunk, pictures) -> str:
    digest = hashlib.blake2b(digest_size=8)
    digest.update(pictures.fingerprint.encode())
    digest.update(json.dumps(pictures.preprocessing.to_dict()).encode())
    digest.update(trunk.to_json().encode())
    for weight in trunk.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()
