import numpy as np
import pytest

from utils import networks, training
from utils.config import CLASS_NAMES
from utils.distillation import soft_targets
from utils.predictor import Predictor
from utils.preprocessing import Preprocessing
from utils.streaming import Pictures


class Says:
    """A teacher that gives the same answer to every face."""

    def __init__(self, answer, preprocessing):
        self.answer, self.preprocessing = np.array(answer, np.float32), preprocessing
        self.class_names = preprocessing.class_names

    def predict_pictures(self, pictures):
        return np.tile(self.answer, (len(pictures.table), 1))


def test_targets_are_the_mixture_of_labels_and_the_teachers_mean(table, preprocessing):
    pictures = Pictures(table, preprocessing)
    first = Says([1, 0, 0, 0, 0, 0, 0], preprocessing)
    second = Says([0, 0, 0, 0, 0, 0, 1], preprocessing)
    targets = soft_targets([first, second], pictures, share=0.4)
    assert targets.dtype == np.float32
    expected = np.zeros((len(table), 7))
    expected[np.arange(len(table)), pictures.labels] = 0.6
    expected[:, [0, 6]] += 0.2
    assert np.allclose(targets, expected)


def test_a_teacher_sees_pictures_in_its_own_size(table, preprocessing, small_network):
    other = Preprocessing(CLASS_NAMES, size=64)
    network = networks.join(
        networks.convolutional_trunk(other, widths=(4, 8)), networks.mlp_head(7, units=(8,))
    )
    teacher = Predictor(network, other)
    pictures = Pictures(table, preprocessing)
    targets = soft_targets([teacher], pictures, share=1)
    assert np.allclose(targets, teacher.predict_pictures(Pictures(table, other)), atol=1e-5)


def test_teachers_that_do_not_fit_are_refused(table, preprocessing):
    pictures = Pictures(table, preprocessing)
    stranger = Says([0.5, 0.5], Preprocessing(("cat", "dog")))
    with pytest.raises(ValueError, match="Received: cat, dog; expected angry"):
        soft_targets([stranger], pictures)
    with pytest.raises(ValueError, match="Received: 0 teachers"):
        soft_targets([], pictures)


def test_training_follows_its_targets_and_gets_a_run_of_its_own(
    table, preprocessing, small_network, tmp_path
):
    pictures = Pictures(table, preprocessing, batch_size=32)
    settings = training.Settings(epochs=6, learning_rate=1e-2, label_smoothing=0)
    plain = training.train(small_network, pictures, pictures, settings, tmp_path)
    always_sad = soft_targets([Says(np.eye(7)[5], preprocessing)], pictures, share=1)
    taught = Pictures(table, preprocessing, batch_size=32, targets=always_sad)
    run = training.train(small_network, taught, pictures, settings, tmp_path)
    assert run.folder != plain.folder
    answers = Predictor(small_network, preprocessing).predict_pictures(pictures)
    assert (answers.argmax(axis=1) == 5).mean() > 0.9
