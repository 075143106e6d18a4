"""What the doctor says of a machine, whatever it has."""

import subprocess
import sys

import pytest

from utils import config
from utils.cli import doctor, main


def test_everything_is_looked_at_and_fits_a_screen(capsys):
    main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    subjects = {line[3:16].strip() for line in lines[:-1]}
    assert {"Python", "prediction", "notebooks", "processor", "GPU", "OpenCV"} <= subjects
    assert {"codecs", "model", "cameras", "disk"} <= subjects


def test_a_package_that_is_missing_or_out_of_range_comes_with_a_command(tmp_path, monkeypatch):
    ranges = "# a file\n-r other.txt\nnumpy>=1\nno-such-package>=1\npandas<0.1\n--editable .\n"
    (tmp_path / "requirements-live.txt").write_text(ranges)
    monkeypatch.setattr(config, "PROJECT", tmp_path)
    found = list(doctor._packages("requirements-live.txt", "prediction", doctor.BAD))
    assert [finding.mark for finding in found] == [doctor.BAD, doctor.BAD]
    assert found[0].text.startswith("out of range: pandas ")
    assert "all but no-such-package" in found[1].text
    assert all("pip install -r requirements-live.txt" in finding.advice for finding in found)


def test_a_model_that_is_damaged_or_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "PROJECT", tmp_path)
    monkeypatch.setattr(config, "MODELS", tmp_path / "models")
    monkeypatch.setattr(config, "DEFAULT_MODEL", tmp_path / "models" / "default.keras")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "broken.keras").write_bytes(b"no zip")
    missing, broken = doctor.models()
    assert (missing.mark, missing.advice) == (doctor.BAD, "git checkout models/default.keras")
    assert broken.mark == doctor.BAD
    assert "broken.keras" in broken.text


def test_a_check_that_fails_does_not_end_the_others(monkeypatch):
    def opencv():
        raise ImportError("OpenCV needs the system library libGL.so")

    monkeypatch.setattr(doctor, "opencv", opencv)
    said = []
    assert doctor.examine(said.append) == 1
    assert any("libGL.so" in line for line in said)
    assert any(line.startswith("ok disk") for line in said)
    assert "to mend" in said[-1]


@pytest.mark.parametrize(
    "answer, expected", [("tensorflow 1 mixed_bfloat16", "ok"), ("jax 0 float32", "--"), ("", "--")]
)
def test_a_gpu_counts_when_the_backend_sees_it(monkeypatch, answer, expected):
    asked = subprocess.CompletedProcess([], 0, stdout="NVIDIA Some, 580.1\n")
    monkeypatch.setattr(doctor.subprocess, "run", lambda *_, **__: asked)
    monkeypatch.setattr(doctor, "_in_a_child", lambda *_: answer)
    monkeypatch.setattr(doctor, "_version", lambda name: "3.15")
    (finding,) = doctor.gpu()
    assert finding.mark == expected
    assert "NVIDIA Some" in finding.text


def test_a_child_that_hangs_is_ended_and_what_it_said_is_kept():
    assert doctor._in_a_child("print(1, flush=True); import time; time.sleep(60)", 3) == "1\n"


def test_outside_the_environment_the_sentence_says_what_to_activate(tmp_path):
    for package in ("utils", "app"):
        run = subprocess.run(
            # -S: none of the installed packages; -P is not there, so the folder is
            [sys.executable, "-S", "-m", package, "--help"],
            cwd=config.PROJECT,
            capture_output=True,
            encoding="utf-8",
        )
        assert run.returncode == 1
        assert "This Python has none of the project's packages" in run.stderr
        assert "Traceback" not in run.stderr
