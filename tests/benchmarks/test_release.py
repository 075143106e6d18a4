"""The steps that make the released models, on a handful of images."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.release import finish, pack
from benchmarks.release.networks import STUDENT, two_headed
from utils.config import PROJECT
from utils.models.backend import keras


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """40 drawn faces, of which some are held out and some reported on; nobody else."""
    rows = [(*row[:3], place % 3) for place, row in enumerate(pack.drawn(characters=3)[:40])]
    file = tmp_path_factory.mktemp("pack") / "images.npz.xz"
    pack.save(file, *zip(*rows, strict=True))
    return file


def test_a_pack_gives_back_what_was_put_in(packed):
    held = pack.load(packed)
    assert held["images"].shape == (40, 48, 48) and held["images"].dtype == np.uint8
    assert list(held["parts"]) == [place % 3 for place in range(40)]
    assert (held["votes"].argmax(axis=1) == held["labels"]).all()
    assert held["images"].std(axis=(1, 2)).min() > 5  # faces, not blanks


def test_identical_images_fall_into_one_part():
    parts = {pack._part("Training", bytes([number])) for number in range(200)}
    assert parts == {pack.PARTS.index("train"), pack.PARTS.index("held-out")}
    assert pack._part("PublicTest", b"") == pack.PARTS.index("validation")


def test_augmentation_keeps_images_in_range_and_does_nothing_at_no_strength():
    script = """
import jax, numpy as np
from benchmarks.release.augment import augment
images = np.random.default_rng(0).integers(0, 256, (16, 48, 48), np.uint8)
still = np.asarray(augment(jax.random.key(0), images, np.float32(0)))[..., 0]
same = [np.array_equal(a, b) or np.array_equal(a, b[:, ::-1]) for a, b in zip(still, images)]
assert all(same), same
assert 0 < sum(np.array_equal(a, b) for a, b in zip(still, images)) < 16  # half are mirrored
changed = np.asarray(augment(jax.random.key(0), images, np.float32(1)))
assert changed.shape == (16, 48, 48, 1) and changed.min() >= 0 and changed.max() <= 255
assert np.array_equal(changed, np.rint(changed))
"""
    _run("-c", script, backend="jax")


def test_a_students_heads_are_mixed_in_its_last_layer(tmp_path):
    both = two_headed(STUDENT)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (3, 48, 48, 1)).astype(np.float32)
    greatest = np.abs(both.predict_on_batch(images)).max()
    for name in ("votes", "labels"):  # untrained, they are too sure to tell anything
        kernel, bias = both.get_layer(name).get_weights()
        both.get_layer(name).set_weights([kernel / greatest, random.normal(size=bias.shape)])
    parts = both.trainable_variables, both.non_trainable_variables
    arrays = {
        f"{part}_{number:03d}": keras.ops.convert_to_numpy(variable)
        for part, variables in enumerate(parts)
        for number, variable in enumerate(variables)
    }
    np.savez(tmp_path / "student.npz", epochs=1, **arrays)
    network = finish.read_student(tmp_path / "student.npz", {"votes": 0.25, "labels": 0.75})
    votes, labels = (np.asarray(one) for one in both.predict_on_batch(images))
    powers = np.exp(0.25 * votes + 0.75 * labels)
    assert np.abs(votes - labels).max() > 0.1
    expected = powers / powers.sum(axis=1, keepdims=True)
    assert np.allclose(network.predict_on_batch(images), expected, atol=1e-4)


def test_training_goes_on_on_another_backend(packed, tmp_path):
    script = """
from pathlib import Path
import numpy as np
from benchmarks.release import train
train.STUDENT = train.TEACHER = {**train.STUDENT, "widths": (8,), "blocks": (1,)}
train.main()
train.main()
backend = train.keras.backend.backend()
kind = {"jax": train.OnJax, "tensorflow": train.Network}[backend]
one, images = kind("one", train.STUDENT, (1.0, 1.0), len(backend)), np.ones((2, 48, 48, 1))
path = Path(FOLDER) / "whole.npz"
if path.exists():
    train.restore(one, path)
else:
    one.learn(images, [np.eye(7)[:2]] * 2, np.float32(0.1))
    train.save(one, path, 1, whole=True)
moments = [np.abs(np.asarray(value)).sum() for value in one.values()[2][2:]]
print("is", *np.concatenate(one.answer(images)).ravel(), *moments)
""".replace("FOLDER", repr(str(tmp_path)))
    arguments = ["-c", script, "--pack", str(packed), "--out", str(tmp_path), "--teachers", "1"]
    arguments += ["--batch-size", "4", "--epochs"]
    names = ("teacher-0", "expressions", "fer2013")
    before = _run(*arguments, "0.001", backend="jax")
    assert [_epochs(tmp_path / f"{name}.npz") for name in names] == [1, 1, 1]
    after = _run(*arguments, "0.01", backend="tensorflow")
    assert [_epochs(tmp_path / f"{name}.npz") for name in names] == [1, 2, 2]
    assert after.count("trained already") == 1  # by the second call
    with open(tmp_path / "log.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    assert [row["epoch"] for row in rows if row["network"] == "fer2013"] == [1, 2]
    learned, restored = (
        np.array(told.rpartition("is ")[2].split(), float) for told in (before, after)
    )
    assert np.ptp(learned[:7]) > 0.01  # it has learned something
    assert np.allclose(learned, restored, rtol=0.05, atol=0.01)


def _epochs(path):
    with np.load(path) as saved:
        assert all(np.isfinite(saved[key]).all() for key in saved)
        return saved["epochs"]


def _run(*arguments: str, backend: str) -> str:
    pytest.importorskip("jax")
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": "--xla_backend_optimization_level=0",  # compiling takes most of the time
        },
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout
