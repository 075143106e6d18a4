"""A model in the formats of other runtimes, by Keras's own export, and checked with the runtime.

Scaling is inside every graph, which takes prepared faces as float32, 0–255. What comes before it
(finding, cropping with a margin, colour, size) and the classes stand in a card beside the file, and
in the file itself where its format has a place for that (ONNX, OpenVINO). requirements-export.txt
has the packages.
"""

import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from utils.files import check_outputs, copy_file, digest, replacing_folder, write_json
from utils.models.backend import compiled, keras
from utils.models.metadata import read_metadata
from utils.models.model_file import load_model
from utils.models.quiet import quiet_start

TOLERANCE = 1e-4  # of a probability, for float32
PRECISIONS = "float32", "float16", "int8"
_AT_ONCE = 64

Answer = Callable[[np.ndarray], np.ndarray]


class ExportError(ValueError):
    """The model was not exported; the text says why."""


@dataclass(frozen=True)
class Exported:
    """What was written, and how it answers.

    Attributes:
        file: the model, a folder for a SavedModel.
        card: the JSON file beside it.
        faces: how many faces it was checked on.
        largest_difference: of a probability from Keras's.
        other_labels: faces whose most probable class is another than Keras's.
        face_ms: milliseconds for one face at a time, the median, by the runtime on this machine.
    """

    file: Path
    card: Path
    faces: int
    largest_difference: float
    other_labels: int
    face_ms: float

    def __str__(self) -> str:
        return (
            f"{self.file.name}: on {self.faces} faces its probabilities differ from Keras's by at "
            f"most {self.largest_difference:.2g}, its label {self.other_labels} times; "
            f"{self.face_ms:.2f} ms a face. Its card: {self.card.name}"
        )


def export_model(
    model: str | Path,
    to: str,
    save: str | Path,
    faces: np.ndarray,
    precision: str = "float32",
) -> Exported:
    """Write a model for another runtime, run it there, and refuse it where it answers otherwise.

    Args:
        model: a ``.keras`` file of this project; not changed.
        to: one of `FORMATS`.
        save: the file (.onnx, .tflite, .xml), or the folder of a SavedModel, which must not exist.
        faces: to check with, uint8, (n, *preprocessing.input_shape), 0–255; int8 is calibrated with
            the first 200 of them.
        precision: of the weights; "float16" and "int8" for LiteRT, "float16" for OpenVINO.

    Raises:
        ExportError: an unknown format or name, a precision that it has not, a missing package, or
            float32 answers that differ from Keras's by more than `TOLERANCE`; nothing is written.
    """
    save = Path(save)
    suffix = _check(to, save, precision)
    check_outputs([model], [save])
    network, preprocessing = load_model(model)
    expected = _in_parts(compiled(network), faces)
    network(np.zeros((1, *network.input_shape[1:]), np.float32))  # Keras exports none never called
    described = {
        "classes": list(preprocessing.class_names),
        "preprocessing": preprocessing.to_dict(),
        "input": f"float32 (faces, {', '.join(map(str, preprocessing.input_shape))}), 0–255",
        "output": "float32 (faces, classes), probabilities that sum to 1",
        "before": _steps(preprocessing),
        "made_from": {"file": Path(model).name, "digest": digest(Path(model))},
        "precision": precision,
    }
    if "personal" in read_metadata(model):
        described["personal"] = read_metadata(model)["personal"]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, f"model{suffix}")
        write, run, package = FORMATS[to]
        write(network, made, precision, faces[:200], described)
        answer = run(made)
        answers = _in_parts(answer, faces)
        difference = float(np.abs(answers - expected).max())
        if precision == "float32" and not difference <= TOLERANCE:
            raise ExportError(
                f"{to} answers otherwise than Keras: by up to {difference:.2g}, allowed are "
                f"{TOLERANCE:g}. Nothing was written."
            )
        other = int((answers.argmax(axis=1) != expected.argmax(axis=1)).sum())
        checked = {
            "runtime": f"{package} {version(package)}",
            "faces": len(faces),
            "largest_difference": difference,
            "other_labels": other,
            "face_ms": _milliseconds(answer, faces),
        }
        _place(made, save)
    card = save.with_name(f"{save.name}.json")
    write_json(card, {**described, "checked": checked})
    return Exported(save, card, len(faces), difference, other, checked["face_ms"])


def answers_of(to: str, file: str | Path, faces: np.ndarray) -> np.ndarray:
    """What an exported model says of faces, by its runtime: float32, (n, classes).

    Args:
        to, file: one of `FORMATS`, and the file as `export_model` wrote it.
        faces: uint8, (n, size, size, channels), 0–255.
    """
    return _in_parts(FORMATS[to][1](Path(file)), faces)


def _check(to: str, save: Path, precision: str) -> str:
    """The suffix of a format; refuses what it cannot do before any work."""
    suffixes = {"onnx": ".onnx", "litert": ".tflite", "openvino": ".xml", "saved-model": ""}
    precisions = {"litert": PRECISIONS, "openvino": PRECISIONS[:2]}
    if to not in FORMATS:
        raise ExportError(f"Unknown format. Received: {to!r}; expected {', '.join(FORMATS)}.")
    if save.suffix != suffixes[to]:
        wanted = f"a file that ends in {suffixes[to]}" if suffixes[to] else "a folder's name"
        raise ExportError(f"For {to} --save is {wanted}. Received: {save}")
    if not suffixes[to] and save.exists():
        raise ExportError(f"{save} is there already. Name a new folder.")
    if precision not in precisions.get(to, PRECISIONS[:1]):
        raise ExportError(
            f"{to} is written in {' or '.join(precisions.get(to, PRECISIONS[:1]))}. "
            f"Received: {precision}."
        )
    modules = {"onnx": ("tf2onnx", "onnxruntime"), "openvino": ("openvino",)}
    missing = [name for name in modules.get(to, ()) if find_spec(name) is None]
    if missing:
        raise ExportError(
            f"{to} needs {' and '.join(missing)}: "
            "`python -m pip install -r requirements-export.txt -c constraints.txt`."
        )
    if keras.backend.backend() != "tensorflow":
        raise ExportError("Models are exported with TensorFlow as Keras's backend.")
    return suffixes[to]


def _steps(preprocessing) -> list[str]:
    size, margin = preprocessing.size, preprocessing.margin
    return [
        "find the face: a square that holds it from the brows to the chin, as OpenCV's Haar "
        "cascade haarcascade_frontalface_default gives it",
        f"widen the box by {margin:g} of its side on each side; repeat the edge beyond the image",
        "to grey: 0.299 R + 0.587 G + 0.114 B" if preprocessing.colour == "grey" else "to RGB",
        f"resize to {size} × {size}: by area means if it shrinks, else bilinear; round to 0–255",
    ]


def _write_onnx(network, file, precision, faces, described) -> None:
    import onnx

    with warnings.catch_warnings():  # Keras asks NumPy for a name that is about to change
        warnings.filterwarnings("ignore", category=FutureWarning)
        network.export(file, format="onnx", verbose=False)
    graph = onnx.load(file)
    onnx.helper.set_model_props(
        graph, {key: json.dumps(value, ensure_ascii=False) for key, value in described.items()}
    )
    onnx.save(graph, file)


def _run_onnx(file) -> Answer:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda faces: session.run(None, {name: faces.astype(np.float32)})[0]


def _write_litert(network, file, precision, faces, described) -> None:
    import tensorflow as tf

    settings = {}
    if precision != "float32":
        settings["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        settings["target_spec"] = {"supported_types": [tf.float16]}
    if precision == "int8":
        settings["representative_dataset"] = lambda: (
            [face[None].astype(np.float32)] for face in faces
        )
    network.export(file, format="litert", verbose=False, **settings)


def _run_litert(file) -> Answer:
    from ai_edge_litert.interpreter import Interpreter

    with quiet_start():
        interpreter = Interpreter(str(file), num_threads=os.cpu_count())

    def answer(faces):
        place = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(place, faces.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(place, faces.astype(np.float32))
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    return answer


def _write_openvino(network, file, precision, faces, described) -> None:
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "model.xml")
        network.export(str(plain), format="openvino", verbose=False)
        graph = openvino.Core().read_model(plain)
        for key, value in described.items():
            graph.set_rt_info(json.dumps(value, ensure_ascii=False), ["expressions", key])
        openvino.save_model(graph, file, compress_to_fp16=precision == "float16")


def _run_openvino(file) -> Answer:
    import openvino

    # Left to itself it computes in bfloat16 where the processor can.
    exact = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.compile_model(file, "CPU", exact).create_infer_request()
    return lambda faces: np.array(request.infer({0: faces.astype(np.float32)})[0])


def _write_saved_model(network, folder, precision, faces, described) -> None:
    network.export(folder, format="tf_saved_model", verbose=False)


def _run_saved_model(folder) -> Answer:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    return lambda faces: loaded.serve(faces.astype(np.float32)).numpy()


FORMATS = {
    "onnx": (_write_onnx, _run_onnx, "onnxruntime"),
    "litert": (_write_litert, _run_litert, "ai-edge-litert"),
    "openvino": (_write_openvino, _run_openvino, "openvino"),
    "saved-model": (_write_saved_model, _run_saved_model, "tensorflow"),
}


def _in_parts(answer: Answer, faces: np.ndarray) -> np.ndarray:
    """Answers, (n, classes), of a runtime that is given equally many faces each time."""
    short = -len(faces) % _AT_ONCE
    padded = np.concatenate([faces, np.zeros((short, *faces.shape[1:]), faces.dtype)])
    parts = [answer(padded[at : at + _AT_ONCE]) for at in range(0, len(padded), _AT_ONCE)]
    return np.concatenate(parts)[: len(faces)]


def _milliseconds(answer: Answer, faces: np.ndarray, times: int = 30) -> float:
    spent = []
    for face in np.resize(faces, (times + 3, *faces.shape[1:])):
        start = time.perf_counter()
        answer(face[None])
        spent.append(1e3 * (time.perf_counter() - start))
    return float(np.median(spent[3:]))


def _place(made: Path, save: Path) -> None:
    """Give what was made its name, in one step; OpenVINO's weights go first."""
    if made.is_dir():
        with replacing_folder(save) as folder:
            shutil.copytree(made, folder, dirs_exist_ok=True)
        return
    for file in sorted(made.parent.iterdir(), key=lambda one: one == made):
        copy_file(file, save.with_suffix(file.suffix))
