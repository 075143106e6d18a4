import json
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from utils.config import CLASS_NAMES, DEFAULT_MODEL
from utils.models import litert, networks
from utils.models.backend import compiled, keras
from utils.models.litert import LiteRTNetwork, read_litert_model
from utils.models.metadata import LITERT_MODEL, ModelFileError, read_preprocessing
from utils.models.model_file import add_litert_model, load_model, save_model
from utils.models.predictor import load
from utils.training.batches import Batches
from utils.vision.preprocessing import Preprocessing

RELEASED = DEFAULT_MODEL


@pytest.fixture(scope="module")
def network():
    """With its mirror image, and sure enough of its answers for them to differ."""
    keras.utils.set_random_seed(0)
    preprocessing = Preprocessing(CLASS_NAMES)
    trunk = networks.convolutional_trunk(preprocessing, widths=(4, 8))
    head = networks.mlp_head(len(CLASS_NAMES), units=(8,))
    network = networks.mirrored(networks.join(trunk, head))
    head.layers[-1].kernel.assign(5 * head.layers[-1].kernel)
    return network


@pytest.fixture
def saved(network, preprocessing, tmp_path):
    return save_model(network, preprocessing, tmp_path / "model.keras", litert_model=False)


@pytest.fixture(scope="module")
def finished_once(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("finished") / "model.keras"
    return save_model(network, Preprocessing(CLASS_NAMES), path)


@pytest.fixture
def finished(finished_once, tmp_path):
    return Path(shutil.copy(finished_once, tmp_path))


@pytest.fixture
def drawn(table, preprocessing):
    return Batches(table, preprocessing, batch_size=21)[0][0]


@pytest.mark.parametrize("count", [1, 2, 5, 21])
def test_litert_model_answers_as_keras_does(finished, network, drawn, count):
    expected = compiled(network)(drawn)
    assert np.ptp(expected, axis=0).max() > 0.1  # or agreement would mean little
    predictor = load(finished)
    assert isinstance(predictor.model, LiteRTNetwork)
    answers = predictor.probabilities(drawn[:count])
    assert answers.dtype == np.float32
    assert np.allclose(answers, expected[:count], atol=0.002)


def test_released_model_answers_as_keras_does(drawn):
    predictor = load(RELEASED)
    assert isinstance(predictor.model, LiteRTNetwork)
    expected = compiled(load_model(RELEASED)[0])(drawn)
    assert np.allclose(predictor.probabilities(drawn), expected, atol=0.002)


def test_sizes_and_callers_do_not_disturb_each_other(finished, drawn):
    predictor = load(finished)
    alone = np.concatenate([predictor.probabilities(face[None]) for face in drawn])
    parts = [drawn[start : start + count] for start in range(4) for count in (1, 7, 2, 16)]
    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(predictor.probabilities, parts))
    for number, answer in enumerate(answers):
        start = number // 4
        assert np.allclose(answer, alone[start : start + len(answer)], atol=1e-5)


def test_neither_keras_nor_tensorflow_is_imported_to_read_a_face():
    code = (
        "import sys, numpy as np\n"
        "import utils.live.panel, utils.live.stills, utils.live.loop\n"
        "import utils.models.saliency, utils.plots.training\n"
        "from utils.config import DEFAULT_MODEL\n"
        "from utils.models.predictor import load\n"
        "predictor = load(DEFAULT_MODEL)\n"
        "frame = np.zeros((60, 60, 3), np.uint8)\n"
        "assert predictor.predict_faces(frame, [(5, 5, 50, 50)]).shape == (1, 7)\n"
        "print(sorted({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_file_stays_one_that_keras_loads(finished, network, drawn):
    assert [path.name for path in finished.parent.iterdir()] == ["model.keras"]
    model = keras.saving.load_model(finished)
    assert np.allclose(compiled(model)(drawn), compiled(network)(drawn), atol=1e-6)
    assert read_preprocessing(finished).class_names == load(finished).class_names


def test_doing_it_again_replaces_the_litert_model(finished):
    with zipfile.ZipFile(add_litert_model(finished)) as archive:
        assert sorted(archive.namelist()) == [
            *("config.json", "fast.tflite", "metadata.json", "model.weights.h5"),
        ]
        assert archive.testzip() is None
    assert load(finished).model.output_shape == (None, 7)


def test_file_without_a_litert_model_is_run_by_keras(saved, drawn):
    assert read_litert_model(saved) is None
    assert isinstance(load(saved).model, keras.Model)


def test_missing_library_is_said_and_keras_takes_over(finished, network, drawn, monkeypatch):
    monkeypatch.setattr(litert, "installed", lambda: False)
    with pytest.warns(UserWarning, match="LiteRT is not installed"):
        predictor = load(finished)
    expected = compiled(network)(drawn)
    assert np.allclose(predictor.probabilities(drawn), expected, atol=1e-6)


def replace_entry(path, name, content):
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for member, old in (members | {name: content}).items():
            archive.writestr(member, content if member == name else old)


def test_litert_model_of_other_weights_is_refused(finished, small_network, preprocessing, tmp_path):
    other = tmp_path / "other.keras"
    save_model(networks.mirrored(small_network), preprocessing, other, litert_model=False)
    with zipfile.ZipFile(other) as archive:
        weights = archive.read("model.weights.h5")
    replace_entry(finished, "model.weights.h5", weights)
    with pytest.raises(ModelFileError, match="made from another network"):
        load(finished)
    add_litert_model(finished)
    load(finished)


def test_litert_model_under_another_metadata_is_refused(finished):
    with zipfile.ZipFile(finished) as archive:
        metadata = json.loads(archive.read("metadata.json"))
    metadata["preprocessing"]["class_names"] = ["happy", "sad"]
    replace_entry(finished, "metadata.json", json.dumps(metadata))
    with pytest.raises(ModelFileError, match=r"model\.keras is refused.*differ"):
        load(finished)


@pytest.mark.parametrize("content", [b"", b"not a network" * 9, b"\x1c\0\0\0TFL3" + bytes(99)])
def test_litert_model_that_is_none_is_refused(content):
    with pytest.raises(ModelFileError, match="LiteRT cannot run"):
        LiteRTNetwork(content)


def test_litert_model_of_another_file_is_refused(finished, network, preprocessing, tmp_path):
    other = keras.models.clone_model(network)
    other.set_weights([weight * 0.9 for weight in network.get_weights()])
    path = save_model(other, preprocessing, tmp_path / "other.keras")
    replace_entry(finished, LITERT_MODEL, read_litert_model(path))
    with pytest.raises(ModelFileError, match="made from another network"):
        load(finished)


def test_file_from_before_the_digest_is_held_to_its_checksums(finished):
    with zipfile.ZipFile(finished) as archive:
        metadata = json.loads(archive.read("metadata.json"))
        sums = {name: archive.getinfo(name).CRC for name in ("config.json", "model.weights.h5")}
    assert len(metadata.pop("fast_form_digest")) == 64
    for made_from in (sums, {}):
        metadata["fast_form_made_from"] = made_from
        replace_entry(finished, "metadata.json", json.dumps(metadata))
        if made_from:
            load(finished)
    with pytest.raises(ModelFileError, match="made from another network"):
        load(finished)


@pytest.mark.parametrize("features", ["2", None, [], 1e999, -1, 10**30, True])
def test_number_of_features_that_is_none_is_refused(finished, features):
    with zipfile.ZipFile(finished) as archive:
        metadata = json.loads(archive.read("metadata.json"))
    metadata["fast_form_features"] = features
    replace_entry(finished, "metadata.json", json.dumps(metadata))
    with pytest.raises(ModelFileError, match="is refused"):
        load(finished)


def test_litert_model_with_weights_that_are_no_numbers_is_refused(finished):
    content = bytearray(read_litert_model(finished))
    place = content.find(max(_half_precision_weights(content), key=len))
    content[place : place + 2] = np.float16("nan").tobytes()
    with pytest.raises(ModelFileError, match="no finite numbers"):
        LiteRTNetwork(bytes(content))


def _half_precision_weights(content):
    interpreter = LiteRTNetwork(bytes(content))._interpreter()
    for tensor in interpreter.get_tensor_details():
        if tensor["dtype"] == np.float16:
            yield interpreter.get_tensor(tensor["index"]).tobytes()


def test_damaged_litert_model_is_refused(finished):
    data = bytearray(finished.read_bytes())
    middle = data.find(b"TFL3") + 500
    data[middle : middle + 50] = bytes(50)
    finished.write_bytes(data)
    with pytest.raises(ModelFileError, match="it is damaged"):
        load(finished)


@pytest.mark.parametrize("change", [(8, b"\1"), (10, b"\x63")], ids=["encrypted", "unknown method"])
def test_litert_model_that_cannot_be_unpacked_is_refused(finished, change):
    data = bytearray(finished.read_bytes())
    entry = data.rfind(b"PK\1\2", 0, data.rfind(b"fast.tflite"))
    data[entry + change[0] : entry + change[0] + 1] = change[1]
    finished.write_bytes(data)
    with pytest.raises(ModelFileError, match="it is damaged"):
        load(finished)


def test_network_that_litert_does_not_know_keeps_its_file_as_it_was(preprocessing, tmp_path):
    faces = keras.Input(preprocessing.input_shape)
    values = keras.layers.Flatten()(keras.ops.erfinv(faces / 256))
    model = keras.Model(faces, keras.layers.Dense(7, activation="softmax")(values))
    with pytest.warns(UserWarning, match="does not know all of its layers"):
        path = save_model(model, preprocessing, tmp_path / "model.keras")
    before = path.read_bytes()
    with pytest.raises(ModelFileError, match="does not know all of its layers"):
        add_litert_model(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]


def test_answers_unlike_those_of_keras_are_refused(saved, monkeypatch):
    before = saved.read_bytes()
    answer = LiteRTNetwork.__call__
    monkeypatch.setattr(LiteRTNetwork, "__call__", lambda *args: answer(*args)[:, ::-1])
    with pytest.raises(ModelFileError, match="answers otherwise than Keras"):
        add_litert_model(saved)
    assert saved.read_bytes() == before
