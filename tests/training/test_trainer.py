"""Training, being killed, and going on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pandas as pd
import psutil
import pytest

from utils import datasets, training
from utils.config import CLASS_NAMES
from utils.files import digest
from utils.models import backbones, networks
from utils.models.backend import keras
from utils.models.model_file import ModelFileError, load_model, save_model
from utils.models.rebuilding import rebuild
from utils.training import trainer
from utils.training.augmentation import Augmentation
from utils.training.batches import Batches
from utils.training.runs import best_epoch, list_runs, record_result, start_run
from utils.vision.preprocessing import Preprocessing

EPOCHS = 5

QUICKLY_COMPILED = "--xla_backend_optimization_level=0"

# A process of its own for each line that comes, which trains. TensorFlow, whose import takes
# longer than the training, is imported once; it has no threads yet when a process is split off.
SCRIPT = """
import os, sys
from tests.training.test_trainer import start
for line in sys.stdin:
    process = os.fork()
    if not process:
        start(sys.argv[1], sys.argv[2])
        os._exit(0)
    print(process, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""


# A training as a notebook would start it, small and in float32 so that two runs
# differ by rounding at most.
def start(faces, runs, **settings):
    table = datasets.find_images(faces)
    preprocessing = Preprocessing(CLASS_NAMES)
    images = Batches(
        datasets.split_of(table, "train"), preprocessing, 16, True, Augmentation(), seed=1
    )
    validation = Batches(datasets.split_of(table, "validation"), preprocessing)
    keras.utils.set_random_seed(1)
    network = networks.join(
        networks.convolutional_trunk(preprocessing, widths=(4, 8)),
        networks.mlp_head(len(CLASS_NAMES), units=(8,)),
    )
    settings = {"epochs": EPOCHS, "precision": "float32", "seed": 1, **settings}
    return training.train(network, images, validation, training.Settings(**settings), runs=runs)


@pytest.fixture(scope="module")
def two_epochs(faces, tmp_path_factory):
    """A finished run, which no test changes."""
    return start(faces, tmp_path_factory.mktemp("runs"), epochs=2)


def test_killed_at_several_moments_it_goes_on_as_if_never_stopped(faces, tmp_path):
    whole = start(faces, tmp_path / "whole")
    runs = tmp_path / "killed"

    def train_until(condition):
        """Whether the training was killed when the condition came true."""
        print(file=trainings.stdin, flush=True)
        process = int(trainings.stdout.readline())
        while psutil.pid_exists(process) and not condition():
            time.sleep(0.002)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        return int(trainings.stdout.readline()) == -signal.SIGKILL

    def file(name):
        return next(iter(runs.glob(f"run-*/{name}")), None)

    def rows():
        log = file("log.csv")
        return log.read_text().count("\n") - 1 if log else 0

    # While the first epoch's model was written but not its log; between a log and its
    # resume.keras; and in the middle of an epoch.
    command = [sys.executable, "-c", SCRIPT, str(faces), str(runs)]
    pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as trainings:
        assert train_until(lambda: file("epoch-001.keras"))
        assert train_until(lambda: rows() == 2)
        assert train_until(lambda: rows() == 3 and time.sleep(0.05) is None)
    finished = start(faces, runs)

    assert finished.folder.name == whole.folder.name
    assert len(list(runs.iterdir())) == 1
    columns = ["epoch", "learning_rate", "loss", "val_loss", "val_accuracy"]
    assert np.allclose(finished.log[columns], whole.log[columns], rtol=1e-3, atol=1e-4)
    last = f"epoch-{EPOCHS:03d}.keras"
    for ours, theirs in zip(
        load_model(finished.folder / last)[0].get_weights(),
        load_model(whole.folder / last)[0].get_weights(),
        strict=True,
    ):
        assert np.allclose(ours, theirs, rtol=1e-2, atol=1e-3)


def test_a_run_leaves_what_it_promises(two_epochs):
    run = two_epochs
    names = {path.name for path in run.folder.iterdir()}
    assert names == {
        "architecture.json",
        "best.keras",
        "epoch-001.keras",
        "epoch-002.keras",
        "log.csv",
        "resume.keras",
        "settings.json",
    }
    architecture = (run.folder / "architecture.json").read_text()
    rebuilt = keras.models.model_from_json(architecture)
    best, described = load_model(run.best_file)
    assert rebuilt.count_params() == best.count_params()
    assert described.class_names == CLASS_NAMES
    assert json.loads((run.folder / "settings.json").read_text())["epochs"] == 2
    assert pd.read_csv(run.folder / "log.csv")["epoch"].tolist() == [1, 2]


def test_finished_run_is_read_back_without_training(faces, two_epochs):
    before = {path: path.stat().st_mtime_ns for path in two_epochs.folder.glob("*.keras")}
    again = start(faces, two_epochs.folder.parent, epochs=2)
    assert {path: path.stat().st_mtime_ns for path in again.folder.glob("*.keras")} == before
    pd.testing.assert_frame_equal(two_epochs.log, again.log)


def test_another_setting_is_another_run(faces, two_epochs, tmp_path):
    other = start(faces, tmp_path, epochs=2, learning_rate=1e-4)
    assert other.folder.name != two_epochs.folder.name
    assert not np.allclose(other.log["loss"], two_epochs.log["loss"])


def test_best_epoch_is_the_most_accurate_and_of_equals_the_one_of_lowest_loss():
    log = pd.DataFrame(
        {
            "epoch": [1, 2, 3, 4],
            "val_accuracy": [0.2, 0.5, 0.5, 0.4],
            "val_loss": [2.0, 1.5, 1.4, 1.0],
        }
    )
    assert best_epoch(log) == 3
    assert best_epoch(log.iloc[:2]) == 2


def test_early_stopping_reads_its_patience_from_the_log():
    log = [
        {"epoch": number, "val_accuracy": value, "val_loss": 1.0}
        for number, value in enumerate((0.2, 0.5, 0.4, 0.5), start=1)
    ]
    settings = training.Settings(epochs=10, patience=2)
    assert not trainer.finished(log[:3], settings)
    assert trainer.finished(log, settings)
    assert not trainer.finished([], settings)
    assert trainer.finished(log, training.Settings(epochs=4, patience=9))


def test_result_table(two_epochs, tmp_path):
    folder = shutil.copytree(two_epochs.folder, tmp_path / two_epochs.folder.name)
    run = replace(two_epochs, folder=folder)
    metrics = {"n": 21, "accuracy": 0.5, "macro_f1": 0.4, "log_loss": 1.5, "ece": 0.1}
    record_result(run, networks.mlp_head(7, units=(8,), dropout=0.3), metrics, "test")
    table = list_runs(tmp_path)
    assert table.index.tolist() == [run.folder.name]
    assert table["head"].item() == "flatten → dense 8 → norm → relu → dropout 0.3 → dense 7 softmax"
    assert table["accuracy"].item() == 0.5
    assert table["measured_on"].item() == "test"
    assert table["val_accuracy"].item() == run.log["val_accuracy"].max()
    assert list_runs(tmp_path / "none").empty


def test_rebuilt_in_bfloat16_the_softmax_stays_float32(small_network):
    copy = rebuild(small_network, "mixed_bfloat16")
    assert copy.get_layer("trunk").get_layer("block1_convolution").compute_dtype == "bfloat16"
    assert copy.get_layer("head").layers[-1].compute_dtype == "float32"
    assert small_network.get_layer("head").layers[1].compute_dtype == "float32"
    shapes = [weight.shape for weight in small_network.get_weights()]
    assert [weight.shape for weight in copy.get_weights()] == shapes


def test_training_begins_anew_whatever_weights_the_model_has(
    table, preprocessing, small_network, tmp_path
):
    learn = Batches(datasets.split_of(table, "train"), preprocessing, 16, shuffle=True)
    held_out = Batches(datasets.split_of(table, "validation"), preprocessing)
    settings = training.Settings(epochs=1, precision="float32")
    first = training.train(small_network, learn, held_out, settings, runs=tmp_path / "first")
    again = training.train(small_network, learn, held_out, settings, runs=tmp_path / "again")
    assert again.folder.name == first.folder.name
    assert again.log["loss"].item() == pytest.approx(first.log["loss"].item(), rel=1e-3)


def test_fine_tuning_changes_the_unfrozen_layers_only_and_survives_a_stop(
    table, preprocessing, small_network, tmp_path, monkeypatch
):
    start_file = save_model(
        small_network, preprocessing, tmp_path / "start.keras", litert_model=False
    )
    before, _ = load_model(start_file)
    learn = Batches(datasets.split_of(table, "train"), preprocessing, 16, True)
    held_out = Batches(datasets.split_of(table, "validation"), preprocessing)
    settings = training.Settings(epochs=3, learning_rate=1e-3, precision="float32")

    def tune(runs):
        network, _ = load_model(start_file)
        backbones.unfreeze_from(network.get_layer("trunk"), "block2_convolution")
        return training.train(network, learn, held_out, settings, tmp_path / runs, start=start_file)

    whole = tune("whole")
    assert whole.settings["start"] == digest(*(one.tobytes() for one in before.get_weights()))
    getitem = Batches.__getitem__

    def stopped_late(self, index):
        if self.shuffle and self.epoch == 2:
            raise RuntimeError("the power failed")
        return getitem(self, index)

    with monkeypatch.context() as patch:
        patch.setattr(Batches, "__getitem__", stopped_late)
        with pytest.raises(Exception, match="the power failed"):
            tune("stopped")
    (log,) = tmp_path.glob("stopped/*/log.csv")
    assert 1 <= len(pd.read_csv(log)) < 3
    resumed = tune("stopped")
    assert resumed.folder.name == whole.folder.name
    columns = ["epoch", "learning_rate", "loss", "val_loss", "val_accuracy"]
    assert np.allclose(resumed.log[columns], whole.log[columns], rtol=1e-3, atol=1e-4)

    after, _ = load_model(resumed.folder / "epoch-003.keras")
    for old, new in zip(before.weights, after.weights, strict=True):
        may_change = "block2_convolution" in old.path or "block" not in old.path
        assert np.array_equal(old, new) != may_change, old.path


def test_what_is_frozen_makes_another_run(small_network, tmp_path):
    trunk = small_network.get_layer("trunk")
    folders = {start_run(tmp_path, "run", small_network, {})}
    for layer in ("block2_convolution", "block1_convolution"):
        backbones.unfreeze_from(trunk, layer)
        folders.add(start_run(tmp_path, "run", small_network, {}))
    assert len(folders) == 3


def test_start_of_another_network_or_other_classes_is_refused(table, preprocessing, tmp_path):
    images = Batches(table, preprocessing)
    trunks = [networks.convolutional_trunk(preprocessing, widths=(2, last)) for last in (2, 3)]
    small, larger = (networks.join(trunk, networks.mlp_head(7, units=(4,))) for trunk in trunks)
    file = save_model(small, preprocessing, tmp_path / "small.keras", litert_model=False)
    with pytest.raises(ValueError, match="its trunk's layers are not those of the network"):
        training.train(larger, images, images, training.Settings(), tmp_path, start=file)
    faces = keras.Input(preprocessing.input_shape)
    values = keras.layers.Flatten(name="pixels")(faces)
    flat = keras.Model(faces, keras.layers.Dense(7, activation="softmax")(values))
    save_model(flat, preprocessing, file, litert_model=False)
    with pytest.raises(ValueError, match=r"not made of a trunk and a head.*pixels"):
        training.train(small, images, images, training.Settings(), tmp_path, start=file)
    save_model(small, Preprocessing(CLASS_NAMES[::-1]), file)
    with pytest.raises(ValueError, match="has other classes"):
        training.train(small, images, images, training.Settings(), tmp_path, start=file)


def test_another_head_begins_anew_on_the_trunk_of_the_start(table, preprocessing, tmp_path):
    images = Batches(table, preprocessing)
    trunk = networks.convolutional_trunk(preprocessing, widths=(2, 2))
    small = networks.join(trunk, networks.mlp_head(7, units=(4,)))
    file = save_model(small, preprocessing, tmp_path / "small.keras", litert_model=False)
    learned = trunk.get_weights()
    other = networks.join(
        networks.convolutional_trunk(preprocessing, widths=(2, 2)),
        networks.mlp_head(7, units=(5,)),
    )
    still = training.Settings(epochs=1, learning_rate=1e-12, precision="float32")
    run = training.train(other, images, images, still, tmp_path, start=file)
    saved, _ = load_model(run.best_file)
    convolutions = [
        (kept, new)
        for kept, new in zip(learned, saved.get_layer("trunk").get_weights(), strict=True)
        if kept.ndim == 4
    ]
    assert convolutions and all(np.array_equal(kept, new) for kept, new in convolutions)
    assert saved.get_layer("head").layers[1].units == 5


def test_domains_are_weighed_and_logged_apart(table, preprocessing, small_network, tmp_path):
    mixed = table.assign(domain=["people"] * 10 + ["animated"] * (len(table) - 10))
    learn, held_out = Batches(mixed, preprocessing, 16, True), Batches(mixed, preprocessing)
    settings = training.Settings(epochs=1, precision="float32", balance_domains=True)
    run = training.train(small_network, learn, held_out, settings, runs=tmp_path)
    apart = run.log[["val_accuracy_people", "val_accuracy_animated"]]
    assert np.allclose(run.log["val_accuracy"], apart.mean(axis=1))
    assert run.settings["balance_domains"]


def test_lambda_in_a_head_is_refused_before_any_training(table, preprocessing, tmp_path):
    images = Batches(table, preprocessing)
    trunk = networks.convolutional_trunk(preprocessing, widths=(4, 8))
    head = networks.mlp_head(len(CLASS_NAMES), units=(8,))
    head = keras.Sequential([keras.layers.Lambda(lambda x: x), *head.layers], name="head")
    with pytest.raises(ModelFileError, match="holds a Lambda layer"):
        training.train(
            networks.join(trunk, head), images, images, training.Settings(), runs=tmp_path
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("backend", ["jax", "torch"])  # all other tests: TensorFlow
def test_one_step_on_each_backend(backend, faces, tmp_path):
    pytest.importorskip(backend)
    script = (
        "import sys; from tests.training.test_trainer import start; import keras\n"
        "run = start(sys.argv[1], sys.argv[2], epochs=1)\n"
        "print(keras.backend.backend(), run.log['loss'].item())"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(faces), str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": backend, "XLA_FLAGS": QUICKLY_COMPILED},
        capture_output=True,
        text=True,
        check=True,
    )
    name, loss = result.stdout.split()
    assert name == backend
    assert np.isfinite(float(loss))
    model, _ = load_model(next(tmp_path.glob("*/best.keras")))
    assert model.output_shape == (None, 7)
