"""What is written down of every epoch, whatever is trained."""

import time
from collections.abc import Callable

import numpy as np

from utils.models.backend import keras
from utils.progress import progress_bar
from utils.training.distributed import ALONE, Team


class Recorder(keras.callbacks.Callback):
    """Adds every epoch to a log, shows the progress, and stops when it is time.

    Args:
        log: rows of the epochs before, which new ones are added to: epoch, loss, accuracy,
            val_loss, val_accuracy, learning_rate, seconds, and what tells domains apart.
        epochs, steps: at most, and batches in each.
        validation_parts: the validation batches of each domain.
        keep: called after each epoch with the model; True ends the training.
        begin: called before each epoch with the model and the epoch's number, from 0.
        shown: show a progress bar.
        team: those who train together.

    Raises:
        TrainingFailed: a ValueError, from within ``fit``, at the first loss or weight that is no
            finite number.
    """

    def __init__(
        self,
        log: list[dict],
        epochs: int,
        steps: int,
        validation_parts: dict[str, keras.utils.PyDataset],
        keep: Callable[[keras.Model], bool],
        begin: Callable[[keras.Model, int], None] = lambda model, epoch: None,
        shown: bool = True,
        team: Team = ALONE,
    ):
        super().__init__()
        self._team = team
        self.log, self.epochs, self.validation_parts = log, epochs, validation_parts
        self._keep, self._begin = keep, begin
        self._bar = progress_bar(
            total=epochs * steps,
            initial=len(log) * steps,
            unit="batch",
            mininterval=1,
            disable=not (shown and team.writes),
        )

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self._bar.close()

    def on_epoch_begin(self, epoch, logs=None):
        self._begin(self.model, epoch)
        self._started = time.perf_counter()
        self._bar.set_description(f"epoch {epoch + 1} of {self.epochs}")

    def on_train_batch_end(self, batch, logs=None):
        self._bar.update()
        self._check(f"the loss is {logs['loss']}", np.isfinite(logs["loss"]))

    def on_epoch_end(self, epoch, logs=None):
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        row = {"epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}}
        for weight in self.model.weights:
            values = keras.ops.convert_to_numpy(keras.ops.cast(weight, "float32"))
            fine = np.isfinite(values).all()
            self._check(f"the weights {weight.path} are no finite numbers", fine)
        row |= evaluate_apart(self.model, self.validation_parts, self._team)
        self._check(f"the validation loss is {row['val_loss']}", np.isfinite(row["val_loss"]))
        row["learning_rate"] = float(rate)
        row["seconds"] = round(time.perf_counter() - self._started, 1)
        self.log.append(row)
        self.model.stop_training = bool(self._keep(self.model))
        if self.model.stop_training:
            self._bar.total = self._bar.n  # done, though not all epochs were needed
        self._bar.set_postfix(
            accuracy=f"{row['accuracy']:.3f}", validation=f"{row['val_accuracy']:.3f}"
        )

    def _check(self, what: str, fine: bool) -> None:
        if not fine:
            rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            raise TrainingFailed(
                f"Training stopped in epoch {len(self.log) + 1}, after {len(self.log)} whole ones: "
                f"{what}. Nothing of this epoch is kept. Lower the learning rate (it was "
                f"{rate:.2g}), and look whether the weights that it began with, or a layer of your "
                "own, give finite numbers."
            )


class TrainingFailed(ValueError):
    """The loss or a weight is no finite number, from which no training comes back."""


def evaluate_apart(
    model: keras.Model, parts: dict[str, keras.utils.PyDataset], team: Team = ALONE
) -> dict:
    """A compiled model's loss and accuracy on each domain.

    Args:
        model: compiled with the metric "accuracy".
        parts: the validation images, or their features, of each domain.
        team: those who measure together.

    Returns:
        ``val_accuracy`` and ``val_loss``, the means over the domains, so that the largest does not
        choose the epoch alone; and, of several, those of each, such as ``val_accuracy_people``.
    """
    apart = {domain: team.evaluate(model, part) for domain, part in parts.items()}
    row = {
        f"val_{measure}": float(np.mean([values[measure] for values in apart.values()]))
        for measure in ("accuracy", "loss")
    }
    if len(apart) > 1:
        for domain, values in apart.items():
            row |= {f"val_{name}_{domain}": float(values[name]) for name in ("accuracy", "loss")}
    return row
