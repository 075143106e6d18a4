"""Reading pictures, videos, cameras and streams without a screen, into one table."""

import json
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pandas as pd

from utils.config import PICTURE_SUFFIXES
from utils.files import check_outputs, check_writable, write_text
from utils.live.analyzer import Face, Reading, table_columns
from utils.live.camera import safe_address
from utils.live.loop import explain, live, source_files
from utils.live.sinks import CsvSink, VideoSink
from utils.live.sources import FrameSource, PictureSequence, open_source
from utils.live.stills import read_stills
from utils.vision.haar import FaceDetector


def read_sources(
    sources: Iterable[str | Path],
    predictor,
    csv: str | Path | None = None,
    json_file: str | Path | None = None,
    video: str | Path | None = None,
    threshold: float = 0.0,
    progress: bool = True,
    say=lambda text: print(text, file=sys.stderr),
    **reader_settings,
) -> tuple[pd.DataFrame, list[str]]:
    """The faces of every source, one row each.

    A picture file is searched thoroughly, as a still; its faces are numbered in place of
    tracks. All else goes through `utils.live.loop.live`: a folder is a sequence of frames.
    A source that fails is reported, and the others go on. Ctrl-C ends a camera or stream,
    and is otherwise the end: what was read so far is kept and written.

    Args:
        sources: picture, video, folder of frames, camera's index or stream's URL.
        predictor: has ``class_names`` and ``predict_faces(frame, boxes)``.
        csv: a CSV file, on the disk after every frame; an old one is overwritten.
        json_file: a list with one object a row, written at the end in one step; an old
            one is replaced.
        video: the annotated mp4, for a single source that is no picture.
        threshold: least confidence for a label; below it the face is "unsure".
        progress: show a bar for each source.
        say: where messages go.
        **reader_settings: of `utils.live.analyzer.ExpressionReader`, such as ``smoothing``.

    Returns:
        The table — source (as it was given), frame, seconds, track, x, y, width, height
        (pixels), one column a class (0–1), label, confidence — and a sentence for each
        source that could not be read to its end.

    Raises:
        ValueError: ``video`` with several sources, or with a picture; an output that is
            a source or another output.
        OSError: an output cannot be written. Nothing was read then.
    """
    sources = list(sources)
    if video is not None and (len(sources) != 1 or _is_picture(sources[0])):
        raise ValueError(
            "An annotated video is made of one video, folder of frames, camera or stream. "
            f"Received: {', '.join(safe_address(str(source)) for source in sources)}"
        )
    settings = {"threshold": threshold, "progress": progress, "say": say, **reader_settings}
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
    detector = FaceDetector() if any(map(_is_picture, sources)) else None
    tables, failures = [], []
    for number, source in enumerate(sources, start=1):
        problem, interrupted = None, False
        try:
            if _is_picture(source):
                reading = _read_picture(source, predictor, detector, threshold, say)
                tables.append(pd.DataFrame(reading.rows(), columns=columns))
                for sink in sinks:
                    sink.write(reading)
            else:
                table = live(_named(source, say), predictor, sinks, **settings)
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


class _Shared:
    """A sink that stays open from one source to the next."""

    def __init__(self, sink):
        self.write = sink.write

    def close(self, complete: bool) -> None:
        pass


def _is_picture(source) -> bool:
    is_stream = "://" in str(source)
    return not is_stream and Path(str(source)).suffix.lower() in PICTURE_SUFFIXES


def _named(source, say) -> FrameSource:
    """The source, called in the table what the person called it; cameras name themselves."""
    opened = open_source(source, say)
    if isinstance(opened, PictureSequence):
        say(
            f"{source} is read as a film, one picture after the other; name the files themselves "
            "to read each as a still."
        )
    if isinstance(opened, FrameSource):
        opened.name = safe_address(str(source))
    return opened


def _read_picture(source, predictor, detector, threshold, say) -> Reading:
    """A still's faces, as those of one frame."""
    stills = read_stills([source], predictor, detector, threshold=threshold)
    problem = stills["label"].iloc[0]
    if stills["face"].iloc[0] == 0 and problem != "no face":
        raise ValueError(problem)
    if stills["face"].iloc[0] == 0:
        say(f"{source}: no face")
    classes = tuple(predictor.class_names)
    faces = [
        Face(
            track=int(row["face"]),
            box=tuple(int(row[name]) for name in ("x", "y", "width", "height")),
            probabilities=row[list(classes)].to_numpy(float),
            label=row["label"],
            confidence=float(row["confidence"]),
        )
        for _, row in stills[stills["face"] > 0].iterrows()
    ]
    return Reading(str(source), 0, 0.0, None, faces, classes)
