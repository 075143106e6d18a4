"""What this machine has for the project, in one screen, and what to do about the rest.

TensorFlow, which takes seconds to import, is asked only where there is a GPU to ask it about.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from utils import config

OK, NOTE, BAD = "ok", "--", "!!"
_WIDTH, _INDENT = 100, 16
_CAMERAS = 4  # indices that are tried
_CAMERA_SECONDS = 8
_GPU_SECONDS = 120
_GIGABYTES = 2  # free, for runs and features


@dataclass
class Finding:
    """A line of the screen: how it stands, what it is about, what was found, what to do."""

    mark: str
    about: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        head = f"{self.mark} {self.about}".ljust(_INDENT)
        wrap = {"width": _WIDTH, "subsequent_indent": " " * _INDENT, "break_on_hyphens": False}
        lines = textwrap.wrap(head + self.text, **wrap)
        if self.advice:
            start = " " * (_INDENT - 2) + "→ "
            lines += textwrap.wrap(self.advice, initial_indent=start, **wrap)
        return "\n".join(lines)


def examine(say: Callable[[str], None] = print) -> int:
    """Look at everything, say each finding as it comes; 1 where something needed is missing."""
    checks = (python, packages, processor, gpu, opencv, codecs, models, cameras, room)
    bad = 0
    for check in checks:
        try:
            found = list(check())
        except Exception as error:  # the other checks go on
            found = [Finding(BAD, check.__name__, f"{type(error).__name__}: {error}")]
        for finding in found:
            bad += finding.mark == BAD
            say(str(finding))
    say(f"{bad} to mend: see the lines marked {BAD}." if bad else "All that is needed is here.")
    return 1 if bad else 0


def python() -> Iterator[Finding]:
    """Which Python runs, and whether it is the environment's."""
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.prefix}"
    if sys.version_info >= (3, 14):
        yield Finding(NOTE, "Python", text, "Tested are 3.11 to 3.13.")
    else:
        yield Finding(OK, "Python", text)


def packages() -> Iterator[Finding]:
    """What is installed, against the ranges of the requirements files."""
    yield from _packages("requirements-live.txt", "prediction", BAD)
    yield from _packages("requirements.txt", "notebooks", NOTE)
    yield from _packages("requirements-dev.txt", "tests", NOTE)


def _packages(file: str, about: str, mark_if_absent: str) -> Iterator[Finding]:
    from packaging.requirements import Requirement  # lazy-loader brings it

    lines = (config.PROJECT / file).read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if re.match(r"\w", line)]
    found, missing, unfit = [], [], []
    for one in wanted:
        installed = _version(one.name) or _version(f"{one.name}-headless")  # OpenCV's other wheel
        if not installed:
            missing.append(one.name)
            continue
        fits = one.specifier.contains(installed, prereleases=True)
        found.append(f"{one.name} {installed}")
        if not fits:
            unfit.append(f"{one.name} {installed}, not {one.specifier}")
    advice = f"python -m pip install -r {file} -c constraints.txt"
    if unfit:
        yield Finding(BAD, about, "out of range: " + "; ".join(unfit), advice)
    if missing:
        text = "nothing" if not found else "all but " + ", ".join(missing)
        yield Finding(mark_if_absent, about, f"{text} of {file} is installed", advice)
    elif not unfit:
        yield Finding(OK, about, ", ".join(found))


def processor() -> Iterator[Finding]:
    """Cores, and what Linux tells of matrix units."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.is_file() else ""
    name = re.search(r"model name\s*: (.*)", text)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    units = [unit for unit in ("amx_bf16", "avx512_bf16", "avx2", "asimd") if unit in text.split()]
    said = f"{name[1] if name else platform.processor() or platform.machine()}, {cores} cores"
    said += f", {', '.join(units)}" if units else ""
    advice = ""
    if "amx_bf16" in units and not _version("torch"):
        advice = (
            "PyTorch trains quicker on it: python -m pip install torch, then KERAS_BACKEND=torch"
        )
    yield Finding(OK, "processor", said, advice)


def gpu() -> Iterator[Finding]:
    """A GPU, and whether Keras's backend sees it; the backend is imported only for that."""
    try:
        command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        asked = subprocess.run(command, capture_output=True, text=True, timeout=10)
        names = asked.stdout.strip().splitlines() if asked.returncode == 0 else []
    except (OSError, subprocess.TimeoutExpired):
        names = []
    if not names:
        yield Finding(NOTE, "GPU", "no NVIDIA GPU answers; none is needed")
        return
    if not _version("keras"):
        yield Finding(NOTE, "GPU", f"{'; '.join(names)}; no Keras here to use it")
        return
    script = (
        "from utils.models.backend import keras, fastest_precision\n"
        "seen = len(keras.distribution.list_devices('gpu'))\n"
        "print(keras.backend.backend(), seen, fastest_precision())"
    )
    backend, seen, precision = _in_a_child(script, _GPU_SECONDS).split() or ("Keras", "0", "")
    if int(seen):
        yield Finding(OK, "GPU", f"{'; '.join(names)}; {backend} uses it, in {precision}")
        return
    yield Finding(
        NOTE,
        "GPU",
        f"{'; '.join(names)}; {backend} does not see it",
        'On Linux and WSL: python -m pip install "tensorflow[and-cuda]". TensorFlow has no GPU '
        "on Windows itself.",
    )


def opencv() -> Iterator[Finding]:
    """OpenCV, the face finder, and the video library that it was built with."""
    from utils.vision.haar import FaceDetector
    from utils.vision.opencv import cv2

    FaceDetector()
    built = cv2.getBuildInformation()
    windows = re.search(r"GUI:\s+(\w+)", built)
    text = f"{cv2.__version__}, face cascades, windows: {windows[1] if windows else 'unknown'}"
    yield Finding(OK, "OpenCV", text)


def codecs() -> Iterator[Finding]:
    """Whether annotated videos can be written and read again, and what PyAV's FFmpeg knows."""
    import av
    import numpy as np

    from utils.live.video_file import VideoFile
    from utils.vision.video_writer import Mp4Writer

    known = ".".join(map(str, av.library_versions["libavcodec"]))
    text = f"PyAV {av.__version__} with FFmpeg's libavcodec {known}"
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "one.mp4")
            writer = Mp4Writer(file, (64, 48), 10.0)
            for number in range(3):
                writer.write(number / 10, np.zeros((48, 64, 3), np.uint8))
            writer.close()
            with VideoFile(file) as video:
                frames = sum(1 for _ in video)
    except (OSError, ValueError) as error:
        yield Finding(BAD, "codecs", f"{text}: {error}", "python -m pip install av")
        return
    known = [name for name in ("h264", "hevc", "av1", "vp9") if name in av.codecs_available]
    also = "" if "bwdif" in av.filter.filters_available else "; no bwdif: interlaced is not read"
    yield Finding(
        OK if frames == 3 else BAD,
        "codecs",
        f"{text}: H.264 in mp4 is written and read; reads {', '.join(known)}{also}",
    )


def models() -> Iterator[Finding]:
    """The model files: whether LiteRT runs them, and in how long."""
    import numpy as np

    from utils.models import litert
    from utils.models.metadata import ModelFileError, read_preprocessing
    from utils.models.predictor import load

    if not litert.installed():
        advice = "python -m pip install -r requirements-live.txt -c constraints.txt"
        yield Finding(BAD, "LiteRT", "not installed; Keras would run the network, later", advice)
    if not config.DEFAULT_MODEL.is_file():
        name = config.DEFAULT_MODEL.relative_to(config.PROJECT).as_posix()
        yield Finding(BAD, "model", f"{name}, the default, is not there", f"git checkout {name}")
    for file in sorted(config.MODELS.glob("*.keras"))[:5]:
        name = file.relative_to(config.PROJECT).as_posix()
        start = time.perf_counter()
        try:
            if not (litert.installed() and litert.read_litert_model(file)):
                read_preprocessing(file)
                yield Finding(NOTE, "model", f"{name}: only for Keras, which takes seconds")
                continue
            predictor = load(file)
            size = predictor.preprocessing.input_shape
            predictor.probabilities(np.zeros((1, *size), np.uint8))
        except (ModelFileError, OSError, ImportError) as error:
            yield Finding(BAD, "model", str(error), f"git checkout {name}, if it came with it")
            continue
        seconds = time.perf_counter() - start
        classes = ", ".join(predictor.class_names)
        yield Finding(OK, "model", f"{name}: {classes}; answers after {seconds:.1f} s, by LiteRT")


def cameras() -> Iterator[Finding]:
    """Cameras that OpenCV can read, in a process of its own with a limit of time."""
    devices = sorted(Path("/dev").glob("video*")) if sys.platform == "linux" else []
    if sys.platform == "linux" and not devices:
        yield Finding(
            NOTE,
            "cameras",
            "no /dev/video*",
            "Plug one in; WSL and containers are given none by themselves. The page (python -m "
            "app) uses the browser's camera.",
        )
        return
    closed = [str(device) for device in devices if not os.access(device, os.R_OK | os.W_OK)]
    if closed:
        advice = "sudo usermod -aG video $USER, then log in again"
        yield Finding(BAD, "cameras", f"{', '.join(closed)} may not be opened", advice)
    answers = _in_a_child(
        "from utils.live.addresses import open_device\n"
        f"for index in range({_CAMERAS}):\n"
        "    capture = open_device(index)\n"
        "    there, frame = capture.read() if capture.isOpened() else (False, None)\n"
        "    if there: print(index, f'({frame.shape[1]} × {frame.shape[0]})', flush=True)\n"
        "    capture.release()\n",
        _CAMERA_SECONDS,
    ).splitlines()
    if answers:
        yield Finding(OK, "cameras", "camera " + ", ".join(answers))
    else:
        advice = "Close programs that use one; allow cameras in the system's privacy settings."
        yield Finding(NOTE, "cameras", "none gives an image", advice)


def room() -> Iterator[Finding]:
    """Free disk where data, features and runs are kept, and memory."""
    free = shutil.disk_usage(config.PROJECT).free / 1e9
    text = f"{free:.0f} GB free in {config.PROJECT}"
    if _version("psutil"):
        import psutil

        memory = psutil.virtual_memory()
        text += f"; memory {memory.available / 1e9:.0f} of {memory.total / 1e9:.0f} GB free"
    advice = "" if free >= _GIGABYTES else "Runs, features and caches fill models/ and .cache/."
    yield Finding(OK if free >= _GIGABYTES else BAD, "disk", text, advice)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _in_a_child(script: str, seconds: float) -> str:
    """What a Python process printed until its end, or until its time was over."""
    child = [sys.executable, "-c", script]
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "cwd": config.PROJECT}
    try:
        done = subprocess.run(child, timeout=seconds, env=environment, **settings)
        return done.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as error:
        return (error.stdout or b"").decode("utf-8", "replace")
