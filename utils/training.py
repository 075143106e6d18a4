"""Training a whole network: every epoch saved, and nothing lost when it is killed.

A run's folder holds one `epoch-001.keras` … for every epoch (each a complete
model), `best.keras`, `log.csv`, `curves.png`, and `resume.keras` with the
optimizer's state.
Running the same training again continues it; an edited network or setting starts
a run of its own.
"""

import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from utils import plots
from utils.backend import all_layers, fastest_precision, keras, rebuild, xla_pays
from utils.config import RUNS
from utils.datasets import class_weights
from utils.files import write_text
from utils.model_file import check_fit, load_model, save_model
from utils.runs import Run, best_epoch, start_run
from utils.streaming import Pictures


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        epochs: passes over the training pictures at most.
        learning_rate: its peak. It rises over the first tenth of all steps and
            falls along a cosine to zero (Loshchilov & Hutter, "SGDR", 2017), so it
            depends on the step alone and survives a resume.
        weight_decay: of AdamW (Loshchilov & Hutter, 2019).
        label_smoothing: share of each label spread over all classes; FER-2013's
            labels are noisy, and smoothing keeps the network from learning that.
        balance_classes: weight each class inversely to its frequency.
        patience: stop so many epochs after the best one, by validation accuracy.
        precision: "mixed_bfloat16", "float32", or "fastest" for this machine's best.
        seed: of the dropout.
    """

    epochs: int = 50
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.1
    balance_classes: bool = False
    patience: int = 15
    precision: str = "fastest"
    seed: int = 0


def train(
    model: keras.Model,
    training: Pictures,
    validation: Pictures,
    settings: Settings,
    runs: str | Path = RUNS,
    name: str = "run",
) -> Run:
    """Train a network, or go on with the same training where it was interrupted.

    Args:
        model: float32, uncompiled; only its layers count. Training begins with new
            weights, drawn from the settings' seed, so running it again after another
            training gives the same; ``model`` has those of the best epoch afterwards.
        training: the pictures to learn from, shuffled and augmented.
        validation: the pictures that choose the epoch, neither shuffled nor augmented.
        settings: how to train.
        runs: folder that the run's folder is made in.
        name: begins the run folder's name.

    Returns:
        The run; its `best_file` is the model of the best validation accuracy.
    """
    check_fit(model, training.preprocessing)
    folder = start_run(runs, name, model, describe(training, validation, settings))
    log, worker = _resume(folder, len(training))
    if worker is None:
        keras.utils.set_random_seed(settings.seed)
        worker = rebuild(model, _precision(settings))
        _compile(worker, training, settings)
    if not _finished(log, settings):
        training.start_epoch(len(log))
        weights = class_weights(training.table, training.preprocessing.class_names)
        recorder = _Recorder(folder, model, training, log, settings)
        try:
            worker.fit(
                training,
                validation_data=validation,
                initial_epoch=len(log),
                epochs=settings.epochs,
                shuffle=False,  # Pictures draws its own order, from its seed and the epoch
                class_weight=weights if settings.balance_classes else None,
                callbacks=[recorder],
                verbose=0,
            )
        finally:
            recorder.bar.close()
        run = Run(folder, pd.DataFrame(log))
        # Once more: a kill may have come between writing best.keras and resume.keras.
        _copy(folder / f"epoch-{run.best_epoch:03d}.keras", run.best_file)
        plots.learning_curves(run.log, run.best_epoch).savefig(folder / "curves.png")
    run = Run(folder, pd.DataFrame(log))
    model.set_weights(load_model(run.best_file)[0].get_weights())
    return run


def describe(training: Pictures, validation: Pictures, settings: Settings) -> dict:
    """Everything but the network that decides what a training comes to."""
    return {
        **asdict(settings),
        "batch_size": training.batch_size,
        "augmentation": asdict(training.augmentation) if training.augmentation else None,
        "picture_seed": training.seed,
        "preprocessing": training.preprocessing.to_dict(),
        "pictures": len(training.table),
        "data": training.fingerprint,
        "validation_data": validation.fingerprint,
    }


class _Recorder(keras.callbacks.Callback):
    """Writes every epoch down, shows the progress, and stops when it is time."""

    def __init__(self, folder, plain_model, training, log, settings):
        super().__init__()
        self.folder = folder
        self.plain_model = plain_model
        self.preprocessing = training.preprocessing
        self.log = log
        self.settings = settings
        steps = len(training)
        self.bar = tqdm(
            total=settings.epochs * steps, initial=len(log) * steps, unit="batch", mininterval=1
        )

    def on_epoch_begin(self, epoch, logs=None):
        _seed_dropout(self.model, self.settings.seed, epoch)
        self.started = time.perf_counter()
        self.bar.set_description(f"epoch {epoch + 1} of {self.settings.epochs}")

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()

    def on_epoch_end(self, epoch, logs=None):
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        row = {"epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}}
        row["learning_rate"] = float(rate)
        row["seconds"] = round(time.perf_counter() - self.started, 1)
        self.log.append(row)
        self.plain_model.set_weights(self.model.get_weights())
        file = self.folder / f"epoch-{epoch + 1:03d}.keras"
        save_model(self.plain_model, self.preprocessing, file)
        if best_epoch(pd.DataFrame(self.log)) == epoch + 1:
            _copy(file, self.folder / "best.keras")
        # resume.keras goes last: when killed before it, the log is one row ahead,
        # which `_resume` cuts off, and the epoch is trained once more.
        write_text(self.folder / "log.csv", pd.DataFrame(self.log).to_csv(index=False))
        save_model(self.model, self.preprocessing, self.folder / "resume.keras")
        self.bar.set_postfix(
            accuracy=f"{row['accuracy']:.3f}", validation=f"{row['val_accuracy']:.3f}"
        )
        self.model.stop_training = _finished(self.log, self.settings)


def _compile(worker, training, settings) -> None:
    steps = settings.epochs * len(training)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=settings.learning_rate / 20,
        warmup_target=settings.learning_rate,
        warmup_steps=max(steps // 10, 1),
        decay_steps=max(steps - steps // 10, 1),
    )
    worker.compile(
        keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay, clipnorm=1.0),
        keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
        metrics=["accuracy"],
        jit_compile=xla_pays(),
    )


def _seed_dropout(model, seed: int, epoch: int) -> None:
    """Make an epoch's dropout depend on seed and epoch alone.

    Keras does not save the state of its random generators, so a resumed training
    would draw other numbers than one that was never stopped.
    """
    for number, layer in enumerate(all_layers(model)):
        if isinstance(layer, keras.layers.Dropout):
            state = layer.seed_generator.state
            state.assign(np.random.default_rng([seed, epoch, number]).integers(2**31, size=2))


def _copy(source: Path, destination: Path) -> None:
    """Copy a file in one step."""
    temporary = destination.with_name(f".{destination.name}")
    shutil.copyfile(source, temporary)
    os.replace(temporary, destination)


def _resume(folder: Path, steps_per_epoch: int) -> tuple[list[dict], keras.Model | None]:
    """Log and compiled model of the last complete epoch; none of it for a new run.

    The file holds the optimizer's moments and its step, on which the learning rate depends.
    """
    for leftover in folder.glob(".*"):  # of a save that was killed
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    file = folder / "resume.keras"
    if not file.is_file():
        return [], None
    worker, _ = load_model(file, compile=True)
    epochs = int(keras.ops.convert_to_numpy(worker.optimizer.iterations)) // steps_per_epoch
    return pd.read_csv(folder / "log.csv").to_dict("records")[:epochs], worker


def _finished(log: list[dict], settings: Settings) -> bool:
    """Whether the last epoch is done or patience ran out.

    Early stopping's whole state is read from the log, so it survives a resume.
    """
    if not log:
        return False
    waited = len(log) - best_epoch(pd.DataFrame(log))
    return len(log) >= settings.epochs or waited >= settings.patience


def _precision(settings: Settings) -> str:
    return fastest_precision() if settings.precision == "fastest" else settings.precision
