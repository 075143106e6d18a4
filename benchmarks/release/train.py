"""Teachers, then the students that are released, on JAX: on a GPU in minutes, on CPUs in a night.

    python -m benchmarks.release.train [--pack FILE] [--out FOLDER] …

Every network has one trunk and answers two questions at once: what the votes of ten people say,
and which label FER-2013 gives. The teachers learn from votes and labels alone. Then two
students, small enough for a camera, learn from the same truths and from the teachers' answers to
the very images that they see (Beyer et al., "Knowledge distillation: A good teacher is patient
and consistent", 2022): one mostly the votes, one mostly the labels.

That is done twice. The teachers of the first round see all images, and in the end know 99 % of
the labels by heart, slips and all; their answers then say little more than the labels. In the
second round each teacher leaves out a part, and students hear of an image only what the teacher
says that has never seen it (cross-fitting: Dao et al., "Knowledge Distillation as Semiparametric
Inference", ICLR 2021).

Images are changed on the device, so that it never waits for them. Every minute, and after each
network, the state is saved; started again, it goes on there. It needs the pack, Keras and JAX,
not TensorFlow.
"""

import argparse
import json
import os
import time
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np
from jax import numpy as jnp
from tqdm.auto import tqdm

from benchmarks.release import pack
from benchmarks.release.augment import augment
from benchmarks.release.networks import STUDENT, TEACHER, two_headed
from utils.datasets import votes as people
from utils.training.optimizer import Muon

QUESTIONS = ("votes", "labels")
STUDENTS = {"expressions": (1.0, 0.3), "fer2013": (0.3, 1.0)}  # weights of the two questions
FROM_TEACHERS = 0.7  # share of a student's loss; the rest is the truth
SMOOTHING = 0.1  # of labels and of drawn faces' votes
WEIGHT_DECAY = 5e-2
EVERY = 60  # seconds between two saved states


@dataclass(frozen=True)
class Round:
    """Some teachers, then both students.

    Attributes:
        number: from 1; the students of later rounds begin with the weights of the one before.
        teachers: how many.
        teacher_epochs, student_epochs: passes over the images.
        student_rate: the students' greatest learning rate.
        apart: each teacher leaves out its part of the images, and answers for that one.
    """

    number: int
    teachers: int
    teacher_epochs: int
    student_epochs: int
    student_rate: float
    apart: bool


TEACHER_RATE = 1e-2
ROUNDS = Round(1, 4, 120, 220, 1e-2, False), Round(2, 4, 48, 100, 6e-3, True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--pack", type=Path, default=pack.PACK)
    add("--out", type=Path, default=pack.PACK.parent)
    add("--batch-size", type=int, default=512)
    add("--teacher-width", type=float, default=1.0, help="factor on the teachers' channels")
    add("--epochs", type=float, default=1.0, help="factor on all numbers of epochs")
    add("--minutes", type=float, default=0, help="shorten the last students' training to end then")
    add("--images", type=int, default=0, help="learn from so many only, to try the chain")
    options = parser.parse_args()
    started = time.perf_counter()
    if jax.default_backend() == "gpu":
        keras.config.set_dtype_policy("mixed_bfloat16")
    options.out.mkdir(parents=True, exist_ok=True)
    data = Data(pack.load(options.pack), options.images)
    print(f"{jax.devices()[0].device_kind}, {data.describe()}", flush=True)
    for one in ROUNDS:
        one = replace(
            one,
            teacher_epochs=max(round(one.teacher_epochs * options.epochs), 1),
            student_epochs=max(round(one.student_epochs * options.epochs), 1),
        )
        play(one, data, options, started)
    print(f"{time.perf_counter() - started:.0f} seconds in all", flush=True)


def play(one: Round, data, options, started: float) -> None:
    """One round, or what is missing of it."""
    students = [
        Network(f"{one.number}-{name}", STUDENT, importance, 100 * one.number + place)
        for place, (name, importance) in enumerate(STUDENTS.items())
    ]
    if all(epochs_of(student.path(options)) >= one.student_epochs for student in students):
        return
    teachers = []
    for place in range(one.teachers):
        seed = 10 * one.number + place
        name = f"{one.number}-teacher-{place}"
        teacher = Network(name, TEACHER, (1.0, 1.0), seed, options.teacher_width)
        rows = np.flatnonzero(data.fold % one.teachers != place) if one.apart else None
        fit([teacher], data, one.teacher_epochs, TEACHER_RATE, options, rows=rows)
        teachers.append(teacher)
    answers = [mean_answers(teachers, part) for part in data.parts[1:]]
    note(options.out, {"network": f"{one.number}-teachers' mean", **data.judged(*answers)})
    heard = Teachers(teachers, one.apart)
    for student, name in zip(students, STUDENTS, strict=True):
        if one.number > 1:
            restore(student, options.out / f"{one.number - 1}-{name}.npz", weights_only=True)
    epochs = one.student_epochs
    if options.minutes and one is not ROUNDS[0]:
        left = options.minutes * 60 - (time.perf_counter() - started)
        epochs = fitting(epochs, left, data, heard, options)
    # Both at once: the teachers, who cost the most, answer for both.
    fit(students, data, epochs, one.student_rate, options, heard)


class Data:
    """The pack on the device, with its targets."""

    def __init__(self, packed: dict, most: int = 0):
        images, labels, votes, parts = (
            packed[name] for name in ("images", "labels", "votes", "parts")
        )
        blank = images.std(axis=(1, 2)) < 1
        one_hot = np.eye(len(people.CLASS_NAMES))[labels]
        told = people.usable(votes)
        shares = np.where(told[:, None], np.nan_to_num(people.shares(votes)), 0)
        drawn = votes.max(axis=1) == 10
        drawn &= np.arange(len(votes)) >= len(votes) - pack.CHARACTERS * 7 * pack.EACH
        shares = np.where(drawn[:, None], smoothed(one_hot), shares)

        def part(name):
            chosen = np.flatnonzero((parts == pack.PARTS.index(name)) & ~blank)
            if most and name == "train":
                chosen = np.random.default_rng(0).permutation(chosen)[:most]
            return {
                "images": jnp.asarray(images[chosen]),
                "labels": jnp.asarray(smoothed(one_hot)[chosen], jnp.float32),
                "votes": jnp.asarray(shares[chosen], jnp.float32),
                "told": jnp.asarray(told[chosen], jnp.float32),
                "label": labels[chosen],
                "bytes": images[chosen],
                "majority": people.clear_majority(votes[chosen]),
            }

        self.parts = self.train, self.held_out, self.validation = [part(n) for n in pack.PARTS]

        # Identical images fall into one fold.
        self.fold = np.array([zlib.crc32(one.tobytes()) % 9973 for one in self.train.pop("bytes")])

    def describe(self) -> str:
        counts = [len(one["label"]) for one in (self.train, self.held_out, self.validation)]
        return "{:,} images to learn from, {:,} held out, {:,} of PublicTest".format(*counts)

    def judged(self, held_out, validation) -> dict:
        """Accuracies of answers to both parts, each a pair: to votes, and to labels."""
        row = {}
        for name, part, answers in (
            ("held_out", self.held_out, held_out),
            ("validation", self.validation, validation),
        ):
            votes, labels = (np.asarray(one).argmax(axis=1) for one in answers)
            clear = part["majority"] >= 0
            row[f"{name}_majority"] = float((votes == part["majority"])[clear].mean())
            row[f"{name}_labels"] = float((labels == part["label"]).mean())
        return {key: round(value, 4) for key, value in row.items()}


class Network:
    """A network with its optimizer, as plain lists of arrays that JAX can pass on."""

    def __init__(self, name: str, design: dict, importance, seed: int, width: float = 1.0):
        keras.utils.set_random_seed(seed)
        self.name, self.seed = name, seed
        self.importance = [np.float32(one) for one in importance]  # of votes and of labels
        self.model = two_headed(design, width)
        # The rate is an argument of each step: a schedule would be compiled anew for every length.
        self.optimizer = Muon(TEACHER_RATE, weight_decay=WEIGHT_DECAY, clipnorm=1.0)
        self.optimizer.build(self.model.trainable_variables)
        names = [variable.name for variable in self.optimizer.variables]
        self.rate_place = names.index("learning_rate")
        self.state = [
            [variable.value for variable in part]
            for part in (
                self.model.trainable_variables,
                self.model.non_trainable_variables,
                self.optimizer.variables,
            )
        ]
        self.step, self.answer = self._step(), self._answer()

    def path(self, options) -> Path:
        return options.out / f"{self.name}.npz"

    def learn(self, images, targets, rate):
        """One step; returns the loss, still on the device."""
        self.state, loss = self.step(self.state, images, targets, self.importance, rate)
        return loss

    def _step(self):
        model, optimizer, place = self.model, self.optimizer, self.rate_place

        def loss(trainable, others, images, targets, importance):
            logits, others = model.stateless_call(trainable, others, images, training=True)
            total = 0.0
            for answer, target, weight in zip(logits, targets, importance, strict=True):
                surprise = -(target * jax.nn.log_softmax(answer)).sum(axis=-1)
                total += weight * surprise.mean()
            return total, others

        @jax.jit(donate_argnums=0)
        def step(state, images, targets, importance, rate):
            trainable, others, moments = state
            moments = [*moments[:place], rate, *moments[place + 1 :]]
            (value, others), slopes = jax.value_and_grad(loss, has_aux=True)(
                trainable, others, images, targets, importance
            )
            trainable, moments = optimizer.stateless_apply(moments, slopes, trainable)
            return [trainable, others, moments], value

        return step

    def _answer(self):
        model = self.model

        @jax.jit
        def answer(weights, images):
            logits, _ = model.stateless_call(*weights, images, training=False)
            return [jax.nn.softmax(one) for one in logits]

        return answer

    def judge(self, part: dict, mirror: bool = True) -> list[np.ndarray]:
        """Probabilities for both questions, of a part's images, in batches of one size."""
        images = np.asarray(part["images"], np.float32)[..., None]
        size = 512
        padded = np.concatenate([images, np.repeat(images[:1], -len(images) % size, axis=0)])
        found = []
        for start in range(0, len(padded), size):
            batch = jnp.asarray(padded[start : start + size])
            views = [batch, batch[:, :, ::-1]] if mirror else [batch]
            answers = [self.answer(self.state[:2], view) for view in views]
            found.append([np.mean(np.asarray(pair), axis=0) for pair in zip(*answers, strict=True)])
        return [np.concatenate(one)[: len(images)] for one in zip(*found, strict=True)]


class Teachers:
    """What students hear of changed images: all teachers' mean, or the one who never saw them."""

    def __init__(self, networks: list, apart: bool):
        self.networks, self.apart = networks, apart

    def targets(self, images, truths, fold):
        answers = [one.answer(one.state[:2], images) for one in self.networks]
        count = len(answers)
        heard = (
            np.eye(count)[fold % count] if self.apart else np.full((len(fold), count), 1 / count)
        )
        return mixed(truths, answers, jnp.asarray(heard, jnp.float32))


@jax.jit
def changed(data, key, rows, strength):
    """Changed images and their true targets. A vote that nobody gave counts nothing."""
    images = augment(key, data["images"][rows], strength)
    return images, [data["votes"][rows], data["labels"][rows]]


@jax.jit
def mixed(truths, answers, heard):
    """Targets of students: mostly what teachers answer, each weighted by ``heard``."""
    means = [
        sum(one * heard[:, [number]] for number, one in enumerate(given))
        for given in zip(*answers, strict=True)
    ]
    share = FROM_TEACHERS
    return [(1 - share) * truth + share * mean for truth, mean in zip(truths, means, strict=True)]


def batches(data, seed, epoch, epochs, size, teachers=None, rows=None):
    """Changed batches of one epoch, with their targets."""
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(np.arange(len(data.fold)) if rows is None else rows)
    arrays = {name: data.train[name] for name in ("images", "votes", "labels")}
    strength = np.float32(strength_at(epoch, epochs))
    for number in range(max(len(order) // size, 1)):
        chosen = order[number * size : (number + 1) * size]
        key = jax.random.key(int(random.integers(2**31)))
        images, targets = changed(arrays, key, chosen, strength)
        if teachers is not None:
            targets = teachers.targets(images, targets, data.fold[chosen])
        yield images, targets


def strength_at(epoch: int, epochs: int) -> float:
    """Full at first, and half in the end: the last fifth sees images nearly as they are."""
    passed = (epoch + 1) / epochs
    return 1.0 if passed < 0.6 else 1.0 - 0.6 * (passed - 0.6) / 0.4


def rate_at(passed: float, peak: float) -> np.float32:
    """The learning rate: up to its peak in the first tenth, then down along a cosine to zero."""
    rising, falling = min(passed / 0.1, 1), max(passed - 0.1, 0) / 0.9
    return np.float32(peak * max(rising, 0.05) * (1 + np.cos(np.pi * falling)) / 2)


def fit(networks, data, epochs, peak, options, teachers=None, rows=None) -> None:
    """Train networks on the same images, or go on with them, or read them where finished."""
    size = options.batch_size
    steps = max(len(data.fold if rows is None else rows) // size, 1)
    paths = [one.path(options) for one in networks]
    done = min(map(epochs_of, paths))
    if done:
        for one, path in zip(networks, paths, strict=True):
            restore(one, path)
    saved, title = time.perf_counter(), " and ".join(one.name for one in networks)
    for epoch in tqdm(range(done, epochs), title, initial=done, total=epochs, mininterval=10):
        began, losses = time.perf_counter(), []
        stream = batches(data, networks[0].seed, epoch, epochs, size, teachers, rows)
        for number, (images, targets) in enumerate(stream):
            rate = rate_at((epoch + number / steps) / epochs, peak)
            losses.append([one.learn(images, targets, rate) for one in networks])
        losses = np.mean(jax.device_get(losses), axis=0)
        seconds = round(time.perf_counter() - began, 2)
        last = epoch + 1 == epochs
        for one, loss in zip(networks, losses, strict=True):
            if not np.isfinite(loss):
                raise SystemExit(f"{one.name}: the loss of epoch {epoch + 1} is {loss}.")
            row = {"network": one.name, "epoch": epoch + 1, "loss": round(float(loss), 4)}
            row["seconds"] = seconds
            if last or epoch % 10 == 9:
                row |= data.judged(*(one.judge(part) for part in data.parts[1:]))
            note(options.out, row)
        if last or time.perf_counter() - saved > EVERY:
            for one, path in zip(networks, paths, strict=True):
                save(one, path, epoch + 1, whole=not last)
            saved = time.perf_counter()


def fitting(epochs, seconds, data, teachers, options) -> int:
    """Epochs that two students can have in so many seconds, by the clock of two epochs."""
    students = [Network("trial", STUDENT, (1.0, 1.0), 99) for _ in STUDENTS]
    spent = []
    for epoch in range(2):  # the first one compiles
        began = time.perf_counter()
        for images, targets in batches(data, 99, epoch, 2, options.batch_size, teachers):
            losses = [one.learn(images, targets, np.float32(1e-4)) for one in students]
        jax.block_until_ready(losses)
        spent.append(time.perf_counter() - began)
    print(f"an epoch of both students takes {spent[1]:.2f} s, the first {spent[0]:.1f} s")
    return max(min(epochs, int((seconds - sum(spent) - 8) * 0.95 / spent[1])), 2)


def mean_answers(networks, part) -> list[np.ndarray]:
    return [np.mean(one, axis=0) for one in zip(*(n.judge(part) for n in networks), strict=True)]


def save(network, path: Path, epochs: int, whole: bool) -> None:
    """Write the weights, and with ``whole`` the optimizer's state, in one step."""
    state = network.state if whole else network.state[:2]
    arrays = {
        f"{part}_{number:03d}": np.asarray(value)
        for part, values in enumerate(state)
        for number, value in enumerate(values)
        if not jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
    }
    partial = path.with_name(f".{path.name}.partial.npz")
    np.savez(partial, epochs=epochs, **arrays)
    os.replace(partial, path)


def epochs_of(path: Path) -> int:
    """Epochs behind a saved state, 0 where there is none."""
    if not path.is_file():
        return 0
    with np.load(path) as saved:
        return int(saved["epochs"])


def restore(network, path: Path, weights_only: bool = False) -> None:
    """Bring a saved state back."""
    with np.load(path) as saved:
        for part, values in enumerate(network.state[: 2 if weights_only else 3]):
            for number, value in enumerate(values):
                name = f"{part}_{number:03d}"
                if name in saved:
                    values[number] = jnp.asarray(saved[name], value.dtype)


def note(folder: Path, row: dict) -> None:
    """Add a row to the log, and show it where it says how good a network is."""
    with open(folder / "log.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    if "validation_labels" in row or row.get("epoch", 9) <= 2:
        print(row, flush=True)


def smoothed(one_hot: np.ndarray) -> np.ndarray:
    return one_hot * (1 - SMOOTHING) + SMOOTHING / one_hot.shape[-1]


if __name__ == "__main__":
    main()
