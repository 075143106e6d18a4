"""Models as tutorials saved them, by Keras 2: hand-made here, as Keras 3 writes them otherwise."""

import json

import h5py
import numpy as np
import pytest

from utils.cli import main
from utils.models.backend import keras
from utils.models.metadata import ModelFileError
from utils.models.model_file import load_model
from utils.models.old_models import adopt_model

CLASSES = ("angry", "happy", "neutral")
CONFIG = {
    "class_name": "Sequential",
    "keras_version": "2.2.4",
    "backend": "tensorflow",
    "config": {
        "name": "sequential_1",
        "layers": [
            {"class_name": "Conv2D", "config": {
                "name": "conv2d_1", "trainable": True, "batch_input_shape": [None, 12, 12, 1],
                "dtype": "float32", "filters": 4, "kernel_size": [3, 3], "strides": [1, 1],
                "padding": "same", "data_format": "channels_last", "dilation_rate": [1, 1],
                "activation": "relu", "use_bias": True, "kernel_initializer": {
                    "class_name": "VarianceScaling", "config": {
                        "scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None}},
                "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01}},
                "bias_constraint": None}},
            {"class_name": "BatchNormalization", "config": {
                "name": "normalise", "axis": [3], "momentum": 0.99, "epsilon": 0.001}},
            {"class_name": "MaxPooling2D", "config": {"name": "pool", "pool_size": [2, 2]}},
            {"class_name": "Flatten", "config": {"name": "flatten_1"}},
            {"class_name": "Dense", "config": {
                "name": "dense_1", "units": 3, "activation": "softmax", "use_bias": True}},
        ],
    },
}  # fmt: skip


@pytest.fixture
def network():
    """The same layers, with weights that make their answers differ."""
    layers = keras.layers
    network = keras.Sequential([
        keras.Input((12, 12, 1)), layers.Conv2D(4, 3, padding="same", activation="relu",
        name="conv2d_1"), layers.BatchNormalization(name="normalise"), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dense(3, activation="softmax", name="dense_1"),
    ], name="sequential")  # fmt: skip
    random = np.random.default_rng(3)
    reach = {"conv2d_1/kernel": (-1, 1), "dense_1/kernel": (-0.3, 0.3)}
    network.set_weights([
        random.uniform(*reach.get(one.path.removeprefix("sequential/"), (0.5, 1)), one.shape)
        for one in network.weights
    ])  # fmt: skip
    return network


def write_h5(path, network, config=CONFIG):
    network.save(path)
    with h5py.File(path, "r+") as file:
        if config is not None:
            file.attrs["model_config"] = json.dumps(config)
            return path
        with h5py.File(path.with_name("weights.hdf5"), "w") as alone:
            for name, value in file["model_weights"].attrs.items():
                alone.attrs[name] = value
            for name in file["model_weights"]:
                file.copy(f"model_weights/{name}", alone)
    return path.with_name("weights.hdf5").replace(path)


def write_saved_model(folder, network):
    tensorflow = pytest.importorskip("tensorflow")
    root = tensorflow.__internal__.tracking.AutoTrackable()
    root.variables = [tensorflow.Variable(one, name=one.path) for one in network.weights]
    tensorflow.saved_model.save(root, str(folder))
    about = json.dumps({"name": "sequential_1", "trainable": True, **CONFIG}).encode()
    (folder / "keras_metadata.pb").write_bytes(b"\n\x12\x08\x00\x12\x04root" + about + b"2\x00")
    return folder


def faces():
    return np.random.default_rng(1).integers(0, 256, (5, 12, 12, 1), np.uint8)


def write(kind, folder, network):
    if kind == "saved_model":
        return [write_saved_model(folder / "old", network)]
    if kind in (".h5", ".hdf5"):
        return [write_h5(folder / f"old{kind}", network)]
    (folder / "model.json").write_text(json.dumps(CONFIG))
    return [folder / "model.json", write_h5(folder / "fer.h5", network, None)]


SHOWN = {"0-1": lambda faces: faces / 255, "-1-1": lambda faces: faces / 127.5 - 1,
         "0-255": lambda faces: faces}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value_range"),
    [(".h5", "0-1"), (".hdf5", "-1-1"), ("saved_model", "0-1"), ("json", "0-255")],
)
def test_an_adopted_model_answers_as_before(tmp_path, network, kind, value_range, capsys):
    if value_range == "0-255":
        kernel, bias = network.layers[0].get_weights()
        network.layers[0].set_weights([kernel / 255, bias])
    old = write(kind, tmp_path, network)
    new = tmp_path / "new.keras"
    arguments = ["--classes", "Anger,joy,neutral", "--range", value_range, "--save", str(new)]
    assert main(["adopt", *map(str, old[:1]), *arguments]) == 0, capsys.readouterr().err
    model, preprocessing = load_model(new)
    assert preprocessing.class_names == CLASSES
    assert (preprocessing.size, preprocessing.colour, preprocessing.margin) == (12, "grey", 0)
    expected = network.predict(SHOWN[value_range](faces().astype(np.float32)), verbose=0)
    assert np.ptp(expected, axis=0).max() > 1e-2  # or every face would be the same to it
    assert np.abs(model.predict(faces(), verbose=0) - expected).max() < 1e-5


def changed(**settings):
    config = json.loads(json.dumps(CONFIG))
    config["config"]["layers"][0] |= settings
    return config


@pytest.mark.parametrize(
    ("config", "classes", "reason"),
    [
        (CONFIG, ("angry", "happy"), r"answers \(None, 3\), but 2 classes were named"),
        (changed(class_name="Lambda"), CLASSES, "holds a Lambda layer"),
        (changed(class_name="CoordConv"), CLASSES, "Keras has no layer 'CoordConv'"),
        (changed(module="os"), CLASSES, "Keras has no layer"),
        ({"class_name": "Sequential", "config": []}, CLASSES, "old.h5"),
        (None, CLASSES, "holds weights alone"),
    ],
)
def test_what_cannot_be_adopted_says_why(tmp_path, network, config, classes, reason):
    old = write_h5(tmp_path / "old.h5", network, config)
    with pytest.raises(ModelFileError, match=reason):
        adopt_model(old, classes, "0-1", tmp_path / "new.keras")
    assert not (tmp_path / "new.keras").exists()


def test_answers_without_a_softmax_and_models_of_this_project_are_refused(
    tmp_path, network, recwarn
):
    new = tmp_path / "new.keras"
    adopted = adopt_model(write_h5(tmp_path / "old.h5", network, CONFIG), CLASSES, "0-1", new)
    with pytest.raises(ModelFileError, match="already a model of this project"):
        adopt_model(adopted, CLASSES, "0-1", tmp_path / "newer.keras")
    network.layers[-1].activation = keras.activations.linear
    network.save(tmp_path / "logits.keras")
    with pytest.raises(ModelFileError, match="ends without a softmax"):
        adopt_model(tmp_path / "logits.keras", CLASSES, "0-1", tmp_path / "newer.keras")
    assert not (tmp_path / "newer.keras").exists()
    assert not [one for one in recwarn if "LiteRT" in str(one.message)]
    (tmp_path / "cut.keras").write_bytes((tmp_path / "logits.keras").read_bytes()[:-99])
    with pytest.raises(ModelFileError, match="complete"):
        adopt_model(tmp_path / "cut.keras", CLASSES, "0-1", tmp_path / "newer.keras")


def test_what_is_no_model_says_so(tmp_path, network):
    with pytest.raises(FileNotFoundError, match="no model"):
        adopt_model(tmp_path / "none.h5", CLASSES, "0-1", tmp_path / "new.keras")
    with pytest.raises(ValueError, match="range of 0-1, -1-1, 0-255"):
        adopt_model(tmp_path, CLASSES, "0..1", tmp_path / "new.keras")
    with pytest.raises(ModelFileError, match=r"no saved_model\.pb"):
        adopt_model(tmp_path, CLASSES, "0-1", tmp_path / "new.keras")
    (tmp_path / "old.h5").write_bytes(b"no HDF5")
    with pytest.raises(ModelFileError, match="no HDF5 file"):
        adopt_model(tmp_path / "old.h5", CLASSES, "0-1", tmp_path / "new.keras")
    (tmp_path / "old.onnx").write_bytes(b"other")
    with pytest.raises(ModelFileError, match="none of the models that can be adopted"):
        adopt_model(tmp_path / "old.onnx", CLASSES, "0-1", tmp_path / "new.keras")
    (tmp_path / "old.h5").unlink()
    (tmp_path / "model.json").write_text(json.dumps(CONFIG))
    with pytest.raises(ModelFileError, match="Which weights belong to"):
        adopt_model(tmp_path / "model.json", CLASSES, "0-1", tmp_path / "new.keras")
