"""From a person's takes to a model that knows this face, compared with the unchanged one.

`personal_head` says what is learned, and why nothing is forgotten.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from utils.config import DEFAULT_MODEL, PROJECT
from utils.datasets.table import margin_of
from utils.datasets.takes import find_takes
from utils.files import check_outputs, check_writable, digest
from utils.models.backend import keras
from utils.models.metadata import add_metadata, read_metadata
from utils.models.model_file import load_model, save_model
from utils.models.networks import join, mirrored
from utils.models.opinion import ENTRY as OPINION
from utils.training.evaluation import evaluate
from utils.training.personal_head import (
    NEUTRAL,
    Change,
    Seen,
    few_shot,
    neutral_baseline,
    personal_head,
    see,
)
from utils.vision.images import read_image
from utils.vision.preprocessing import Preprocessing, prepare

WAYS = "auto", "neutral", "few-shot"
PERSONAL = "personal"  # the entry in a model's metadata
MOST = 16  # images a class; each is kept in the model as two rows of its few-shot head


@dataclass(frozen=True)
class Personal:
    """A model for one person, and what it brought.

    Attributes:
        file: where it is saved.
        way: "neutral" or "few-shot".
        learned: the images that it learned from, as `datasets.takes.find_takes` lists them.
        left_out: how many more there were of classes with more than `MOST`.
        judged: how many images were judged, each by a model that did not know its take.
        before, after: `evaluation.evaluate` of these, by the unchanged model and by models that did
            not know their take; None where there is but one take.
        keep: whether the personal model is advised; None where nothing could be compared.
    """

    file: Path
    way: str
    learned: pd.DataFrame
    left_out: int
    judged: int
    before: dict | None
    after: dict | None
    keep: bool | None

    def __str__(self) -> str:
        takes, count = self.learned["take"].nunique(), len(self.learned)
        said = [
            f"{self.way}: learned from {count} image{'s' * (count > 1)} of {takes} "
            f"take{'s' * (takes > 1)}"
        ]
        if self.left_out:
            said[0] += f"; {self.left_out} more were not needed, {MOST} of a class are enough"
        file = self.file.relative_to(PROJECT) if self.file.is_relative_to(PROJECT) else self.file
        saved = f"Saved: {file}"
        if self.keep is None:
            said.append("Nothing to compare: record a second take, to judge by.")
            return "\n".join([*said, saved])
        before, after = self.before["accuracy"], self.after["accuracy"]
        said.append(
            f"Each take was judged by a model that learned from the other takes alone: of "
            f"{self.judged} images, {before:.1%} were right before and {after:.1%} after."
        )
        if self.keep:
            said += ["Advice: keep it.", saved]
        elif before == after:
            said.append("Advice: the unchanged model does as well; keep that.")
        else:
            said.append("Advice: do not keep it; record more takes, or clearer ones.")
        if not self.keep:
            said.append(f"It was saved all the same, for you to try or delete: {file}")
        return "\n".join(said)


def personalise(
    folder: str | Path,
    save: str | Path,
    model: str | Path = DEFAULT_MODEL,
    subject: str | None = None,
    way: str = "auto",
) -> Personal:
    """Teach a model one person's face.

    Args:
        folder: of takes, see `datasets.takes`.
        save: the new model, an ordinary ``.keras`` file that keeps the old one's preprocessing and
            opinion of what is a face; its metadata says who, when and from which model.
        model: the old one; not changed.
        subject: whose takes, where there are those of several people.
        way: "neutral" learns from the resting face alone, "few-shot" from every class, new ones
            too; "auto" takes the first where nothing but neutral was recorded.

    Raises:
        FileNotFoundError, ValueError: as `find_takes` and `load_model`; a class is missing for the
            way; the recordings were cut with another margin than the model's.
    """
    if way not in WAYS:
        raise ValueError(f"Unknown way. Received: {way!r}; expected one of {', '.join(WAYS)}.")
    if Path(save).suffix != ".keras":
        raise ValueError(f"A model's file name ends in .keras. Received: {save}")
    table = find_takes(folder, subject)
    check_outputs([model, *table["file"]], [save])
    check_writable(save)
    network, preprocessing = load_model(model)
    if margin_of(folder) != preprocessing.margin:
        raise ValueError(
            f"The faces in {folder} were cut with a margin of {margin_of(folder)}, but {model} "
            f"takes {preprocessing.margin}. Record them anew with this model."
        )
    names = preprocessing.class_names
    way = _way(way, table, names)
    classes = names if way == "neutral" else (*names, *sorted(set(table["class"]) - set(names)))
    if len(classes) < len(set(table["class"]) | set(names)):
        table = table[table["class"].isin(names)].reset_index(drop=True)  # to judge by
    chosen = np.sort(
        np.concatenate([_spread(rows) for rows in table.groupby("class").indices.values()])
    )
    faces = np.stack([prepare(read_image(file), preprocessing) for file in table["file"]])
    seen = see(network, faces)
    labels = pd.Categorical(table["class"], classes).codes.astype(int)

    before, after, judged = leave_takes_out(seen, labels, table["take"], classes, way, chosen)
    compared = [
        evaluate(labels[judged], answers[judged], classes) if judged.any() else None
        for answers in (before, after)
    ]
    right = [answers.argmax(axis=1) == labels for answers in (before, after)]
    gained = pd.Series(right[1].astype(int) - right[0])[judged]
    takes = np.sign(gained.groupby(table["take"][judged].to_numpy()).sum())
    keep = bool(gained.sum() > 0 and takes.sum() >= 0) if judged.any() else None

    if way == "neutral":
        chosen = np.flatnonzero(table["class"] == NEUTRAL)
    change = learn(seen.rows(chosen), labels[chosen], classes, way)
    learned = table.iloc[chosen].reset_index(drop=True)
    _save(network, preprocessing, change, classes, save, model, learned, way)
    left_out = len(table) - len(chosen) if way == "few-shot" else 0
    return Personal(Path(save), way, learned, left_out, int(judged.sum()), *compared, keep)


def learn(seen: Seen, labels: np.ndarray, class_names, way: str) -> Change:
    """What a way ("neutral" or "few-shot") learns from images.

    Args:
        seen: the images, see `personal_head.see`.
        labels: int, (n,), positions in ``class_names``, those of the new model, the old one's
            first.
    """
    if way == "neutral":
        return neutral_baseline(seen.rows(labels == class_names.index(NEUTRAL)), class_names)
    return few_shot(seen, labels, len(class_names))


def leave_takes_out(
    seen: Seen, labels: np.ndarray, takes, class_names, way: str, chosen: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Judge every take by a model that learned from others: frames of one are nearly one image.

    Args:
        seen, labels, class_names, way: see `learn`.
        takes: (n,), which take each image is of.
        chosen: int, rows that may be learned from; all by default.

    Returns:
        Answers of the unchanged model and of those that learned, each float (n, classes), and which
        rows could be judged, bool (n,): all, unless nothing is left to learn from.
    """
    takes = np.asarray(takes)
    old = seen.mean(seen.answers)
    before = np.pad(old, ((0, 0), (0, len(class_names) - old.shape[1])))
    after, judged = before.copy(), np.zeros(len(labels), bool)
    may = np.ones(len(labels), bool) if chosen is None else np.isin(np.arange(len(labels)), chosen)
    if way == "neutral":
        may = labels == class_names.index(NEUTRAL)
    for take in sorted(set(takes)):
        out, rows = takes == take, np.flatnonzero(may & (takes != take))
        if len(rows):
            change = learn(seen.rows(rows), labels[rows], class_names, way)
            after[out], judged[out] = change.answers(seen.rows(out)), True
    return before, after, judged


def personal_model(network: keras.Model, change: Change) -> keras.Model:
    """A network with a change in its head; it shares trunk and old head with the one given."""
    joined = join(
        network.get_layer("trunk"), personal_head(network.get_layer("head"), change), network.name
    )
    return mirrored(joined) if any(layer.name == "mean" for layer in network.layers) else joined


def _save(network, preprocessing, change, classes, save, model, learned, way) -> None:
    described = Preprocessing(**{**preprocessing.to_dict(), "class_names": classes})
    save_model(personal_model(network, change), described, save)
    about = {
        "subject": learned["subject"].iloc[0],
        "date": date.today().isoformat(),
        "way": way,
        "images": learned["class"].value_counts(sort=False).to_dict(),
        "made_from": {"file": Path(model).name, "digest": digest(Path(model))},
    }
    opinion = {key: value for key, value in read_metadata(model).items() if key == OPINION}
    add_metadata(save, {PERSONAL: about, **opinion})


def _way(way: str, table: pd.DataFrame, names) -> str:
    recorded = set(table["class"])
    if way == "auto":
        way = "neutral" if recorded == {NEUTRAL} else "few-shot"
    if way == "neutral" and not (NEUTRAL in recorded and NEUTRAL in names):
        raise ValueError(
            f"A neutral baseline needs a resting face, of a class that the model knows as "
            f"{NEUTRAL!r}. Recorded: {', '.join(sorted(recorded))}; known: {', '.join(names)}."
        )
    if way == "few-shot" and len(recorded) < 2:
        raise ValueError(
            "A few-shot head learns to tell classes apart, so it needs two or more. Recorded: "
            f"{', '.join(recorded)}. Record another, or a resting face for way='neutral'."
        )
    return way


def _spread(rows: np.ndarray) -> np.ndarray:
    """At most `MOST` of a class's rows, evenly from the first take to the last."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST)).round().astype(int)]
