"""The one way from a table of images to a finished model, for notebook and command line.

`train_model` trains a whole network and finishes it. `finish` does what follows on any
training, such as that of an edited head: it calibrates, mirrors, measures, saves, and keeps
the result for the table of runs.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from utils.config import RUNS
from utils.datasets.table import judging_part, split_of
from utils.models.backend import keras
from utils.models.model_file import save_model
from utils.models.networks import mirrored
from utils.models.predictor import Predictor
from utils.training.augmentation import Augmentation
from utils.training.batches import Batches
from utils.training.calibration import calibrate, tempered, views_of
from utils.training.distributed import ALONE, Team
from utils.training.doubts import doubts_about
from utils.training.evaluation import evaluate
from utils.training.people import against_people
from utils.training.runs import Run, record_result
from utils.training.targets import Targets, check_classes
from utils.training.trainer import Settings, train
from utils.vision.preprocessing import Preprocessing


@dataclass(frozen=True)
class Finished:
    """A finished model, and what it answers.

    Attributes:
        run: the training that it comes from.
        model: the network as it is saved: calibrated and, if wished, mirrored.
        file: where it is saved, in the run's folder.
        temperature: what its confidence was divided by; above 1 it had been too sure.
        split: what it was measured on, "test" or "validation".
        table: the images of that split.
        labels: int, (n,), their class indices.
        probabilities: float32, (n, classes), its answers.
        metrics: as `evaluation.evaluate` gives them and, where people have voted on the images,
            `people.evaluate_people`.
    """

    run: Run
    model: keras.Model
    file: Path
    temperature: float
    split: str
    table: pd.DataFrame
    labels: np.ndarray
    probabilities: np.ndarray
    metrics: dict


def train_model(
    network: keras.Model,
    table: pd.DataFrame,
    preprocessing: Preprocessing,
    settings: Settings,
    *,
    augmentation: Augmentation | None = None,
    batch_size: int = 128,
    mirror: bool = True,
    targets: Targets = "labels",
    runs: str | Path = RUNS,
    name: str = "run",
    start: str | Path | None = None,
    team: Team = ALONE,
    **about,
) -> Finished | None:
    """Train a network on a table's train part, and finish it.

    Args:
        network: float32, uncompiled, as `networks.join` makes it.
        table: parted, with ``dataset``, as `datasets.combine` and `splits.split_table` give it.
        preprocessing: what the network takes.
        settings: how to train.
        augmentation: of the training images; the usual `Augmentation` by default.
        batch_size: images a batch, of all devices together.
        mirror, targets, about: as for `finish`.
        runs, name, start: as for `trainer.train`.
        team: those who train together, as `distributed.joined` gives them. The first process
            finishes the network alone.

    Returns:
        What is finished; None in the other processes of a team.
    """
    learn = Batches(
        split_of(table, "train"),
        preprocessing,
        batch_size,
        shuffle=True,
        augmentation=augmentation or Augmentation(),
        seed=settings.seed,
        targets=targets,
        team=team,
    )
    check_classes(learn)
    held_out = Batches(
        split_of(table, "validation"), preprocessing, batch_size, targets=targets, team=team
    )
    for name_of_part, images in (("train", learn), ("validation", held_out)):
        if images.left_out and team.writes:
            print(f"{name_of_part}: {images.left_out}")
    if (uneven := len(learn.table) % team.devices) and team.writes:
        print(
            f"train: each epoch leaves out {uneven} of {len(learn.table)} images, others each "
            f"time: {team.devices} devices cannot share them evenly."
        )
    run = train(network, learn, held_out, settings, runs, name, start)
    team.disband()
    if not team.writes:
        return None
    return finish(network, table, preprocessing, run, mirror=mirror, targets=targets, **about)


def finish(
    network: keras.Model,
    table: pd.DataFrame,
    preprocessing: Preprocessing,
    run: Run,
    *,
    mirror: bool = True,
    targets: Targets = "labels",
    **about,
) -> Finished:
    """Calibrate a trained network, measure it, save it, and keep its result.

    What speaks against relying on the model (`doubts.doubts_about`) is said as warnings.

    Args:
        network: with the weights of the run's best epoch; its last layer is calibrated.
        table: as for `train_model`. The validation part gives the temperature; the model is
            measured on the test part, or on validation where there is no test.
        preprocessing: what the network takes.
        run: its training.
        mirror: answer with the mean over a face and its mirror image, for twice the time.
        targets: what was learned, as `targets.soft_targets` says; the temperature is fitted to
            the same. With votes the confidence thus means a share of people.
        about: worth a column in the table of runs, such as ``method``.
    """
    held_out = Batches(split_of(table, "validation"), preprocessing, targets=targets)
    views = views_of(network, held_out, mirror)
    temperature = calibrate(network, held_out.wanted, views)
    model = mirrored(network) if mirror else network
    split = judging_part(table)
    judged = Batches(split_of(table, split), preprocessing)
    probabilities = Predictor(model, preprocessing).predict_batches(judged)
    metrics = evaluate(judged.labels, probabilities, preprocessing.class_names)
    metrics |= against_people(judged.table, probabilities, preprocessing.class_names)
    gap = metrics.get("vote_ece") if held_out.vote_weight else metrics["ece"]
    calibrated = np.mean([tempered(view, temperature) for view in views], axis=0)
    for doubt in doubts_about(held_out.wanted, calibrated, temperature, gap or 0):
        warnings.warn(doubt, stacklevel=2)
    record_result(run, network.get_layer("head"), metrics, split, **about)
    file = save_model(model, preprocessing, run.folder / "model.keras")
    return Finished(
        run, model, file, temperature, split, judged.table, judged.labels, probabilities, metrics
    )
