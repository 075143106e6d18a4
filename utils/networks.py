"""The networks: a convolutional trunk that sees, and an MLP head that decides.

Only `keras.layers` are used, so the TensorFlow, JAX and PyTorch backends all
train and load them, and a saved file needs no code of this project.
"""

from utils.backend import keras
from utils.preprocessing import Preprocessing

layers = keras.layers


def convolutional_trunk(
    preprocessing: Preprocessing, widths=(48, 96, 192, 384), dropout: float = 0.1
) -> keras.Model:
    """The convolutional part of the usual FER-2013 network.

    One block a width: convolution 3 × 3, batch normalisation, ReLU, max pooling
    that halves the side, dropout. The first layer scales 0–255 to −1–1.

    Args:
        preprocessing: gives the input, uint8-valued (size, size, channels), 0–255.
        widths: channels of each block; the usual network doubles them four times.
        dropout: share of values dropped after each block.

    Returns:
        A model named "trunk" from pictures to a (side, side, widths[-1]) map.
    """
    pictures = keras.Input(preprocessing.input_shape, name="pictures")
    values = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(pictures)
    for number, width in enumerate(widths, start=1):
        values = layers.Conv2D(
            width,
            3,
            padding="same",
            use_bias=False,  # the normalisation that follows has one of its own
            kernel_initializer="he_normal",
            name=f"block{number}_convolution",
        )(values)
        values = layers.BatchNormalization(momentum=0.9, name=f"block{number}_normalisation")(
            values
        )
        values = layers.ReLU(name=f"block{number}_relu")(values)
        values = layers.MaxPooling2D(name=f"block{number}_pooling")(values)
        values = layers.Dropout(dropout, name=f"block{number}_dropout")(values)
    return keras.Model(pictures, values, name="trunk")


def mlp_head(classes: int, units=(256, 128), dropout: float = 0.3) -> keras.Sequential:
    """The decision part of the usual network: two dense blocks and a softmax.

    Args:
        classes: number of outputs.
        units: width of each dense block (dense, batch normalisation, ReLU, dropout).
        dropout: share of values dropped after each block.

    Returns:
        A model named "head" from the trunk's map to (classes,) probabilities.
    """
    blocks = [
        layer
        for width in units
        for layer in (
            layers.Dense(width, use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Dropout(dropout),
        )
    ]
    return keras.Sequential(
        [layers.Flatten(), *blocks, layers.Dense(classes, activation="softmax")], name="head"
    )


def join(trunk: keras.Model, head: keras.Model, name: str = "expressions") -> keras.Model:
    """One network out of trunk and head, sharing their weights.

    The parts stay whole inside it, as layers "trunk" and "head".
    """
    pictures = keras.Input(trunk.input_shape[1:], name="pictures")
    return keras.Model(pictures, head(trunk(pictures)), name=name)


def mirrored(network: keras.Model) -> keras.Model:
    """The same network, answering with the mean over a face and its mirror image.

    An expression is the same seen in a mirror, but a trained network is not quite: the
    mean treats left and right alike, and is right a little more often. It costs twice
    the time for each face.

    Args:
        network: as `join` makes it.

    Returns:
        A model over the same trunk and head, with the same inputs and outputs.
    """
    trunk, head = network.get_layer("trunk"), network.get_layer("head")
    pictures = keras.Input(network.input_shape[1:], name="pictures")
    both = pictures, keras.ops.flip(pictures, axis=2)
    return keras.Model(
        pictures, layers.Average(name="mean")([head(trunk(one)) for one in both]), name=network.name
    )


def six_layer_network(preprocessing: Preprocessing) -> keras.Model:
    """Four convolution blocks and two dense blocks, as most FER-2013 tutorials have it."""
    return join(convolutional_trunk(preprocessing), mlp_head(len(preprocessing.class_names)))
