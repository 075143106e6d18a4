"""What the benchmarks share: a child process to measure in, and a file to write to."""

import json
import os
import platform
import resource
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

from utils.config import PROJECT, RESULTS
from utils.files import write_json

PACKAGES = ("tensorflow", "keras", "opencv-python", "numpy")


def in_a_process(module: str, *arguments: str) -> dict:
    """Run ``python -m module arguments`` and read the JSON on its last line.

    Each contender gets a process of its own, so that neither memory nor warm caches
    of one are charged to the other.
    """
    result = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    if result.returncode:
        raise SystemExit(f"{module} {' '.join(arguments)} failed with {result.returncode}")
    return json.loads(result.stdout.splitlines()[-1])


def peak_megabytes() -> float:
    """The most memory that this process has been resident in, in MB (10⁶ bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def save(name: str, values: dict) -> Path:
    """Write ``results/<name>.json``: the values, and on what they were measured."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True
    ).stdout.strip()
    about = {
        "date": date.today().isoformat(),
        "commit": commit,
        "processor": _processor(),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }
    file = RESULTS / f"{name}.json"
    write_json(file, {**values, "measured_on": about})
    print(json.dumps(values, indent=2))
    print(f"→ {file.relative_to(PROJECT)}")
    return file


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = [
        line.split(":")[1].strip()
        for line in (cpuinfo.read_text().splitlines() if cpuinfo.is_file() else ())
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"
