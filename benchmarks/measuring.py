"""What the benchmarks share: a child process to measure in, and a file to write to."""

import json
import os
import platform
import resource
import subprocess
import sys
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from utils.config import PROJECT, RESULTS, project_path
from utils.files import digest, write_json

PACKAGES = ("tensorflow", "torch", "jax", "keras", "ai-edge-litert", "opencv-python", "numpy")


def in_a_process(
    module: str,
    *arguments: str,
    python: str | Path = sys.executable,
    folder: str | Path | None = None,
) -> dict:
    """Run ``python -m module arguments`` and read the JSON on its last line.

    Each contender gets a process of its own, so that neither memory nor warm caches
    of one are charged to the other. ``python`` may be that of another environment, and
    ``folder`` another checkout of the project.
    """
    result = subprocess.run(
        [str(python), "-m", module, *arguments],
        cwd=folder or PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    if result.returncode:
        raise SystemExit(f"{module} {' '.join(arguments)} failed with {result.returncode}")
    return json.loads(result.stdout.splitlines()[-1])


def peak_megabytes() -> float:
    """The most memory that this process has been resident in, in MB (10⁶ bytes)."""
    # Linux hands a parent's ru_maxrss on to its children, so /proc is asked first.
    return _linux_megabytes("VmHWM") or _peak_of_getrusage()


def resident_megabytes() -> float:
    """What this process is resident in now, in MB (10⁶ bytes); off Linux, the peak so far."""
    return _linux_megabytes("VmRSS") or _peak_of_getrusage()


def save(
    name: str, values: dict, file: str | Path | None = None, model: str | Path | None = None
) -> Path:
    """Write ``results/<name>.json`` or ``file``: the values, and on what they were measured.

    Of a model file the digest is kept, so that a figure can be told from that of another model.
    """
    if model is not None:
        values = {"model_digest": digest(project_path(model)), **values}
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True
    ).stdout.strip()
    about = {
        "date": date.today().isoformat(),
        "commit": commit,
        "processor": processor(),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES if _installed(package)},
    }
    file = Path(file).expanduser().resolve() if file else RESULTS / f"{name}.json"
    write_json(file, {**values, "measured_on": about})
    print(json.dumps(values, indent=2))
    print(f"→ {file.relative_to(PROJECT) if file.is_relative_to(PROJECT) else file}")
    return file


def _installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def processor() -> str:
    """The processor's name and how many cores there are."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [
        line.split(":")[1].strip()
        for line in (cpuinfo.read_text().splitlines() if cpuinfo.is_file() else ())
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def _linux_megabytes(field: str) -> float | None:
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else ()
    values = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(values[0]) * 1024 / 1e6 if values else None


def _peak_of_getrusage() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
