import numpy as np
import pandas as pd
import pytest

from utils.models import networks
from utils.models.predictor import Predictor
from utils.training.batches import Batches
from utils.training.calibration import (
    LEAST_IMAGES,
    calibrate,
    fit_temperature,
    set_temperature,
    tempered,
    views_of,
)
from utils.training.evaluation import evaluate, expected_calibration_error


@pytest.fixture(scope="module")
def honest():
    """Labels drawn from the very probabilities, so these are calibrated."""
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.full(7, 0.4), 20_000)
    labels = np.array([random.choice(7, p=row) for row in probabilities])
    return labels, probabilities


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_applied_is_found_again(honest, temperature):
    labels, probabilities = honest
    distorted = tempered(probabilities, 1 / temperature)
    assert fit_temperature(labels, [distorted]) == pytest.approx(temperature, rel=0.05)


def test_it_mends_confidence_on_other_images(honest):
    labels, probabilities = honest
    too_sure = tempered(probabilities, 0.4)
    temperature = fit_temperature(labels[:10_000], [too_sure[:10_000]])
    rest, answers = labels[10_000:], too_sure[10_000:]
    assert expected_calibration_error(rest, answers) > 0.05
    assert expected_calibration_error(rest, tempered(answers, temperature)) < 0.02


def test_a_network_answers_as_if_tempered_and_its_mirror_average_too(small_network, preprocessing):
    faces = np.random.default_rng(1).integers(0, 256, (6, *preprocessing.input_shape), np.uint8)
    views = [small_network.predict(one, verbose=0) for one in (faces, faces[:, :, ::-1])]
    set_temperature(small_network, 2.0)
    expected = [tempered(view, 2.0) for view in views]
    np.testing.assert_allclose(small_network.predict(faces, verbose=0), expected[0], atol=1e-5)
    both = networks.mirrored(small_network).predict(faces, verbose=0)
    np.testing.assert_allclose(both, np.mean(expected, axis=0), atol=1e-5)


def test_what_cannot_be_calibrated_is_refused(small_network):
    with pytest.raises(ValueError, match="temperature 0"):
        set_temperature(small_network, 0)
    with pytest.raises(ValueError, match="Received: 2 labels and views of 3"):
        fit_temperature([0, 1], [np.full((3, 7), 1 / 7)])


def test_calibrating_lowers_the_loss_of_the_mirror_average(table, small_network, preprocessing):
    images = Batches(pd.concat([table, table]), preprocessing)
    last = small_network.get_layer("head").layers[-1]
    last.set_weights([30 * weight for weight in last.get_weights()])  # far too sure

    def loss():
        answers = Predictor(networks.mirrored(small_network), preprocessing)
        probabilities = answers.predict_batches(images, progress=False)
        return evaluate(images.labels, probabilities, preprocessing.class_names)["log_loss"]

    before = loss()
    views = views_of(small_network, images)
    few = LEAST_IMAGES - 1
    assert calibrate(small_network, images.labels[:few], [view[:few] for view in views]) == 1
    assert loss() == before
    assert calibrate(small_network, images.labels, views) > 1
    assert loss() < before


def test_views_are_the_answers_to_the_images_and_to_their_mirror_images(
    table, small_network, preprocessing
):
    images = Batches(table, preprocessing, batch_size=16)
    plain, mirrored = views_of(small_network, images)
    assert np.allclose(views_of(small_network, images, mirror=False), [plain])
    faces = np.concatenate([images[index][0] for index in range(len(images))])
    for view, seen in ((plain, faces), (mirrored, faces[:, :, ::-1])):
        assert np.allclose(view, small_network.predict(seen, verbose=0), atol=1e-5)
