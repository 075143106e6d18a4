"""The networks of a release: a trunk, one dense block, and an answer to each of two questions."""

from types import SimpleNamespace

from utils.models.backend import keras
from utils.models.networks import residual_trunk

SIDE, CLASSES = 48, 7
STUDENT = {"widths": (32, 64, 192), "blocks": (1, 2, 2), "stem": 24, "units": 128, "dropout": 0.3}
TEACHER = {"widths": (96, 192, 384), "blocks": (2, 2, 2), "stem": 48, "units": 256, "dropout": 0.5}


def two_headed(design: dict, width: float = 1.0) -> keras.Model:
    """A network with two outputs, "votes" and "labels": logits, (n, 7) each, float32.

    Args:
        design: `STUDENT` or `TEACHER`.
        width: factor on all channels.
    """
    widths = [8 * max(round(one * width / 8), 1) for one in design["widths"]]
    images = SimpleNamespace(input_shape=(SIDE, SIDE, 1))
    trunk = residual_trunk(images, widths, design["blocks"], stem=design["stem"])
    inputs = keras.Input(images.input_shape, name="images")
    values = keras.layers.Flatten()(trunk(inputs))
    values = keras.layers.Dense(design["units"], use_bias=False, name="dense")(values)
    values = keras.layers.BatchNormalization(momentum=0.9, name="normalisation")(values)
    values = keras.layers.Dropout(design["dropout"])(keras.layers.ReLU()(values))
    outputs = [
        keras.layers.Dense(CLASSES, dtype="float32", name=name)(values)
        for name in ("votes", "labels")
    ]
    return keras.Model(inputs, outputs)
