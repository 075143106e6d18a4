"""What a model file says about itself, read without Keras.

A model is one ordinary `.keras` file: a zip of the network's layers (`config.json`),
its weights (`model.weights.h5`) and its metadata (`metadata.json`). There stands, beside what
Keras writes, the preprocessing: class names, size, colour, margin and range of the images.
"""

import json
import zipfile
import zlib
from collections.abc import Iterator
from copy import copy
from pathlib import Path

from utils.files import replacing
from utils.vision.preprocessing import Preprocessing

CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"
LITERT_MODEL = "fast.tflite"  # where a finished model's network stands a second time
PREPROCESSING = "preprocessing"
# Most bytes of each entry, unpacked, and there may be no other: a zip of 8 MB can hold 8 GB.
# The largest networks of keras.applications have a config of 2 MB and weights of 550 MB.
MOST_BYTES = {METADATA: 8 << 20, CONFIG: 8 << 20, WEIGHTS: 2 << 30, LITERT_MODEL: 1 << 30}
_MOST_EXPANSION = 20  # of what is not small; Keras does not compress, and weights hardly shrink
_SMALL, _BLOCK = 8 << 20, 1 << 20
# What zipfile and json raise for a damaged or hostile file. Encryption and unknown compression
# are RuntimeErrors, as is a nesting without end.
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, OSError, RuntimeError, ValueError)


class ModelFileError(ValueError):
    """The file is not a model that this project may use; the message says why."""


def read_preprocessing(path: str | Path) -> Preprocessing:
    """The preprocessing that a model file asks for, without loading the network.

    Raises:
        FileNotFoundError: no such file.
        ModelFileError: damaged, of another kind, or without usable preprocessing.
    """
    metadata = read_metadata(path)
    if PREPROCESSING not in metadata:
        raise ModelFileError(
            f"{path} does not say which classes and preprocessing it was trained with. "
            "Save it with utils.models.model_file.save_model(model, preprocessing, path)."
        )
    try:
        return Preprocessing.from_dict(metadata[PREPROCESSING])
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{path} holds unusable preprocessing: {error}") from error


def read_metadata(path: str | Path) -> dict:
    """The metadata in a model file; it raises what `read_preprocessing` does."""
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"No model at {path}. Train one with notebooks/FacialExpressionRecognition.ipynb "
            "or `python -m utils train DATA`."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            metadata = json.loads(read_entry(archive, METADATA))
    except UNREADABLE as error:
        raise ModelFileError(
            f"{path} is no complete .keras file ({error}). "
            "Expected one saved by this project; download or train it again."
        ) from error
    return metadata if isinstance(metadata, dict) else {}


def read_entry(archive: zipfile.ZipFile, name: str) -> bytes:
    """An entry of a model file, unpacked within `MOST_BYTES`, whatever size it announces.

    Raises:
        One of `UNREADABLE`: no such entry, damaged, or too large.
    """
    return b"".join(entry_blocks(archive, name))


def entry_blocks(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """The same in blocks, for what need not be held."""
    told = archive.getinfo(name)
    most = min(MOST_BYTES[name], max(_SMALL, _MOST_EXPANSION * told.compress_size))
    if told.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile(f"{name} is compressed in another way than Keras's")
    # zipfile believes the announced size: it unpacks all there is, and cuts. So none is told here.
    found, size = copy(told), 0
    found.file_size = most + 2 * _BLOCK
    with archive.open(found) as entry:
        while block := entry.read(_BLOCK):
            size += len(block)
            if size > most:
                raise zipfile.BadZipFile(f"{name} is larger than {most:,} bytes")
            yield block
    if size != told.file_size:
        raise zipfile.BadZipFile(f"{name} has {size:,} bytes and announces {told.file_size:,}")


def check_entries(path: str | Path) -> None:
    """Refuse, before Keras unpacks it, a file with an unknown, damaged or too large entry.

    Raises:
        ModelFileError: there is one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            odd = sorted(name for name in names if name not in MOST_BYTES or names.count(name) > 1)
            if odd:
                raise zipfile.BadZipFile(f"unknown or repeated entries: {', '.join(odd[:3])!r}")
            for name in {CONFIG, WEIGHTS, *names}:
                for _ in entry_blocks(archive, name):
                    pass
    except UNREADABLE as error:
        raise ModelFileError(
            f"{path} is refused: it is damaged ({error}). Download or train it again."
        ) from error


def check_shapes(input_shape: tuple, output_shape: tuple, preprocessing: Preprocessing) -> None:
    """Refuse a network that its metadata does not describe, with a `ModelFileError`.

    Args:
        input_shape: of a batch, (None, size, size, channels).
        output_shape: of its answers, (None, classes).
        preprocessing: as the metadata has it.
    """
    received = input_shape, output_shape
    expected = (None, *preprocessing.input_shape), (None, len(preprocessing.class_names))
    if received != expected:
        raise ModelFileError(
            f"The network and its metadata differ: it maps {received[0]} to {received[1]}, "
            f"the metadata says {expected[0]} to {expected[1]}."
        )


def add_metadata(path: str | Path, values: dict) -> Path:
    """Write more entries into a model file's metadata, in one step."""
    path = Path(path)
    rewrite(path, path, read_metadata(path) | values)
    return path


def rewrite(
    source: Path, target: Path, values: dict, entries: dict[str, bytes] | None = None
) -> None:
    """Write a model file anew in one step, with other metadata and perhaps other entries."""
    entries = (entries or {}) | {METADATA: json.dumps(values, indent=2).encode()}
    with (
        replacing(target) as complete,
        zipfile.ZipFile(source) as old,
        zipfile.ZipFile(complete, "w") as new,
    ):
        for member in old.infolist():
            if member.filename not in entries:
                new.writestr(member, read_entry(old, member.filename))
        for name, content in entries.items():
            new.writestr(zipfile.ZipInfo(name), content)
