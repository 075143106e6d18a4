"""Models of other projects, made into model files of this one.

Tutorials save networks as Keras 2 wrote them: an `.h5` file, a SavedModel folder, or `model.json`
with weights. They know neither their classes nor what range their images had, so the person says.
"""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from utils.models import metadata
from utils.models.backend import all_layers, compiled, keras
from utils.models.metadata import ModelFileError
from utils.models.model_file import check_fit, first_line, load_model, made_up_faces, save_model
from utils.vision.images import ImageSource, open_image
from utils.vision.preprocessing import Preprocessing, prepare

RANGES = {"0-1": (1 / 255, 0.0), "-1-1": (1 / 127.5, -1.0), "0-255": None}
"""What the old network was shown, as scale and offset of 0–255."""
_NETWORKS = ("Functional", "Model", "Sequential")
_MODULES = ("", "keras", "keras.layers", "keras.models", "keras.src.models.functional")
_FORGOTTEN = ("_regularizer", "_initializer", "_constraint")  # which only training asks for


def adopt_model(
    old: str | Path,
    class_names: Sequence[str],
    value_range: str,
    save: str | Path,
    weights: str | Path | None = None,
    image: ImageSource | None = None,
) -> Path:
    """Write a model of another project as one of this project, with the same answers.

    Size and colour are those of its input; images come to it as this project prepares them, 0–255,
    and are scaled to its range by its first layer. Its confidence is left as it is.

    Args:
        old: an .h5, .hdf5 or .keras file, a SavedModel folder of Keras 2, or a .json of layers.
        class_names: in the order of its outputs.
        value_range: what it was shown: a key of `RANGES`.
        save: the file to write, ending in .keras.
        weights: the .h5 file that belongs to a .json; None looks for one beside it.
        image: a face to check the answers on; by default made-up ones.

    Raises:
        FileNotFoundError: no such file.
        ModelFileError: a file of another kind or already of this project, layers that Keras does
            not have, a Lambda layer, weights, inputs or classes that do not fit, answers that are
            no probabilities, or others than before.
        ValueError: an unknown range, or unusable class names.
    """
    if value_range not in RANGES:
        raise ValueError(f"Expected a range of {', '.join(RANGES)}. Received: {value_range!r}")
    old = Path(old)
    if not old.exists():
        raise FileNotFoundError(f"There is no model {old}.")
    network = _read_network(old, weights)
    preprocessing = _preprocessing_of(network, class_names, old)
    check_fit(network, preprocessing)
    images = keras.Input(preprocessing.input_shape, name="images")
    scaling = RANGES[value_range]
    scaled = images if scaling is None else keras.layers.Rescaling(*scaling, name="scale")(images)
    shown = None if image is None else prepare(open_image(image), preprocessing)[None]
    faces = made_up_faces(preprocessing.input_shape) if shown is None else shown
    before = _answers(network, faces, scaling, old)
    file = save_model(keras.Model(images, network(scaled), name="adopted"), preprocessing, save)
    adopted, _ = load_model(file)
    difference = np.abs(compiled(adopted)(faces) - before).max()
    if not difference <= 1e-5:
        file.unlink()
        raise ModelFileError(f"{old} is refused: its answers would change by {difference:.2g}.")
    return file


def _read_network(old: Path, weights) -> keras.Model:
    suffix = old.suffix.lower()
    if old.is_dir():
        return _from_saved_model(old)
    if suffix == ".json":
        return _with_weights(_network_of(_read_json(old), old), _weights_beside(old, weights))
    if suffix == ".keras":
        if metadata.PREPROCESSING in metadata.read_metadata(old):
            raise ModelFileError(
                f"{old} is already a model of this project, with its classes. Use it as it is."
            )
        metadata.check_entries(old)
        with zipfile.ZipFile(old) as archive, tempfile.TemporaryDirectory() as folder:
            network = _network_of(json.loads(archive.read(metadata.CONFIG)), old)
            return _with_weights(network, Path(archive.extract(metadata.WEIGHTS, folder)))
    if suffix in (".h5", ".hdf5"):
        return _with_weights(_network_of(_config_in(old), old), old)
    raise ModelFileError(
        f"{old} is none of the models that can be adopted: .h5, .hdf5 or .keras, a SavedModel "
        "folder, or the .json of its layers with weights."
    )


def _config_in(file: Path) -> dict:
    try:
        with h5py.File(file, "r") as content:
            config = content.attrs.get("model_config")
    except OSError as error:
        raise ModelFileError(f"{file} is no HDF5 file, or a damaged one ({error}).") from error
    if config is None:
        raise ModelFileError(
            f"{file} holds weights alone, not the layers that they are of. Give the model.json "
            "that was saved with them, and this file after it."
        )
    return json.loads(config)


def _read_json(file: Path) -> dict:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        return json.loads(config) if isinstance(config, str) else config  # some saved it twice
    except ValueError as error:
        raise ModelFileError(f"{file} is no JSON file ({error}).") from error


def _weights_beside(file: Path, weights) -> Path:
    if weights is not None:
        if not Path(weights).is_file():
            raise FileNotFoundError(f"There are no weights {weights}.")
        return Path(weights)
    found = sorted(one for one in file.parent.iterdir() if one.suffix.lower() in (".h5", ".hdf5"))
    named = [one for one in found if one.name.startswith(file.stem)] or found
    if len(named) != 1:
        names = ", ".join(one.name for one in named) or "none"
        raise ModelFileError(
            f"Which weights belong to {file}? Beside it there are: {names}. Name them after it."
        )
    return named[0]


def _with_weights(network: keras.Model, file: Path) -> keras.Model:
    try:
        with h5py.File(file, "r") as content, tempfile.TemporaryDirectory() as folder:
            old = "layer_names" in content.attrs or "model_weights" in content
            named = Path(folder, "old.h5" if old else "new.weights.h5")  # Keras goes by the name
            shutil.copyfile(file, named)
            network.load_weights(named)
    except Exception as error:  # Keras raises many kinds
        raise ModelFileError(
            f"The weights in {file} do not fit the layers ({type(error).__name__}: "
            f"{first_line(error)})."
        ) from error
    return network


def _from_saved_model(folder: Path) -> keras.Model:
    """The layers are in what Keras 2 wrote beside the graph, the weights in the graph."""
    if not (folder / "saved_model.pb").is_file():
        raise ModelFileError(f"{folder} is no SavedModel: it holds no saved_model.pb.")
    layers = folder / "keras_metadata.pb"
    config = _root_config(layers.read_bytes()) if layers.is_file() else None
    if config is None:
        raise ModelFileError(
            f"{folder} does not say which layers it is made of: it holds no keras_metadata.pb, "
            "so it was exported for serving alone. Save the model as .h5 or .keras, and adopt that."
        )
    network = _network_of(config, folder)
    import tensorflow as tf

    values = {}
    for variable in tf.saved_model.load(str(folder)).variables:
        layer, name = variable.name.split(":")[0].split("/")[-2:]
        values[layer, name] = values[layer, name.removeprefix("depthwise_")] = variable.numpy()
    for layer in all_layers(network):
        names = [(layer.name, weight.name) for weight in layer.weights]
        if missing := [name for name in names if name not in values]:
            raise ModelFileError(f"{folder} holds no weights {'/'.join(missing[0])}.")
        layer.set_weights([values[name] for name in names])
    return network


def _root_config(data: bytes) -> dict | None:
    """The config of the network in keras_metadata.pb: the longest JSON text with layers in it."""
    decoder, configs, start = json.JSONDecoder(), [], data.find(b'{"name"')
    while start >= 0:
        try:
            value, length = decoder.raw_decode(data[start:].decode("utf-8", "replace"))
            if value.get("class_name") in _NETWORKS:
                configs.append({key: value[key] for key in ("class_name", "config")})
            start = data.find(b'{"name"', start + max(length, 1))
        except ValueError:
            start = data.find(b'{"name"', start + 1)
    return max(configs, key=lambda config: len(json.dumps(config)), default=None)


def _preprocessing_of(network: keras.Model, class_names, file: Path) -> Preprocessing:
    shown, answers = network.input_shape, network.output_shape
    size = shown[1] if isinstance(shown, tuple) and len(shown) == 4 else None
    if size is None or shown[2] != size or shown[3] not in (1, 3):
        raise ModelFileError(
            f"{file} takes {shown}; expected one square image, (None, size, size, 1) for grey or "
            "(None, size, size, 3) for RGB."
        )
    if answers != (None, len(class_names)):
        raise ModelFileError(
            f"{file} answers {answers}, but {len(class_names)} classes were named: "
            f"{', '.join(class_names)}. Name one for each output, in their order."
        )
    return Preprocessing(tuple(class_names), size, "grey" if shown[3] == 1 else "rgb")


def _answers(network: keras.Model, faces: np.ndarray, scaling, file: Path) -> np.ndarray:
    scale, offset = scaling or (1, 0)
    answers = network.predict_on_batch(faces.astype(np.float32) * scale + offset)
    sums = np.sum(answers, axis=1)
    if not np.allclose(sums, 1, atol=1e-3):
        raise ModelFileError(
            f"{file} is refused: its answers add up to {sums[0]:.3g}, not to 1, so it ends "
            "without a softmax. Add one (keras.Sequential([model, keras.layers.Softmax()])), save "
            "that, and adopt it."
        )
    return answers


def _network_of(config, file: Path) -> keras.Model:
    """The layers, all Keras's own, that a config of Keras 2 or 3 describes, with new weights."""
    if not isinstance(config, dict) or config.get("class_name") not in _NETWORKS:
        raise ModelFileError(f"{file} does not describe a network of Keras.")
    for name, module in _classes_in(config):
        if name == "Lambda":
            raise ModelFileError(
                f"{file} is refused: it holds a Lambda layer, which may run any code. Build the "
                "network anew of other layers, and load its weights."
            )
        if (name not in _NETWORKS and not hasattr(keras.layers, name)) or module not in _MODULES:
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
            f"{file}: Keras cannot build its layers ({type(error).__name__}: {first_line(error)})."
        ) from error


def _classes_in(config) -> Iterator[tuple[str, str]]:
    """Class and module of every layer in a config, networks inside it included."""
    yield str(config.get("class_name")), str(config.get("module") or "")
    layers = settings = config.get("config")  # before Keras 2.2.3 a Sequential's are the config
    if isinstance(settings, dict):
        layers = settings.get("layers", ())
        if isinstance(settings.get("layer"), dict):
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
        written = config["config"]
        written = written["layers"] if isinstance(written, dict) else written
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
