"""The one way from a table of images to a finished model, for notebook and command line.

`train_model` trains a whole network and finishes it. `finish` follows any training, such as that of
an edited head: it calibrates, mirrors, measures, says its doubts, saves, and keeps the result for
the table of runs. `just_edited` says which of several models to keep.
"""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from utils.config import RUNS
from utils.datasets.table import judging_part, split_of
from utils.files import digest, write_json
from utils.models.backend import keras
from utils.models.model_file import save_model
from utils.models.networks import mirrored
from utils.models.predictor import Predictor
from utils.training.augmentation import Augmentation
from utils.training.batches import Batches
from utils.training.calibration import LEAST_IMAGES, at_a_bound, calibrate, tempered, views_of
from utils.training.distributed import ALONE, Team
from utils.training.evaluation import evaluate, wilson_interval
from utils.training.people import LABELS, against_people, learned_answer
from utils.training.runs import Run, record_result, without_names
from utils.training.targets import Targets, check_classes
from utils.training.trainer import Settings, train
from utils.vision.preprocessing import Preprocessing

GREATEST_GAP = 0.1
"""Expected calibration error above which a model's confidence says too little."""


@dataclass(frozen=True)
class Finished:
    """A finished model, and what it answers.

    Attributes:
        run: the training that it comes from.
        model: the network as it is saved: calibrated and, if wished, mirrored.
        file: where it is saved, in the run's folder.
        temperature: what its confidence was divided by; above 1 it had been too sure.
        fitted: whether that was fitted: of too few validation images it is 1.
        split: what it was measured on, "test" or "validation".
        table: the images of that split.
        labels: int, (n,), their class indices.
        probabilities: float32, (n, classes), its answers.
        metrics: of `evaluation.evaluate` and, where images have votes, `people.evaluate_people`.
    """

    run: Run
    model: keras.Model
    file: Path
    temperature: float
    fitted: bool
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
        team: those who train together, of `distributed.joined`; the first process finishes alone.

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

    What speaks against relying on the model (`doubts_about`) is said as warnings.

    Args:
        network: with the weights of the run's best epoch; its last layer is calibrated.
        table: as for `train_model`. The model is measured on test, or on validation where there is
            no test; validation gives the temperature.
        preprocessing: what the network takes.
        run: its training.
        mirror: answer with the mean over a face and its mirror image, for twice the time.
        targets: what was learned, see `targets.soft_targets`, and what the temperature is fitted
            to. With votes the confidence thus means a share of people.
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
    learned = learned_answer(held_out.vote_weight)
    for doubt in doubts_about(held_out.wanted, calibrated, temperature, gap or 0, split, learned):
        warnings.warn(doubt, stacklevel=2)
    record_result(run, network.get_layer("head"), metrics, split, **about)
    file = save_model(model, preprocessing, run.folder / "model.keras")
    fitted = len(held_out.wanted) >= LEAST_IMAGES
    about_split = split, judged.table, judged.labels, probabilities, metrics
    return Finished(run, model, file, temperature, fitted, *about_split)


def doubts_about(
    wanted: np.ndarray,
    answers: np.ndarray,
    temperature: float,
    calibration_error: float,
    split: str = "test",
    learned: str = LABELS,
) -> list[str]:
    """Reasons to train again before a model is used: a sentence or two each, and what to do.

    Args:
        wanted: float, (n, classes), what the validation images' answers should be.
        answers: (n, classes), what they were.
        temperature: that `calibration.calibrate` has set.
        calibration_error: on the images that the model is measured on, calibrated.
        split: these images' split.
        learned: what is wanted, of `people.learned_answer`.
    """
    found = []
    labels = wanted.argmax(axis=1)
    right, share = int((answers.argmax(axis=1) == labels).sum()), np.bincount(labels).max()
    low, high = wilson_interval(right, len(labels))
    if low <= share / len(labels):
        found.append(
            f"The model has learned next to nothing: on {len(labels)} validation images its "
            f"agreement with {learned} is {right / len(labels):.1%} ({low:.1%} to {high:.1%}); "
            f"always answering one class would reach {share / len(labels):.1%}. Train for more "
            "steps (more epochs, smaller batches), raise the learning rate, or look at the labels."
        )
    if at_a_bound(temperature):
        found.append(
            f"The temperature ended at its bound, {temperature:.2f}: the network's confidence is "
            "far from how often it is right, as after a training of too few steps. Train for more "
            "steps, or smooth the labels less."
        )
    if calibration_error > GREATEST_GAP:
        if len(labels) < LEAST_IMAGES:
            reason = (
                f"No temperature was fitted: {len(labels)} validation images are fewer than "
                f"{LEAST_IMAGES}. Set more aside."
            )
        elif split == "validation":
            reason = (
                "The temperature was fitted on these same images, and one number was not enough. "
                "Train for more steps, or do not rely on a threshold of confidence."
            )
        else:
            reason = (
                "The validation images are too few or unlike those it was measured on; take more "
                "people, or do not rely on a threshold of confidence."
            )
        found.append(
            f"Its confidence is off by {calibration_error:.2f} on average, on the {split} part. "
            + reason
        )
    return found


def just_edited(*finished: Finished, runs: str | Path = RUNS) -> Finished:
    """Of several models the one whose head was edited since this was last asked.

    So the edited model is the one to save, whichever cell its head stands in. Where no head has
    changed it is the same as before; the first time, or where several have changed, the last.

    Args:
        finished: the models, always as many and in the same order.
        runs: folder that holds all runs; a small file there remembers the heads.
    """
    memory = Path(runs) / "edited.json"
    heads = [
        digest(json.dumps(without_names(one.model.get_layer("head").get_config()), default=str))
        for one in finished
    ]
    kept = len(finished) - 1
    if memory.is_file():
        before = json.loads(memory.read_text(encoding="utf-8"))
        if len(before["heads"]) == len(heads):
            pairs = zip(heads, before["heads"], strict=True)
            changed = [place for place, (now, then) in enumerate(pairs) if now != then]
            kept = changed[-1] if changed else before["kept"]
    write_json(memory, {"heads": heads, "kept": kept})
    return finished[kept]
