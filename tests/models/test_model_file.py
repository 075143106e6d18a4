import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from utils.models.backend import keras
from utils.models.model_file import ModelFileError, load_model, read_preprocessing, save_model
from utils.vision.preprocessing import Preprocessing


@pytest.fixture
def saved(small_network, preprocessing, tmp_path):
    return save_model(small_network, preprocessing, tmp_path / "model.keras", litert_model=False)


def test_model_and_metadata_come_back(saved, small_network, preprocessing):
    model, described = load_model(saved)
    assert described == preprocessing
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), dtype=np.uint8)
    assert np.allclose(model.predict_on_batch(faces), small_network.predict_on_batch(faces))


def test_plain_keras_loads_it_too(saved):
    assert keras.saving.load_model(saved).output_shape == (None, 7)


def test_saving_leaves_nothing_else_behind(saved):
    assert [path.name for path in saved.parent.iterdir()] == ["model.keras"]


def test_missing_file_says_how_to_get_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="Train one"):
        load_model(tmp_path / "absent.keras")


def test_file_without_metadata_is_refused(small_network, tmp_path):
    small_network.save(tmp_path / "plain.keras")
    with pytest.raises(ModelFileError, match="does not say which classes"):
        load_model(tmp_path / "plain.keras")


def test_truncated_file_is_refused(saved):
    saved.write_bytes(saved.read_bytes()[:-2000])
    with pytest.raises(ModelFileError, match=r"no complete \.keras file"):
        load_model(saved)


def test_damaged_weights_are_refused(saved):
    data = bytearray(saved.read_bytes())
    middle = data.find(b"\x89HDF") + 4
    data[middle : middle + 400] = bytes(400)
    saved.write_bytes(data)
    with pytest.raises(ModelFileError, match="refused"):
        load_model(saved)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_another_kind_of_file_is_refused(tmp_path, content):
    path = tmp_path / "other.keras"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"no complete \.keras file"):
        load_model(path)


def test_damaged_or_hostile_remarks_are_refused(saved):
    whole = saved.read_bytes()
    with zipfile.ZipFile(saved) as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    nested = b'{"a":' + b"[" * 200_000
    for remarks in (nested, b"\xff\xfe", b"{"):
        with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in (kept | {"metadata.json": remarks}).items():
                archive.writestr(name, content)
        with pytest.raises(ModelFileError, match=r"no complete \.keras file"):
            read_preprocessing(saved)
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", kept["metadata.json"])
    packed = saved.read_bytes()
    entry, content = packed.find(b"PK\1\2"), len("PK..") + 26 + len("metadata.json")
    changes = {
        "encrypted": (entry + 8, b"\1"),
        "compressed in an unknown way": (entry + 10, b"\x63"),
        "not to be unpacked": (content, b"\xff" * 20),
    }
    for place, change in changes.values():
        saved.write_bytes(packed[:place] + change + packed[place + len(change) :])
        with pytest.raises(ModelFileError, match=r"no complete \.keras file"):
            read_preprocessing(saved)
    saved.write_bytes(whole)
    read_preprocessing(saved)


def rewrite_metadata(path, **changes):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(members["metadata.json"])
    metadata["preprocessing"] = metadata.get("preprocessing", {}) | changes
    members["metadata.json"] = json.dumps(metadata).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def lambda_network():
    images = keras.Input((48, 48, 1))
    values = keras.layers.Lambda(lambda x: x / 255, output_shape=(48, 48, 1))(images)
    values = keras.layers.Dense(7, activation="softmax")(keras.layers.Flatten()(values))
    return keras.Model(images, values)


def test_lambda_layer_is_not_saved(preprocessing, tmp_path):
    with pytest.raises(ModelFileError, match="Lambda layer, which may run any code"):
        save_model(lambda_network(), preprocessing, tmp_path / "lambda.keras")
    assert not list(tmp_path.iterdir())


def test_lambda_layer_is_not_loaded(preprocessing, tmp_path):
    path = tmp_path / "lambda.keras"
    lambda_network().save(path)
    rewrite_metadata(path, **preprocessing.to_dict())
    with pytest.raises(ModelFileError, match="Lambda layer, which may run any code"):
        load_model(path)


@pytest.mark.parametrize("changes", [{"size": 64}, {"colour": "rgb"}, {"class_names": ["a", "b"]}])
def test_metadata_that_does_not_fit_the_network_is_refused(saved, changes):
    rewrite_metadata(saved, **changes)
    with pytest.raises(ModelFileError, match="differ"):
        load_model(saved)


@pytest.mark.parametrize(
    "changes",
    [
        {"value_range": [0, 1]},
        {"size": "48"},
        {"surprise": 1},
        {"size": 10**9},
        {"class_names": [1, 2]},
        {"class_names": ["a", "\ud800"]},
    ],
)
def test_unusable_metadata_is_refused(saved, changes):
    rewrite_metadata(saved, **changes)
    with pytest.raises(ModelFileError, match="unusable preprocessing"):
        read_preprocessing(saved)


def test_saving_under_a_wrong_metadata_is_refused(small_network, tmp_path):
    with pytest.raises(ModelFileError, match="differ"):
        save_model(small_network, Preprocessing(("a", "b")), tmp_path / "model.keras")
    assert not (tmp_path / "model.keras").exists()


def entries_of(path) -> dict:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_entries(path, entries, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("announced", [None, 100], ids=["as large as it is", "as small"])
@pytest.mark.parametrize("name", ["metadata.json", "config.json", "model.weights.h5"])
def test_a_bomb_is_refused_unexploded(saved, name, announced):
    write_entries(saved, entries_of(saved) | {name: bytes(60_000_000)})
    if announced:
        packed = saved.read_bytes()
        saved.write_bytes(packed.replace(struct.pack("<I", 60_000_000), struct.pack("<I", 100)))
    peaks = []
    for _ in range(3):  # what other threads of the process take is counted, too, but not each time
        tracemalloc.start()
        with pytest.raises(ModelFileError, match=r"larger than|announces"):
            load_model(saved)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert min(peaks) < 30_000_000


def test_only_a_model_files_own_entries_are_unpacked(saved):
    whole = entries_of(saved)
    write_entries(saved, whole | {"assets/other": b"x"})
    with pytest.raises(ModelFileError, match="unknown or repeated entries: 'assets/other'"):
        load_model(saved)
    write_entries(saved, whole, zipfile.ZIP_BZIP2)
    with pytest.raises(ModelFileError, match="compressed in another way"):
        load_model(saved)
    write_entries(saved, whole)
    load_model(saved)


def test_a_layer_that_would_fill_the_memory_is_refused_before_it_is_made(saved):
    whole = entries_of(saved)
    config = json.loads(whole["config.json"])
    text = json.dumps(config).replace('"units": 7', '"units": 7000000000')
    assert "7000000000" in text
    write_entries(saved, whole | {"config.json": text})
    with pytest.raises(ModelFileError, match="more weights than its file holds"):
        load_model(saved)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_neither_saved_nor_loaded(
    small_network, preprocessing, tmp_path, saved, value
):
    broken = keras.models.clone_model(small_network)
    weights = small_network.get_weights()
    weights[0].flat[3] = value
    broken.set_weights(weights)
    with pytest.raises(ModelFileError, match="no finite numbers"):
        save_model(broken, preprocessing, tmp_path / "new.keras")
    broken.save(tmp_path / "broken.keras")
    whole = entries_of(tmp_path / "broken.keras")
    write_entries(saved, whole | {"metadata.json": entries_of(saved)["metadata.json"]})
    with pytest.raises(ModelFileError, match=r"is refused.*no finite numbers"):
        load_model(saved)
