"""The same network run by several libraries: one face, sixteen faces, the first answer.

    python -m benchmarks.runtimes [VIDEO] [--data data/fer2013/validation]

Each runtime runs in processes of its own, in turn, twice; the least time counts. One face
is timed on one core, beside one `detectMultiScale(grey, 1.3, 5)` with
haarcascade_frontalface_default on a 640 × 480 frame of VIDEO (of the embedded drawn clip
by default). One and sixteen faces are timed again on all cores. The first answer is timed
from the start of the process, imports and reading the model included; files that were
read before are in the system's cache.

- plain: TensorFlow and `model.predict`, as the usual tutorial has it;
- keras: our compiled call of the Keras network;
- litert: the LiteRT model in the model file, as `utils.models.predictor.load` runs it;
- onnxruntime, openvino: where installed (``pip install onnx tf2onnx onnxruntime
  openvino``), in float32; openvino_default: in the precision it chooses for itself;
- opencv: `cv2.dnn`, with the LiteRT model and with ONNX.

With --data, the answers of the LiteRT model to all those pictures are held against Keras's.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from benchmarks.measuring import in_a_process, peak_megabytes, save
from utils.config import project_path

SECONDS = 2.0  # of each process's measuring
RUNS = 2
Answer = Callable[[np.ndarray], np.ndarray]  # uint8 (n, size, size, channels) to (n, classes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("video", nargs="?", metavar="VIDEO", help="the drawn clip by default")
    parser.add_argument("--model", default="models/expressions.keras", help="with a LiteRT model")
    parser.add_argument("--data", metavar="FOLDER", help="pictures to compare all answers on")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--forms", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        print(json.dumps(_contend(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        video = options.video or _drawn_clip(folder)
        shared = (str(video), "--model", options.model, "--forms", folder)
        in_a_process("benchmarks.runtimes", *shared, "--contender", "write")
        runs = {name: [] for name in CONTENDERS}
        turns = [name for _ in range(RUNS) for name in CONTENDERS for _ in range(2)]
        for name in tqdm(turns, "contenders in turn"):
            cores = "1" if len(runs[name]) % 2 else "0"
            call = ("--contender", name, "--cores", cores, "--started", str(time.time()))
            runs[name].append(in_a_process("benchmarks.runtimes", *shared, *call))
    values = {"video": Path(video).name, **{name: _best(found) for name, found in runs.items()}}
    for name in CONTENDERS.keys() - {"plain"}:
        if "one_core" in values[name]:
            values[name]["first_answer_to_plain"] = (
                values[name]["first_answer_s"] / values["plain"]["first_answer_s"]
            )
    if options.data:
        values["fast_form_to_keras"] = _agreement(options.model, options.data)
    save("runtimes", values, model=options.model)


def plain(options) -> Answer:
    import tensorflow  # noqa: F401  the tutorial's first line, which is most of its start
    from keras.saving import load_model

    model = load_model(project_path(options.model), compile=False)
    return lambda faces: model.predict(faces, verbose=0)


def keras(options) -> Answer:
    from utils.models.model_file import load_model
    from utils.models.predictor import Predictor

    return Predictor(*load_model(project_path(options.model))).probabilities


def litert(options) -> Answer:
    from utils.models.predictor import load

    return load(project_path(options.model)).probabilities


def onnxruntime(options) -> Answer:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = _cores()
    session = onnxruntime.InferenceSession(
        Path(options.forms, "network.onnx"), settings, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return lambda faces: session.run(None, {name: faces.astype(np.float32)})[0]


def openvino(options, **settings) -> Answer:
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", **settings}
    settings = {name: value for name, value in settings.items() if value}
    request = openvino.compile_model(
        Path(options.forms, "fast.tflite"),
        "CPU",
        {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": _cores(), **settings},
    ).create_infer_request()
    return lambda faces: request.infer({0: faces.astype(np.float32)})[0]


def openvino_default(options) -> Answer:
    return openvino(options, INFERENCE_PRECISION_HINT=None)


def opencv(options) -> Answer:
    import cv2

    problems = []
    for read, name in (
        (cv2.dnn.readNetFromTFLite, "fast.tflite"),
        (cv2.dnn.readNetFromONNX, "network.onnx"),
    ):
        try:
            network = read(str(Path(options.forms, name)))
        except cv2.error as error:
            reason = str(error.err).replace(f"{options.forms}/", "")
            problems.append(f"{name}: {' '.join(reason.split())}")
            continue

        def answer(faces, network=network):
            network.setInput(faces.astype(np.float32))
            return network.forward()

        return answer
    raise ImportError("cv2.dnn reads neither form. " + "; ".join(problems))


CONTENDERS = {
    function.__name__: function
    for function in (plain, keras, litert, onnxruntime, openvino, openvino_default, opencv)
}


def _contend(options) -> dict:
    """What one contender reaches in this process."""
    if options.contender == "write":
        return _write_forms(options)
    if options.cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    faces = np.random.default_rng(0).integers(0, 256, (16, 48, 48, 1), np.uint8)
    try:
        answer = CONTENDERS[options.contender](options)
        answer(faces[:1])
    except ImportError as error:
        return {"problem": str(error)}
    first = time.time() - options.started
    tasks = {"one_ms": lambda: answer(faces[:1]), "sixteen_ms": lambda: answer(faces)}
    if options.cores:
        tasks["detection_ms"] = _detection(options.video)
    times = {name: [] for name in tasks}
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        for name, task in tasks.items():
            task()  # what the other tasks pushed out of the caches comes back
            before = time.perf_counter()
            task()
            times[name].append((time.perf_counter() - before) * 1000)
    least = {name: min(found) for name, found in times.items()}
    return {**least, "first_answer_s": first, "peak_mb": peak_megabytes()}


def _best(runs: list[dict]) -> dict:
    """The least of each value, on all cores and on one, and what follows from them."""
    if "problem" in runs[0]:
        return runs[0]
    free, pinned = (_least(half) for half in (runs[::2], runs[1::2]))
    pinned = {name: pinned[name] for name in ("one_ms", "sixteen_ms", "detection_ms")}
    pinned["one_to_detection"] = pinned["one_ms"] / pinned["detection_ms"]
    for found in (free, pinned):
        found["sixteen_to_one"] = found["sixteen_ms"] / found["one_ms"]
    return {
        "first_answer_s": free.pop("first_answer_s"),
        "peak_mb": free.pop("peak_mb"),
        "one_core": pinned,
        "all_cores": free,
    }


def _least(runs: list[dict]) -> dict:
    return {name: min(run[name] for run in runs) for name in runs[0]}


def _detection(video: str) -> Callable[[], object]:
    from utils.live.video_file import VideoFile
    from utils.vision.opencv import cv2

    cv2.setNumThreads(1)
    with VideoFile(video) as source:
        frame = next(islice(source, 14, None))[1]
    grey = cv2.cvtColor(cv2.resize(frame, (640, 480)), cv2.COLOR_BGR2GRAY)
    file = Path(cv2.data.haarcascades, "haarcascade_frontalface_default.xml")
    cascade = cv2.CascadeClassifier(str(file))
    return lambda: cascade.detectMultiScale(grey, 1.3, 5)


def _write_forms(options) -> dict:
    """The network as the other runtimes read it, beside each other."""
    from utils.models.litert import read_litert_model
    from utils.models.model_file import load_model

    path = project_path(options.model)
    Path(options.forms, "fast.tflite").write_bytes(read_litert_model(path))
    if find_spec("onnx") and find_spec("tf2onnx"):
        model, _ = load_model(path)
        model(np.zeros((1, *model.input_shape[1:])))  # Keras exports none that was never called
        model.export(Path(options.forms, "network.onnx"), format="onnx", verbose=False)
    return {}


def _agreement(model: str, folder: str) -> dict:
    """How the LiteRT model answers all pictures of a folder, and how Keras does."""
    from utils.datasets.table import find_images
    from utils.models.model_file import load_model
    from utils.models.predictor import Predictor, load
    from utils.training.batches import Batches

    fast = load(project_path(model))
    pictures = Batches(find_images(project_path(folder)), fast.preprocessing)
    answers = fast.predict_batches(pictures)
    expected = Predictor(*load_model(project_path(model))).predict_batches(pictures)
    labels, expected_labels = answers.argmax(axis=1), expected.argmax(axis=1)
    return {
        "pictures": len(answers),
        "largest_difference": float(np.abs(answers - expected).max()),
        "other_labels": int((labels != expected_labels).sum()),
        "accuracy": float((labels == pictures.labels).mean()),
        "accuracy_of_keras": float((expected_labels == pictures.labels).mean()),
    }


def _drawn_clip(folder: str) -> Path:
    from utils.drawn.clip import draw_clip

    path = Path(folder, "drawn.mp4")
    draw_clip(path, frames_per_second=30)
    return path


def _cores() -> int:
    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    main()
