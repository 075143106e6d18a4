"""Reading images, videos, cameras and streams without a screen, into one table.

`read_sources` returns the table; `read_into` sends it to files, however many the sources are.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import pandas as pd
from PIL import Image

from utils.config import CAMERA_PATIENCE
from utils.files import check_outputs
from utils.live.addresses import is_address, safe_address
from utils.live.arguments import as_list, as_predictor, check_threshold
from utils.live.camera import LiveCamera
from utils.live.frames import FrameSource
from utils.live.loop import explain, read_live, source_files
from utils.live.results import Reading, ResultsTable, table_columns
from utils.live.sinks import CsvSink, Sink, VideoSink
from utils.live.sources import is_animation, is_still, open_source
from utils.live.stills import read_still
from utils.live.table_sinks import JsonSink
from utils.live.video_file import check_span
from utils.vision.detectors import make_detector
from utils.vision.images import ImageError
from utils.vision.opencv import cv2


def read_sources(
    sources: str | Path | int | Iterable[str | Path | int], predictor, **settings
) -> tuple[pd.DataFrame, list[str]]:
    """The faces of every source, one row each; arguments and errors as of `read_into`.

    Returns:
        The table — source (as it was given), frame, seconds, track, x, y, width, height (pixels),
        one column a class (0–1), label, confidence — and what `read_into` returns.
    """
    predictor = as_predictor(predictor)
    table = ResultsTable(predictor.class_names)
    failures = read_into([_Open(table.add)], sources, predictor, **settings)
    return table.to_pandas(), failures


def read_into(
    sinks: Sequence[Sink],
    sources: str | Path | int | Iterable[str | Path | int],
    predictor,
    csv: str | Path | None = None,
    json_file: str | Path | None = None,
    video: str | Path | None = None,
    threshold: float = 0.0,
    progress: bool = True,
    detector="haar",
    whole: bool = False,
    sequence: bool = False,
    start: float = 0.0,
    end: float | None = None,
    every: float | None = None,
    patience: float = CAMERA_PATIENCE,
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
    **analyzer_settings,
) -> list[str]:
    """Read the faces of every source, and keep nothing in memory but what fails.

    An image file is searched thoroughly, as a still; its faces are numbered in place of tracks. A
    folder stands for the images that lie in it, by name. All else goes through
    `utils.live.loop.read_live`. What fails is reported, and all else goes on. Ctrl-C ends a camera
    or stream, and is otherwise the end: what was read so far is kept and written.

    Args:
        sinks: take every reading; they are neither begun nor closed.
        sources: one or several of: image, folder of images, video, camera's index, stream's URL.
        predictor: has ``class_names`` and ``predict_faces(frame, boxes)``; or a model's path.
        csv: a CSV file, on the disk after every frame.
        json_file: a list with one object a row, there in one step at the end. Old files stay until
            there is a frame to replace their rows with.
        video: the annotated mp4, for a single source that is no image.
        threshold: least confidence for a label; below it the face is "unsure".
        progress: show a bar for each film.
        detector: "haar", "yunet", or a detector: see `utils.vision.detectors.make_detector`.
        whole: take each image as one face, as FER-2013's files are; no face is looked for.
        sequence: read a folder of numbered images, and an animated image, as a film.
        start, end, every: seconds; which part and which frames of video files are read, see
            `utils.live.video_file.VideoFile`.
        patience: seconds without an image after which a camera or stream is lost.
        say: where messages go.
        **analyzer_settings: of `utils.live.analyzer.FaceAnalyzer`, such as ``smoothing``.

    Returns:
        A sentence for each source or file that could not be read or written to its end.

    Raises:
        ValueError: ``whole`` with what is no image; ``video`` with several sources, or with an
            image; an output that is a source or another output; an impossible part or threshold.
        OSError: an output cannot be written. Nothing was read then.
    """
    sources, predictor = as_list(sources), as_predictor(predictor)
    check_threshold(threshold)
    check_span(start, end, every)
    part = {"start": start, "end": end, "every": every}
    part = {name: value for name, value in part.items() if value}
    _check_kinds(sources, whole, sequence, video)
    detector = None if whole else make_detector(detector)
    settings = {"threshold": threshold, "progress": progress, "say": say, "detector": detector}
    settings |= analyzer_settings
    film = [] if video is None else [VideoSink(video)]
    files = [] if csv is None else [CsvSink(csv)]
    files += [] if json_file is None else [JsonSink(json_file)]
    outputs = [file for sink in film + files for file in sink.files]
    check_outputs(chain.from_iterable(map(source_files, sources)), outputs)
    shared, failures, complete = [_Shared(sink) for sink in files], [], False
    try:
        for sink in film + files:
            sink.begin(table_columns(predictor.class_names))
        waiting = _each(sources, sequence, say)
        for source in waiting:
            problem, interrupted = None, False
            try:
                if is_still(source, sequence):
                    reading = _read_image(source, predictor, detector, threshold, say)
                    for sink in [*shared, *sinks]:
                        sink.write(reading)
                else:
                    takers = [*film, *shared, *(_Open(sink.write) for sink in sinks)]
                    table = read_live(
                        _named(source, say, part, patience), predictor, takers, **settings
                    )
                    problem = table.attrs.get("error")
                    interrupted = table.attrs["ended"] == "interrupted"
            except KeyboardInterrupt:
                interrupted = True
            except Exception as error:  # the other sources go on
                problem = explain(error)
            lost = bool(shared) and all(one.problem for one in shared)
            if interrupted or lost:
                left = sum(1 for _ in waiting)
                problem = "interrupted" if interrupted else problem or "not kept"
                problem += f"; {left} more not read" if left else ""
            if problem:
                name = safe_address(str(source))
                failures.append(f"{name}: {problem.removeprefix(f'{name} ')}")
            if interrupted or lost:
                break
        complete = not failures
    finally:
        for one in shared:
            one.end(complete)
    return failures + [one.problem for one in shared if one.problem]


class Tally(Sink):
    """A sink that prints how often each label was read of a source, when it is over.

    Attributes:
        frames, faces: how many were read in all.
    """

    def __init__(self):
        self.frames, self.faces, self._source, self._labels = 0, 0, None, Counter()

    def write(self, reading) -> None:
        if reading.source != self._source:
            self.close(True)
            self._source = reading.source
        self.frames += 1
        self._labels.update(face.label for face in reading.faces)

    def close(self, complete: bool) -> None:
        if self._labels:
            count = self._labels.total()
            labels = ", ".join(f"{label} {times}" for label, times in self._labels.most_common())
            readings = "1 reading" if count == 1 else f"{count} readings"
            print(f"{self._source}: {readings} of a face: {labels}")
            self.faces += count
            self._labels.clear()


class _Open(Sink):
    """A sink that stays open from one source to the next."""

    def __init__(self, write: Callable[[Reading], object]):
        self.write = write


class _Shared(Sink):
    """A file that all sources share; when it fails, ``problem`` says why, and the others go on."""

    def __init__(self, sink: Sink):
        self._sink, self.problem = sink, ""

    def write(self, reading) -> None:
        if not self.problem:
            self._try(self._sink.write, reading)

    def end(self, complete: bool) -> None:
        """Close it, when no source is left."""
        self._try(self._sink.close, complete)

    def _try(self, act, argument) -> None:
        try:
            act(argument)
        except OSError as error:
            self.problem = self.problem or explain(error)


def _check_kinds(sources: list, whole: bool, sequence: bool, video) -> None:
    """Refuse sources that are not of the kind that was asked for."""
    for source in sources if whole else ():
        if not any(map(is_still, _files(source, []) if _is_folder(source) else [source])):
            raise ValueError(
                "Whole pictures are image files, or folders that hold some. "
                f"Received: {safe_address(str(source))}"
            )
    if video is not None:
        stills = [one for one in sources if is_still(one, sequence)]
        if len(sources) != 1 or stills or (_is_folder(sources[0]) and not sequence):
            raise ValueError(
                "An annotated video is made of one video, camera, stream, or folder of frames "
                "that is read as a sequence. "
                f"Received: {', '.join(safe_address(str(source)) for source in sources)}"
            )


def _each(sources: Sequence, sequence: bool, say) -> Iterator[str | Path]:
    """Every source, and in a folder's place its images."""
    for source in sources:
        if sequence or not _is_folder(source):
            yield source
            continue
        found, others, folders = 0, 0, []
        for path in _files(source, folders):
            if is_still(path):
                found += 1
                yield path
            else:
                others += 1
        files = [f"{others} files that are no images"] * (others > 0)
        if folders:
            files.append(f"{len(folders)} folders (name them, or use --out)")
        if files:
            say(f"{source}: left out are {' and '.join(files)}.")
        if not found:
            yield source  # says that there are none


def _files(folder, folders: list) -> Iterator[str]:
    """Paths of a folder's files by name; of its names, and of nothing more, all are held.

    ``folders`` gets its own folders.
    """
    folder, names = os.path.expanduser(folder), []
    with os.scandir(folder) as entries:
        for one in entries:
            if not one.name.startswith(".") and (one.is_dir() or one.is_file()):
                (folders if one.is_dir() else names).append(one.name)
    for name in sorted(names):
        yield os.path.join(folder, name)


def _is_folder(source) -> bool:
    is_path = isinstance(source, str | Path) and not is_address(source)
    return is_path and os.path.isdir(os.path.expanduser(source))


def _named(source, say, part: dict, patience: float) -> FrameSource:
    """The source, called in the table what the person called it; cameras name themselves."""
    opened = open_source(source, say, **part)
    if isinstance(opened, LiveCamera):
        opened.patience = patience
    else:
        opened.name = safe_address(str(source))
    return opened


def _read_image(source, predictor, detector, threshold, say) -> Reading:
    """A still's faces, as those of one frame."""
    try:
        faces = read_still(source, predictor, detector, threshold)
        if is_animation(source):
            with Image.open(source) as image:
                count = image.n_frames
            if count > 1:
                say(f"{source}: the first of {count} frames is read; --sequence reads them all.")
    except (OSError, ImageError, cv2.error) as error:
        raise ValueError(f"not read: {error}") from error
    if not faces:
        say(f"{source}: no face")
    return Reading(str(source), 0, 0.0, None, faces, tuple(predictor.class_names))
