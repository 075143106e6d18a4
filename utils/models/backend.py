"""Keras, imported without the noise, and how this machine runs it fastest.

Every module of the project takes Keras from here: ``from utils.models.backend import keras``.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from utils.models.quiet import quiet_start

# Later messages, such as a missing GPU reported as an error, obey this setting.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

with quiet_start():
    import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow

    # Its Python half tells of temporary files and of every new batch size.
    tensorflow.get_logger().setLevel("ERROR")


def fastest_precision() -> str:
    """ "mixed_bfloat16" where the processor or accelerator multiplies it, else "float32".

    Linux tells the processor's abilities in /proc/cpuinfo; elsewhere float32 is the safe answer.
    """
    if _has_gpu():
        return "mixed_bfloat16" if _gpu_has_bfloat16() else "float32"
    processor = Path("/proc/cpuinfo")
    abilities = processor.read_text() if processor.is_file() else ""
    return "mixed_bfloat16" if "avx512_bf16" in abilities or "amx_bf16" in abilities else "float32"


def xla_pays() -> bool:
    """Whether Keras should compile with XLA: JAX always does, TensorFlow's is slow on a CPU."""
    return keras.backend.backend() == "jax" or _has_gpu()


def compiled(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """A function that answers batches of any size through a few compiled calls.

    A call is traced anew for every batch size; rounding it up to a power of two, or to the next one
    where that is compiled already, leaves only a handful.

    Args:
        model: maps (n, *shape) to (n, classes).

    Returns:
        Maps uint8 (n, *shape), n at least 1, to float32 (n, classes).
    """
    model.jit_compile = xla_pays()

    sizes = set()

    def answer(batch: np.ndarray) -> np.ndarray:
        size = 1 << (len(batch) - 1).bit_length()
        size = 2 * size if size not in sizes and 2 * size in sizes else size
        sizes.add(size)
        padded = np.zeros((size, *batch.shape[1:]), batch.dtype)
        padded[: len(batch)] = batch
        return np.asarray(model.predict_on_batch(padded), np.float32)[: len(batch)]

    return answer


def all_layers(model: keras.Model):
    """Every layer, those of models inside the model included."""
    for layer in model.layers:
        yield from all_layers(layer) if isinstance(layer, keras.Model) else (layer,)


def _has_gpu() -> bool:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow

        return bool(tensorflow.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return jax.default_backend() == "gpu"
    import torch

    return torch.cuda.is_available()


def _gpu_has_bfloat16() -> bool:
    """NVIDIA's GPUs have had it since compute capability 8.0 (Ampere, 2020)."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow

        gpu = tensorflow.config.list_physical_devices("GPU")[0]
        details = tensorflow.config.experimental.get_device_details(gpu)
        return details.get("compute_capability", (0, 0)) >= (8, 0)
    if backend == "jax":
        import jax

        return float(getattr(jax.devices()[0], "compute_capability", 0) or 0) >= 8
    import torch

    return torch.cuda.is_bf16_supported()
