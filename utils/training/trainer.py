"""Training a whole network: every epoch saved, and nothing lost when it is killed.

Running the same training again continues it; an edited network or setting starts a run of its own.
`runs` says what a run's folder holds.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from utils.config import RUNS
from utils.datasets.domains import balancing_weights, rows_by_domain
from utils.files import copy_file, digest, locked
from utils.models.backend import all_layers, fastest_precision, keras, xla_pays
from utils.models.model_file import check_fit, load_model
from utils.models.rebuilding import rebuild
from utils.training.batches import Batches, Weighted
from utils.training.optimizer import Muon
from utils.training.recorder import Recorder
from utils.training.runs import Run, best_epoch, held, keep_epoch, resume, run_folder, start_run


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        epochs: passes over the training images at most.
        learning_rate: its peak. It rises over the first tenth of all steps and falls along a cosine
            to zero (Loshchilov & Hutter, "SGDR", 2017), by the step alone, so it survives a resume.
        weight_decay: decoupled from the gradient (Loshchilov & Hutter, "Decoupled Weight Decay
            Regularization", 2019).
        label_smoothing: share of each label spread over all classes; FER-2013's labels are noisy.
        balance_classes: weight each class inversely to its frequency.
        balance_domains: weight people and animated characters the same in total.
        patience: stop so many epochs after the best one, by validation accuracy.
        precision: "mixed_bfloat16", "float32", or "fastest" for this machine's best.
        seed: of the dropout.

    Raises:
        ValueError: a value that no training can have, such as a rate of 0.
    """

    epochs: int = 20
    learning_rate: float = 1e-2
    weight_decay: float = 5e-2
    label_smoothing: float = 0.1
    balance_classes: bool = False
    balance_domains: bool = False
    patience: int = 15
    precision: str = "fastest"
    seed: int = 0

    def __post_init__(self):
        for name, fits, expected in (
            ("epochs", self.epochs >= 1, "of at least 1"),
            ("learning_rate", 0 < self.learning_rate < np.inf, "above 0"),
            ("weight_decay", 0 <= self.weight_decay < np.inf, "of at least 0"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "from 0 to below 1"),
            ("patience", self.patience >= 1, "of at least 1"),
        ):
            if not fits:
                raise ValueError(f"Expected {name} {expected}. Received: {getattr(self, name)}")


def train(
    model: keras.Model,
    training: Batches,
    validation: Batches,
    settings: Settings,
    runs: str | Path = RUNS,
    name: str = "run",
    start: str | Path | None = None,
    optimizer: Callable[..., keras.optimizers.Optimizer] = Muon,
) -> Run:
    """Train a network, or go on with the same training where it was interrupted.

    Args:
        model: float32, uncompiled; only its layers count, and which of them are to be trained.
            Training begins with new weights, drawn from the settings' seed, or with those of
            ``start``; in the process that writes it has those of the best epoch afterwards.
        training: the images to learn from, shuffled and augmented. Each process of its team calls
            this function with the same values.
        validation: the images that choose the epoch, neither shuffled nor augmented; same team.
        settings: how to train.
        runs: folder that the run's folder is made in.
        name: begins the run folder's name.
        start: a ``.keras`` file of the same trunk, whose weights training begins with; for
            fine-tuning that of `head.train_head`. A head of other layers begins anew.
        optimizer: makes the optimizer of a learning rate, ``weight_decay`` and ``clipnorm``.

    Returns:
        The run; its `best_file` is the model of the best validation accuracy, of several domains
        the mean. The log has each apart.

    Raises:
        BlockingIOError: another process trains in the run's folder.
        ValueError: the processes of the team were given different data, settings or folders.
        TrainingFailed: a ValueError; the loss or a weight is no finite number.
    """
    team = training.team
    check_fit(model, training.preprocessing)
    weights = balancing_weights(training.table, settings.balance_classes, settings.balance_domains)
    described = describe(training, validation, settings, optimizer)
    first_weights = {}
    if start is not None:
        first_weights = _weights_of(start, model, training.preprocessing)
        if "head" not in first_weights and team.writes:
            print(f"The head begins with new weights: that of {start} has other layers.")
        described["start"] = digest(
            *(one.tobytes() for part in first_weights.values() for one in part)
        )
    folder = run_folder(runs, name, model, described)
    same = {"network, settings or data": [folder.name, described]}
    team.check_same(same | {"precision": _precision(settings)})
    with locked(folder, "trained in") if team.writes else nullcontext():
        if team.writes:
            start_run(runs, name, model, described)
        team.wait()
        team.check_same({"what the run's folder holds": held(folder)})
        with team.scope():
            worker = _begin(model, training, settings, first_weights, optimizer)
            log = resume(worker, folder, len(training), team)
            if not finished(log, settings):
                _fit(worker, model, training, validation, weights, settings, folder, log)
        run = Run(folder, pd.DataFrame(log))
        if team.writes:
            model.set_weights(load_model(run.best_file)[0].get_weights())
        return run


def _fit(worker, model, training, validation, weights, settings, folder: Path, log) -> None:
    """Train the epochs that the log does not have yet."""
    training.start_epoch(len(log))
    domains = rows_by_domain(validation.table).items()
    parts = {domain: validation.part(rows) for domain, rows in domains}

    def keep(worker: keras.Model) -> bool:
        keep_epoch(worker, model, training, folder, log)
        return finished(log, settings)

    steps, begin = len(training), partial(_seed_dropout, seed=settings.seed)
    with Recorder(log, settings.epochs, steps, parts, keep, begin, team=training.team) as recorder:
        worker.fit(
            training if weights is None else Weighted(training, weights),
            initial_epoch=len(log),
            epochs=settings.epochs,
            shuffle=False,  # Batches draws its own order, from its seed and the epoch
            callbacks=[recorder],
            verbose=0,
        )
    if training.team.writes:
        run = Run(folder, pd.DataFrame(log))
        # Once more: a kill may have come between writing best.keras and resume.keras.
        copy_file(folder / f"epoch-{run.best_epoch:03d}.keras", run.best_file)


def describe(
    training: Batches, validation: Batches, settings: Settings, optimizer: Callable
) -> dict:
    """Everything but the network that decides what a training comes to."""
    described = {
        **asdict(settings),
        "optimizer": optimizer.__name__,
        "batch_size": training.batch_size,
        "augmentation": asdict(training.augmentation) if training.augmentation else None,
        "image_seed": training.seed,
        "preprocessing": training.preprocessing.to_dict(),
        "images": len(training.table),
        **({"devices": training.team.devices} if training.team.devices > 1 else {}),
        "data": training.fingerprint,
        "validation_data": validation.fingerprint,
    }
    return described if training.targets is None else described | {"targets": training.targets}


def compile_to_learn(worker: keras.Model, optimizer, training: Batches, settings: Settings) -> None:
    """Make a network ready for its first epoch.

    Labels alone are smoothed; votes say by themselves how unsure people are.
    """
    smoothing = settings.label_smoothing * (1 - training.vote_weight)
    worker.compile(
        optimizer,
        keras.losses.CategoricalCrossentropy(label_smoothing=smoothing),
        metrics=[keras.metrics.CategoricalAccuracy("accuracy")],
        jit_compile=xla_pays(),
    )
    # TensorFlow traces the first step twice where a variable is made in it.
    worker.optimizer.build(worker.trainable_variables)


def _begin(model, training, settings, first_weights, optimizer) -> keras.Model:
    """A copy of a network, in the precision wanted, compiled and ready for its first epoch."""
    keras.utils.set_random_seed(settings.seed)
    worker = rebuild(model, _precision(settings))
    # Keras makes every layer inside a model trainable again when it is built from its config.
    for copy, original in zip(all_layers(worker), all_layers(model), strict=True):
        copy.trainable = original.trainable
    for name, weights in first_weights.items():
        worker.get_layer(name).set_weights(weights)
    steps = settings.epochs * len(training)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=settings.learning_rate / 20,
        warmup_target=settings.learning_rate,
        warmup_steps=max(steps // 10, 1),
        decay_steps=max(steps - steps // 10, 1),
    )
    moves = optimizer(schedule, weight_decay=settings.weight_decay, clipnorm=1.0)
    compile_to_learn(worker, moves, training, settings)
    return worker


def _weights_of(file, model, preprocessing) -> dict[str, list[np.ndarray]]:
    """A saved model's weights to begin with, of its trunk and, where it fits, its head."""
    saved, described = load_model(file)
    if described.class_names != preprocessing.class_names:
        raise ValueError(
            f"Training cannot start from {file}: it has other classes. "
            f"Received: {', '.join(described.class_names)}; "
            f"expected {', '.join(preprocessing.class_names)}, in this order."
        )
    names = [layer.name for layer in saved.layers]
    if not {"trunk", "head"} <= set(names):
        raise ValueError(
            f"Training cannot start from {file}: it is not made of a trunk and a head, as "
            f"`networks.join` makes a network. Received the layers {', '.join(names)}."
        )
    parts = {name: saved.get_layer(name).get_weights() for name in ("trunk", "head")}
    fits = {
        name: [one.shape for one in weights]
        == [one.shape for one in model.get_layer(name).get_weights()]
        for name, weights in parts.items()
    }
    if not fits["trunk"]:
        trunks = saved.get_layer("trunk"), model.get_layer("trunk")
        raise ValueError(
            f"Training cannot start from {file}: its trunk's layers are not those of the network. "
            f"Received: {trunks[0].count_params():,} parameters; "
            f"expected {trunks[1].count_params():,}, in arrays of the same shapes."
        )
    return {name: weights for name, weights in parts.items() if fits[name]}


def _seed_dropout(model, epoch: int, seed: int) -> None:
    """Make dropout depend on seed and epoch alone: Keras saves no state of its generators."""
    for number, layer in enumerate(all_layers(model)):
        if isinstance(layer, keras.layers.Dropout):
            state = layer.seed_generator.state
            state.assign(np.random.default_rng([seed, epoch, number]).integers(2**31, size=2))


def finished(log: list[dict], settings: Settings) -> bool:
    """Whether the last epoch is done or patience ran out, which the log alone tells."""
    if not log:
        return False
    waited = len(log) - best_epoch(pd.DataFrame(log))
    return len(log) >= settings.epochs or waited >= settings.patience


def _precision(settings: Settings) -> str:
    return fastest_precision() if settings.precision == "fastest" else settings.precision
