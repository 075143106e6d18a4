"""Confidence that means what it says: temperature scaling.

A network's probabilities are often surer, or less sure, than it is right. Dividing the
values before the softmax by one number, the temperature, mends most of that and changes
no answer (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017). The number
goes into the weights of the last layer, so a calibrated model is an ordinary model.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from utils.models.backend import compiled, keras
from utils.training.batches import Batches

LEAST_IMAGES = 100
_RANGE = 0.2, 5.0  # no sensible network is outside


def calibrate(network: keras.Model, labels: np.ndarray, views: Sequence[np.ndarray]) -> float:
    """Fit a temperature and set it in a network's last layer; arguments as for `fit_temperature`.

    Returns:
        The temperature; 1, and nothing is changed, where there are fewer than `LEAST_IMAGES`: so
        few are soon all right or all wrong by chance.
    """
    if len(labels) < LEAST_IMAGES:
        return 1.0
    temperature = fit_temperature(labels, views)
    set_temperature(network, temperature)
    return temperature


def views_of(network: keras.Model, images: Batches, mirror: bool = True) -> list[np.ndarray]:
    """A network's answers to images and, with ``mirror``, to their mirror images.

    Args:
        network: maps images to (classes,) probabilities.
        images: neither shuffled nor augmented.
        mirror: whether `networks.mirrored` is going to average the network's answers.

    Returns:
        One or two arrays, (n, classes).
    """
    answer = compiled(network)
    batches = (images[index][0] for index in range(len(images)))
    answers = [
        [answer(view) for view in ([batch, batch[:, :, ::-1]] if mirror else [batch])]
        for batch in batches
    ]
    return [np.concatenate(view) for view in zip(*answers, strict=True)]


def fit_temperature(labels: np.ndarray, views: Sequence[np.ndarray]) -> float:
    """The temperature with the least log loss; above 1 the network was too sure.

    Args:
        labels: int, (n,), class indices, or float, (n, classes), shares of votes; of images that
            the network was not trained on.
        views: answers whose mean is the model's, each (n, classes), rows summing to 1: of
            `networks.mirrored` those to the images and to their mirror images.

    Raises:
        ValueError: labels and answers do not fit together.
    """
    labels = np.asarray(labels)
    logits = [_logits(view) for view in views]
    if not len(labels) or any(len(values) != len(labels) for values in logits):
        raise ValueError(
            "Expected at least one label, and an answer for each in every view. Received: "
            f"{len(labels)} labels and views of {', '.join(str(len(v)) for v in logits)}."
        )
    wanted = labels if labels.ndim == 2 else np.eye(logits[0].shape[1])[labels]

    def loss(temperature):
        mean = np.mean([softmax(values / temperature, axis=1) for values in logits], axis=0)
        return -(wanted * np.log(mean + 1e-12)).sum(axis=1).mean()

    return float(minimize_scalar(loss, bounds=_RANGE, method="bounded").x)


def at_a_bound(temperature: float) -> bool:
    """Whether a fitted temperature is the least or greatest that was looked at."""
    return any(np.isclose(temperature, bound, rtol=0.01) for bound in _RANGE)


def tempered(view: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities, (n, classes), as they would be at a temperature."""
    return softmax(_logits(view) / temperature, axis=1)


def _logits(view: np.ndarray) -> np.ndarray:
    return np.log(np.clip(np.asarray(view, np.float64), 1e-12, 1))


def set_temperature(network: keras.Model, temperature: float) -> None:
    """Divide what a network's softmax receives by a temperature, for good.

    Args:
        network: its layer "head" ends in a dense layer with a softmax, as in `networks.join`. Its
            weights are changed, for every network that shares them.
        temperature: above 0; 1 changes nothing.

    Raises:
        ValueError: the head ends otherwise, or the temperature is not above 0.
    """
    last = network.get_layer("head").layers[-1]
    ends_well = (
        isinstance(last, keras.layers.Dense) and last.activation is keras.activations.softmax
    )
    if not ends_well or not temperature > 0:
        raise ValueError(
            "A temperature above 0 can be set where the head ends in Dense(…, activation="
            f'"softmax"). Received: temperature {temperature}, {type(last).__name__} at the end.'
        )
    last.set_weights([weight / temperature for weight in last.get_weights()])
