"""LiteRT models: networks that run without Keras or TensorFlow.

A finished model file may hold its network a second time, as LiteRT reads it
(`utils.models.model_file.add_litert_model` writes it). It answers as Keras does, but is ready in
well under a second and spends nothing on the way to the arithmetic. Of the runtimes that
do so LiteRT is not the quickest, but the smallest, and TensorFlow itself writes its
format (`benchmarks/runtimes.py` compares them).
"""

import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np

from utils.models.metadata import CONFIG, UNREADABLE, WEIGHTS, ModelFileError, read_metadata
from utils.models.quiet import quiet_start

ENTRY = "fast.tflite"  # the LiteRT model, in the zip
FEATURES = "fast_form_features"  # how many it answers with beside the classes, in the metadata
MADE_FROM = "fast_form_made_from"  # checksums of what it was made from, in the metadata

_MOST_THREADS = 8  # each holds the weights once more


def installed() -> bool:
    """Whether LiteRT can be imported."""
    return find_spec("ai_edge_litert") is not None


def checksums(archive: zipfile.ZipFile) -> dict[str, int]:
    """The CRC-32 of a model file's layers and of its weights, as its directory has them."""
    return {name: archive.getinfo(name).CRC for name in (CONFIG, WEIGHTS)}


def read_litert_model(path: str | Path) -> bytes | None:
    """The LiteRT model in a model file, or None where it holds none.

    Raises:
        FileNotFoundError: no such file.
        ModelFileError: damaged, or made from other layers or weights than the file's.
    """
    made_from = read_metadata(path).get(MADE_FROM)
    try:
        with zipfile.ZipFile(path) as archive:
            if ENTRY not in archive.namelist():
                return None
            if checksums(archive) != made_from:
                raise ModelFileError(
                    f"{path} is refused: its LiteRT model was made from another network than the "
                    "one it holds. Call utils.models.model_file.add_litert_model on it again."
                )
            return archive.read(ENTRY)
    except ModelFileError:
        raise
    except UNREADABLE as error:
        raise ModelFileError(
            f"{path} is refused: it is damaged ({error}). Download or train it again."
        ) from error


class LiteRTNetwork:
    """A network that LiteRT runs.

    Every face is computed on one core; several faces are dealt out to as many cores.
    So one face leaves the other cores to whatever finds the next, and many are quick.
    It may be called from several threads at once.

    Args:
        content: the LiteRT model, as `read_litert_model` gives it.
        features: how many last columns of its answers are the trunk's features, the means of
            its channels over the image, and no classes.
        threads: cores to use at most; by default those of this process, up to eight.

    Attributes:
        input_shape: (None, size, size, channels).
        output_shape: (None, classes).

    Raises:
        ModelFileError: the content is not a network that LiteRT can run.
    """

    def __init__(self, content: bytes, features: int = 0, threads: int | None = None):
        self._content = content
        self._threads = threads or min(_available_cores(), _MOST_THREADS)
        self._workers = ThreadPoolExecutor(self._threads, "faces")
        self._idle = SimpleQueue()
        try:
            with quiet_start():
                first = self._interpreter()
        except (ValueError, RuntimeError) as error:
            raise ModelFileError(f"LiteRT cannot run the model: {error}") from error
        self.input_shape = _shape(first.get_input_details())
        count, columns = _shape(first.get_output_details())
        self.output_shape = count, columns - features
        self._idle.put(first)

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Class probabilities of one or more faces.

        Args:
            faces: uint8, (n, size, size, channels), 0–255.

        Returns:
            float32, (n, classes).
        """
        return self.with_features(faces)[0]

    def with_features(self, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities, and the trunk's features: float32, (n, classes) and (n, features).

        Args:
            faces: see `__call__`.
        """
        answers = self._answers(faces)
        return tuple(np.split(answers, [self.output_shape[1]], axis=1))

    def _answers(self, faces: np.ndarray) -> np.ndarray:
        parts = np.array_split(faces, min(len(faces), self._threads))
        if len(parts) == 1:
            return self._run(faces)
        return np.concatenate(list(self._workers.map(self._run, parts)))

    def _run(self, faces: np.ndarray) -> np.ndarray:
        try:
            interpreter = self._idle.get_nowait()
        except Empty:
            interpreter = self._interpreter()
        try:
            place = interpreter.get_input_details()[0]
            if tuple(place["shape"]) != faces.shape:
                interpreter.resize_tensor_input(place["index"], faces.shape, strict=True)
                interpreter.allocate_tensors()
            interpreter.set_tensor(place["index"], faces.astype(np.float32))
            interpreter.invoke()
            return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        finally:
            self._idle.put(interpreter)

    def _interpreter(self):
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_content=self._content, num_threads=1)
        interpreter.allocate_tensors()
        return interpreter


def _shape(details: list[dict]) -> tuple:
    """A tensor's shape as Keras writes it: None for the number of faces."""
    return tuple(None if side < 0 else int(side) for side in details[0]["shape_signature"])


def _available_cores() -> int:
    """Cores that this process may use; fewer than the machine's where it was given fewer."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
