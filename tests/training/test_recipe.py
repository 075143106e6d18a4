"""One recipe goes from a table to a finished model and keeps its result."""

import numpy as np
import pytest

from utils import datasets, training
from utils.models.predictor import load
from utils.training.batches import Batches


@pytest.mark.parametrize("mirror", [True, False])
def test_a_table_becomes_a_finished_model(faces, small_network, preprocessing, tmp_path, mirror):
    table = datasets.split_table(datasets.combine([faces]), "grouped")
    settings = training.Settings(epochs=1, precision="float32")
    done = training.train_model(
        small_network, table, preprocessing, settings,
        batch_size=16, mirror=mirror, runs=tmp_path, method="whole",
    )  # fmt: skip
    assert done.split == "test" and done.metrics["n"] == len(done.table) == len(done.labels)
    assert done.file.parent == done.run.folder
    kept = load(done.file)
    assert kept.preprocessing == preprocessing
    answers = kept.predict_batches(Batches(done.table, preprocessing))
    assert np.allclose(answers, done.probabilities, atol=0.02)  # LiteRT has float16 weights
    (row,) = training.list_runs(tmp_path).to_dict("records")
    assert (row["method"], row["measured_on"], row["n"]) == ("whole", "test", len(done.labels))
    both = small_network.predict(np.zeros((1, 48, 48, 1)), verbose=0)
    assert both.shape == (1, 7)
