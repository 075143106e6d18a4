"""Every trunk by its name: new ones, and those that have already learned to see.

"residual" and "six-layer" are this project's own designs, to be trained from the start; "own" is
the trunk of a model that this project saved. VGG16 and MobileNetV2 come from `keras.applications`,
trained on ImageNet's photographs (transfer learning). Each takes images as `Preprocessing` has
them, uint8-valued, 0–255, grey or RGB: repeating grey and scaling are layers of the trunk, so a
saved model needs no other code.

What to expect of each, for one image of 350 × 350 (224, 48) pixels:

| trunk       | parameters | multiply-adds (10⁹) | features                          |
| ----------- | ---------- | ------------------- | --------------------------------- |
| vgg16       | 14.7 M     | 36.7 (15.3, 0.70)   | 10×10×512 (7×7×512, 1×1×512)      |
| mobilenetv2 | 2.3 M      | 0.74 (0.30, 0.02)   | 11×11×1280 (7×7×1280, 2×2×1280)   |
"""

import os
import warnings
from difflib import get_close_matches
from pathlib import Path

from utils.config import DEFAULT_MODEL
from utils.models import networks
from utils.models.backend import keras
from utils.models.model_file import load_model
from utils.vision.preprocessing import Preprocessing

layers = keras.layers

NEW = {"residual": networks.residual_trunk, "six-layer": networks.convolutional_trunk}
APPLICATIONS = {
    "vgg16": keras.applications.VGG16,
    "mobilenetv2": keras.applications.MobileNetV2,
}
TRUNKS = (*NEW, "own", *APPLICATIONS)
_LEAST_SIZE = 32  # both of keras.applications halve the side five times


def make_trunk(
    name: str, preprocessing: Preprocessing, weights: str | Path | None = None
) -> keras.Model:
    """The convolutional part of a network, with or without what it has learned.

    Args:
        name: one of `TRUNKS`.
        preprocessing: gives the input, uint8-valued (size, size, channels), 0–255, grey or RGB.
        weights: None for random ones. For "vgg16" and "mobilenetv2" also "imagenet" (downloaded
            once by Keras) or a local weights file. "own" takes the trunk of a ``.keras`` file, for
            None that of the released model.

    Returns:
        A model named "trunk" from images to a (side, side, channels) map.

    Raises:
        ValueError: an unknown trunk, a size that it cannot take, or weights of another network;
            `ModelFileError`, of this kind too, for a file that is no model of this project.
        FileNotFoundError: no such weights file.
        OSError: the download of ImageNet weights failed.
    """
    if name not in TRUNKS:
        raise ValueError(f"Unknown trunk. Received: {name!r}; expected one of {', '.join(TRUNKS)}.")
    if name == "own":
        return _own(preprocessing, weights)
    if name in NEW:
        if weights is not None:
            raise ValueError(
                f"The trunk {name!r} begins with random weights. Received: weights={weights!r}; "
                "expected None. To go on from a saved model, take the trunk 'own'."
            )
        return NEW[name](preprocessing)
    if preprocessing.size < _LEAST_SIZE:
        raise ValueError(
            f"{name} takes images of at least {_LEAST_SIZE} × {_LEAST_SIZE} pixels. "
            f"Received: size={preprocessing.size}. Raise the size, or take the trunk 'own'."
        )
    images = keras.Input(preprocessing.input_shape, name="images")
    values = images
    if preprocessing.colour == "grey":
        values = layers.Concatenate(name="repeat")([images] * 3)
    if name == "vgg16":
        values = _vgg16_scaling(values, preprocessing)
    else:  # to −1–1, as MobileNetV2 was trained
        values = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(values)
    return keras.Model(images, _apply(APPLICATIONS[name], values, weights).output, name="trunk")


def unfreeze_from(trunk: keras.Model, layer_name: str) -> None:
    """Let training change a trunk's later layers only: fine-tuning.

    Early layers see edges and textures, which every image has; the late ones see what the trunk was
    trained for, and new images should change these, at a learning rate ten to a hundred times
    smaller than usual (Yosinski et al., "How transferable are features in deep neural networks?",
    2014).

    Batch normalisation stays frozen, and so normalises by the mean and variance it has learned:
    those of a few small batches would undo what the layers after it have learned.

    Args:
        trunk: as `make_trunk` gives it. A network that holds it changes with it.
        layer_name: the first layer to train, such as "block5_conv1" of VGG16, "block_13_expand" of
            MobileNetV2 or "stage3_block1_first_convolution" of this project's.

    Raises:
        ValueError: no layer of that name; the message lists the nearest.
    """
    first = layer_position(trunk, layer_name)
    trunk.trainable = True  # the trunk as a whole; a frozen one would hide what is set below
    for position, layer in enumerate(trunk.layers):
        normalises = isinstance(layer, layers.BatchNormalization)
        layer.trainable = position >= first and not normalises


def layer_position(trunk: keras.Model, layer_name: str) -> int:
    """Which of a trunk's layers, from 0, has that name; ValueError lists the nearest."""
    names = [layer.name for layer in trunk.layers]
    if layer_name not in names:
        near = get_close_matches(layer_name, names, n=5, cutoff=0.4)
        raise ValueError(
            f"The trunk has no layer {layer_name!r}. "
            + (f"Did you mean {', '.join(near)}? " if near else "")
            + "trunk.summary() lists all of them."
        )
    return names.index(layer_name)


def _own(preprocessing, weights) -> keras.Model:
    if weights == "imagenet":
        raise ValueError(
            "The trunk 'own' is that of a saved model. Received: weights='imagenet'; expected a "
            ".keras file of this project, or None for models/expressions.keras. For random weights "
            f"take the trunk {' or '.join(map(repr, NEW))}."
        )
    weights = weights or DEFAULT_MODEL
    model, described = load_model(weights)
    if described.input_shape != preprocessing.input_shape:
        raise ValueError(
            f"The trunk in {weights} takes {described.colour} images of {described.size} × "
            f"{described.size} pixels. Received: colour={preprocessing.colour!r}, "
            f"size={preprocessing.size}. Take its colour and size, or another trunk."
        )
    return model.get_layer("trunk")


def _vgg16_scaling(values, preprocessing):
    """BGR minus ImageNet's mean colour, as VGG16 was trained."""
    if preprocessing.colour == "rgb":
        # Layers with fixed names, where keras.ops.flip would do: the name of an operation
        # is counted up in each kernel, and cached features are found by the trunk's names.
        planes = layers.Permute((3, 1, 2), name="planes")(values)
        planes = [
            layers.Cropping2D(((plane, 2 - plane), (0, 0)), name=colour)(planes)
            for plane, colour in ((2, "blue"), (1, "green"), (0, "red"))
        ]
        planes = layers.Concatenate(axis=1, name="reversed")(planes)
        values = layers.Permute((2, 3, 1), name="bgr")(planes)
    mean = [103.939, 116.779, 123.68]
    return layers.Rescaling(1.0, offset=[-value for value in mean], name="scale")(values)


def _apply(application, values, weights) -> keras.Model:
    """A network of `keras.applications`, without its top, on scaled images."""
    if weights not in (None, "imagenet") and not Path(weights).is_file():
        raise FileNotFoundError(
            f"No weights file at {weights}. Expected one that keras.applications provides "
            "(its name ends in notop.h5 or no_top.h5), 'imagenet' to download it, or None."
        )
    with warnings.catch_warnings():
        # MobileNetV2 warns that its weights were trained at 224 × 224. Convolutions fit any size.
        warnings.filterwarnings("ignore", message="`input_shape` is undefined")
        try:
            return application(
                include_top=False,
                weights=None if weights is None else str(weights),
                input_tensor=values,
            )
        except Exception as error:  # Keras raises a bare Exception when a download fails
            if weights == "imagenet":
                folder = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"), "models")
                raise OSError(
                    f"The ImageNet weights could not be had ({error}). Download that file on a "
                    f"machine with network and put it, under its own name, into {folder}; or "
                    "pass its path as the weights. weights=None begins with random ones."
                ) from error
            raise ValueError(
                f"{weights} does not hold weights of {application.__name__} without its top "
                f"({str(error).splitlines()[0]}). Expected the file that keras.applications "
                "provides, whose name ends in notop.h5 or no_top.h5."
            ) from error
