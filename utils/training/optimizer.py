"""How weights are moved: Muon for convolutions, AdamW for everything else."""

from utils.models.backend import keras

ops = keras.ops


@keras.saving.register_keras_serializable("expressions")
class Muon(keras.optimizers.AdamW):
    """AdamW whose steps of convolution kernels are made orthogonal.

    The gradient of a convolution mostly lies along a few directions, and the others
    learn slowly. Muon (Jordan et al., "Muon: An optimizer for hidden layers in neural
    networks", 2024) takes the step that moves along all directions alike: the
    orthogonal matrix nearest to the momentum, a kernel counting as a matrix of
    (height × width × inputs, outputs). Its length is that of a usual Adam step (Liu et
    al., "Muon is Scalable for LLM Training", 2025), so rate and decay keep their meaning.

    `keras.optimizers.Muon` leaves convolutions to AdamW. Biases, normalisations and
    dense layers are AdamW's here too, and so are depthwise kernels, which mix no channels.

    Args:
        learning_rate, weight_decay, and all others: as of `keras.optimizers.AdamW`.
    """

    def update_step(self, gradient, variable, learning_rate):
        if len(variable.shape) != 4 or variable.shape[-1] == 1:
            super().update_step(gradient, variable, learning_rate)
            return
        momentum = self._momentums[self._get_variable_index(variable)]
        self.assign_add(momentum, (gradient - momentum) * 0.05)
        ahead = gradient * 0.05 + momentum * 0.95  # Nesterov's look ahead
        matrix = ops.reshape(ahead, (-1, variable.shape[-1]))
        length = 0.2 * max(matrix.shape) ** 0.5
        step = ops.reshape(orthogonalized(matrix), variable.shape)
        self.assign_sub(variable, step * (length * ops.cast(learning_rate, variable.dtype)))


def orthogonalized(matrix, steps: int = 5):
    """Nearly the orthogonal matrix nearest to a matrix, by Newton-Schulz iteration.

    All singular values come out between about 0.7 and 1.2, which is as good for
    training as 1 and takes five steps; the coefficients are those of Jordan et al.

    Args:
        matrix: float, (rows, columns), of any scale.
        steps: iterations.

    Returns:
        float of the same shape.
    """
    wide = matrix.shape[0] < matrix.shape[1]
    values = matrix if wide else ops.transpose(matrix)
    values = values / (ops.norm(values) + 1e-7)
    for _ in range(steps):
        square = values @ ops.transpose(values)
        values = 3.4445 * values + (-4.7750 * square + 2.0315 * square @ square) @ values
    return values if wide else ops.transpose(values)
