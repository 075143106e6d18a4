"""The live path beside the loops that people use today, on the same frames.

    python -m benchmarks.live [VIDEO] [--height 480] [--fer-python PYTHON] [--baseline COMMIT]
        [--json FILE]

Without VIDEO it reads the embedded clip of a drawn character. In turn, each in a process
of its own, twice, the faster run counting:

- ours: `utils.live.loop.read_live` with our overlay;
- plain: the loop of the usual tutorial, with the same network: `detectMultiScale(grey,
  1.3, 5)` on the whole frame with haarcascade_frontalface_default, and for each face
  `model.predict` (with verbose=0), a rectangle and a text;
- fer: the `fer` package as its readme uses it, where an environment has it. To make one:
  ``python3 -m venv fer_env``, then ``fer_env/bin/pip install -r requirements-live.txt
  fer==25.10.3 "setuptools<80" "opencv-contrib-python>=4.14,<5"`` and ``--fer-python
  fer_env/bin/python``;
- detect: our detector alone on every frame, with rectangles;
- baseline: "ours" by the code of another commit, from a worktree of its own, with the
  model that it released, unless --model names one for both. What this commit costs or gains is
  the ratio of the two.

Every contender decodes the file itself, which counts in its frames a second. Frames lower
than ``--height`` are enlarged to it, which counts for nobody. The latency is that from
having a frame to having its overlay. The first frames, in which each compiles and loads
what it needs, count for faces and for the time to the first answer only.

`faces` counts what each contender calls a face, false ones too: look at
`frames_with_a_face` where the number of people is known.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from benchmarks.measuring import in_a_process, peak_megabytes, save
from utils.config import DEFAULT_MODEL, PROJECT, project_path
from utils.live.frames import FrameSource
from utils.live.video_file import VideoFile
from utils.vision.opencv import cv2

WARM_UP = 10  # frames
RUNS = 2


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("video", nargs="?", metavar="VIDEO", help="the drawn clip by default")
    parser.add_argument("--height", type=int, default=480, help="least height of a frame")
    parser.add_argument("--model", help="models/expressions.keras by default")
    parser.add_argument("--fer-python", metavar="PYTHON", help="of an environment with fer")
    parser.add_argument("--baseline", metavar="COMMIT", help="earlier code to race against")
    parser.add_argument("--json", metavar="FILE", help="results/live.json by default")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.contender:
        clip = Clip(options.video, options.height, options.started)
        CONTENDERS[options.contender](clip, project_path(options.model or DEFAULT_MODEL))
        print(json.dumps(clip.measured()))
        return
    with tempfile.TemporaryDirectory() as folder, checkout(options.baseline) as earlier:
        video = video_or_drawn_clip(options.video, folder)
        best = _measure(video, options, earlier)
    _print_table(best)
    values = {"video": video.name, "enlarged_to_height": options.height, **best}
    if options.baseline:
        values["baseline_commit"] = options.baseline
    for other in (name for name in ("plain", "fer", "baseline") if name in best):
        values[f"ours_to_{other}"] = _ratios(best["ours"], best[other])
    save("live" if options.video else "live_drawn", values, options.json)


def video_or_drawn_clip(video: str | None, folder: str) -> Path:
    """The file to read: the one that was named, or else the embedded clip, drawn in ``folder``."""
    if video:
        return Path(video).expanduser().resolve()
    from utils.drawn.clip import draw_clip

    path = Path(folder, "drawn.mp4")
    draw_clip(path, frames_per_second=30)
    return path


@contextmanager
def checkout(commit: str | None) -> Iterator[Path | None]:
    """The project as it was at a commit, in a folder that goes again; None for no commit."""
    if commit is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        git = ["git", "-C", str(PROJECT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


class Clip:
    """The frames that a contender reads, and the record of what it made of them.

    Iterating gives (seconds, frame): uint8, (height, width, 3) BGR, 0–255. After each
    frame the contender calls `drawn`, as soon as it has the overlay.

    Args:
        video: file to read.
        height: frames lower than this are enlarged to it, at the same proportions.
        started: `time.time()` at which the process was started.
    """

    def __init__(self, video: str | Path, height: int, started: float | None = None):
        self.video, self.height, self.started = video, height, started or time.time()
        self._faces: list[int] = []
        self._latencies: list[float] = []  # seconds, one a frame
        self._decoding: list[float] = []
        self._first_answer: float | None = None

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        with VideoFile(self.video) as source:
            frames = iter(source)
            while True:
                before = time.perf_counter()
                timed_frame = next(frames, None)
                if timed_frame is None:
                    return
                self._decoding.append(time.perf_counter() - before)
                seconds, frame = timed_frame
                if frame.shape[0] < self.height:
                    width = round(frame.shape[1] * self.height / frame.shape[0])
                    frame = cv2.resize(frame, (width, self.height), interpolation=cv2.INTER_CUBIC)
                self._had = time.perf_counter()
                yield seconds, frame

    def drawn(self, faces: int) -> None:
        """The overlay of the last frame is there, with this number of faces on it."""
        self._latencies.append(time.perf_counter() - self._had)
        self._faces.append(faces)
        if faces and self._first_answer is None:
            self._first_answer = time.time() - self.started

    def measured(self) -> dict:
        """What `results/live.json` says of a contender; milliseconds, MB, seconds."""
        if len(self._latencies) <= WARM_UP:
            raise SystemExit(
                f"{self.video} is too short: more than {WARM_UP} frames are needed. "
                f"Received: {len(self._latencies)}"
            )
        latencies, decoding = (
            np.array(each[WARM_UP:]) for each in (self._latencies, self._decoding)
        )
        return {
            "frames": len(self._latencies),
            "fps": len(latencies) / float(latencies.sum() + decoding.sum()),
            "p50_ms": 1000 * float(np.percentile(latencies, 50)),
            "p95_ms": 1000 * float(np.percentile(latencies, 95)),
            "decoding_ms": 1000 * float(decoding.mean()),
            "faces": sum(self._faces),
            "frames_with_a_face": len(self._faces) - self._faces.count(0),
            "first_answer_s": self._first_answer,
            "peak_mb": peak_megabytes(),
        }


def ours(clip: Clip, model: Path) -> None:
    from utils.live.loop import read_live
    from utils.live.sinks import Sink
    from utils.models.predictor import load

    class Overlay(Sink):
        def write(self, reading) -> None:
            reading.annotated  # noqa: B018 - drawn when first asked for
            clip.drawn(len(reading.faces))

    read_live(FrameSource(clip), load(model), [Overlay()])


def plain(clip: Clip, model: Path) -> None:
    from utils.models.model_file import load_model

    network, described = load_model(model)
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    for _, frame in clip:
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        boxes = cascade.detectMultiScale(grey, 1.3, 5)
        for left, top, width, height in boxes:
            face = cv2.resize(grey[top : top + height, left : left + width], (described.size,) * 2)
            answer = network.predict(face[None, ..., None], verbose=0)[0]
            best = described.class_names[int(answer.argmax())]
            _label(frame, (left, top, width, height), best)
        clip.drawn(len(boxes))


def fer(clip: Clip, model: Path) -> None:
    from fer.fer import FER

    detector = FER()
    for _, frame in clip:
        faces = detector.detect_emotions(frame)
        for face in faces:
            emotions = face["emotions"]
            _label(frame, face["box"], max(emotions, key=emotions.get))
        clip.drawn(len(faces))


def detect(clip: Clip, model: Path) -> None:
    from utils.vision.haar import FaceDetector

    detector = FaceDetector()
    for _, frame in clip:
        boxes = detector.detect(frame)
        for box in boxes:
            _label(frame, box)
        clip.drawn(len(boxes))


def _label(frame: np.ndarray, box, text: str = "") -> None:
    """What a tutorial draws, onto the frame itself."""
    left, top, width, height = box
    cv2.rectangle(frame, (left, top), (left + width, top + height), (255, 0, 0), 2)
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(frame, text, (left, top - 10), font, 1, (255, 255, 255), 2, cv2.LINE_AA)


CONTENDERS = {"ours": ours, "plain": plain, "fer": fer, "detect": detect}


def _measure(video: Path, options, earlier: Path | None) -> dict[str, dict]:
    """The faster of each contender's runs; they take turns, so that a busy moment hits all."""
    pythons = dict.fromkeys(CONTENDERS, sys.executable)
    if options.fer_python:
        # No resolving of links: an environment's python is one, and would lose its packages.
        pythons["fer"] = Path(options.fer_python).expanduser().absolute()
    else:
        del pythons["fer"]
    if earlier:
        pythons["baseline"] = sys.executable
    arguments = (str(video), "--height", str(options.height))
    if options.model:
        arguments += ("--model", str(project_path(options.model)))
    runs = {name: [] for name in pythons}
    turns = [(name, python) for _ in range(RUNS) for name, python in pythons.items()]
    for name, python in tqdm(turns, "contenders in turn"):
        started = ("--contender", "ours" if name == "baseline" else name)
        started += ("--started", str(time.time()))
        folder = earlier if name == "baseline" else None
        runs[name].append(
            in_a_process("benchmarks.live", *arguments, *started, python=python, folder=folder)
        )
    return {name: max(results, key=lambda run: run["fps"]) for name, results in runs.items()}


def _ratios(one: dict, other: dict) -> dict[str, float]:
    """One contender's values as multiples of another's."""
    ratios = {
        name: one[name] / other[name]
        for name in ("fps", "p50_ms", "p95_ms", "faces", "first_answer_s", "peak_mb")
    }
    return {**ratios, "p95_ms_to_p50_ms": one["p95_ms"] / other["p50_ms"]}


def _print_table(results: dict[str, dict]) -> None:
    names = list(next(iter(results.values())))
    print(f"{'':8}" + "".join(f"{name:>19}" for name in names))
    for contender, values in results.items():
        print(f"{contender:8}" + "".join(f"{values[name]:19,.1f}" for name in names))


if __name__ == "__main__":
    main()
