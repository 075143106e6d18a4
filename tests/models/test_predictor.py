import numpy as np
import pytest

from utils.models.predictor import Predictor
from utils.training.batches import Batches
from utils.vision.preprocessing import prepare_faces


@pytest.fixture
def predictor(small_network, preprocessing):
    return Predictor(small_network, preprocessing)


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (5, 48, 48, 1), dtype=np.uint8)


def test_rows_are_probabilities(predictor, noise):
    probabilities = predictor.probabilities(noise)
    assert probabilities.shape == (5, 7)
    assert probabilities.dtype == np.float32
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_a_face_gets_the_same_answer_alone_and_in_company(predictor, noise):
    together = predictor.probabilities(noise)
    alone = np.concatenate([predictor.probabilities(noise[i : i + 1]) for i in range(5)])
    assert np.allclose(together, alone, atol=1e-5)


def test_no_face_no_row(predictor, noise):
    assert predictor.probabilities(noise[:0]).shape == (0, 7)


def test_all_faces_of_a_frame_are_one_call(predictor, monkeypatch):
    calls = []
    original = predictor.model.predict_on_batch
    monkeypatch.setattr(
        predictor.model, "predict_on_batch", lambda x: calls.append(len(x)) or original(x)
    )
    frame = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    boxes = [(0, 0, 50, 50), (40, 40, 60, 60), (10, 10, 30, 30)]
    assert predictor.predict_faces(frame, boxes).shape == (3, 7)
    assert len(calls) == 1


def test_frame_and_prepared_faces_agree(predictor, preprocessing):
    frame = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    boxes = [(5, 5, 60, 60), (-10, 40, 50, 50)]
    faces = prepare_faces(frame, boxes, preprocessing)
    assert np.allclose(predictor.predict_faces(frame, boxes), predictor.probabilities(faces))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 48, 48, 1), np.float32),  # scaled to 0–1
        np.zeros((2, 48, 48, 3), np.uint8),
        np.zeros((2, 32, 32, 1), np.uint8),
        np.zeros((48, 48, 1), np.uint8),
    ],
)
def test_wrongly_prepared_faces_are_refused(predictor, wrong):
    with pytest.raises(ValueError, match=r"Expected uint8 faces of shape \(n, 48, 48, 1\)"):
        predictor.probabilities(wrong)


def test_table_of_images_in_order(predictor, table, preprocessing):
    images = Batches(table, preprocessing, batch_size=16)
    probabilities = predictor.predict_batches(images, progress=False)
    assert len(probabilities) == len(table)
    assert np.allclose(probabilities[16:32], predictor.probabilities(images[1][0]), atol=1e-5)
