"""Whether the live path stays as small and as fast over 20,000 frames.

    python -m benchmarks.soak [VIDEO] [--frames 20000] [--height 480] [--json FILE]

VIDEO, or else the embedded clip of a drawn character, is read again and again through
`utils.live.loop.read_live`; every frame's overlay is drawn and every face written to a CSV file.
Memory is what Linux's /proc says the process is resident in, looked at every 1,000 frames
after the first 1,000. The processor's time of a frame tells a slowing of ours from a busy
machine.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import numpy as np

from benchmarks.live import Clip, video_or_drawn_clip
from benchmarks.measuring import resident_megabytes, save
from utils.config import project_path
from utils.live.frames import FrameSource
from utils.live.loop import read_live
from utils.live.sinks import CsvSink, Sink
from utils.models.predictor import load

EVERY = 1000  # frames between two looks at the memory


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("video", nargs="?", metavar="VIDEO", help="the drawn clip by default")
    parser.add_argument("--frames", type=int, default=20_000, help="at least 2,000")
    parser.add_argument("--height", type=int, default=480, help="least height of a frame")
    parser.add_argument("--model", default="models/expressions.keras")
    parser.add_argument("--json", metavar="FILE", help="results/soak.json by default")
    options = parser.parse_args(arguments)
    if options.frames < 2 * EVERY:
        parser.error(f"--frames must be at least {2 * EVERY}. Received: {options.frames}")
    with tempfile.TemporaryDirectory() as folder:
        video = video_or_drawn_clip(options.video, folder)
        frames = islice(laps(video, options.height), options.frames)
        source = FrameSource(frames, video.name)
        source.length = options.frames
        record = Record()
        predictor = load(project_path(options.model))
        table = read_live(
            source, predictor, [CsvSink(Path(folder, "t.csv")), record], progress=True
        )
    values = {"video": video.name, "enlarged_to_height": options.height, "faces": len(table)}
    save("soak" if options.video else "soak_drawn", {**values, **record.summary()}, options.json)


def laps(video: Path, height: int) -> Iterator[tuple[float, np.ndarray]]:
    """The frames of a video over and over, as `Clip` gives them, with times that go on."""
    start = last = 0.0
    for lap in count():
        for number, (seconds, frame) in enumerate(Clip(video, height)):
            if lap and not number:
                start = last + 1 / 25  # about a frame's time between the end and the start
            last = start + seconds
            yield last, frame


class Record(Sink):
    """A sink that draws every overlay, and notes the times and now and then the memory."""

    def __init__(self):
        self._times: list[tuple[float, float]] = []  # seconds of the clock, of the processor
        self.megabytes: list[float] = []

    def write(self, reading) -> None:
        reading.annotated  # noqa: B018 - drawn when first asked for
        self._times.append((time.perf_counter(), time.process_time()))
        if len(self._times) % EVERY == 0:
            self.megabytes.append(resident_megabytes())

    def summary(self) -> dict:
        """Speed early and late, without the warm-up, and the course of the memory."""
        times = np.array(self._times[EVERY:])
        first, last = (self._speed(part) for part in np.array_split(times, 5)[::4])
        memory = self.megabytes
        return {
            "frames": len(self._times),
            "first_fifth": first,
            "last_fifth": last,
            "last_to_first": {name: last[name] / first[name] for name in first},
            "resident_mb_every_1000_frames": [round(each, 1) for each in memory],
            "resident_last_to_first": memory[-1] / memory[0],
            "resident_most_to_least": max(memory) / min(memory),
        }

    @staticmethod
    def _speed(times: np.ndarray) -> dict[str, float]:
        frames, (seconds, processor) = len(times) - 1, times[-1] - times[0]
        return {"fps": frames / float(seconds), "cpu_ms": 1000 * float(processor) / frames}


if __name__ == "__main__":
    main()
