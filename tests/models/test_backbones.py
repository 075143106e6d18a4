import urllib.request

import numpy as np
import pytest

from utils.config import CLASS_NAMES
from utils.models import backbones, networks
from utils.models.backend import keras
from utils.models.model_file import load_model, save_model
from utils.vision.preprocessing import Preprocessing

APPLICATIONS = {
    "vgg16": keras.applications.vgg16,
    "mobilenetv2": keras.applications.mobilenet_v2,
}


def random_images(preprocessing, count=3):
    shape = (count, *preprocessing.input_shape)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("name", APPLICATIONS)
@pytest.mark.parametrize("colour", ["grey", "rgb"])
def test_each_trunk_scales_as_its_weights_were_trained(name, colour):
    preprocessing = Preprocessing(CLASS_NAMES, size=32, colour=colour)
    trunk = backbones.make_trunk(name, preprocessing, weights=None)
    images = random_images(preprocessing)
    scaled = keras.Model(trunk.input, trunk.get_layer("scale").output).predict_on_batch(images)
    three_channels = np.broadcast_to(images, (3, 32, 32, 3)).astype(np.float32)
    expected = APPLICATIONS[name].preprocess_input(three_channels)
    assert np.allclose(scaled, expected, atol=1e-4)


@pytest.mark.parametrize(
    "name, size, shape",
    [("vgg16", 350, (10, 10, 512)), ("vgg16", 48, (1, 1, 512)), ("mobilenetv2", 224, (7, 7, 1280))],
)
def test_sizes(name, size, shape):
    trunk = backbones.make_trunk(name, Preprocessing(CLASS_NAMES, size=size), weights=None)
    assert trunk.output_shape == (None, *shape)
    assert trunk.input_shape == (None, size, size, 1)


def test_weights_of_a_local_file_in_the_form_that_keras_provides(tmp_path):
    scaled = keras.Input((96, 96, 3))
    application = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_tensor=scaled
    )
    file = tmp_path / "mobilenet_v2_no_top.h5"
    application.save(file)  # HDF5 as before Keras 3, which the ImageNet weights come in
    trunk = backbones.make_trunk("mobilenetv2", Preprocessing(CLASS_NAMES), weights=file)
    theirs = application.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(trunk.get_weights(), theirs, strict=True))
    with pytest.raises(ValueError, match="does not hold weights of VGG16"):
        backbones.make_trunk("vgg16", Preprocessing(CLASS_NAMES), weights=file)


def test_failed_download_says_which_file_and_where_to_put_it(tmp_path, monkeypatch):
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nothing listens
    monkeypatch.setattr(urllib.request, "_opener", None)  # it would remember the old proxy
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(OSError) as caught:
        backbones.make_trunk("vgg16", Preprocessing(CLASS_NAMES), "imagenet")
    message = str(caught.value)
    assert "https://" in message
    assert "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5" in message
    assert str(tmp_path / "models") in message
    assert "weights=None" in message


def test_what_a_trunk_cannot_take_is_refused(tmp_path, small_network, preprocessing):
    with pytest.raises(
        ValueError, match="expected one of residual, six-layer, own, vgg16, mobilenetv2"
    ):
        backbones.make_trunk("VGG19", preprocessing)
    with pytest.raises(ValueError, match="at least 32 × 32 pixels"):
        backbones.make_trunk("vgg16", Preprocessing(CLASS_NAMES, size=24), None)
    with pytest.raises(FileNotFoundError, match="No weights file"):
        backbones.make_trunk("vgg16", preprocessing, tmp_path / "missing.h5")
    with pytest.raises(ValueError, match="that of a saved model"):
        backbones.make_trunk("own", preprocessing, "imagenet")
    with pytest.raises(ValueError, match="begins with random weights"):
        backbones.make_trunk("residual", preprocessing, "imagenet")
    file = save_model(small_network, preprocessing, tmp_path / "small.keras", litert_model=False)
    with pytest.raises(ValueError, match="takes grey images of 48 × 48 pixels"):
        backbones.make_trunk("own", Preprocessing(CLASS_NAMES, size=224), file)


def test_own_trunk_is_that_of_the_saved_model(tmp_path, small_network, preprocessing):
    file = save_model(small_network, preprocessing, tmp_path / "small.keras", litert_model=False)
    trunk = backbones.make_trunk("own", preprocessing, file)
    images = random_images(preprocessing)
    expected = small_network.get_layer("trunk").predict_on_batch(images)
    assert np.allclose(trunk.predict_on_batch(images), expected, atol=1e-6)


def test_saved_network_is_trunk_and_head_in_one_file(tmp_path):
    preprocessing = Preprocessing(CLASS_NAMES, size=32, colour="rgb")
    trunk = backbones.make_trunk("vgg16", preprocessing, None)
    network = networks.join(trunk, networks.mlp_head(len(CLASS_NAMES), units=(8,)))
    saved, described = load_model(
        save_model(network, preprocessing, tmp_path / "whole.keras", litert_model=False)
    )
    assert described == preprocessing
    images = random_images(preprocessing)
    expected = network.predict_on_batch(images)
    assert np.allclose(saved.predict_on_batch(images), expected, atol=1e-5)
    # Cached features are found by this text: made again in a notebook, it must be the same.
    assert backbones.make_trunk("vgg16", preprocessing, None).to_json() == trunk.to_json()


def test_unfreezing_starts_at_the_named_layer_and_leaves_normalisation_out(small_network):
    trunk = small_network.get_layer("trunk")
    trunk.trainable = False
    for first, expected in ((1, {"block1_convolution", "block2_convolution"}),
                            (2, {"block2_convolution"})):  # fmt: skip
        backbones.unfreeze_from(trunk, f"block{first}_convolution")
        trained = {variable.path.split("/")[0] for variable in trunk.trainable_variables}
        assert trained == expected
    head = small_network.get_layer("head")
    together = len(trunk.trainable_variables) + len(head.trainable_variables)
    assert len(small_network.trainable_variables) == together


def test_last_block_of_mobilenet(preprocessing):
    trunk = backbones.make_trunk("mobilenetv2", preprocessing, None)
    backbones.unfreeze_from(trunk, "block_16_expand")
    trained = [variable.path.split("/")[0] for variable in trunk.trainable_variables]
    assert trained == ["block_16_expand", "block_16_depthwise", "block_16_project", "Conv_1"]


def test_misspelled_layer_gets_the_nearest_names(small_network):
    trunk = small_network.get_layer("trunk")
    with pytest.raises(ValueError, match=r"no layer 'block2_conv'.*block2_convolution"):
        backbones.unfreeze_from(trunk, "block2_conv")
    assert all(layer.trainable for layer in trunk.layers)
