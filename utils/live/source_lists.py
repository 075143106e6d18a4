"""Many sources: which there are behind folders, patterns and lists, and how they are cut to pieces.

How they are cut follows from the sources alone, never from how many processes read them, so
the files that come of it are the same on one machine and on a hundred.
"""

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from utils.config import VIDEO_SUFFIXES, is_system_name
from utils.files import digest
from utils.live.addresses import has_an_end, is_address, safe_address
from utils.live.arguments import as_list
from utils.live.sources import is_still
from utils.live.video_file import VideoFile

_MOST_STILLS = 100  # in a piece: some 5 s of work, against 4 ms that an engine spends on one
_PIECES = 40  # that few stills make, so that no process waits long for the last


@dataclass(frozen=True)
class Source:
    """What is read as one: its place among all, its absolute path or address, and how."""

    number: int
    path: str
    still: bool


@dataclass(frozen=True)
class Piece:
    """What a process reads at a time: one video, or up to a hundred stills."""

    sources: tuple[Source, ...]

    @property
    def name(self) -> str:
        """Of the file with its rows, without suffix. Files sort as the sources do."""
        named = [safe_address(source.path) for source in self.sources]
        stem = re.sub(r"[^\w-]+", "-", Path(named[0]).stem, flags=re.ASCII).strip("-")[:40]
        return f"{self.sources[0].number:08d}-{stem}-{digest(*named, digits=8)}"


def list_sources(
    sources: Iterable[str | Path], sequence: bool = False, say: Callable[[str], None] = print
) -> list[Source]:
    """Every image and video behind what was given, once each, in its order.

    Args:
        sources: one or several: images and videos; folders, whose images and videos are taken by
            name, with those of their own folders; patterns such as ``"videos/**/*.mp4"``; ``.txt``
            files with one of all these a line; addresses of video files.
        sequence: take folders, and animated images, as films.
        say: where it is told what of a folder is left out.

    Raises:
        ValueError: a camera or a stream, which has no end; a list that names a list.
        FileNotFoundError: nothing is there, or a pattern or folder finds nothing.
    """
    paths = dict.fromkeys(_each(as_list(sources), sequence, say))
    return [
        Source(number, path, is_still(path, sequence) and not (sequence and os.path.isdir(path)))
        for number, path in enumerate(paths)
    ]


def cut(sources: Iterable[Source], of: int) -> Iterator[Piece]:
    """What is to be read in pieces, in the order of their last sources; ``of`` counts all."""
    most = max(1, min(of // _PIECES, _MOST_STILLS))
    stills: list[Source] = []
    for source in sources:
        if not source.still:
            yield Piece((source,))
            continue
        stills.append(source)
        if len(stills) == most:
            yield Piece(tuple(stills))
            stills = []
    if stills:
        yield Piece(tuple(stills))


def _each(sources, sequence: bool, say) -> Iterator[str]:
    for source in map(str, sources):
        path = os.path.abspath(os.path.expanduser(source))
        if is_address(source) and has_an_end(source):
            yield source
        elif is_address(source) or source.isdecimal():
            raise ValueError(
                "A camera or a stream has no end, and is read without --out. "
                f"Received: {safe_address(source)}"
            )
        elif os.path.isdir(path):
            yield from [path] if sequence else _in_folder(path, say)
        elif os.path.exists(path):
            yield from _listed(path, sequence, say) if path.endswith(".txt") else [path]
        elif glob.has_magic(source) and (matched := sorted(glob.glob(path, recursive=True))):
            yield from _each(matched, sequence, say)
        else:
            raise FileNotFoundError(
                f"There is no {source}. Expected a file, a folder, a pattern that some files "
                "match, or the address of a video."
            )


def _listed(path: str, sequence: bool, say) -> Iterator[str]:
    lines = [line.strip() for line in Path(path).read_text(encoding="utf-8-sig").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if lists := [line for line in lines if line.endswith(".txt")]:  # perhaps this one
        raise ValueError(f"A list names no other list. Received in {path}: {lists[0]}")
    yield from _each(lines, sequence, say)


def _in_folder(folder: str, say) -> Iterator[str]:
    found, others = 0, 0
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not is_system_name(name))
        for name in sorted(name for name in files if not is_system_name(name)):
            path = os.path.join(place, name)
            if is_still(path) or _is_video(path):
                found += 1
                yield path
            else:
                others += 1
    if others:
        say(f"{folder}: {others} files are left out that are no images and no videos.")
    if not found:
        raise FileNotFoundError(f"There are no images and no videos in {folder}.")


def _is_video(path: str) -> bool:
    if os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES:  # whoever opens it tells why it is none
        return True
    with suppress(OSError, ValueError), VideoFile(path):
        return True
    return False
