"""Training the MLP head alone, on the features of a frozen trunk."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from utils.config import CACHE, RUNS
from utils.datasets.domains import balancing_weights, rows_by_domain
from utils.files import locked, write_text
from utils.models.backend import keras
from utils.models.model_file import check_fit, save_model
from utils.models.networks import join
from utils.models.rebuilding import rebuild
from utils.training.batches import Batches
from utils.training.features import Features, features_key, trunk_features
from utils.training.recorder import Recorder
from utils.training.runs import Run, best_epoch, start_run
from utils.training.trainer import Settings, compile_to_learn, describe, finished

LEAST_STEPS = 500
"""Batches that a head learns from at least, unless patience ends it: new weights need them."""


def train_head(
    head: keras.Model,
    trunk: keras.Model,
    images: Batches,
    settings: Settings,
    runs: str | Path = RUNS,
    name: str = "head",
    cache: str | Path = CACHE,
    mirror: bool = False,
) -> Run:
    """Train an MLP head on the features of a frozen trunk.

    Args:
        head: maps the trunk's output to (classes,) probabilities. Training begins with new weights;
            it has those of the best epoch afterwards.
        trunk: not changed.
        images: all parts together, neither shuffled nor augmented. Those whose ``split`` is "train"
            are learned from; "validation" chooses the epoch.
        settings: epochs, patience, learning rate, label smoothing, balance and seed are used. Where
            the epochs would make fewer steps than `LEAST_STEPS`, there are more of them, and
            patience grows alike.
        runs: folder that the run's folder is made in.
        name: begins the run folder's name.
        cache: where the features are kept, for other splits and heads too.
        mirror: learn from the images' mirror images too, for twice the features.

    Returns:
        The run; its `best_file` is the whole network, trunk and head.
    """
    model = join(trunk, head)
    check_fit(model, images.preprocessing)
    rows = [np.flatnonzero(images.table["split"] == split) for split in ("train", "validation")]
    training, validation = map(images.part, rows)
    found = [trunk_features(trunk, images, cache, side) for side in (False, True)[: 1 + mirror]]
    settings = enough_steps(settings, math.ceil(len(training.table) / images.batch_size))
    described = {
        **describe(training, validation, settings, keras.optimizers.Adam),
        "trunk": features_key(trunk, training),
        **({"mirror": True} if mirror else {}),
    }
    folder = start_run(runs, name, model, described)
    with locked(folder, "trained in"):
        run = Run(folder, fit_head(head, found, images, *rows, settings))
    write_text(folder / "log.csv", run.log.to_csv(index=False))
    save_model(model, images.preprocessing, run.best_file, litert_model=False)
    return run


def enough_steps(settings: Settings, steps_per_epoch: int, shown: bool = True) -> Settings:
    """The settings with as many epochs as make `LEAST_STEPS`, and a patience of a third of them.

    A line says so where that changes them and ``shown`` is left.
    """
    epochs = math.ceil(LEAST_STEPS / steps_per_epoch)
    if epochs <= settings.epochs:
        return settings
    patience = max(settings.patience, math.ceil(epochs / 3))
    if shown:
        print(
            f"The head learns for {epochs} epochs, not {settings.epochs}, and with a patience of "
            f"{patience}: it needs {LEAST_STEPS} steps, and an epoch has {steps_per_epoch}."
        )
    return replace(settings, epochs=epochs, patience=patience)


def fit_head(
    head: keras.Model,
    found: list[np.ndarray],
    images: Batches,
    learn: np.ndarray,
    choose: np.ndarray,
    settings: Settings,
    shown: bool = True,
) -> pd.DataFrame:
    """Train a head on features of some images; other images choose the epoch.

    Args:
        head: has the weights of the best epoch afterwards.
        found: features of all images, as `trunk_features` gives them, of one view or more.
        images: all images, in the same order.
        learn, choose: int positions of those to learn from and of those that choose.
        settings: as for `train_head`; its epochs are not changed here.
        shown: show a progress bar.

    Returns:
        The log, as `runs.Run` has it.
    """
    table = images.table.iloc[learn]
    weights = balancing_weights(table, settings.balance_classes, settings.balance_domains)
    size = images.batch_size
    examples = Features(found, images.wanted, learn, settings.seed, weights, size)
    parts = {
        domain: Features(found, images.wanted, choose[rows], batch_size=size)
        for domain, rows in rows_by_domain(images.table.iloc[choose]).items()
    }
    keras.utils.set_random_seed(settings.seed)
    worker = rebuild(head)
    schedule = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate, settings.epochs * len(examples)
    )
    compile_to_learn(worker, keras.optimizers.Adam(schedule), images, settings)
    log, best_weights = [], []

    def keep(model: keras.Model) -> bool:
        if best_epoch(pd.DataFrame(log)) == len(log):
            best_weights[:] = model.get_weights()
        return finished(log, settings)

    with Recorder(log, settings.epochs, len(examples), parts, keep, shown=shown) as recorder:
        worker.fit(
            examples,
            epochs=settings.epochs,
            shuffle=False,  # Features draws its own order
            callbacks=[recorder],
            verbose=0,
        )
    head.set_weights(best_weights)
    return pd.DataFrame(log)
