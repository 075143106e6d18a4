"""What a run keeps of every epoch, and how a training that was stopped goes on from it."""

import shutil
from pathlib import Path

import pandas as pd

from utils.files import copy_file, digest, write_text
from utils.models.backend import keras
from utils.models.model_file import save_model
from utils.training.batches import Batches
from utils.training.distributed import Team
from utils.training.runs import best_epoch


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

    The file holds the optimizer's moments too, and its step, on which the learning rate
    depends. They are read into the model at hand: one that is loaded whole would have
    lost which of its layers are frozen.
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
