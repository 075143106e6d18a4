"""Networks as Keras 2 described them, and Keras 3 builds them."""

import json
from collections.abc import Iterator
from pathlib import Path

from utils.models.backend import keras
from utils.models.metadata import ModelFileError

NETWORKS = ("Functional", "Model", "Sequential")
_FORGOTTEN = ("_regularizer", "_initializer", "_constraint")  # which only training asks for


def network_of(config, file: Path) -> keras.Model:
    """The layers that a config of Keras 2 or 3 describes, with new weights.

    Raises:
        ModelFileError: it describes no network, or has a layer that is not Keras's own, a
            Lambda layer, or settings that Keras does not take.
    """
    if not isinstance(config, dict) or config.get("class_name") not in NETWORKS:
        raise ModelFileError(f"{file} does not describe a network of Keras.")
    for name, module in _classes_in(config):
        if name == "Lambda":
            raise ModelFileError(
                f"{file} is refused: it holds a Lambda layer, which may run any code. Build the "
                "network anew of other layers, and load its weights."
            )
        if (name not in NETWORKS and not hasattr(keras.layers, name)) or module not in _MODULES:
            raise ModelFileError(
                f"{file} is refused: Keras has no layer {name!r}. Only networks of Keras's own "
                "layers can be adopted."
            )
    try:
        config = _as_keras_3(config)
        if "module" in config:
            return keras.models.model_from_json(json.dumps(config))
        made = keras.Sequential if config["class_name"] == "Sequential" else keras.Model
        return made.from_config(config["config"])
    except Exception as error:  # Keras raises many kinds
        raise ModelFileError(
            f"{file}: Keras cannot build its layers ({type(error).__name__}: "
            f"{(str(error).splitlines() or [''])[0]})."
        ) from error


_MODULES = ("", "keras", "keras.layers", "keras.models", "keras.src.models.functional")


def _classes_in(config) -> Iterator[tuple[str, str]]:
    """Class and module of every layer in a config, networks inside it included."""
    yield str(config.get("class_name")), str(config.get("module") or "")
    settings = config.get("config")
    # Keras before 2.2.3 wrote a Sequential's layers as the config itself.
    layers = settings.get("layers", ()) if isinstance(settings, dict) else settings
    if isinstance(settings, dict) and isinstance(settings.get("layer"), dict):
        layers = [*layers, settings["layer"]]  # a wrapper such as TimeDistributed
    for layer in layers or ():
        yield from _classes_in(layer)


def _as_keras_3(config):
    """A config without what Keras 2 wrote and Keras 3 does not take."""
    if isinstance(config, list):
        return [_as_keras_3(value) for value in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "__tuple__":
        return _as_keras_3(config["items"])
    kept = {key: _as_keras_3(value) for key, value in config.items()
            if not (key.endswith(_FORGOTTEN) and "class_name" not in config)}  # fmt: skip
    if "class_name" not in kept or not isinstance(kept.get("config"), dict | list):
        return kept
    settings, name = kept["config"], kept["class_name"]
    if name in ("Functional", "Model"):
        kept["class_name"] = "Functional"
        for ends in ("input_layers", "output_layers"):
            if len(settings.get(ends, ())) == 1:  # else the one tensor would come as a list
                (settings[ends],) = settings[ends]
    if name == "Sequential":
        if isinstance(settings, list):
            settings = kept["config"] = {"name": "sequential", "layers": settings}
        written = (
            config["config"]["layers"] if isinstance(config["config"], dict) else config["config"]
        )
        shape = next(iter(written), {}).get("config", {}).get("batch_input_shape")
        if shape and written[0]["class_name"] != "InputLayer":
            about = {"batch_shape": _as_keras_3(shape), "dtype": "float32", "name": "shown"}
            settings["layers"].insert(0, {"class_name": "InputLayer", "config": about})
    elif name == "InputLayer" and "batch_input_shape" in settings:
        settings["batch_shape"] = settings.pop("batch_input_shape")
    elif isinstance(settings.get("axis"), list) and len(settings["axis"]) == 1:
        settings["axis"] = settings["axis"][0]
    if name != "InputLayer" and "layers" not in settings:
        settings.pop("batch_input_shape", None)
    if name in ("DepthwiseConv2D", "SeparableConv2D"):
        settings.pop("groups", None)
    return kept
