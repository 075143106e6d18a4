"""The second opinion: where it is kept, what it answers, and models that have none."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from utils.config import CLASS_NAMES
from utils.models import litert
from utils.models.metadata import ModelFileError, add_metadata, read_metadata
from utils.models.model_file import save_model
from utils.models.networks import residual_network
from utils.models.opinion import Opinion, opinion_features, write_opinion
from utils.models.predictor import load
from utils.vision.preprocessing import Preprocessing

FRAME = np.random.default_rng(0).integers(0, 256, (60, 80), np.uint8)
BOXES = [(10, 10, 24, 24), (-4, 30, 30, 30)]


@pytest.fixture(scope="module")
def saved_once(tmp_path_factory):
    pytest.importorskip("ai_edge_litert")
    preprocessing = Preprocessing(CLASS_NAMES)
    network = residual_network(preprocessing, widths=(8, 16), blocks=(1, 1))
    return save_model(network, preprocessing, tmp_path_factory.mktemp("saved") / "model.keras")


@pytest.fixture
def model(saved_once, tmp_path):
    return Path(shutil.copy(saved_once, tmp_path))


def test_a_model_without_an_opinion_reads_faces_as_before(model):
    predictor = load(model)
    assert predictor.opinion is None and predictor.face_shares(FRAME, BOXES) is None
    np.testing.assert_allclose(predictor.predict_faces(FRAME, BOXES).sum(axis=1), 1, atol=1e-5)


def test_an_opinion_travels_with_the_file_and_leaves_its_answers(model):
    before = load(model)
    features = read_metadata(model)[litert.FEATURES]
    weights = np.linspace(-1, 1, 2 * features)
    write_opinion(model, Opinion(weights, 0.25))
    after = load(model)
    np.testing.assert_array_equal(
        before.predict_faces(FRAME, BOXES), after.predict_faces(FRAME, BOXES)
    )
    seen = opinion_features(after, FRAME, BOXES)
    assert seen.shape == (2, 2 * features)
    expected = 1 / (1 + np.exp(-(seen @ weights + 0.25)))
    np.testing.assert_allclose(after.face_shares(FRAME, BOXES), expected, atol=1e-4)
    assert len(after.face_shares(FRAME, [])) == 0
    alone = [after.face_shares(FRAME, [box])[0] for box in BOXES]
    np.testing.assert_allclose(alone, expected, atol=1e-4)


@pytest.mark.parametrize(
    "stored",
    [{"weights": [1, 2], "bias": 0}, {"weights": "all"}, 7, {"weights": [10**400], "bias": 0}],
)
def test_an_opinion_that_does_not_fit_is_refused(model, stored):
    add_metadata(model, {"opinion": stored})
    with pytest.raises(ModelFileError, match="weights and a bias"):
        load(model)
