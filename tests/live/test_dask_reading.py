"""Many sources, many processes: the same tables, whatever is killed."""

import asyncio
import errno
import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import islice

import cv2
import numpy as np
import pandas as pd
import psutil
import pytest

from utils.cli import main
from utils.config import PROJECT
from utils.drawn.clip import clip_frames, draw_clip
from utils.live import dask_cluster, dask_reading, predict
from utils.live.dask_reading import read_many
from utils.models.predictor import load

SETTINGS = {
    "threshold": 0.4, "detector": "haar", "whole": False, "sequence": False,
    "start": 0.0, "end": None, "every": None, "smoothing": 0.3,
}  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A folder of nine drawn faces, an image without one, and a clip."""
    folder = tmp_path_factory.mktemp("sources")
    frames = clip_frames(size=(320, 240), frames_per_second=2, seconds_per_expression=1)
    for number, (_, frame, _) in enumerate(islice(frames, 9)):
        cv2.imwrite(str(folder / f"{number}.png"), frame)
    cv2.imwrite(str(folder / "blank.png"), np.full((64, 64), 90, np.uint8))
    draw_clip(folder / "clip.mp4", size=(320, 240), frames_per_second=4, seconds_per_expression=0.5)
    return folder


@pytest.fixture(scope="module")
def scheduler():
    """The address of a scheduler with two workers, as a cluster would have it, and its client."""
    with dask_cluster.cluster(workers=2) as client:
        yield client.scheduler.address, client


@pytest.fixture(scope="module")
def whole(sources, scheduler, tmp_path_factory):
    """What the two workers make of the sources when nothing happens to them."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    assert read(sources, folder, dask=scheduler[0]) == {}
    return folder


def read(sources, folder, say=lambda text: None, **settings):
    return read_many([sources], folder, progress=False, say=say, **SETTINGS | settings)


def contents(folder):
    """The bytes of every table, by name."""
    return {file.name: file.read_bytes() for file in sorted(folder.glob("[!_]*"))}


def test_the_tables_are_the_same_however_many_read(sources, whole, tmp_path):
    # One process comes to the same, too: see the killed run below.
    said = []
    assert read(sources, tmp_path / "three", workers=3, say=said.append) == {}
    assert contents(tmp_path / "three") == contents(whole)
    one_by_one, failures = predict.read_sources(
        [*sorted(sources.glob("*.png")), sources / "clip.mp4"],
        load(),
        progress=False,
        say=str,
        **SETTINGS,
    )
    assert failures == [] and len(one_by_one) > 9
    read_back = pd.read_parquet(whole).sort_values(["source", "frame", "track"], ignore_index=True)
    expected = one_by_one.sort_values(["source", "frame", "track"], ignore_index=True)
    pd.testing.assert_frame_equal(read_back, expected, check_dtype=False)

    told = pd.concat(map(pd.read_csv, whole.glob("_sources/*.csv"))).set_index("source")
    assert told["notes"].dropna().tolist() == ["no face"]
    assert said == [f"1 sources have notes in {tmp_path / 'three' / '_sources'}."]
    assert told["faces"].sum() == len(one_by_one)
    assert told.loc[str(sources / "clip.mp4"), "frames"] == 14


def test_it_goes_on_where_it_stopped(sources, whole, scheduler, tmp_path):
    address, _ = scheduler
    out = tmp_path / "out"
    (out / "_sources").mkdir(parents=True)
    (out / "_settings.json").write_bytes((whole / "_settings.json").read_bytes())
    kept = [file.stem for file in sorted(whole.glob("*.parquet"))][:3]
    for name in kept:
        for part in (f"{name}.parquet", f"_sources/{name}.csv"):
            (out / part).write_bytes((whole / part).read_bytes())
    before = {name: (out / f"{name}.parquet").stat().st_mtime_ns for name in kept}
    (out / ".00000009-killed.1234.parquet").write_bytes(b"PAR1")  # of a writer that was killed
    (out / "mine.parquet").write_bytes(b"a person's own")
    (out / "99999999-other.parquet").write_bytes(b"PAR1")  # not told of in _sources
    assert read(sources, out, dask=address) == {}
    (out / "mine.parquet").unlink()  # it is still there
    assert contents(out) == contents(whole)
    assert {name: (out / f"{name}.parquet").stat().st_mtime_ns for name in kept} == before
    assert not list(out.glob(".*"))
    with pytest.raises(ValueError, match="was read with another threshold"):
        read(sources, out, dask=address, threshold=0.5)
    with pytest.raises(ValueError, match="holds other files"):
        read(sources, sources, dask=address)


def test_a_killed_worker_costs_nothing(sources, whole, scheduler, tmp_path):
    address, client = scheduler
    out = tmp_path / "out"
    running = threading.Thread(target=read, args=(sources, out), kwargs={"dask": address})
    running.start()
    while not list(out.glob("*.parquet")):
        time.sleep(0.01)
    os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
    running.join()
    assert contents(out) == contents(whole)


def test_a_killed_run_goes_on(sources, whole, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "utils", "predict", str(sources), "--out", str(out)]
    process = subprocess.Popen([*command, "--workers", "1"], cwd=PROJECT, stderr=subprocess.DEVNULL)
    while not list(out.glob("_sources/*.csv")) and process.poll() is None:
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert len(list(out.glob("*.parquet"))) < len(contents(whole))
    psutil.wait_procs(workers, timeout=60)  # they see that they are alone
    assert main(["predict", str(sources), "--out", str(out), "--workers", "1"]) == 0
    assert contents(out) == contents(whole)


def test_what_cannot_be_read_is_tried_twice_and_listed(
    sources, scheduler, tmp_path, monkeypatch, capsys
):
    address, _ = scheduler
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    (tmp_path / "shaky.png").write_bytes((sources / "1.png").read_bytes())
    once, read_piece = str(tmp_path / "once"), dask_reading.read_piece

    def shaky(piece, *arguments):
        if "shaky" in piece.name and not os.path.exists(once):
            open(once, "w").close()
            raise OSError("the network was away")
        return read_piece(piece, *arguments)

    monkeypatch.setattr(dask_reading, "read_piece", shaky)
    out = tmp_path / "out"
    arguments = [*map(str, (tmp_path, sources / "2.png")), "--out", str(out), "--dask", address]
    assert main(["predict", *arguments]) == 1
    assert f"{tmp_path / 'broken.jpg'}: not read: " in capsys.readouterr().err
    failed = pd.read_csv(out / "_failed.csv", index_col="source")["reason"]
    assert list(failed.index) == [str(tmp_path / "broken.jpg")]
    assert failed.iloc[0].startswith("not read: ")
    assert set(pd.read_parquet(out)["source"]) == {
        str(tmp_path / "shaky.png"),
        str(sources / "2.png"),
    }

    # Once it is mended, running it again reads what is missing and no more.
    monkeypatch.setattr(dask_reading, "read_piece", read_piece)
    (tmp_path / "broken.jpg").write_bytes((sources / "3.png").read_bytes())
    assert main(["predict", *arguments]) == 0
    assert "2 of 3 sources are there already" in capsys.readouterr().err
    assert len(set(pd.read_parquet(out)["source"])) == 3 and not (out / "_failed.csv").exists()


def test_a_source_that_kills_its_workers_is_told_from_its_neighbours(
    sources, scheduler, tmp_path, monkeypatch
):
    address, _ = scheduler
    read_piece = dask_reading.read_piece

    def deadly(piece, *arguments):
        if piece.name.startswith("00000004"):
            os.kill(os.getpid(), signal.SIGKILL)
        return read_piece(piece, *arguments)

    monkeypatch.setattr(dask_reading, "read_piece", deadly)
    failed = read(sources, tmp_path / "out", dask=address)
    assert list(failed) == [str(sources / "4.png")] and "killed" in failed[str(sources / "4.png")]
    assert len(contents(tmp_path / "out")) == 10


def test_a_full_disk_ends_it_and_keeps_what_is_complete(
    sources, whole, scheduler, tmp_path, monkeypatch
):
    address, _ = scheduler
    read_piece = dask_reading.read_piece

    def full(piece, folder, *arguments):
        if len(list(folder.glob("*.parquet"))) >= 2:
            raise OSError(errno.ENOSPC, "The disk is full")
        return read_piece(piece, folder, *arguments)

    monkeypatch.setattr(dask_reading, "read_piece", full)
    with pytest.raises(OSError, match="The disk is full"):
        read(sources, tmp_path / "out", dask=address)
    monkeypatch.setattr(dask_reading, "read_piece", read_piece)
    assert 2 <= len(contents(tmp_path / "out")) < len(contents(whole))
    assert read(sources, tmp_path / "out", dask=address) == {}
    assert contents(tmp_path / "out") == contents(whole)


def test_a_folder_that_workers_do_not_see_is_told_at_once(
    sources, scheduler, tmp_path, monkeypatch
):
    address, _ = scheduler
    read_piece = dask_reading.read_piece

    def elsewhere(piece, folder, *arguments):
        return read_piece(piece, folder / "of another machine", *arguments)

    monkeypatch.setattr(dask_reading, "read_piece", elsewhere)
    with pytest.raises(OSError, match="is not seen by the worker"):
        read(sources, tmp_path / "out", dask=address)


def test_tables_may_be_csv(sources, scheduler, tmp_path, monkeypatch, whole):
    address, _ = scheduler
    # With the defaults of Python's door, where no command says which detector.
    assert not read_many([sources / "clip.mp4"], tmp_path, dask=address, form="csv", threshold=0.4)
    (file,) = tmp_path.glob("[!_]*.csv")
    clip = next(whole.glob("*clip*.parquet"))
    pd.testing.assert_frame_equal(pd.read_csv(file), pd.read_parquet(clip))


def test_names_that_are_no_text_are_read_once(sources, scheduler, tmp_path):
    strange, said = os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller.png"), []
    try:
        shutil.copy(sources / "1.png", strange)
    except OSError:
        pytest.skip("names are text on this system")
    for _ in range(2):
        assert read(strange, tmp_path / "out", dask=scheduler[0], say=said.append) == {}
    assert "1 of 1 sources are there already." in said


def test_only_a_scheduler_of_dask_is_talked_to(sources, scheduler, tmp_path, monkeypatch):
    _, client = scheduler
    monkeypatch.setattr(dask_cluster, "_PATIENCE", 1.0)
    web = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and never listens
        for port in (silent.getsockname()[1], closed.getsockname()[1], web.server_port):
            with pytest.raises(ConnectionError, match=f"No scheduler of Dask answers at .*{port}"):
                read(sources, tmp_path / "out", dask=f"tcp://127.0.0.1:{port}")
    web.shutdown()
    web.server_close()
    worker = next(iter(client.nthreads()))

    async def in_a_notebook():  # whose own loop runs
        read(sources, tmp_path / "out", dask=worker)

    with pytest.raises(ConnectionError, match="that is a Worker"):
        asyncio.run(in_a_notebook())
    assert not list((tmp_path / "out").glob("*.parquet"))


def test_nothing_listens_beyond_this_machine(scheduler):
    this = psutil.Process()
    listening = [
        connection.laddr.ip
        for process in (this, *this.children(recursive=True))
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3 and set(listening) == {"127.0.0.1"}


def test_each_worker_keeps_to_a_core(scheduler):
    _, client = scheduler
    dask_cluster.bring_model(client, dask_reading.DEFAULT_MODEL)

    def threads(dask_worker):
        import cv2 as workers_cv2

        (reader,) = [
            plugin for name, plugin in dask_worker.plugins.items() if name.startswith("faces-")
        ]
        return workers_cv2.getNumThreads(), reader.predictor.model._threads

    assert set(client.run(threads).values()) == {(1, 1)}
