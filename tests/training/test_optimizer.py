"""Steps of convolution kernels are orthogonal, all others are AdamW's."""

import numpy as np

from utils.models.backend import keras
from utils.training.optimizer import Muon


def one_step(optimizer, shape, gradient):
    """What the first step adds to a weight of zero."""
    weight = keras.Variable(np.zeros(shape, np.float32))
    optimizer.build([weight])
    optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weight])
    return keras.ops.convert_to_numpy(weight)


def gradient_of(shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_all_directions_of_a_kernel_move_alike():
    gradient = gradient_of((3, 3, 8, 12))
    gradient[..., 0] *= 100  # one output shouts the others down
    step = -one_step(Muon(1e-2, weight_decay=0), gradient.shape, gradient).reshape(72, 12)
    left, _, right = np.linalg.svd(gradient.reshape(72, 12).astype(float), full_matrices=False)
    lengths = np.diag(left.T @ step @ right.T) / (1e-2 * 0.2 * 72**0.5)
    assert ((lengths > 0.6) & (lengths < 1.3)).all()
    off = left.T @ step @ right.T
    assert abs(off - np.diag(np.diag(off))).max() < 1e-3 * abs(off).max()


def test_steps_of_tall_and_of_wide_kernels_are_nearly_orthogonal():
    for shape in ((1, 5, 6, 7), (1, 1, 7, 30), (1, 3, 3, 9)):
        values = -one_step(Muon(1.0, weight_decay=0), shape, gradient_of(shape))
        matrix = values.reshape(-1, shape[-1]) / (0.2 * max(np.prod(shape[:3]), shape[-1]) ** 0.5)
        assert ((lengths := np.linalg.svd(matrix, compute_uv=False)) > 0.6).all(), lengths
        assert (lengths < 1.3).all()


def test_dense_weights_biases_and_depthwise_kernels_are_moved_by_adamw():
    for shape in ((12, 7), (12,), (3, 3, 8, 1)):
        gradient = gradient_of(shape)
        ours = one_step(Muon(1e-2, weight_decay=0.1), shape, gradient)
        theirs = one_step(keras.optimizers.AdamW(1e-2, weight_decay=0.1), shape, gradient)
        np.testing.assert_array_equal(ours, theirs)


def test_a_kernel_without_gradient_only_decays():
    weight = keras.Variable(np.ones((3, 3, 2, 2), np.float32))
    optimizer = Muon(0.1, weight_decay=0.5)
    optimizer.build([weight])
    optimizer.apply([keras.ops.zeros(weight.shape)], [weight])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(weight), 0.95, rtol=1e-6)
