"""Expressions over time: frames from a source, through the reader, to the sinks.

`live` ends in an orderly way whatever happens; `annotate_video` is `live` for a file.
"""

import time
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from utils.camera import CameraUnavailable
from utils.overlay import UNSURE
from utils.reader import ExpressionReader, Face, Reading, table_columns
from utils.sinks import CsvSink, VideoSink
from utils.sources import open_source

_COMPLETE = ("end of source", "stopped")


def live(
    source,
    predictor,
    sinks: Sequence = (),
    *,
    progress: bool = False,
    stop: Event | None = None,
    say: Callable[[str], None] = print,
    **reader_settings,
) -> pd.DataFrame:
    """Read a source to its end, and send every reading to the sinks.

    It ends with the source, when ``stop`` is set, when a sink asks for it, when the
    camera is lost, or with Ctrl-C (the stop button of a notebook). In every case the
    device is released, the sinks are closed, a message tells what happened, and the
    table so far is returned.

    Args:
        source: anything that `utils.sources.open_source` takes.
        predictor: has ``class_names`` and ``predict_faces(frame, boxes)``; or a new
            `ExpressionReader`, whose threshold and smoothing may be changed while it runs.
        sinks: see `utils.sinks`.
        progress: show a bar.
        stop: set it, from another thread, to end the run.
        say: where messages go.
        **reader_settings: of `ExpressionReader`, such as ``threshold``.

    Returns:
        One row for each face of each frame: source, frame (from 0), seconds, track,
        x, y, width, height (pixels), one column a class (0–1), label, confidence.
        ``table.attrs`` has "frames" (how many were read) and "ended" (why).

    Raises:
        CameraUnavailable, FileNotFoundError, ValueError: the source cannot be opened.
    """
    own = isinstance(predictor, ExpressionReader)
    reader = predictor if own else ExpressionReader(predictor, **reader_settings)
    table, meter = _Table(reader.class_names), _FpsMeter()
    ended, name = "failed", ""
    with ExitStack() as closing:
        for sink in sinks:
            closing.callback(lambda sink=sink: sink.close(complete=ended in _COMPLETE))
        try:
            with (
                open_source(source, say) as opened,
                tqdm(opened, total=opened.length, unit="frame", disable=not progress) as bar,
            ):
                name, opened.stop = opened.name, stop
                for seconds, image in bar:
                    faces = reader.read(image, seconds)
                    reading = Reading(
                        source=name,
                        frame=table.frames,
                        seconds=seconds,
                        image=image,
                        faces=faces,
                        class_names=reader.class_names,
                        fps=meter.tick(),
                        source_fps=opened.fps,
                    )
                    table.add(seconds, faces)
                    answers = [sink.write(reading) for sink in sinks]
                    if False in answers or (stop is not None and stop.is_set()):
                        ended = "stopped"
                        break
                else:
                    stopped = stop is not None and stop.is_set()
                    ended = "stopped" if stopped else "end of source"
        except KeyboardInterrupt:
            ended = "interrupted"
            say(f"Interrupted after {table.frames} frames; what was read so far is kept.")
        except CameraUnavailable as error:
            if not table.frames:
                raise
            ended = "camera lost"
            say(f"{error} What was read so far ({table.frames} frames) is kept.")
    result = table.to_pandas(name)
    result.attrs.update(frames=table.frames, ended=ended)
    return result


def annotate_video(
    source,
    predictor,
    video: str | Path | None = None,
    table: str | Path | None = None,
    *,
    progress: bool = True,
    **settings,
) -> pd.DataFrame:
    """Read a video, write it with boxes, labels and bars, and return the table.

    Args:
        source: path of a video or folder of pictures, or whatever `live` takes.
        predictor: see `live`.
        video: the annotated mp4 file to write, if any.
        table: the CSV file to write, if any.
        progress: show a bar.
        **settings: of `live` and `ExpressionReader`.

    Returns, raises: see `live`.

    Example:
        >>> annotate_video("clip.mp4", predictor, "annotated.mp4")  # doctest: +SKIP
    """
    sinks = [] if table is None else [CsvSink(table)]
    if video is not None:
        sinks.append(VideoSink(video))
    return live(source, predictor, sinks, progress=progress, **settings)


class _Table:
    """Rows kept as bare numbers: hours of video fit in memory."""

    def __init__(self, class_names: Sequence[str]):
        self.class_names = list(class_names)
        self.frames = 0
        self._numbers = array("d")

    def add(self, seconds: float, faces: Sequence[Face]) -> None:
        for face in faces:
            label = -1 if face.label == UNSURE else self.class_names.index(face.label)
            self._numbers.extend((self.frames, seconds, face.track, *face.box))
            self._numbers.extend(face.probabilities)
            self._numbers.extend((label, face.confidence))
        self.frames += 1

    def to_pandas(self, source: str) -> pd.DataFrame:
        columns = table_columns(self.class_names)[1:]
        numbers = np.array(self._numbers, np.float64).reshape(-1, len(columns))
        table = pd.DataFrame(numbers, columns=columns)
        whole = ["frame", "track", "x", "y", "width", "height"]
        table[whole] = table[whole].astype(int)
        names = np.array([*self.class_names, UNSURE], dtype=object)
        table["label"] = names[table["label"].astype(int)]  # -1 is the last: unsure
        table.insert(0, "source", source)
        return table


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
