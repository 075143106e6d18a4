"""The networks: a convolutional trunk that sees, and an MLP head that decides.

Only `keras.layers` are used, so TensorFlow, JAX and PyTorch all train and load them, and a saved
file needs no code of this project.
"""

from utils.models.backend import keras
from utils.vision.preprocessing import Preprocessing

layers = keras.layers


def convolutional_trunk(preprocessing: Preprocessing, widths=(48, 96, 192, 384)) -> keras.Model:
    """The convolutional part of the usual FER-2013 network.

    One block a width: convolution 3 × 3, batch normalisation, ReLU, max pooling that halves the
    side, dropout of a tenth. The first layer scales 0–255 to −1–1.

    Args:
        preprocessing: gives the input, uint8-valued (size, size, channels), 0–255.
        widths: channels of each block.

    Returns:
        A model named "trunk" from images to a (side, side, widths[-1]) map.
    """
    images = keras.Input(preprocessing.input_shape, name="images")
    values = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(images)
    for number, width in enumerate(widths, start=1):
        values = _convolution(values, width, name=f"block{number}")
        values = layers.MaxPooling2D(name=f"block{number}_pooling")(values)
        values = layers.Dropout(0.1, name=f"block{number}_dropout")(values)
    return keras.Model(images, values, name="trunk")


def residual_trunk(
    preprocessing: Preprocessing, widths=(32, 64, 192), blocks=(1, 2, 2), stem: int = 24
) -> keras.Model:
    """A small residual network: more accurate for its cost than plain convolutions.

    Two convolutions halve the side; then come stages of residual blocks (He et al., "Deep Residual
    Learning", 2016), each stage but the first halving it again. Every block weighs its channels by
    squeeze and excitation (Hu et al., 2018).

    Args:
        preprocessing: gives the input, uint8-valued (size, size, channels), 0–255.
        widths: channels of each stage.
        blocks: residual blocks of each stage.
        stem: channels of the very first convolution.

    Returns:
        A model named "trunk" from images to a (side, side, widths[-1]) map.
    """
    images = keras.Input(preprocessing.input_shape, name="images")
    values = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(images)
    values = _convolution(values, stem, strides=2, name="stem1")
    values = _convolution(values, widths[0], name="stem2")
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True), start=1):
        for block in range(1, count + 1):
            halve = stage > 1 and block == 1
            values = _residual_block(values, width, 2 if halve else 1, f"stage{stage}_block{block}")
    return keras.Model(images, values, name="trunk")


def _convolution(values, width, strides=1, relu=True, name=""):
    """Convolution 3 × 3 and batch normalisation, with or without a ReLU."""
    values = layers.Conv2D(
        width,
        3,
        strides=strides,
        padding="same",
        use_bias=False,  # the normalisation that follows has one of its own
        kernel_initializer="he_normal",
        name=f"{name}_convolution",
    )(values)
    values = layers.BatchNormalization(momentum=0.9, name=f"{name}_normalisation")(values)
    return layers.ReLU(name=f"{name}_relu")(values) if relu else values


def _residual_block(values, width, strides, name):
    """Two convolutions, their channels weighed, added to what came in."""
    change = _convolution(values, width, strides, name=f"{name}_first")
    change = _convolution(change, width, relu=False, name=f"{name}_second")
    weights = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(change)
    weights = layers.Dense(width // 8, activation="relu", name=f"{name}_reduce")(weights)
    weights = layers.Dense(width, activation="sigmoid", name=f"{name}_excite")(weights)
    change = layers.Multiply(name=f"{name}_weigh")([change, weights])
    if values.shape[-1] != width:
        if strides > 1:
            values = layers.AveragePooling2D(strides, padding="same", name=f"{name}_halve")(values)
        values = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_widen")(values)
        values = layers.BatchNormalization(momentum=0.9, name=f"{name}_shortcut")(values)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([values, change]))


def mlp_head(classes: int, units=(256, 128), dropout: float = 0.3, pool=False) -> keras.Sequential:
    """The decision part: dense blocks and a softmax.

    Args:
        classes: number of outputs.
        units: width of each dense block (dense, batch normalisation, ReLU, dropout).
        dropout: share of values dropped after each block.
        pool: take the mean of each channel instead of the whole map.

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
    first = layers.GlobalAveragePooling2D() if pool else layers.Flatten()
    return keras.Sequential(
        [first, *blocks, layers.Dense(classes, activation="softmax")], name="head"
    )


def join(trunk: keras.Model, head: keras.Model, name: str = "expressions") -> keras.Model:
    """One network out of trunk and head, sharing their weights.

    The parts stay whole inside it, as layers "trunk" and "head".
    """
    images = keras.Input(trunk.input_shape[1:], name="images")
    return keras.Model(images, head(trunk(images)), name=name)


def mirrored(network: keras.Model) -> keras.Model:
    """The same network, with the mean over a face and its mirror image, for twice the time.

    An expression is the same seen in a mirror, but a trained network is not quite: the mean is
    right a little more often.

    Args:
        network: as `join` makes it.

    Returns:
        A model over the same trunk and head, with the same inputs and outputs.
    """
    trunk, head = network.get_layer("trunk"), network.get_layer("head")
    images = keras.Input(network.input_shape[1:], name="images")
    both = images, keras.ops.flip(images, axis=2)
    return keras.Model(
        images, layers.Average(name="mean")([head(trunk(one)) for one in both]), name=network.name
    )


def six_layer_network(preprocessing: Preprocessing) -> keras.Model:
    """Four convolution blocks and two dense blocks, as most FER-2013 tutorials have it."""
    return join(convolutional_trunk(preprocessing), mlp_head(len(preprocessing.class_names)))


def residual_network(
    preprocessing: Preprocessing, widths=(32, 64, 192), blocks=(1, 2, 2)
) -> keras.Model:
    """`residual_trunk` and one dense block over its whole map.

    On images that frame the face alike, the place of a feature says something, which the mean over
    the map would lose (`benchmarks/ablations.py`).
    """
    head = mlp_head(len(preprocessing.class_names), units=(128,))
    return join(residual_trunk(preprocessing, widths, blocks), head)
