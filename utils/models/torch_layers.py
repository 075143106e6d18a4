"""The layers of a convolutional network by PyTorch's own kernels, for training with it.

With `KERAS_BACKEND=torch`, Keras 3.15 builds a normalisation of elementary steps and copies every
map twice on its way into a convolution. These layers have the same weights and answers, through one
call each: a training step is 1.6 times as fast on two AVX-512 cores
(`benchmarks/training_speed.py`). Only the variance that a normalisation remembers differs, by one
part in as many values as it was taken over. `rebuilding.rebuild` puts them in for training; a
finished model never holds them.
"""

import torch
from torch.nn import functional

from utils.models.backend import keras


@keras.saving.register_keras_serializable("torch")
class Conv2D(keras.layers.Conv2D):
    """Convolution of (n, height, width, channels), channels staying last in memory."""

    def call(self, inputs):
        same = self.padding == "same" and self.data_format == "channels_last"
        if not same or self.use_bias or self.groups > 1 or self.dilation_rate != (1, 1):
            return super().call(inputs)
        maps = inputs.permute(0, 3, 1, 2)
        pads = []
        for side, size, stride in zip(
            inputs.shape[1:3], self.kernel_size, self.strides, strict=True
        ):
            whole = max((-(-side // stride) - 1) * stride + size - side, 0)
            pads.append((whole // 2, whole - whole // 2))
        if any(before != after for before, after in pads):
            maps = functional.pad(maps, (*pads[1], *pads[0]))
            pads = [(0, 0), (0, 0)]
        kernel = self.kernel.value.permute(3, 2, 0, 1)
        kernel = kernel.contiguous(memory_format=torch.channels_last)
        maps = functional.conv2d(maps, kernel, None, self.strides, [before for before, _ in pads])
        return self.activation(maps.permute(0, 2, 3, 1))


@keras.saving.register_keras_serializable("torch")
class BatchNormalization(keras.layers.BatchNormalization):
    """Normalisation over the last axis."""

    def call(self, inputs, training=None, mask=None):
        plain = self.scale and self.center and not getattr(self, "renorm", False)
        if not plain or mask is not None or self.axis not in (-1, inputs.ndim - 1):
            return super().call(inputs, training=training, mask=mask)
        if training and inputs.numel() == inputs.shape[-1]:  # of one value PyTorch takes none
            return super().call(inputs, training=training, mask=mask)
        values = inputs.movedim(-1, 1)
        values = functional.batch_norm(
            values,
            self.moving_mean.value,
            self.moving_variance.value,
            self.gamma.value,
            self.beta.value,
            training=bool(training) and self.trainable,
            momentum=1 - self.momentum,
            eps=self.epsilon,
        )
        return values.movedim(1, -1)


@keras.saving.register_keras_serializable("torch")
class AveragePooling2D(keras.layers.AveragePooling2D):
    """Mean over squares that divide the map."""

    def call(self, inputs):
        if self.strides != self.pool_size or any(
            side % pool for side, pool in zip(inputs.shape[1:3], self.pool_size, strict=True)
        ):
            return super().call(inputs)
        return functional.avg_pool2d(inputs.permute(0, 3, 1, 2), self.pool_size).permute(0, 2, 3, 1)


LAYERS = {layer.__name__: layer for layer in (Conv2D, BatchNormalization, AveragePooling2D)}


def with_torch_layers(config):
    """A serialized model whose layers are replaced by those of this module."""
    if isinstance(config, list | tuple):
        return [with_torch_layers(value) for value in config]
    if not isinstance(config, dict):
        return config
    config = {key: with_torch_layers(value) for key, value in config.items()}
    if config.get("module") == "keras.layers" and config["class_name"] in LAYERS:
        name = keras.saving.get_registered_name(LAYERS[config["class_name"]])
        config |= {"module": __name__, "registered_name": name}
    return config
