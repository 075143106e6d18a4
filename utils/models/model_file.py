"""Saved models that carry all they need to know, in ordinary `.keras` files.

`metadata` tells what stands in one. Plain Keras loads it too, and no custom class is needed. A
finished model may hold its network a second time, as `utils.models.litert` runs it.
"""

import io
import json
import math
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np

from utils.models import litert
from utils.models.backend import all_layers, keras
from utils.models.metadata import (
    CONFIG,
    LITERT_MODEL,
    PREPROCESSING,
    WEIGHTS,
    ModelFileError,
    check_entries,
    check_shapes,
    read_entry,
    read_metadata,
    read_preprocessing,
    rewrite,
)
from utils.vision.preprocessing import Preprocessing

_TOLERANCE = 0.02  # of a probability: what rounding to float16 does to a very sure network

_UNUSED = [
    *(("input_axes", None), ("output_axes", None), ("quantization_config", None)),
    *(("renorm", False), ("renorm_clipping", None), ("renorm_momentum", 0.99)),
]


def save_model(
    model: keras.Model, preprocessing: Preprocessing, path: str | Path, litert_model: bool = True
) -> Path:
    """Write a model and its metadata, whole or not at all.

    A compiled model keeps its optimizer's state as well, to go on training later.

    Args:
        model: maps (n, *preprocessing.input_shape), 0–255, to (n, classes) probabilities.
        preprocessing: to store with it.
        path: ends in ``.keras``; an older file there is replaced in one step.
        litert_model: `add_litert_model` too, where TensorFlow and LiteRT are there; it takes
            seconds. A network that LiteRT does not know is kept without one, with a warning.

    Raises:
        ModelFileError: model and preprocessing do not fit together.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise ModelFileError(f"Expected a file name that ends in .keras. Received: {path}")
    check_fit(model, preprocessing)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".saving-") as folder:
        plain = Path(folder, "plain.keras")
        keras.saving.save_model(model, plain)
        with zipfile.ZipFile(plain) as archive:
            config = json.loads(read_entry(archive, CONFIG))
        metadata = read_metadata(plain) | {PREPROCESSING: preprocessing.to_dict()}
        portable = json.dumps(_portable(config)).encode()
        rewrite(plain, path, metadata, {CONFIG: portable})
    if litert_model and keras.backend.backend() == "tensorflow" and litert.installed():
        try:
            add_litert_model(path)
        except ModelFileError as error:
            warnings.warn(str(error), stacklevel=2)
    return path


def load_model(path: str | Path, compile: bool = False) -> tuple[keras.Model, Preprocessing]:
    """Read a model and its preprocessing, refusing whatever does not fit.

    Args:
        path: a ``.keras`` file written by `save_model`.
        compile: bring back the optimizer and loss as well.

    Raises:
        FileNotFoundError: no such file.
        ModelFileError: damaged, of another kind, larger than `metadata.MOST_BYTES`, without
            preprocessing, with a layer that runs arbitrary code (Lambda), with weights that are no
            finite numbers, or in disagreement with its metadata.
    """
    preprocessing = read_preprocessing(path)
    check_entries(path)
    try:
        with _weights_at_most(zipfile.ZipFile(path).getinfo(WEIGHTS).file_size):
            model = keras.saving.load_model(path, compile=compile, safe_mode=True)
    except Exception as error:  # Keras raises many kinds for a file it cannot use
        reason = (
            "it holds a Lambda layer, which may run any code when it is loaded"
            if "Lambda" in str(error)
            else f"Keras cannot load it ({type(error).__name__}: {first_line(error)})"
        )
        raise ModelFileError(f"{path} is refused: {reason}.") from error
    try:
        check_fit(model, preprocessing)
    except ModelFileError as error:
        raise ModelFileError(f"{path} is refused. {error}") from error
    return model, preprocessing


@contextmanager
def _weights_at_most(most: int) -> Iterator[None]:
    """Refuse, before it is made, a layer with more weights than a model file has bytes of them.

    A config of some hundred bytes can ask for a layer that fills the memory.
    """
    add_weight, left = keras.Layer.add_weight, most

    def counted(layer, shape=None, *arguments, **settings):
        nonlocal left
        left -= math.prod(shape or ())
        if left < 0:
            raise ModelFileError("its layers have more weights than its file holds")
        return add_weight(layer, shape, *arguments, **settings)

    keras.Layer.add_weight = counted
    try:
        yield
    finally:
        keras.Layer.add_weight = add_weight


def add_litert_model(path: str | Path) -> Path:
    """Write a model's network into its file a second time, as LiteRT runs it, or replace that.

    It takes some seconds and adds half the size of the weights, which are kept in float16.

    Args:
        path: a file written by `save_model`, replaced in one step; left as it was where an error is
            raised.

    Raises:
        FileNotFoundError: no such file.
        ModelFileError: the file is none that `load_model` takes; TensorFlow or LiteRT is missing;
            the network has layers that LiteRT does not know; or LiteRT's answers are not Keras's.
    """
    path = Path(path)
    if keras.backend.backend() != "tensorflow" or not litert.installed():
        raise ModelFileError(
            "The LiteRT model is written with TensorFlow as Keras's backend, and LiteRT. Received: "
            f"{keras.backend.backend()}, LiteRT {'' if litert.installed() else 'not '}installed. "
            f"{path} is complete without it."
        )
    model, _ = load_model(path)
    whole, features = _with_features(model)
    content = _converted(whole)
    _check_answers(model, litert.LiteRTNetwork(content, features))
    with zipfile.ZipFile(path) as archive:
        made = {litert.DIGEST: litert.digest_of(archive, content), litert.FEATURES: features}
    metadata = {key: value for key, value in read_metadata(path).items() if key != litert.MADE_FROM}
    rewrite(path, path, metadata | made, {LITERT_MODEL: content})
    return path


def _with_features(model: keras.Model) -> tuple[keras.Model, int]:
    """The network with its trunk's mean features after the classes, and how many these are."""
    trunk = next((layer for layer in model.layers if layer.name == "trunk"), None)
    if trunk is None or len(trunk.output_shape) != 4:
        return model, 0
    images = keras.Input(model.input_shape[1:], name="images")
    means = keras.layers.GlobalAveragePooling2D(name="features")(trunk(images))
    answers = keras.layers.Concatenate(name="answers")([model(images), means])
    return keras.Model(images, answers, name=model.name), int(means.shape[-1])


def _converted(model: keras.Model) -> bytes:
    """A network as LiteRT reads it, with float16 weights; its arithmetic stays float32."""
    import tensorflow as tf

    images = tf.TensorSpec((None, *model.input_shape[1:]), model.inputs[0].dtype, "images")
    answer = tf.function(lambda images: model(images, training=False), autograph=False)
    # Straight from the graph: `from_keras_model` gives the same by way of a SavedModel on the
    # disk, in three times as long.
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [answer.get_concrete_function(images)], answer
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    try:
        with redirect_stdout(io.StringIO()):  # it lists every weight
            return converter.convert()
    except Exception as error:  # the converter raises many kinds
        raise ModelFileError(
            "The network has no LiteRT model, for LiteRT does not know all of its layers "
            f"({first_line(error)}). Its file is complete without one."
        ) from error


def _check_answers(model: keras.Model, fast: litert.LiteRTNetwork) -> None:
    faces = made_up_faces(model.input_shape[1:])
    # Layer by layer: to compile a network for sixteen faces would take longer.
    answers = keras.ops.convert_to_numpy(model(faces.astype(np.float32), training=False))
    difference = np.abs(answers - fast(faces)).max()
    if not difference <= _TOLERANCE:
        raise ModelFileError(
            f"The LiteRT model answers otherwise than Keras: by up to {difference:.3f}, expected "
            f"at most {_TOLERANCE}. The model's file is complete without it."
        )


def made_up_faces(shape: tuple[int, int, int]) -> np.ndarray:
    """Noise to compare networks on: uint8, (16, *shape), 0–255.

    Noise alone is all alike to a network; shade and contrast make faces differ.
    """
    faces = np.random.default_rng(0).integers(0, 256, (16, *shape), np.uint8)
    return (faces * np.linspace(0.1, 1, 16).reshape(-1, 1, 1, 1)).astype(np.uint8)


def _portable(config):
    """A config without the settings, left unused, that Keras before 3.15 does not know."""
    if isinstance(config, dict):
        kept = {key: value for key, value in config.items() if (key, value) not in _UNUSED}
        return {key: _portable(value) for key, value in kept.items()}
    return [_portable(value) for value in config] if isinstance(config, list) else config


def first_line(error: Exception) -> str:
    """In short, and fit to be written anywhere: it may quote a hostile file."""
    line = (str(error).splitlines() or [""])[0][:300]
    return line.encode("utf-8", "replace").decode()


def check_fit(model: keras.Model, preprocessing: Preprocessing) -> None:
    """Refuse a network that its metadata does not describe, or that could not be loaded.

    Raises:
        ModelFileError: other shapes than the metadata's, a Lambda layer, or weights that are no
            finite numbers.
    """
    check_shapes(model.input_shape, model.output_shape, preprocessing)
    if any(isinstance(layer, keras.layers.Lambda) for layer in all_layers(model)):
        raise ModelFileError(
            "The network holds a Lambda layer, which may run any code when it is loaded. "
            "Build it of other keras.layers, or of functions from keras.ops."
        )
    for weight, values in zip(model.weights, model.get_weights(), strict=True):
        if not np.isfinite(values).all():
            raise ModelFileError(
                f"The weights {weight.path} are no finite numbers: training has failed. Train "
                "again with a lower learning rate."
            )
