"""Training the MLP head alone, on the features of a frozen trunk."""

from pathlib import Path

import numpy as np
import pandas as pd

from utils.config import CACHE, RUNS
from utils.datasets.domains import balancing_weights, rows_by_domain
from utils.files import locked, write_text
from utils.models.backend import keras, xla_pays
from utils.models.model_file import check_fit, save_model
from utils.models.networks import join
from utils.models.rebuilding import rebuild
from utils.training.batches import Batches
from utils.training.features import Features, features_key, trunk_features
from utils.training.recorder import Recorder
from utils.training.runs import Run, best_epoch, start_run
from utils.training.trainer import Settings, describe, loss_of


def train_head(
    head: keras.Model,
    trunk: keras.Model,
    images: Batches,
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
        images: all parts together, neither shuffled nor augmented. Those whose
            ``split`` is "train" are learned from; "validation" chooses the epoch.
        settings: epochs, learning rate, label smoothing, balance and seed are used.
        runs: folder that the run's folder is made in.
        name: begins the run folder's name.
        cache: where the features are kept; another split of the same images, or
            another head, finds them there.

    Returns:
        The run; its `best_file` is the whole network, trunk and head.
    """
    model = join(trunk, head)
    check_fit(model, images.preprocessing)
    training, validation = (_part(images, split) for split in ("train", "validation"))
    weights = balancing_weights(training.table, settings.balance_classes, settings.balance_domains)
    found = trunk_features(trunk, images, cache)
    examples = _rows(found, images, "train", seed=settings.seed, weights=weights)
    parts = {
        domain: _rows(found, images, "validation", chosen=rows)
        for domain, rows in rows_by_domain(validation.table).items()
    }
    described = {
        **describe(training, validation, settings, keras.optimizers.Adam),
        "trunk": features_key(trunk, training),
    }
    folder = start_run(runs, name, model, described)

    keras.utils.set_random_seed(settings.seed)
    worker = rebuild(head)
    schedule = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate, settings.epochs * len(examples)
    )
    worker.compile(
        keras.optimizers.Adam(schedule),
        loss_of(training, settings),
        metrics=["accuracy"],
        jit_compile=xla_pays(),
    )
    log, best_weights = [], []

    def keep(model: keras.Model) -> None:
        if best_epoch(pd.DataFrame(log)) == len(log):
            best_weights[:] = model.get_weights()

    told = Recorder(log, settings.epochs, len(examples), parts, keep)
    with locked(folder, "trained in"), told as recorder:
        worker.fit(
            examples,
            epochs=settings.epochs,
            shuffle=False,  # Features draws its own order
            callbacks=[recorder],
            verbose=0,
        )
    head.set_weights(best_weights)
    run = Run(folder, pd.DataFrame(log))
    write_text(folder / "log.csv", run.log.to_csv(index=False))
    save_model(model, images.preprocessing, run.best_file, litert_model=False)
    return run


def head_answers(
    head: keras.Model, trunk: keras.Model, images: Batches, split: str, cache: str | Path = CACHE
) -> tuple[np.ndarray, np.ndarray]:
    """What a head says of one part's images, from the features that `train_head` left.

    Returns:
        The true classes, int (n,), and the probabilities, float32 (n, classes), in the
        order of `datasets.split_of`.
    """
    part = _rows(trunk_features(trunk, images, cache), images, split)
    return images.labels[part.rows], head.predict(part, verbose=0)


def _part(images: Batches, split: str) -> Batches:
    return images.part(np.flatnonzero(images.table["split"] == split))


def _rows(found, images, split, chosen=slice(None), seed=None, weights=None) -> "Features":
    """The features of one part, or of some of its rows."""
    rows = np.flatnonzero(images.table["split"] == split)[chosen]
    return Features(found, images.wanted, rows, seed, weights, images.batch_size)
