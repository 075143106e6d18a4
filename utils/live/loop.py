"""Expressions over time: frames from a source, through the analyzer, to the sinks.

`read_live` ends in an orderly way whatever happens; `annotate_video` is `read_live` for a file.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from utils.files import check_outputs
from utils.live.addresses import is_address
from utils.live.analyzer import FaceAnalyzer
from utils.live.camera import CameraUnavailable, LiveCamera
from utils.live.results import Reading, ResultsTable
from utils.live.sinks import CsvSink, Sink, VideoSink
from utils.live.sources import AnimatedImage, ImageSequence, open_source
from utils.live.video_file import VideoFile
from utils.progress import progress_bar
from utils.vision.image_kinds import images_in

if TYPE_CHECKING:
    import pandas as pd

_COMPLETE = ("end of source", "stopped")


def read_live(
    source,
    predictor,
    sinks: Sequence[Sink] = (),
    *,
    progress: bool = False,
    stop: Event | None = None,
    say: Callable[[str], None] = print,
    **analyzer_settings,
) -> pd.DataFrame:
    """Read a source to its end, and send every reading to the sinks.

    It ends with the source, when ``stop`` is set, when a sink asks for it, when the camera is lost,
    with Ctrl-C (the stop button of a notebook; the usual end of a camera) or with any failure. In
    every case the device is released, the sinks are closed, a message tells what happened, and the
    table so far is returned.

    Args:
        source: anything that `utils.live.sources.open_source` takes.
        predictor: has ``class_names`` and ``predict_faces(frame, boxes)``; or a new `FaceAnalyzer`,
            whose threshold and smoothing may be changed while it runs.
        sinks: see `utils.live.sinks`.
        progress: show a bar.
        stop: set it, from another thread, to end the run.
        say: where messages go.
        **analyzer_settings: of `FaceAnalyzer`, such as ``threshold``.

    Returns:
        One row for each face of each frame: source, frame (from 0), seconds, track, x, y, width,
        height (pixels), one column a class (0–1), label, confidence. ``table.attrs`` has "frames"
        (how many were read), "ended" ("end of source", "stopped", "interrupted", "camera lost" or
        "failed") and, where something went wrong, "error" (what, as text).

    Raises:
        CameraUnavailable, FileNotFoundError, ValueError: the source cannot be opened.
        OSError: a sink cannot write its file.
        TypeError: settings beside an analyzer, which has its own.
        ValueError: a sink would overwrite the source, or two sinks each other; the analyzer has
            been used before, and still knows its faces and times.
        Exception: whatever else goes wrong before the first frame is read.
    """
    analyzer = _analyzer(predictor, analyzer_settings)
    outputs = [file for sink in sinks for file in sink.files]
    check_outputs(source_files(source), outputs)
    table, meter = ResultsTable(analyzer.class_names), _FpsMeter()
    stop = stop or Event()
    opened, ended = None, "failed"
    said, problems = [], []

    def close(sink) -> None:
        try:
            kept = sink.close(complete=ended in _COMPLETE)
            if kept:
                said.append(f"The video so far is {kept}.")
        except Exception as error:  # the other sinks must be closed, and the table kept
            problems.append(explain(error))

    with ExitStack() as closing:
        for sink in sinks:
            closing.callback(close, sink)
        try:
            with (
                open_source(source, say) as opened,
                progress_bar(
                    opened, total=opened.length, unit="frame", disable=not progress
                ) as bar,
            ):
                opened.stop = stop
                for sink in sinks:
                    sink.begin(table.columns)
                for seconds, image in bar:
                    reading = Reading(
                        source=opened.name,
                        frame=table.frames,
                        seconds=seconds,
                        image=image,
                        faces=analyzer.read(image, seconds),
                        class_names=analyzer.class_names,
                        fps=meter.tick(),
                        source_fps=opened.fps,
                    )
                    table.add(reading)
                    answers = [sink.write(reading) for sink in sinks]
                    if False in answers or stop.is_set():
                        ended = "stopped"
                        break
                else:
                    ended = "stopped" if stop.is_set() else "end of source"
        except KeyboardInterrupt:
            endless = isinstance(opened, LiveCamera) and opened.length is None
            ended = "stopped" if endless and table.frames else "interrupted"
            said.append(
                f"{ended.capitalize()} after {table.frames} frames; what was read so far is kept."
            )
        except Exception as error:
            if not table.frames:
                raise
            ended = "camera lost" if isinstance(error, CameraUnavailable) else "failed"
            problems.append(explain(error))
    if problems:
        ended = "failed" if ended in _COMPLETE else ended
        problem = " ".join(dict.fromkeys(problems))  # a full disk fails again when it is closed
        said.insert(0, f"{problem} What was read so far ({table.frames} frames) is kept.")
    if said:
        say(" ".join(said))
    result = table.to_pandas()
    result.attrs.update(frames=table.frames, ended=ended)
    if problems:
        result.attrs["error"] = problem
    return result


def _analyzer(predictor, settings: dict) -> FaceAnalyzer:
    if not isinstance(predictor, FaceAnalyzer):
        return FaceAnalyzer(predictor, **settings)
    if settings:
        raise TypeError(
            "An analyzer has its own settings; give them to FaceAnalyzer. Received beside a "
            f"analyzer: {', '.join(settings)}"
        )
    if predictor.used:
        raise ValueError(
            "This analyzer has read frames before and still knows their faces and times. Make a "
            "new FaceAnalyzer for every run."
        )
    return predictor


def explain(error: Exception) -> str:
    """An error as one sentence, with its kind where the text alone would say little."""
    plain = isinstance(error, OSError | ValueError) and str(error)
    text = str(error) if plain else f"{type(error).__name__}: {error}"
    return text if text.endswith((".", "!", "?")) else f"{text}."


def source_files(source) -> Iterator[Path]:
    """The files that a source, as `read_live` takes it, reads; nothing is opened."""
    if isinstance(source, VideoFile | AnimatedImage):
        yield source.path
    elif isinstance(source, ImageSequence):
        yield from source.paths
    elif isinstance(source, list | tuple):
        for one in source:
            yield from source_files(one)
    elif isinstance(source, str | Path) and not is_address(source):
        path = Path(os.path.expanduser(source))
        if path.is_dir():
            yield from images_in(path)
        else:
            yield path


def annotate_video(
    source,
    predictor,
    video: str | Path | None = None,
    table: str | Path | None = None,
    *,
    progress: bool = True,
    **settings,
) -> pd.DataFrame:
    """Read a video, write it with boxes, labels and bars, and return the table; see `read_live`.

    Args:
        source: path of a video or folder of images, or whatever `read_live` takes.
        predictor: see `read_live`.
        video, table: the annotated mp4 and the CSV file to write, if any.
        progress: show a bar.
        **settings: of `read_live` and `FaceAnalyzer`.
    """
    sinks = [] if table is None else [CsvSink(table)]
    if video is not None:
        sinks.append(VideoSink(video))
    return read_live(source, predictor, sinks, progress=progress, **settings)


class _FpsMeter:
    """Frames a second over the last two seconds or so."""

    def __init__(self):
        self._times: deque[float] = deque(maxlen=60)

    def tick(self) -> float | None:
        """Count a frame; None until there are two."""
        now = time.perf_counter()
        self._times.append(now)
        while now - self._times[0] > 2 and len(self._times) > 2:
            self._times.popleft()
        span = now - self._times[0]
        return (len(self._times) - 1) / span if span > 0 else None
