"""How long an edited MLP head takes to give new matrices on a large data set.

    python -m benchmarks.head_retraining [--data data/fer2013] [--model models/expressions.keras]

The trunk's features are computed once, timed apart; then a head that was not seen before
is trained on all training pictures and its three matrices are made of the validation part.
"""

import argparse
import tempfile
import time

from benchmarks.measuring import peak_megabytes, save
from utils import datasets, plots, training
from utils.config import project_path
from utils.models import networks
from utils.models.model_file import load_model
from utils.models.predictor import Predictor
from utils.training import evaluation, features
from utils.training.batches import Batches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="data/fer2013")
    parser.add_argument("--model", default="models/expressions.keras")
    options = parser.parse_args()

    model, preprocessing = load_model(project_path(options.model))
    trunk = model.get_layer("trunk")
    table = datasets.find_images(project_path(options.data))
    pictures = Batches(table, preprocessing)
    held_out = Batches(datasets.split_of(table, "validation"), preprocessing)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        features.trunk_features(trunk, pictures, folder)
        computed = time.perf_counter()
        head = networks.mlp_head(len(preprocessing.class_names), (192, 96), 0.5, pool=True)
        settings = training.Settings(epochs=8, learning_rate=1e-3)
        training.train_head(head, trunk, pictures, settings, runs=folder, cache=folder)
        probabilities = Predictor(
            networks.mirrored(networks.join(trunk, head)), preprocessing
        ).predict_batches(held_out)
        metrics = evaluation.evaluate(held_out.labels, probabilities, preprocessing.class_names)
        for matrix in (plots.confusion_matrix, plots.precision_matrix, plots.recall_matrix):
            matrix(metrics)
        finished = time.perf_counter()
    save(
        "head_retraining",
        {
            "training_pictures": int((table["split"] == "train").sum()),
            "features_once_seconds": computed - start,
            "edited_head_to_matrices_seconds": finished - computed,
            "validation_accuracy": metrics["accuracy"],
            "peak_mb": peak_megabytes(),
        },
    )


if __name__ == "__main__":
    main()
