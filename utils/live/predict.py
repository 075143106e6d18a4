"""Reading images, videos, cameras and streams without a screen, into one table."""

import json
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pandas as pd

from utils.config import IMAGE_SUFFIXES
from utils.files import check_outputs, check_writable, write_text
from utils.live.addresses import is_address, safe_address
from utils.live.camera import LiveCamera
from utils.live.frames import FrameSource
from utils.live.loop import explain, read_live, source_files
from utils.live.results import Reading, ResultsTable, table_columns
from utils.live.sinks import CsvSink, Sink, VideoSink
from utils.live.sources import ImageSequence, open_source
from utils.live.stills import read_still
from utils.vision.detectors import make_detector
from utils.vision.images import ImageError
from utils.vision.opencv import cv2


def read_sources(
    sources: Iterable[str | Path],
    predictor,
    csv: str | Path | None = None,
    json_file: str | Path | None = None,
    video: str | Path | None = None,
    threshold: float = 0.0,
    progress: bool = True,
    detector="haar",
    whole: bool = False,
    say=lambda text: print(text, file=sys.stderr),
    **analyzer_settings,
) -> tuple[pd.DataFrame, list[str]]:
    """The faces of every source, one row each.

    An image file is searched thoroughly, as a still; its faces are numbered in place of
    tracks. All else goes through `utils.live.loop.read_live`: a folder is a sequence of frames.
    A source that fails is reported, and the others go on. Ctrl-C ends a camera or stream,
    and is otherwise the end: what was read so far is kept and written.

    Args:
        sources: image, video, folder of frames, camera's index or stream's URL.
        predictor: has ``class_names`` and ``predict_faces(frame, boxes)``.
        csv: a CSV file, on the disk after every frame; an old one is overwritten.
        json_file: a list with one object a row, written at the end in one step; an old
            one is replaced.
        video: the annotated mp4, for a single source that is no image.
        threshold: least confidence for a label; below it the face is "unsure".
        progress: show a bar for each source.
        detector: "haar", "yunet", or a detector: see `utils.vision.detectors.make_detector`;
            of images and films alike.
        whole: take each image as one face, as FER-2013's files are, and a folder as its
            images; no face is looked for.
        say: where messages go.
        **analyzer_settings: of `utils.live.analyzer.FaceAnalyzer`, such as ``smoothing``.

    Returns:
        The table — source (as it was given), frame, seconds, track, x, y, width, height
        (pixels), one column a class (0–1), label, confidence — and a sentence for each
        source that could not be read to its end.

    Raises:
        ValueError: ``whole`` with what is no image; ``video`` with several sources, or with
            an image; an output that is a source or another output.
        OSError: an output cannot be written. Nothing was read then.
    """
    sources = list(sources)
    if whole:
        sources = _images(sources)
    if video is not None and (len(sources) != 1 or _is_image(sources[0])):
        raise ValueError(
            "An annotated video is made of one video, folder of frames, camera or stream. "
            f"Received: {', '.join(safe_address(str(source)) for source in sources)}"
        )
    detector = None if whole else make_detector(detector)
    settings = {"threshold": threshold, "progress": progress, "say": say, "detector": detector}
    settings |= analyzer_settings
    columns = table_columns(predictor.class_names)
    film = [] if video is None else [VideoSink(video)]
    rows = [] if csv is None else [CsvSink(csv)]
    json_files = [] if json_file is None else [json_file]
    outputs = [file for sink in film + rows for file in sink.files] + json_files
    check_outputs(chain.from_iterable(map(source_files, sources)), outputs)
    for file in json_files:
        check_writable(file)
    for sink in film + rows:
        sink.begin(columns)
    sinks = film + [_Shared(sink) for sink in rows]
    tables, failures = [], []
    for number, source in enumerate(sources, start=1):
        problem, interrupted = None, False
        try:
            if _is_image(source):
                reading = _read_image(source, predictor, detector, threshold, say)
                still = ResultsTable(predictor.class_names)
                still.add(reading)
                tables.append(still.to_pandas())
                for sink in sinks:
                    sink.write(reading)
            else:
                table = read_live(_named(source, say), predictor, sinks, **settings)
                tables.append(table)
                problem = table.attrs.get("error")
                interrupted = table.attrs["ended"] == "interrupted"
        except KeyboardInterrupt:
            interrupted = True
        except Exception as error:  # the other sources go on
            problem = explain(error)
        if interrupted:
            left = len(sources) - number
            problem = "interrupted" + (f"; {left} more not read" if left else "")
        if problem:
            failures.append(f"{safe_address(str(source))}: {problem}")
        if interrupted:
            break
    # attrs differ from table to table, and pandas compares them when it concatenates.
    plain = [pd.DataFrame(table.to_dict("list")) for table in tables if len(table)]
    result = pd.concat(plain, ignore_index=True) if plain else pd.DataFrame(columns=columns)
    try:
        for sink in rows:
            sink.close(complete=not failures)
    except OSError as error:
        failures.append(f"{csv}: {explain(error)}")
    try:
        for file in json_files:
            records = result.to_dict("records")
            write_text(file, json.dumps(records, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        failures.append(f"{json_file}: {explain(error)}")
    return result, failures


class _Shared(Sink):
    """A sink that stays open from one source to the next."""

    def __init__(self, sink: Sink):
        self.write = sink.write


def _images(sources: list) -> list:
    """Whole pictures: the images, and those of each folder by name."""
    images = []
    for source in sources:
        inside = is_address(source) or not Path(str(source)).is_dir()
        found = [source] if inside else sorted(filter(_is_image, Path(source).iterdir()))
        if not found or not all(map(_is_image, found)):
            raise ValueError(
                "Whole pictures are image files, or folders that hold some. "
                f"Received: {safe_address(str(source))}"
            )
        images += found
    return images


def _is_image(source) -> bool:
    return not is_address(source) and Path(str(source)).suffix.lower() in IMAGE_SUFFIXES


def _named(source, say) -> FrameSource:
    """The source, called in the table what the person called it; cameras name themselves."""
    opened = open_source(source, say)
    if isinstance(opened, ImageSequence):
        say(
            f"{source} is read as a film, one image after the other; name the files themselves "
            "to read each as a still."
        )
    if not isinstance(opened, LiveCamera):
        opened.name = safe_address(str(source))
    return opened


def _read_image(source, predictor, detector, threshold, say) -> Reading:
    """A still's faces, as those of one frame."""
    try:
        faces = read_still(source, predictor, detector, threshold)
    except (OSError, ImageError, cv2.error) as error:
        raise ValueError(f"not read: {error}") from error
    if not faces:
        say(f"{source}: no face")
    return Reading(str(source), 0, 0.0, None, faces, tuple(predictor.class_names))
