"""Writing files whole or not at all, and never over what should stay."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in one step, making its folder if need be.

    The text goes to a file beside it first, so a reader, or a kill at any moment,
    finds either the old file or the new one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError:  # a full disk, or a folder where the file should go
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: str | Path, values: dict) -> None:
    """Write values as readable JSON, in one step."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def copy_file(source: str | Path, destination: str | Path) -> None:
    """Copy a file in one step."""
    destination = Path(destination)
    temporary = destination.with_name(f".{destination.name}")
    shutil.copyfile(source, temporary)
    os.replace(temporary, destination)


def check_writable(path: str | Path) -> None:
    """Make a file's folder, and see that files can be written there before long work begins.

    Raises:
        OSError: they cannot, or the path is no place for a file; the text says why.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is a folder or a device")
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OSError(
            f"{path} cannot be written: {error.strerror or error}. Name a file in a folder that "
            "you may write to."
        ) from error


def check_outputs(sources: Iterable[str | Path], outputs: Iterable[str | Path]) -> None:
    """Refuse to write over a file that is read, or twice to one file; links are seen through.

    Args:
        sources: the files that are read.
        outputs: the files that are going to be written.

    Raises:
        ValueError: an output is one of the sources, or named twice.
    """
    read, written = set(map(_identity, sources)), set()
    for output in outputs:
        identity = _identity(output)
        if identity in read:
            raise ValueError(
                f"{output} is a source and would be overwritten. Give the output another name."
            )
        if identity in written:
            raise ValueError(f"{output} is the name of two outputs. Give each its own.")
        written.add(identity)


def file_digest(path: str | Path) -> str:
    """Sixteen hex digits that follow from a file's content (SHA-256)."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


def free_path(path: str | Path) -> Path:
    """The path itself or, where that is taken, the first free one of NAME-2, NAME-3, …"""
    path, number = Path(path), 1
    free = path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def _identity(path: str | Path):
    """Equal for two names of one file."""
    try:
        status = os.stat(path)
    except OSError:
        return Path(path).resolve()
    return status.st_dev, status.st_ino
