"""Writing files whole or not at all, and never over what should stay."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write a file in one step, making its folder if need be.

    A reader, or a kill at any moment, finds either the old file or the new one.

    Yields:
        The path to write to, beside the file and of the same suffix. When the block ends, it
        takes the file's name; where the block fails, it is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Make a folder in one step; one that is there must be empty.

    Yields:
        A new folder beside it, which takes its name when the block ends, and is removed where
        the block fails. What a killed run left of it is removed first.
    """
    temporary = path.with_name(f".{path.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if path.exists():
            path.rmdir()  # Windows cannot rename onto a folder
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in one step, making its folder if need be."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, values: dict) -> None:
    """Write values as readable JSON, in one step."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def copy_file(source: str | Path, destination: str | Path) -> None:
    """Copy a file in one step."""
    with replacing(destination) as temporary:
        shutil.copyfile(source, temporary)


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
    written = {}
    for output in outputs:
        if (identity := _identity(output)) in written:
            raise ValueError(f"{output} is the name of two outputs. Give each its own.")
        written[identity] = output
    if not any(os.path.exists(output) for output in written.values()):
        return  # what is not there is no source, and there may be a million of these
    for source in sources:
        if (identity := _identity(source)) in written:
            raise ValueError(
                f"{written[identity]} is a source and would be overwritten. Give the output "
                "another name."
            )


def digest(*parts: bytes | str | Path, digits: int = 16) -> str:
    """Hex digits that follow from the parts' content (SHA-256).

    Args:
        parts: bytes, texts, and files by their `Path`s, which are read in blocks.
        digits: how many; 64 are the whole SHA-256.
    """
    state = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            with part.open("rb") as file:
                while block := file.read(1 << 20):
                    state.update(block)
        else:
            state.update(part.encode() if isinstance(part, str) else part)
    return state.hexdigest()[:digits]


class Found(NamedTuple):
    """What `walk` found: a path, its names below the folder, and what is wrong with it, or ""."""

    path: str
    parts: tuple[str, ...]
    problem: str


def walk(folder: str | Path, empty_folders: bool = False) -> Iterator[Found]:
    """Every file below a folder, in the order of names, a folder's files before its folders.

    Links to files and folders are followed, but never in a circle.

    Args:
        folder: where to begin.
        empty_folders: yield folders without anything in them, too; "/" ends their last name.

    Raises:
        OSError: the folder itself cannot be listed.
    """
    waiting = [(str(folder), (), ())]
    while waiting:
        place, parts, above = waiting.pop()
        try:
            status = os.stat(place)
            identity = status.st_dev, status.st_ino
            if identity in above:
                yield Found(place, parts, "a link in a circle")
                continue
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            if not parts:
                raise
            yield Found(place, parts, f"not readable ({error.strerror})")
            continue
        folders = []
        for entry in entries:
            inside = (*parts, entry.name)
            try:
                if entry.is_dir():
                    folders.append((entry.path, inside, (*above, identity)))
                    continue
                problem = "" if entry.is_file() else "not a regular file"
                if problem and entry.is_symlink():
                    problem = "a link that leads nowhere"
            except OSError:  # a link to itself
                problem = "a link in a circle"
            yield Found(entry.path, inside, problem)
        if empty_folders and not entries and parts:
            yield Found(place, (*parts[:-1], f"{parts[-1]}/"), "")
        waiting += reversed(folders)


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
