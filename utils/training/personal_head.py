"""A head for one person: what the old one answers, moved by what this face has shown.

Two ways, and both leave trunk and old head as they are.

*Neutral baseline.* Some faces look sad, or angry, at rest. With q(c) the mean answer to the resting
face and t(c) the answer wanted there (half for neutral, the other half shared equally by the rest),
every answer p(c | x) is weighed by (t(c) / q(c)) ** STRENGTH and normalised: the correction of a
classifier for another prior (Saerens, Latinne and Decaestecker, Neural Computation 14, 2002), with
a strength below 1 as in logit adjustment (Menon et al., ICLR 2021), for a few images tell q
roughly.

*Few-shot head.* To the old log-probabilities of each class c is added Σ k(x, xᵢ) vᵢ(c). The xᵢ are
the trunk's maps of the person's images and of their mirror images, and k(x, xᵢ) = exp(BETA ·
(cos(x, xᵢ) − 1)). The v minimise the cross-entropy on these images, weighed so that classes count
alike, plus HELD / 2 · Σ v(c)ᵀ K v(c): kernel logistic regression with the old head as its offset
(Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", 12.3; the kernel is that
of Tip-Adapter, Zhang et al., ECCV 2022). As the kernel fades with distance, other people's faces
keep their answers: nothing is replayed, and no images need to be shipped.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from utils.models.backend import keras

NEUTRAL = "neutral"
STRENGTH = 0.5
BETA, HELD = 3.0, 0.01  # chosen on half of JAFFE's people, see benchmarks/personal.py
REST = 0.5  # the share of neutral that is wanted of a resting face
NEW_SHARE = 0.01  # what a class that the old head does not know has anywhere else
_LEAST = 1e-6  # no answer is taken for less likely than this, or its logarithm has no bound


@dataclass(frozen=True)
class Seen:
    """What trunk and old head make of images, in one or two views of each.

    Attributes:
        maps: float32, (views, n, features): the trunk's map, flat and of length one.
        answers: float32, (views, n, classes): the old head's probabilities.
        mirror: whether the model answers with the mean over the views.
    """

    maps: np.ndarray
    answers: np.ndarray
    mirror: bool

    def rows(self, rows) -> "Seen":
        """Some of the images."""
        return Seen(self.maps[:, rows], self.answers[:, rows], self.mirror)

    def mean(self, probabilities: np.ndarray) -> np.ndarray:
        """What the model answers, (n, classes), from the answers to each view."""
        return probabilities.mean(axis=0) if self.mirror else probabilities[0]


def see(model: keras.Model, faces: np.ndarray) -> Seen:
    """Trunk and head of a model, applied to faces and to their mirror images.

    Args:
        model: as this project saves it, with the layers "trunk" and "head", or ValueError.
        faces: uint8, (n, size, size, channels), 0–255.
    """
    names = [layer.name for layer in model.layers]
    if not {"trunk", "head"} <= set(names):
        raise ValueError(
            "Only a model of a trunk and a head can learn a person. Received one with the layers "
            f"{', '.join(names)}. Expected one that this project trained."
        )
    trunk, head = model.get_layer("trunk"), model.get_layer("head")
    maps, answers = [], []
    for view in (faces, faces[:, :, ::-1]):
        parts = [trunk.predict_on_batch(view[at : at + 64]) for at in range(0, len(view), 64)]
        features = np.concatenate(parts)
        answers.append(np.asarray(head.predict_on_batch(features), np.float32))
        flat = features.reshape(len(faces), -1).astype(np.float32)
        maps.append(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12))
    return Seen(np.stack(maps), np.stack(answers), "mean" in names)


@dataclass(frozen=True)
class Change:
    """What is added to the old head's log-probabilities.

    Attributes:
        offset: float, (classes,): to each class, wherever the face lies.
        keys: float32, (keys, features): maps of length one; none for a neutral baseline.
        values: float32, (keys, classes): what likeness to each key adds.
    """

    offset: np.ndarray
    keys: np.ndarray
    values: np.ndarray

    def answers(self, seen: Seen) -> np.ndarray:
        """What the changed model says of images: float, (n, classes), rows sum to 1."""
        views = [
            softmax(_old(answers, self.offset) + _likeness(maps, self.keys) @ self.values, axis=1)
            for maps, answers in zip(seen.maps, seen.answers, strict=True)
        ]
        return seen.mean(np.stack(views))


def neutral_baseline(rest: Seen, class_names) -> Change:
    """The correction that lets a resting face, in one image or more, read neutral."""
    neutral = list(class_names).index(NEUTRAL)
    wanted = np.full(len(class_names), (1 - REST) / (len(class_names) - 1))
    wanted[neutral] = REST
    habit = np.maximum(rest.mean(rest.answers).mean(axis=0), _LEAST)
    offset = STRENGTH * np.log(wanted / habit)
    width = rest.maps.shape[2]
    return Change(offset, np.zeros((0, width), np.float32), np.zeros((0, len(offset)), np.float32))


def few_shot(seen: Seen, labels: np.ndarray, classes: int) -> Change:
    """The few-shot head.

    Args:
        seen: the person's images.
        labels: int, (n,), their classes; those of the old head first, new ones after them.
        classes: how many classes the new head has.
    """
    offset = np.zeros(classes)
    offset[seen.answers.shape[2] :] = np.log(NEW_SHARE)
    keys = np.concatenate(seen.maps)
    old = np.concatenate([_old(answers, offset) for answers in seen.answers])
    labels = np.concatenate([labels] * len(seen.maps))
    weights = 1 / np.bincount(labels, minlength=classes)[labels]
    weights = (weights / weights.mean())[:, None]
    wanted, kernel = np.eye(classes)[labels], _likeness(keys, keys).astype(float)

    def loss(flat):
        added = kernel @ flat.reshape(wanted.shape)
        logs = log_softmax(old + added, axis=1)
        held = HELD / 2 * np.sum(flat.reshape(wanted.shape) * added)
        gradient = kernel @ (weights * (np.exp(logs) - wanted)) + HELD * added
        return held - np.sum(weights * wanted * logs), gradient.ravel()

    found = minimize(loss, np.zeros(wanted.size), jac=True, method="L-BFGS-B")
    return Change(offset, keys, found.x.reshape(wanted.shape).astype(np.float32))


def personal_head(head: keras.Model, change: Change) -> keras.Model:
    """The old head with a change built in: ordinary layers, from the trunk's map to a softmax.

    The old one is part of the new one, and stays as it is.
    """
    layers, ops = keras.layers, keras.ops
    features = keras.Input(head.input_shape[1:], name="features")
    logs = ops.log(ops.maximum(head(features), _LEAST))
    old, new = head.output_shape[-1], len(change.offset)
    kept = layers.Dense(new, name="old_answers")
    total = kept(logs)
    kept.set_weights([np.eye(old, new, dtype=np.float32), change.offset.astype(np.float32)])
    if len(change.keys):
        flat = layers.UnitNormalization(name="length_one")(layers.Flatten(name="flat")(features))
        likeness = layers.Dense(len(change.keys), activation="exponential", name="likeness")
        added = layers.Dense(new, use_bias=False, name="added")
        total = layers.Add(name="sum")([total, added(likeness(flat))])
        likeness.set_weights([BETA * change.keys.T, np.full(len(change.keys), -BETA, np.float32)])
        added.set_weights([change.values])
    answers = layers.Activation("softmax", name="answers")(total)
    return keras.Model(features, answers, name="head")


def _old(answers: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The old head's log-probabilities with the offset, (n, new classes); 0 where it has none."""
    logs = np.log(np.maximum(answers, _LEAST))
    return np.pad(logs, ((0, 0), (0, len(offset) - logs.shape[1]))) + offset


def _likeness(maps: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """exp(BETA · (cosine − 1)) of every map with every key: float32, (n, keys)."""
    return np.exp(BETA * (maps @ keys.T - 1))
