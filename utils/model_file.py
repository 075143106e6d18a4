"""Saved models that carry their own contract.

A model is one ordinary `.keras` file. The contract (class names, size, colour,
margin, range) stands as one more entry of the `metadata.json` that Keras writes
into it, so plain Keras loads the file too and no custom class is needed.
"""

import json
import os
import tempfile
import zipfile
from pathlib import Path

from utils.backend import all_layers, keras
from utils.preprocessing import Preprocessing

_CONFIG = "config.json"
_METADATA = "metadata.json"
_KEY = "preprocessing"
_UNUSED = [
    *(("input_axes", None), ("output_axes", None), ("quantization_config", None)),
    *(("renorm", False), ("renorm_clipping", None), ("renorm_momentum", 0.99)),
]


class ModelFileError(ValueError):
    """The file is not a model that this project may use; the message says why."""


def save_model(model: keras.Model, preprocessing: Preprocessing, path: str | Path) -> Path:
    """Write a model and its contract, whole or not at all.

    A compiled model keeps its optimizer's state as well, to go on training later.

    Args:
        model: maps (n, *preprocessing.input_shape), 0–255, to (n, classes) probabilities.
        preprocessing: the contract to store with it.
        path: ends in ``.keras``; an older file there is replaced in one step.

    Raises:
        ModelFileError: model and contract do not fit together.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise ModelFileError(f"Expected a file name that ends in .keras. Received: {path}")
    check_fit(model, preprocessing)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".saving-") as folder:
        plain, complete = Path(folder, "plain.keras"), Path(folder, "complete.keras")
        keras.saving.save_model(model, plain)
        with zipfile.ZipFile(plain) as source, zipfile.ZipFile(complete, "w") as target:
            for member in source.infolist():
                content = source.read(member)
                if member.filename == _CONFIG:
                    content = json.dumps(_portable(json.loads(content))).encode()
                if member.filename == _METADATA:
                    metadata = json.loads(content) | {_KEY: preprocessing.to_dict()}
                    content = json.dumps(metadata, indent=2).encode()
                target.writestr(member, content)
        os.replace(complete, path)
    return path


def load_model(path: str | Path, compile: bool = False) -> tuple[keras.Model, Preprocessing]:
    """Read a model and its contract, refusing whatever does not fit.

    Args:
        path: a ``.keras`` file written by `save_model`.
        compile: bring back the optimizer and loss as well.

    Raises:
        FileNotFoundError: no such file.
        ModelFileError: damaged, of another kind, without a contract, with a layer
            that runs arbitrary code (Lambda), or in disagreement with its contract.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"No model at {path}. Train one with notebooks/FacialExpressionRecognition.ipynb "
            "or `python -m utils train DATA`."
        )
    preprocessing = read_contract(path)
    try:
        model = keras.saving.load_model(path, compile=compile, safe_mode=True)
    except Exception as error:  # Keras raises many kinds for a file it cannot use
        reason = (
            "it holds a Lambda layer, which may run any code when it is loaded"
            if "Lambda" in str(error)
            else f"Keras cannot load it ({type(error).__name__}: {str(error).splitlines()[0]})"
        )
        raise ModelFileError(f"{path} is refused: {reason}.") from error
    try:
        check_fit(model, preprocessing)
    except ModelFileError as error:
        raise ModelFileError(f"{path} is refused. {error}") from error
    return model, preprocessing


def read_contract(path: str | Path) -> Preprocessing:
    """The contract in a model file, without loading the network."""
    try:
        with zipfile.ZipFile(path) as archive:
            metadata = json.loads(archive.read(_METADATA))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise ModelFileError(
            f"{path} is no complete .keras file ({error}). "
            "Expected one saved by this project; download or train it again."
        ) from error
    if not isinstance(metadata, dict) or _KEY not in metadata:
        raise ModelFileError(
            f"{path} does not say which classes and preprocessing it was trained with. "
            "Save it with utils.model_file.save_model(model, preprocessing, path)."
        )
    try:
        return Preprocessing.from_dict(metadata[_KEY])
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{path} holds an unusable contract: {error}") from error


def _portable(config):
    """A config without the settings, left unused, that Keras before 3.15 does not know."""
    if isinstance(config, dict):
        kept = {key: value for key, value in config.items() if (key, value) not in _UNUSED}
        return {key: _portable(value) for key, value in kept.items()}
    return [_portable(value) for value in config] if isinstance(config, list) else config


def check_fit(model: keras.Model, preprocessing: Preprocessing) -> None:
    """Refuse a network that its contract does not describe, or that could not be loaded.

    Raises:
        ModelFileError: other shapes than the contract's, or a Lambda layer.
    """
    received = model.input_shape, model.output_shape
    expected = (None, *preprocessing.input_shape), (None, len(preprocessing.class_names))
    if received != expected:
        raise ModelFileError(
            f"The network and its contract differ: it maps {received[0]} to {received[1]}, "
            f"the contract says {expected[0]} to {expected[1]}."
        )
    if any(isinstance(layer, keras.layers.Lambda) for layer in all_layers(model)):
        raise ModelFileError(
            "The network holds a Lambda layer, which may run any code when it is loaded. "
            "Build it of other keras.layers, or of functions from keras.ops."
        )
