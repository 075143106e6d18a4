"""One folder a training run: what it keeps of every epoch, and a table over all runs."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from utils.config import RUNS
from utils.files import copy_file, digest, write_json, write_text
from utils.models.backend import keras
from utils.models.model_file import save_model
from utils.training.batches import Batches
from utils.training.distributed import Team


@dataclass(frozen=True)
class Run:
    """A training run on disk.

    Attributes:
        folder: holds `settings.json`, `architecture.json`, `log.csv`, `best.keras`, an
            `epoch-001.keras` … of each epoch, `resume.keras` with the optimizer's state, and, once
            it was evaluated, `result.json`.
        log: one row an epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate,
            seconds.
    """

    folder: Path
    log: pd.DataFrame

    @property
    def best_epoch(self) -> int:
        return best_epoch(self.log)

    @property
    def best_accuracy(self) -> float:
        """The highest validation accuracy, 0–1."""
        return float(self.log["val_accuracy"].max())

    @property
    def best_file(self) -> Path:
        return self.folder / "best.keras"

    @property
    def settings(self) -> dict:
        return json.loads((self.folder / "settings.json").read_text(encoding="utf-8"))


def best_epoch(log: pd.DataFrame) -> int:
    """The epoch, from 1, of the highest validation accuracy, of equal ones of the lowest loss."""
    order = log.sort_values(["val_accuracy", "val_loss"], ascending=[False, True], kind="stable")
    return int(order["epoch"].iloc[0])


def run_folder(runs: str | Path, name: str, model: keras.Model, settings: dict) -> Path:
    """The folder of a run, whether or not it is there.

    Its name ends in eight hex digits of the network's layers and the settings, which decide the
    outcome: the same training finds its folder again, another one gets its own.
    """
    text = json.dumps([without_names(model.get_config()), settings], sort_keys=True, default=str)
    return Path(runs) / f"{name}-{digest(text, digits=8)}"


def start_run(runs: str | Path, name: str, model: keras.Model, settings: dict) -> Path:
    """The folder of a run, as `run_folder` names it, made if it is new."""
    folder = run_folder(runs, name, model, settings)
    write_json(folder / "architecture.json", json.loads(model.to_json()))
    write_json(folder / "settings.json", settings)
    return folder


def keep_epoch(worker, model, training: Batches, folder: Path, log: list[dict]) -> None:
    """Write a trained epoch down; ``model`` gets its weights, in float32."""
    model.set_weights(worker.get_weights())
    if not training.team.writes:
        return
    file = folder / f"epoch-{len(log):03d}.keras"
    with training.team.apart():
        save_model(model, training.preprocessing, file, litert_model=False)
        if best_epoch(pd.DataFrame(log)) == len(log):
            copy_file(file, folder / "best.keras")
        # resume.keras goes last: when killed before it, the log is one row ahead,
        # which `resume` cuts off, and the epoch is trained once more.
        write_text(folder / "log.csv", pd.DataFrame(log).to_csv(index=False))
        save_model(worker, training.preprocessing, folder / "resume.keras", litert_model=False)


def held(folder: Path) -> list[str]:
    """What processes that go on together have to find alike in a run's folder."""
    files = [folder / name for name in ("settings.json", "log.csv", "resume.keras")]
    return [f"{file.name} {digest(file)}" for file in files if file.is_file()]


def resume(worker: keras.Model, folder: Path, steps_per_epoch: int, team: Team) -> list[dict]:
    """Bring a run's last complete epoch back; returns its log, empty for a new run.

    The file holds the optimizer's moments and its step, on which the learning rate depends. They
    are read into the model at hand: one that is loaded whole would have lost which layers are
    frozen.
    """
    for leftover in folder.glob(".*") if team.writes else ():  # of a save that was killed
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    file = folder / "resume.keras"
    if not file.is_file():
        return []
    worker.optimizer.build(worker.trainable_variables)
    worker.load_weights(file)
    epochs = int(keras.ops.convert_to_numpy(worker.optimizer.iterations)) // steps_per_epoch
    return pd.read_csv(folder / "log.csv").to_dict("records")[:epochs]


def record_result(run: Run, head: keras.Model, metrics: dict, split: str, **about) -> None:
    """Keep what a run reached, for the table of `list_runs`.

    Args:
        run: the run.
        head: its MLP head, described in one line such as "flatten → dense 7 softmax".
        metrics: of `evaluation.evaluate`; the headline numbers are kept, beside the run's own
            ``val_accuracy``, by which runs are to be compared.
        split: what they were measured on.
        about: anything else worth a line, such as ``trunk`` or ``split_by``.
    """
    settings = run.settings
    result = {
        **about,
        "head": describe_head(head),
        **{key: settings[key] for key in ("data", "images", "learning_rate")},
        "epochs": len(run.log),
        "best_epoch": run.best_epoch,
        "minutes": round(float(run.log["seconds"].sum()) / 60, 1),
        "val_accuracy": run.best_accuracy,
        "measured_on": split,
        **{key: metrics[key] for key in ("n", "accuracy", "macro_f1", "log_loss", "ece")},
    }
    write_json(run.folder / "result.json", result)


def list_runs(runs: str | Path = RUNS) -> pd.DataFrame:
    """Every evaluated run, the latest last; columns as `record_result` wrote them."""
    files = sorted(Path(runs).glob("*/result.json"), key=lambda file: file.stat().st_mtime)
    rows = [{"run": file.parent.name, **json.loads(file.read_text("utf-8"))} for file in files]
    return pd.DataFrame(rows).set_index("run") if rows else pd.DataFrame()


def describe_head(head: keras.Model) -> str:
    """All layers of a head in one line, such as "flatten → dense 64 relu → dense 7 softmax"."""
    return " → ".join(_describe_layer(layer) for layer in head.layers)


def _describe_layer(layer: keras.Layer) -> str:
    layers = keras.layers
    if isinstance(layer, layers.Dense):
        activation = keras.activations.serialize(layer.activation)
        return f"dense {layer.units}" + ("" if activation == "linear" else f" {activation}")
    if isinstance(layer, layers.Dropout):
        return f"dropout {layer.rate:g}"
    names = {layers.GlobalAveragePooling2D: "average", layers.BatchNormalization: "norm"}
    return names.get(type(layer), type(layer).__name__.lower())


def without_names(config):
    """A config without the names that Keras counts up with every rebuild."""
    if isinstance(config, dict):
        dropped = ("name", "keras_history", "shared_object_id", "build_config")
        return {key: without_names(value) for key, value in config.items() if key not in dropped}
    if isinstance(config, list | tuple):
        return [without_names(value) for value in config]
    return config
