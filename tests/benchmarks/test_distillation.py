from dataclasses import replace

import numpy as np
import pytest

from benchmarks.release.distillation import TaughtBatches
from utils import training
from utils.config import CLASS_NAMES
from utils.models import networks
from utils.models.model_file import save_model
from utils.models.predictor import Predictor
from utils.training.augmentation import Augmentation
from utils.training.batches import Batches

SAD = CLASS_NAMES.index("sad")


def saved(preprocessing, file, seed):
    """A model of random weights, and its answers, which are the mean over both views."""
    network = networks.join(
        networks.convolutional_trunk(preprocessing, widths=(4, 8)),
        networks.mlp_head(len(preprocessing.class_names), units=(8,)),
    )
    random = np.random.default_rng(seed)
    last = network.get_layer("head").layers[-1]
    last.set_weights([random.normal(0, 1, weight.shape) for weight in last.get_weights()])
    both = networks.mirrored(network)
    save_model(both, preprocessing, file, litert_model=False)
    return Predictor(both, preprocessing).probabilities


def test_teachers_answer_the_changed_pictures_themselves(table, preprocessing, tmp_path):
    files = [tmp_path / "first.keras", tmp_path / "second.keras"]
    teachers = [saved(preprocessing, file, seed) for seed, file in enumerate(files)]
    stream = table, preprocessing, 16, True, Augmentation(), 3
    plain, taught = Batches(*stream), TaughtBatches(*stream, teachers=files, share=0.4)
    for one in (plain, taught):
        one.start_epoch(2)
    faces, labels = plain[1]
    seen, targets = taught[1]
    assert np.array_equal(seen, faces)
    answers = np.mean([teacher(faces) for teacher in teachers], axis=0)
    assert np.ptp(answers, axis=0).max() > 0.05  # they tell one face from another
    # A machine with bfloat16 units lets the teachers answer in that.
    assert np.allclose(targets, 0.4 * answers + 0.6 * labels, atol=0.02)
    assert targets.dtype == np.float32


def test_variants_come_again_with_the_answers_remembered(table, preprocessing, tmp_path):
    teacher = tmp_path / "teacher.keras"
    saved(preprocessing, teacher, 0)
    stream = table, preprocessing, 16, True, Augmentation(), 3
    taught = TaughtBatches(*stream, teachers=[teacher], variants=2)
    calls = []
    taught._teachers = [lambda faces, ask=taught._teachers[0]: calls.append(1) or ask(faces)]
    seen = []
    for _ in range(4):
        seen.append(taught[0])
        taught.on_epoch_end()
    assert len(calls) == 2
    for first, again in zip(seen[0] + seen[1], seen[2] + seen[3], strict=True):
        assert np.array_equal(first, again)
    assert not np.array_equal(seen[0][0], seen[1][0])
    endless = TaughtBatches(*stream, teachers=[teacher])
    endless.start_epoch(2)
    assert not np.array_equal(endless[0][0], seen[2][0])
    with pytest.raises(ValueError, match="variants of at least 0"):
        TaughtBatches(*stream, teachers=[teacher], variants=-1)


def test_teachers_that_do_not_fit_are_refused(table, preprocessing, tmp_path):
    with pytest.raises(ValueError, match="Received: 0 teachers"):
        TaughtBatches(table, preprocessing, teachers=[])
    saved(preprocessing, tmp_path / "good.keras", 0)
    with pytest.raises(ValueError, match="share 2"):
        TaughtBatches(table, preprocessing, teachers=[tmp_path / "good.keras"], share=2)
    strangers = (
        replace(preprocessing, class_names=("cat", "dog")),
        replace(preprocessing, size=64),
    )
    for stranger in strangers:
        saved(stranger, tmp_path / "other.keras", 0)
        with pytest.raises(ValueError, match=r"other\.keras reads other pictures"):
            TaughtBatches(table, preprocessing, teachers=[tmp_path / "other.keras"])


def test_training_follows_its_teacher_and_gets_a_run_of_its_own(
    table, preprocessing, small_network, tmp_path
):
    always_sad = networks.join(
        networks.convolutional_trunk(preprocessing, widths=(4, 8)),
        networks.mlp_head(len(CLASS_NAMES), units=(8,)),
    )
    last = always_sad.get_layer("head").layers[-1]
    last.set_weights([np.zeros(last.kernel.shape), 9.0 * np.eye(7)[SAD]])
    teacher = save_model(always_sad, preprocessing, tmp_path / "sad.keras", litert_model=False)
    pictures = Batches(table, preprocessing, batch_size=32)
    sad = Batches(table[table["class"] == "sad"], preprocessing)  # choose the best student's epoch
    settings = training.Settings(epochs=6, learning_rate=5e-2, label_smoothing=0)
    plain = training.train(small_network, pictures, sad, settings, tmp_path)
    answers = Predictor(small_network, preprocessing).predict_batches(pictures)
    assert (answers.argmax(axis=1) == SAD).mean() < 0.9
    taught = TaughtBatches(table, preprocessing, 32, teachers=[teacher], share=1)
    run = training.train(small_network, taught, sad, settings, tmp_path)
    assert run.folder != plain.folder
    answers = Predictor(small_network, preprocessing).predict_batches(pictures)
    assert (answers.argmax(axis=1) == SAD).mean() > 0.9
