"""How weights are moved: Muon for convolutions, AdamW for everything else."""

from utils.models.backend import keras

ops = keras.ops


@keras.saving.register_keras_serializable("expressions")
class Muon(keras.optimizers.Muon):
    """`keras.optimizers.Muon` for convolution kernels, and AdamW for all other weights.

    A convolution's gradient mostly lies along a few directions, and the others learn slowly. Muon
    (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024) moves along all
    alike: by the orthogonal matrix nearest to the momentum, a kernel counting as a matrix of
    (height × width × inputs, outputs). Its length is that of a usual Adam step (Liu et al., "Muon
    is Scalable for LLM Training", 2025), so rate and decay keep their meaning.

    Keras's own rule is the other way round: Muon for dense layers, AdamW for convolutions. Biases,
    normalisations, dense and depthwise kernels, which mix no channels, are AdamW's here.

    Args:
        learning_rate: a number, or a schedule of Keras.
        weight_decay: of all weights.
        others: as of `keras.optimizers.Muon`.
    """

    def __init__(self, learning_rate=1e-2, weight_decay=5e-2, **others):
        # The length of a step is set below, where the shape of the matrix is known.
        own = {"adam_weight_decay": weight_decay, "rms_rate": None}
        super().__init__(learning_rate, weight_decay=weight_decay, **(others | own))

    def _should_use_adamw(self, variable) -> bool:
        return len(variable.shape) != 4 or variable.shape[-1] == 1

    def zeropower_via_newtonschulz5(self, x, steps: int):
        """The orthogonal step of a kernel, of the same shape (height, width, inputs, outputs)."""
        matrix = ops.reshape(x, (-1, x.shape[-1]))
        length = 0.2 * max(matrix.shape) ** 0.5
        return ops.reshape(length * super().zeropower_via_newtonschulz5(matrix, steps), x.shape)
