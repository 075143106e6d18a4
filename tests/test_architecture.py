"""The house keeps its order: arrows point down, names lead somewhere, files stay short."""

import importlib
import os
import subprocess
import sys

import pytest

from utils.config import PROJECT

ROOMS = ("datasets", "drawn", "importing", "live", "models", "plots", "training", "vision")


def test_rooms_import_only_what_lies_below_them():
    pytest.importorskip("importlinter")
    script = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_door_opens(room):
    module = importlib.import_module(f"utils.{room}")
    assert 2 <= len(module.__doc__.strip().splitlines()) <= 6
    for name in module.__all__:
        getattr(module, name)


def test_files_stay_short_and_the_top_level_clear():
    entries = [one.name for one in (PROJECT / "utils").iterdir() if one.name[:2] != "__"]
    assert len(entries) + 2 <= 14, entries  # with __init__ and __main__
    for file in (PROJECT / "utils").rglob("*.py"):
        lines = len(file.read_text(encoding="utf-8").splitlines())
        assert lines <= 300 or file.name == "face_painting.py", f"{file} has {lines} lines"
