from itertools import pairwise

import numpy as np

from utils.config import CLASS_NAMES
from utils.models import networks
from utils.models.backend import keras
from utils.models.model_file import load_model, save_model


def test_six_layers_with_channels_doubling_and_sides_halving(preprocessing):
    network = networks.six_layer_network(preprocessing)
    trunk, head = network.get_layer("trunk"), network.get_layer("head")
    convolutions = [x for x in trunk.layers if isinstance(x, keras.layers.Conv2D)]
    assert [layer.output.shape[1:3] for layer in convolutions] == [
        (48, 48), (24, 24), (12, 12), (6, 6),
    ]  # fmt: skip
    widths = [layer.filters for layer in convolutions]
    assert all(after == 2 * before for before, after in pairwise(widths))
    dense = [layer for layer in head.layers if isinstance(layer, keras.layers.Dense)]
    assert len(convolutions) + len(dense) - 1 == 6
    assert network.output_shape == (None, len(CLASS_NAMES))


def test_scaling_is_in_the_network(preprocessing):
    trunk = networks.convolutional_trunk(preprocessing, widths=(2, 4))
    scale = keras.Model(trunk.input, trunk.get_layer("scale").output)
    ends = np.stack([np.zeros((48, 48, 1)), np.full((48, 48, 1), 255)]).astype(np.uint8)
    scaled = np.asarray(scale.predict_on_batch(ends))
    assert np.allclose(scaled[0], -1)
    assert np.allclose(scaled[1], 1)


def test_mirrored_network_answers_a_face_and_its_mirror_image_alike(
    small_network, preprocessing, tmp_path
):
    faces = np.random.default_rng(0).integers(0, 256, (4, 48, 48, 1), dtype=np.uint8)
    both = networks.mirrored(small_network)
    answers = both.predict_on_batch(faces)
    expected = small_network.predict_on_batch(faces)
    expected = (expected + small_network.predict_on_batch(faces[:, :, ::-1])) / 2
    assert np.allclose(answers, expected, atol=1e-6)
    assert np.allclose(answers, both.predict_on_batch(faces[:, :, ::-1]), atol=1e-6)
    saved, _ = load_model(
        save_model(both, preprocessing, tmp_path / "mirrored.keras", litert_model=False)
    )
    assert np.allclose(saved.predict_on_batch(faces), answers, atol=1e-6)
    assert saved.get_layer("trunk").output_shape == (None, 12, 12, 8)
