"""What lies in a folder-per-class data set: its images, and what is left out with the reason."""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from utils.config import SPLITS, class_name, class_place, is_system_name, split_name, split_names
from utils.vision.image_kinds import may_be_image

ALL = "all"  # what is not yet parted
_OWN = (
    *("manifest.csv", "rejected.csv", "without_face.csv", "votes.csv", "import.json"),
    "drawing.json",
)


class FoundImage(NamedTuple):
    """An image of a data set: its path, split, class folder and path inside the data set."""

    file: str
    split: str
    folder: str
    inside: str


def images_of(folder: Path) -> list[FoundImage]:
    """The images of a data set, split by split, in the order of their names.

    Links are followed. What is called an image but is none stays in the list: the audit counts
    it, and training refuses it. What is left out is counted and told in one line.
    """
    images, left_out = [], defaultdict(list)
    parts = _parts_of(folder)
    for found in walk(folder):
        split, reason = _place_of(found, parts)
        inside = "/".join(found.parts)
        if reason:
            left_out[reason].append(inside)
        elif split:
            label = found.parts[any(parts.values())]
            images.append(FoundImage(found.path, split, label, inside))
    if left_out:
        told = (
            f"{len(files):,} {reason} ({'such as ' * (len(files) > 1)}{files[0]})"
            for reason, files in left_out.items()
        )
        print(f"{folder}: left out {'; '.join(told)}.")
    return sorted(images, key=lambda image: (*SPLITS, ALL).index(image.split))


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


def _parts_of(folder: Path) -> dict[str, str]:
    """The split that each of the folders with folders in them means, or ""."""
    names = [place.name for place in folder.iterdir() if any(map(os.path.isdir, _listed(place)))]
    return {name: ALL if name == ALL else split for name, split in split_names(names).items()}


def _listed(folder: Path) -> list[str]:
    try:
        return [entry.path for entry in os.scandir(folder)]
    except OSError:
        return []


def _place_of(found: Found, parts: dict[str, str]) -> tuple[str, str]:
    """A file's split, or why it is left out; neither, for what the project itself wrote."""
    *folders, name = found.parts
    if any(map(is_system_name, found.parts)):
        return "", "hidden or a system's"
    if not folders and name in _OWN:
        return "", ""
    if found.problem:
        return "", found.problem
    if not may_be_image(found.path):
        return "", "no image"
    parted = any(parts.values())
    split = parts.get(folders[0], "") if parted and folders else "" if parted else ALL
    inner = folders[parted:]
    label = inner[class_place(inner)] if inner else ""
    if not label or split_name(label):
        return "", "not in a class folder"
    if not split:
        return "", "outside the split folders"
    if class_name(inner[0]) != class_name(label):
        return "", "deeper than a class folder"
    return next(filter(None, map(split_name, inner[:0:-1])), split), ""
