"""Writing: one process at a place, and a clear word where the disk or the folder is lost."""

import errno
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import pytest

from utils.files import locked, replacing, replacing_folder, write_json


def _hold(path, held, done):
    with locked(path, "imported into"):
        held.set()
        done.wait(60)


def test_two_processes_share_no_destination_and_a_killed_one_holds_none(tmp_path):
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "data", held, done))
    process.start()
    try:
        assert held.wait(60)
        with (
            pytest.raises(BlockingIOError, match=rf"imported into .*{process.pid} on"),
            locked(tmp_path / "data", "imported into"),
        ):
            pass
        with locked(tmp_path / "other", "imported into"):
            pass
    finally:
        os.kill(process.pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        process.join()
    with locked(tmp_path / "data", "imported into"):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_names_file_space_and_what_is_kept(tmp_path, number):
    (tmp_path / "a.txt").write_text("old")
    with (
        pytest.raises(OSError, match=r"full: .*a\.txt .* MB are free.*before is kept") as told,
        replacing(tmp_path / "a.txt"),
    ):
        raise OSError(number, "no room")
    assert told.value.errno == number
    assert (tmp_path / "a.txt").read_text() == "old"


@pytest.mark.parametrize("writing", [replacing, replacing_folder])
def test_a_folder_without_rights_is_named_and_nothing_of_ours(tmp_path, monkeypatch, writing):
    def refuse(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with (
        pytest.raises(PermissionError, match=f"{tmp_path} cannot be written to: Perm") as caught,
        writing(tmp_path / "new" / "out.csv"),
    ):
        pass
    assert "partial" not in str(caught.value)
    monkeypatch.undo()
    with pytest.raises(PermissionError, match=r"denied: 'source'"), writing(tmp_path / "out.csv"):
        refuse("source")


def test_a_folder_deleted_meanwhile_is_told(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match=r"\.out\.partial was deleted while"),
        replacing_folder(tmp_path / "out") as staging,
    ):
        shutil.rmtree(staging)
        (staging / "1.txt").write_text("lost")
    with (
        pytest.raises(FileNotFoundError, match="inside was deleted while"),
        replacing(tmp_path / "inside" / "a.txt") as file,
    ):
        shutil.rmtree(tmp_path / "inside")
        file.write_text("lost")


def test_what_json_has_no_word_for_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())
