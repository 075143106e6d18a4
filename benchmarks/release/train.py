"""Teachers, then two students small enough for a camera.

    python -m benchmarks.release.train [--pack FILE] [--out FOLDER] …

Every network has one trunk and answers two questions at once: what the votes of ten people say,
and which label FER-2013 gives. The teachers learn from votes and labels alone. The students
learn from the same truths and from the teachers' mean answers to the very images that they see
(Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", 2022): one
mostly the votes, one mostly the labels.

On a GPU the networks run on JAX, which needs no TensorFlow and changes the images on the device,
so that it never waits for them. On processors they run on TensorFlow, where learning is three
times as fast. Every minute, and after each network, the state is saved; started again, on either,
it goes on there.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # or JAX sets it to tell more

import jax
import numpy as np

# Before Keras is imported. XLA's backward convolutions are slow on processors.
os.environ.setdefault("KERAS_BACKEND", "jax" if jax.default_backend() == "gpu" else "tensorflow")
from jax import numpy as jnp
from tqdm.auto import tqdm

from benchmarks.release import pack
from benchmarks.release.augment import augment
from benchmarks.release.networks import STUDENT, TEACHER, two_headed
from utils.datasets import votes as people
from utils.models.backend import fastest_precision, keras
from utils.training.optimizer import Muon

QUESTIONS = ("votes", "labels")
STUDENTS = {"expressions": (1.0, 0.3), "fer2013": (0.3, 1.0)}  # weights of the two questions
FROM_TEACHERS = 0.7  # share of a student's loss; the rest is the truth
SMOOTHING = 0.1  # of labels and of drawn faces' votes
PEAK_RATE, WEIGHT_DECAY = 1e-2, 5e-2
EVERY = 60  # seconds between two saved states
TEACHER_EPOCHS, STUDENT_EPOCHS = 120, 220
ON_GPU = {"teachers": 4, "teacher_width": 1.0, "epochs": 1.0, "batch_size": 512}
ON_PROCESSORS = {"teachers": 1, "teacher_width": 0.5, "epochs": 0.25, "batch_size": 128}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--pack", type=Path, default=pack.PACK)
    add("--out", type=Path, default=pack.PACK.parent)
    add("--batch-size", type=int)
    add("--teachers", type=int)
    add("--teacher-width", type=float, help="factor on the teachers' channels")
    add("--epochs", type=float, help="factor on all numbers of epochs")
    add("--images", type=int, default=0, help="learn from so many only, to try the chain")
    parser.set_defaults(**(ON_GPU if jax.default_backend() == "gpu" else ON_PROCESSORS))
    options = parser.parse_args()
    started = time.perf_counter()
    keras.config.set_dtype_policy(fastest_precision())
    options.out.mkdir(parents=True, exist_ok=True)
    data = Data(pack.load(options.pack), options.images)
    print(f"{jax.devices()[0].device_kind}, {data.describe()}", flush=True)
    network = OnJax if keras.backend.backend() == "jax" else Network
    students = [
        network(name, STUDENT, importance, 100 + number)
        for number, (name, importance) in enumerate(STUDENTS.items())
    ]
    epochs = max(round(STUDENT_EPOCHS * options.epochs), 1)
    if all(epochs_of(one.path(options)) >= epochs for one in students):
        print(f"The students in {options.out} are trained already.")
        return
    teachers = []
    for seed in range(options.teachers):
        one = network(f"teacher-{seed}", TEACHER, (1.0, 1.0), seed, options.teacher_width)
        fit([one], data, max(round(TEACHER_EPOCHS * options.epochs), 1), options, [])
        teachers.append(one)
    if teachers:
        answers = [mean_answers(teachers, part) for part in (data.held_out, data.validation)]
        note(options.out, {"network": "teachers' mean", **data.judged(*answers)})
    # Both at once: the teachers, who cost the most, answer for both.
    fit(students, data, epochs, options, teachers)
    print(f"{time.perf_counter() - started:.0f} seconds in all", flush=True)


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
        drawn = np.arange(len(votes)) >= pack.first_drawn(packed)
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
                "majority": people.clear_majority(votes[chosen]),
            }

        self.train, self.held_out, self.validation = map(part, pack.PARTS)

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
    """A network with its optimizer, as Keras itself trains it."""

    def __init__(self, name: str, design: dict, importance, seed: int, width: float = 1.0):
        keras.utils.set_random_seed(seed)
        self.name, self.seed = name, seed
        self.importance = [float(one) for one in importance]  # of votes and of labels
        self.model = two_headed(design, width)
        self.optimizer = Muon(PEAK_RATE, weight_decay=WEIGHT_DECAY, clipnorm=1.0)
        self.optimizer.build(self.model.trainable_variables)
        self.variables = [
            self.model.trainable_variables,
            self.model.non_trainable_variables,
            self.optimizer.variables,
        ]
        self.prepare()

    def prepare(self) -> None:
        losses = [surprise] * len(QUESTIONS)
        self.model.compile(self.optimizer, losses, loss_weights=self.importance, jit_compile=False)

    def path(self, options) -> Path:
        return options.out / f"{self.name}.npz"

    def learn(self, images, targets, rate):
        """One step; returns the loss."""
        self.optimizer.learning_rate = rate
        targets = [np.asarray(one) for one in targets]
        return self.model.train_on_batch(np.asarray(images), targets)[0]

    def answer(self, images) -> list:
        """Probabilities for both questions."""
        logits = self.model.predict_on_batch(np.asarray(images))
        return [jax.nn.softmax(one) for one in logits]

    def values(self) -> list[list]:
        """The arrays of weights, of what else the layers remember, and of the optimizer."""
        return [[one.value for one in part] for part in self.variables]

    def set_values(self, values: list[list]) -> None:
        for part, given in zip(self.variables, values, strict=True):
            for variable, value in zip(part, given, strict=True):
                variable.assign(value)

    def judge(self, part: dict, mirror: bool = True) -> list[np.ndarray]:
        """Probabilities for both questions, of a part's images, in batches of one size."""
        images = np.asarray(part["images"], np.float32)[..., None]
        size = min(512, 1 << (len(images) - 1).bit_length())
        padded = np.concatenate([images, np.repeat(images[:1], -len(images) % size, axis=0)])
        found = []
        for start in range(0, len(padded), size):
            batch = jnp.asarray(padded[start : start + size])
            views = [batch, batch[:, :, ::-1]] if mirror else [batch]
            answers = [self.answer(view) for view in views]
            found.append([np.mean(np.asarray(pair), axis=0) for pair in zip(*answers, strict=True)])
        return [np.concatenate(one)[: len(images)] for one in zip(*found, strict=True)]


class OnJax(Network):
    """A network as plain lists of arrays, which stay on the device from step to step."""

    def prepare(self) -> None:
        model, optimizer, importance = self.model, self.optimizer, self.importance
        self.state = super().values()
        # The rate is an argument of each step: a schedule would be compiled for every length.
        place = [one.name for one in optimizer.variables].index("learning_rate")

        def loss(trainable, others, images, targets):
            logits, others = model.stateless_call(trainable, others, images, training=True)
            losses = map(surprise, targets, logits)
            return sum(w * one.mean() for w, one in zip(importance, losses, strict=True)), others

        @jax.jit(donate_argnums=0)
        def step(state, images, targets, rate):
            trainable, others, moments = state
            moments = [*moments[:place], rate, *moments[place + 1 :]]
            (value, others), slopes = jax.value_and_grad(loss, has_aux=True)(
                trainable, others, images, targets
            )
            trainable, moments = optimizer.stateless_apply(moments, slopes, trainable)
            return [trainable, others, moments], value

        @jax.jit
        def answer(weights, images):
            logits, _ = model.stateless_call(*weights, images, training=False)
            return [jax.nn.softmax(one) for one in logits]

        self.step, self.answer_of = step, answer

    def learn(self, images, targets, rate):
        self.state, loss = self.step(self.state, images, targets, rate)
        return loss  # still on the device

    def answer(self, images) -> list:
        return self.answer_of(self.state[:2], images)

    def values(self) -> list[list]:
        return self.state

    def set_values(self, values: list[list]) -> None:
        self.state = [
            [jnp.asarray(one, old.dtype) for one, old in zip(given, part, strict=True)]
            for given, part in zip(values, self.state, strict=True)
        ]


def surprise(target, logits):
    """Cross-entropy of each image, (n,): a target without votes, which sums to 0, costs nothing."""
    return -keras.ops.sum(target * keras.ops.log_softmax(logits), axis=-1)


@jax.jit
def changed(data, key, rows, strength):
    """Changed images and their true targets. A vote that nobody gave counts nothing."""
    images = augment(key, data["images"][rows], strength)
    return images, [data["votes"][rows], data["labels"][rows]]


@jax.jit
def mixed(truths, answers):
    """Targets of students: mostly what the teachers answer, on average."""
    means = [sum(given) / len(given) for given in zip(*answers, strict=True)]
    share = FROM_TEACHERS
    return [(1 - share) * truth + share * mean for truth, mean in zip(truths, means, strict=True)]


def batches(data, seed, epoch, epochs, size, teachers):
    """Changed batches of one epoch, with their targets."""
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(data.train["label"]))
    arrays = {name: data.train[name] for name in ("images", "votes", "labels")}
    strength = np.float32(strength_at(epoch, epochs))
    for number in range(max(len(order) // size, 1)):
        chosen = order[number * size : (number + 1) * size]
        key = jax.random.key(int(random.integers(2**31)))
        images, targets = changed(arrays, key, chosen, strength)
        if teachers:
            targets = mixed(targets, [one.answer(images) for one in teachers])
        yield images, targets


def strength_at(epoch: int, epochs: int) -> float:
    """Full for three fifths of the epochs, then down to 0.4: the last see milder changes."""
    passed = (epoch + 1) / epochs
    return 1.0 if passed < 0.6 else 1.0 - 0.6 * (passed - 0.6) / 0.4


def rate_at(passed: float) -> np.float32:
    """The learning rate: up to its peak in the first tenth, then down along a cosine to zero."""
    rising, falling = min(passed / 0.1, 1), max(passed - 0.1, 0) / 0.9
    return np.float32(PEAK_RATE * max(rising, 0.05) * (1 + np.cos(np.pi * falling)) / 2)


def fit(networks, data, epochs, options, teachers) -> None:
    """Train networks on the same images, or go on with them, or read them where finished."""
    size = options.batch_size
    steps = max(len(data.train["label"]) // size, 1)
    paths = [one.path(options) for one in networks]
    done = min(map(epochs_of, paths))
    if done:
        for one, path in zip(networks, paths, strict=True):
            restore(one, path)
    saved, title = time.perf_counter(), " and ".join(one.name for one in networks)
    for epoch in tqdm(range(done, epochs), title, initial=done, total=epochs, mininterval=10):
        began, losses = time.perf_counter(), []
        stream = batches(data, networks[0].seed, epoch, epochs, size, teachers)
        for number, (images, targets) in enumerate(stream):
            rate = rate_at((epoch + number / steps) / epochs)
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
                row |= data.judged(*(one.judge(part) for part in (data.held_out, data.validation)))
            note(options.out, row)
        if last or time.perf_counter() - saved > EVERY:
            for one, path in zip(networks, paths, strict=True):
                save(one, path, epoch + 1, whole=not last)
            saved = time.perf_counter()


def mean_answers(networks, part) -> list[np.ndarray]:
    return [np.mean(one, axis=0) for one in zip(*(n.judge(part) for n in networks), strict=True)]


def save(network, path: Path, epochs: int, whole: bool) -> None:
    """Write the weights, and with ``whole`` the optimizer's state, in one step."""
    state = network.values() if whole else network.values()[:2]
    arrays = {
        f"{part}_{number:03d}": np.asarray(value)
        for part, values in enumerate(state)
        for number, value in enumerate(values)
        if "seed" not in network.variables[part][number].path
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


def restore(network, path: Path) -> None:
    """Bring a saved state back; what is not saved stays as it is."""
    with np.load(path) as saved:
        network.set_values(
            [
                [saved.get(f"{part}_{number:03d}", value) for number, value in enumerate(values)]
                for part, values in enumerate(network.values())
            ]
        )


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
