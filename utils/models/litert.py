"""LiteRT models: networks that run without Keras or TensorFlow.

A finished model file may hold its network a second time, as LiteRT reads it
(`utils.models.model_file.add_litert_model` writes it). It answers as Keras does, but is ready in
well under a second. Of the runtimes that do so LiteRT is not the quickest, but the smallest, and
TensorFlow itself writes its format (`benchmarks/runtimes.py` compares them).
"""

import hashlib
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np

from utils.models.metadata import (
    CONFIG,
    LITERT_MODEL,
    UNREADABLE,
    WEIGHTS,
    ModelFileError,
    entry_blocks,
    read_entry,
    read_metadata,
)
from utils.models.quiet import quiet_start
from utils.vision.opencv import cores

FEATURES = "fast_form_features"  # how many it answers with beside the classes, in the metadata
MADE_FROM = "fast_form_made_from"  # checksums of what it was made from, in the metadata
DIGEST = "fast_form_digest"  # SHA-256 of that and of itself, in the metadata

_MOST_THREADS = 8  # each holds the weights once more
# What LiteRT raises for hostile content.
_REFUSALS = (IndexError, TypeError, ValueError, RuntimeError)


def installed() -> bool:
    """Whether LiteRT can be imported."""
    return find_spec("ai_edge_litert") is not None


def digest_of(archive: zipfile.ZipFile, litert_model: bytes) -> str:
    """The SHA-256 of a model file's layers, its weights, and the LiteRT model made from them."""
    state = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        for block in entry_blocks(archive, name):
            state.update(block)
    state.update(litert_model)
    return state.hexdigest()


def read_litert_model(path: str | Path) -> bytes | None:
    """The LiteRT model in a model file, or None where it holds none.

    Files that were written before there was a digest tell the CRC-32 of layers and weights instead.
    They are held to that, but do not notice another LiteRT model beside them.

    Raises:
        FileNotFoundError: no such file.
        ModelFileError: damaged, or made from other layers or weights than the file's.
    """
    metadata = read_metadata(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if LITERT_MODEL not in archive.namelist():
                return None
            content = read_entry(archive, LITERT_MODEL)
            if DIGEST in metadata:
                fits = metadata[DIGEST] == digest_of(archive, content)
            else:
                announced = {name: archive.getinfo(name).CRC for name in (CONFIG, WEIGHTS)}
                fits = metadata.get(MADE_FROM) == announced
    except UNREADABLE as error:
        raise ModelFileError(
            f"{path} is refused: it is damaged ({error}). Download or train it again."
        ) from error
    if not fits:
        raise ModelFileError(
            f"{path} is refused: its LiteRT model was made from another network than the one it "
            "holds. Call utils.models.model_file.add_litert_model on it again."
        )
    return content


class LiteRTNetwork:
    """A network that LiteRT runs; several threads may call it at once.

    Every face is computed on one core; several faces are dealt out to as many cores. So one face
    leaves the other cores to whatever finds the next, and many are quick.

    Args:
        content: the LiteRT model, as `read_litert_model` gives it.
        features: how many last columns of its answers are the trunk's features, the means of its
            channels over the image, and no classes.
        threads: cores to use at most; by default those of this process, up to eight.

    Attributes:
        input_shape: (None, size, size, channels).
        output_shape: (None, classes).

    Raises:
        ModelFileError: the content is not a network that LiteRT can run, or holds weights that are
            no finite numbers.
    """

    def __init__(self, content: bytes, features: int = 0, threads: int | None = None):
        self._content = content
        self._threads = threads or min(cores(), _MOST_THREADS)
        self._workers = ThreadPoolExecutor(self._threads, "faces")
        self._idle = SimpleQueue()
        try:
            with quiet_start():
                first = self._interpreter(check=True)
            self.input_shape = _shape(first.get_input_details())
            count, columns = _shape(first.get_output_details())
            self.output_shape = count, columns - features
        except _REFUSALS as error:
            raise ModelFileError(f"LiteRT cannot run the model: {error}") from error
        self._idle.put(first)

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Class probabilities, float32 (n, classes), of faces: uint8 (n, size, size, channels)."""
        return self.with_features(faces)[0]

    def check_answer(self) -> None:
        """Answer one black face; `ModelFileError` where that fails, or gives no finite numbers."""
        try:
            answer = self._run(np.zeros((1, *self.input_shape[1:]), np.uint8))
        except _REFUSALS as error:
            raise ModelFileError(f"LiteRT cannot run the model: {error}") from error
        if not np.isfinite(answer).all():
            raise ModelFileError("The LiteRT model's answers are no finite numbers.")

    def with_features(self, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities, and the trunk's features: float32 (n, classes), (n, features)."""
        parts = np.array_split(faces, min(len(faces), self._threads))
        run = map if len(parts) == 1 else self._workers.map
        answers = np.concatenate(list(run(self._run, parts)))
        return tuple(np.split(answers, [self.output_shape[1]], axis=1))

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

    def _interpreter(self, check: bool = False):
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_content=self._content, num_threads=1)
        if check and not all(np.isfinite(weights).all() for weights in _constants(interpreter)):
            raise ValueError("it has weights that are no finite numbers")
        interpreter.allocate_tensors()
        return interpreter


def _constants(interpreter) -> Iterator[np.ndarray]:
    """The weights of an interpreter whose tensors are not allocated yet: no others have values."""
    for tensor in interpreter.get_tensor_details():
        if np.issubdtype(tensor["dtype"], np.floating):
            with suppress(ValueError):
                yield interpreter.get_tensor(tensor["index"])


def _shape(details: list[dict]) -> tuple:
    """A tensor's shape as Keras writes it: None for the number of faces."""
    return tuple(None if side < 0 else int(side) for side in details[0]["shape_signature"])
