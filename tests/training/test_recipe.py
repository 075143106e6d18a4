"""One recipe goes from a table to a finished model and keeps its result."""

import numpy as np

from utils import datasets, training
from utils.models.predictor import load
from utils.training.batches import Batches


def test_a_table_becomes_a_finished_model(faces, small_network, preprocessing, tmp_path):
    table = datasets.split_table(datasets.combine([faces]), "grouped")
    settings = training.Settings(epochs=1, precision="float32")
    for mirror in (True, False):  # trained once: the second finds the first one's run
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
        assert small_network.predict_on_batch(np.zeros((1, 48, 48, 1))).shape == (1, 7)
