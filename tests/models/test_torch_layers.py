"""PyTorch's kernels give what Keras's layers give, in training as in use."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import numpy as np

from utils.models import networks, torch_layers
from utils.models.backend import all_layers, keras
from utils.models.rebuilding import rebuild
from utils.vision.preprocessing import Preprocessing

def one_step(network, faces, labels):
    network.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", jit_compile=False)
    loss = network.train_on_batch(faces, labels)
    return loss, network.get_weights()

def means(network):
    layers = [layer for layer in all_layers(network) if hasattr(layer, "moving_mean")]
    return [keras.ops.convert_to_numpy(layer.moving_mean) for layer in layers]

random = np.random.default_rng(0)
preprocessing = Preprocessing(tuple("abcdefg"))
maps = keras.Sequential([
    keras.layers.BatchNormalization(momentum=0.9),
    keras.layers.Conv2D(4, 5, strides=2, padding="valid", use_bias=True),  # Keras's own way
    keras.layers.Flatten(),
    keras.layers.BatchNormalization(scale=False),
    keras.layers.Dense(8, use_bias=False),
    keras.layers.BatchNormalization(),
    keras.layers.Dense(7, activation="softmax"),
], name="head")
plain = networks.join(networks.residual_trunk(preprocessing, (8, 16, 24), (1, 2, 1)), maps)
fast = rebuild(plain)
fast.set_weights(plain.get_weights())
kinds = {type(layer) for layer in all_layers(fast)}
assert set(torch_layers.LAYERS.values()) <= kinds, kinds
assert not kinds & {keras.layers.Conv2D, keras.layers.BatchNormalization}

faces = random.integers(0, 256, (6, 48, 48, 1), np.uint8)
labels = np.eye(7, dtype="float32")[random.integers(0, 7, 6)]
np.testing.assert_allclose(
    fast.predict_on_batch(faces), plain.predict_on_batch(faces), atol=1e-5
)
for trainable in (True, False):
    fast.set_weights(plain.get_weights())
    for network in (fast, plain):
        network.get_layer("trunk").trainable = trainable
    (loss, weights), (expected, others) = (one_step(one, faces, labels) for one in (fast, plain))
    assert abs(loss - expected) < 1e-4
    for ours, theirs in zip(weights, others, strict=True):
        # The moving variance is the unbiased one in PyTorch: one part in n - 1 apart.
        np.testing.assert_allclose(ours, theirs, atol=2e-3, rtol=1e-2)
    before = [weight.copy() for weight in fast.get_layer("trunk").get_weights()]
    one_step(fast, faces, labels)
    same = all(map(np.array_equal, before, fast.get_layer("trunk").get_weights()))
    assert same != trainable  # a frozen normalisation keeps its mean and variance too

# In the precision that a quick training uses, as nearly as that is exact.
plain.get_layer("trunk").trainable = True
half = rebuild(plain, "mixed_bfloat16")
half.set_weights(plain.get_weights())
np.testing.assert_allclose(
    half.predict_on_batch(faces), plain.predict_on_batch(faces), atol=0.05
)
for network in (half, plain):
    one_step(network, faces, labels)
for ours, theirs in zip(means(half), means(plain), strict=True):
    np.testing.assert_allclose(ours, theirs, atol=0.05)

# A last batch may hold one image.
fast.set_weights(plain.get_weights())
fast.get_layer("trunk").trainable = True
losses = [one_step(network, faces[:1], labels[:1])[0] for network in (fast, plain)]
assert abs(losses[0] - losses[1]) < 1e-4
print("alike")
"""


def test_same_answers_losses_and_steps_as_keras_layers():
    pytest.importorskip("torch")
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
    )
    assert result.stdout.split()[-1:] == ["alike"], result.stderr
