"""The same network once more, for training: in another precision, by the quickest kernels."""

from utils.models.backend import keras


def rebuild(model: keras.Model, precision: str = "float32") -> keras.Model:
    """The same layers again, computing in another precision, with new random weights.

    Layers that end in a softmax stay in float32: eight bits of mantissa are too few for
    probabilities and their logarithm. With the PyTorch backend, layers run as `torch_layers` has
    them.
    """
    config = _set_precision(keras.saving.serialize_keras_object(model), precision)
    if keras.backend.backend() == "torch":
        from utils.models.torch_layers import with_torch_layers

        config = with_torch_layers(config)
    return keras.saving.deserialize_keras_object(config)


def _set_precision(config, precision):
    if isinstance(config, list | tuple):
        return [_set_precision(value, precision) for value in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        return {**config, "config": {"name": precision}}
    if config.get("config", {}) and config.get("config").get("activation") == "softmax":
        precision = "float32"
    return {key: _set_precision(value, precision) for key, value in config.items()}
