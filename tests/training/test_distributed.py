"""Several processes on loopback train one network as one process would."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from utils.cli import main
from utils.config import PROJECT
from utils.models.model_file import load_model
from utils.training.augmentation import Augmentation
from utils.training.batches import Batches
from utils.training.distributed import VARIABLES, Team, connect

pytest.importorskip("jax")

# What `python -m utils train` does, with a network that is compiled in a second.
SCRIPT = """
import sys
sys.modules["tensorflow"] = None  # Keras would take seconds to import it
from utils import datasets, training
from utils.config import CLASS_NAMES
from utils.models import networks
from utils.models.backend import keras
from utils.vision.preprocessing import Preprocessing

data, runs, patience = sys.argv[1:]
with training.joined(8, patience=float(patience)) as team:
    table = datasets.combine([data])
    preprocessing = Preprocessing(CLASS_NAMES)
    layers = [
        keras.Input(preprocessing.input_shape),
        keras.layers.Conv2D(4, 5, strides=4),
        keras.layers.BatchNormalization(),
    ]
    network = networks.join(
        keras.Sequential(layers, name="trunk"), networks.mlp_head(len(CLASS_NAMES), units=())
    )
    settings = training.Settings(epochs=4, precision="float32", learning_rate=1e-3)
    finished = training.train_model(
        network, table, preprocessing, settings, batch_size=8, runs=runs, mirror=False, team=team
    )
    print("finished", finished and finished.metrics["n"])
"""


def start(data, runs, process=None, port=0, devices=1, patience=60):
    """A process that trains on its devices, and with another one where it has a number."""
    environment = {
        **{name: value for name, value in os.environ.items() if "DISTRIBUTION" not in name},
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} "
        "--xla_backend_optimization_level=0",
    }
    if process is not None:
        environment |= {
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{port}",
            "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
            "KERAS_DISTRIBUTION_PROCESS_ID": str(process),
        }
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(data), str(runs), str(patience)],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start_two(data, runs, other_data=None):
    """Two processes with two devices each."""
    port = free_port()
    folders = data, other_data or data
    return [start(data, runs, process, port, devices=2) for process, data in enumerate(folders)]


def ended(*processes):
    """(exit status, output, errors) of each."""
    texts = [process.communicate(timeout=120) for process in processes]
    return [(process.returncode, *text) for process, text in zip(processes, texts, strict=True)]


def test_two_processes_of_which_one_is_stopped_end_where_one_alone_would(faces, tmp_path):
    runs = tmp_path / "two"
    first, second = start_two(faces, runs)
    while first.poll() is None and not list(runs.glob("*/resume.keras")):
        time.sleep(0.001)
    second.send_signal(signal.SIGTERM)
    (status, _, said), (stopped, _, _) = ended(first, second)
    assert stopped == -signal.SIGTERM
    assert status == 1
    assert "Another process of this training has ended" in said
    log = pd.read_csv(next(runs.glob("*/log.csv")))
    assert 1 <= len(log) < 4  # it was stopped on the way

    (status, first_said, _), (other_status, second_said, _) = ended(*start_two(faces, runs))
    assert status == other_status == 0
    assert "finished 21" in first_said
    assert "finished None" in second_said
    (folder,) = runs.iterdir()
    assert not list(folder.glob(".*"))

    ((status, _, _),) = ended(start(faces, tmp_path / "one"))
    assert status == 0
    (alone,) = (tmp_path / "one").iterdir()
    assert {file.name for file in folder.iterdir()} == {file.name for file in alone.iterdir()}
    logs = [pd.read_csv(run / "log.csv").drop(columns="seconds") for run in (folder, alone)]
    assert logs[0]["epoch"].tolist() == [1, 2, 3, 4]
    assert np.allclose(*logs, rtol=1e-4, atol=1e-5)
    for name in ("epoch-004.keras", "model.keras"):
        ours, theirs = (load_model(one / name)[0].get_weights() for one in (folder, alone))
        for weights, expected in zip(ours, theirs, strict=True):
            assert np.allclose(weights, expected, rtol=1e-3, atol=1e-4)


def test_processes_with_other_images_are_refused_before_any_step(faces, tmp_path):
    fewer = tmp_path / "fewer"
    shutil.copytree(faces, fewer)
    next(fewer.glob("train/*/*")).unlink()
    runs = tmp_path / "runs"
    for status, _, said in ended(*start_two(faces, runs, other_data=fewer)):
        assert status == 1
        assert "network, settings or data differ" in said
    assert not runs.exists()


def test_a_missing_process_is_told_of(faces, tmp_path):
    ((status, _, said),) = ended(start(faces, tmp_path, process=1, port=free_port(), patience=1))
    assert status == 1
    assert "Not all 2 processes came within 1 s; this is number 1" in said


def test_a_batch_that_the_devices_cannot_share_is_refused(faces, tmp_path):
    ((status, _, said),) = ended(start(faces, tmp_path, devices=3))
    assert status == 1
    assert "3 devices cannot share a batch of 8 images" in said
    assert "6 or 9" in said


def test_another_backend_is_refused(faces, capsys):
    assert main(["train", str(faces), "--distributed"]) == 1
    assert "Received the backend tensorflow. Set KERAS_BACKEND=jax" in capsys.readouterr().err


def test_a_team_reads_every_batch_once_and_leaves_the_odd_image_out(table, preprocessing):
    table = table.head(51)
    teams = [Team(process, 2, 4) for process in range(2)]
    halves = [Batches(table, preprocessing, 16, shuffle=True, team=team) for team in teams]
    one = Batches(table, preprocessing, 16, shuffle=True)
    assert [len(half) for half in halves] == [3, 3]
    batches = [[half.rows(index) for half in halves] for index in range(3)]
    assert {len(rows) for batch in batches for rows in batch} == {8}
    read = np.concatenate([rows for batch in batches for rows in batch])
    assert read.tolist() == np.concatenate([one.rows(index) for index in range(4)])[:48].tolist()
    for half in halves:
        half.start_epoch(1)
    later = np.concatenate([half.rows(index) for half in halves for index in range(3)])
    assert set(later) != set(read)  # others are left out


def test_an_image_is_changed_alike_whoever_reads_it(table, preprocessing):
    settings = {"shuffle": True, "augmentation": Augmentation(), "seed": 3}
    whole = Batches(table.head(48), preprocessing, 16, **settings)
    second = Batches(table.head(48), preprocessing, 16, **settings, team=Team(1, 2, 2))
    assert np.array_equal(whole[1][0][8:], second[1][0])


@pytest.mark.parametrize(
    "values, said",
    [
        (("127.0.0.1:1", "", "0"), "Either all or none of KERAS_DISTRIBUTION_JOB_ADDRESSES"),
        (("127.0.0.1:1", "two", "0"), "a HOST:PORT, a count and a number from 0"),
    ],
)
def test_variables_that_do_not_fit_together_are_named(values, said, monkeypatch):
    for name, value in zip(VARIABLES, values, strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=said):
        connect(1)
