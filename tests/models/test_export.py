import json

import numpy as np
import pytest

from utils.files import digest
from utils.models import export
from utils.models.export import ExportError, answers_of, export_model
from utils.models.model_file import save_model
from utils.models.networks import mirrored

NAMES = {"onnx": "a.onnx", "litert": "a.tflite", "openvino": "a.xml", "saved-model": "a"}


@pytest.fixture
def model(tmp_path, small_network, preprocessing):
    network = mirrored(small_network)
    return save_model(network, preprocessing, tmp_path / "model.keras", litert_model=False), network


@pytest.fixture
def faces():
    return np.random.default_rng(0).integers(0, 256, (70, 48, 48, 1)).astype(np.uint8)


@pytest.mark.parametrize("to", export.FORMATS)
def test_runtime_answers_as_keras_does(tmp_path, model, faces, to):
    for package in {"onnx": ("tf2onnx", "onnxruntime"), "openvino": ("openvino",)}.get(to, ()):
        pytest.importorskip(package, reason="requirements-export.txt is not installed")
    file, network = model
    was = digest(file)
    made = export_model(file, to, tmp_path / "out" / NAMES[to], faces)
    assert np.allclose(
        answers_of(to, made.file, faces), network.predict(faces, verbose=0), atol=1e-4
    )
    assert (made.faces, made.other_labels) == (70, 0)
    assert made.largest_difference <= 1e-4
    card = json.loads(made.card.read_text(encoding="utf-8"))
    assert card["classes"][0] == "angry" and card["preprocessing"]["size"] == 48
    assert card["made_from"] == {"file": "model.keras", "digest": was} and digest(file) == was
    expected = {made.file.name, made.card.name} | ({"a.bin"} if to == "openvino" else set())
    assert {one.name for one in (tmp_path / "out").iterdir()} == expected


def test_onnx_file_knows_its_classes(tmp_path, model, faces):
    onnxruntime = pytest.importorskip("onnxruntime", reason="requirements-export.txt")
    pytest.importorskip("tf2onnx", reason="requirements-export.txt is not installed")
    made = export_model(model[0], "onnx", tmp_path / "a.onnx", faces)
    told = onnxruntime.InferenceSession(made.file).get_modelmeta().custom_metadata_map
    assert json.loads(told["classes"])[0] == "angry"
    assert json.loads(told["preprocessing"])["colour"] == "grey"


def test_smaller_weights_make_a_smaller_file_that_answers_nearly_so(tmp_path, model, faces):
    sizes = []
    for precision in export.PRECISIONS:
        file = tmp_path / f"{precision}.tflite"
        assert export_model(model[0], "litert", file, faces, precision).largest_difference < 0.1
        sizes.append(file.stat().st_size)
    assert max(sizes[1:]) < sizes[0]


def test_other_answers_are_refused_and_nothing_is_written(tmp_path, model, faces, monkeypatch):
    write, run, package = export.FORMATS["litert"]

    def shifted(file):
        answer = run(file)
        return lambda faces: answer(faces) + 2e-4

    monkeypatch.setitem(export.FORMATS, "litert", (write, shifted, package))
    with pytest.raises(ExportError, match="otherwise than Keras"):
        export_model(model[0], "litert", tmp_path / "out" / "a.tflite", faces)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "to, name, precision, said",
    [
        ("tflite", "a.tflite", "float32", "Unknown format"),
        ("litert", "a.onnx", "float32", "ends in .tflite"),
        ("saved-model", "a.pb", "float32", "a folder's name"),
        ("onnx", "a.onnx", "int8", "written in float32"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(tmp_path, faces, to, name, precision, said):
    with pytest.raises(ExportError, match=said):
        export_model(tmp_path / "none.keras", to, tmp_path / name, faces, precision)


def test_no_folder_is_written_over(tmp_path, faces):
    place = tmp_path / "a"
    place.mkdir()
    (place / "mine.txt").write_text("mine")
    with pytest.raises(ExportError, match="there already"):
        export_model(tmp_path / "none.keras", "saved-model", place, faces)
    assert [one.name for one in place.iterdir()] == ["mine.txt"]
