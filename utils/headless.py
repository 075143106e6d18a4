"""Reading pictures, videos, cameras and streams without a screen, into one table."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from utils.config import PICTURE_SUFFIXES
from utils.files import write_text
from utils.reader import Face, Reading, table_columns
from utils.sinks import CsvSink, VideoSink
from utils.sources import FrameSource, open_source
from utils.stills import read_stills
from utils.video import live


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
    tracks. All else goes through `utils.video.live`: a folder is a sequence of frames.
    A source that cannot be read is reported, and the others go on.

    Args:
        sources: picture, video, folder of frames, camera's index or stream's URL.
        predictor: has ``class_names`` and ``predict_faces(frame, boxes)``.
        csv: a CSV file, on the disk after every frame; an old one is overwritten.
        json_file: a list with one object a row, written at the end in one step.
        video: the annotated mp4, for a single source that is no picture.
        threshold: least confidence for a label; below it the face is "unsure".
        progress: show a bar for each source.
        say: where messages go.
        **reader_settings: of `utils.reader.ExpressionReader`, such as ``smoothing``.

    Returns:
        The table — source (as it was given), frame, seconds, track, x, y, width, height
        (pixels), one column a class (0–1), label, confidence — and a sentence for each
        source that could not be read to its end.

    Raises:
        ValueError: ``video`` with several sources, or with a picture.
    """
    sources = list(sources)
    if video is not None and (len(sources) != 1 or _is_picture(sources[0])):
        raise ValueError(
            "An annotated video is made of one video, folder of frames, camera or stream. "
            f"Received: {', '.join(map(str, sources))}"
        )
    settings = {"threshold": threshold, "progress": progress, "say": say, **reader_settings}
    rows = None if csv is None else _Shared(CsvSink(csv))
    sinks = [sink for sink in (rows, video and VideoSink(video)) if sink]
    tables, failures = [], []
    try:
        for source in sources:
            try:
                if _is_picture(source):
                    table = _read_picture(source, predictor, sinks, threshold, say)
                else:
                    table = live(_named(source, say), predictor, sinks, **settings)
                tables.append(table)
            except (OSError, ValueError) as error:
                failures.append(f"{source}: {error}")
                continue
            ended = table.attrs.get("ended", "end of source")
            if ended == "interrupted":
                failures.append(f"{source}: interrupted")
                break
            if ended != "end of source":
                failures.append(f"{source}: {ended}")
    finally:
        if rows is not None:
            rows.sink.close(complete=not failures)
    tables = [table for table in tables if len(table)]
    columns = table_columns(predictor.class_names)
    # attrs differ from table to table, and pandas compares them when it concatenates.
    plain = [pd.DataFrame(table.to_dict("list")) for table in tables]
    result = pd.concat(plain, ignore_index=True) if plain else pd.DataFrame(columns=columns)
    if json_file is not None:
        records = result.to_dict("records")
        write_text(json_file, json.dumps(records, indent=1, ensure_ascii=False) + "\n")
    return result, failures


class _Shared:
    """A sink that stays open from one source to the next."""

    def __init__(self, sink):
        self.sink = sink
        self.write = sink.write

    def close(self, complete: bool) -> None:
        pass


def _is_picture(source) -> bool:
    is_stream = "://" in str(source)
    return not is_stream and Path(source).suffix.lower() in PICTURE_SUFFIXES


def _named(source, say) -> FrameSource:
    """The source, called in the table what the person called it; cameras name themselves."""
    opened = open_source(source, say)
    if isinstance(opened, FrameSource):
        opened.name = str(source)
    return opened


def _read_picture(source, predictor, sinks, threshold, say) -> pd.DataFrame:
    """A still's faces as the rows of one frame, also sent to the sinks."""
    stills = read_stills([source], predictor, threshold=threshold)
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
    reading = Reading(str(source), 0, 0.0, None, faces, classes)
    for sink in sinks:
        sink.write(reading)
    return pd.DataFrame(reading.rows(), columns=reading.columns)
