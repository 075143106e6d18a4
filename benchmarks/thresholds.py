"""What answering "unsure" below a confidence gains and costs.

    python -m benchmarks.thresholds [--data data/fer2013] [--model models/fer2013.keras]

On the validation part, which chose the model's epoch and its temperature, on which the
confidences depend, but no threshold. Beside the table
the area under the risk–coverage curve, also for an order by chance and for the best
possible one, in which all mistakes come last.
"""

import argparse

import numpy as np

from benchmarks.measuring import save
from utils import datasets
from utils.config import project_path
from utils.models.predictor import load
from utils.training import evaluation
from utils.training.batches import Batches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="data/fer2013")
    parser.add_argument("--model", default="models/fer2013.keras")
    options = parser.parse_args()

    predictor = load(project_path(options.model))
    table = datasets.find_images(project_path(options.data), predictor.class_names)
    pictures = Batches(datasets.split_of(table, "validation"), predictor.preprocessing)
    probabilities = predictor.predict_batches(pictures)
    correct = probabilities.argmax(axis=1) == pictures.labels
    save(
        "thresholds",
        {
            "pictures": len(correct),
            "table": evaluation.threshold_table(pictures.labels, probabilities).to_dict("records"),
            "area_under_risk_coverage": {
                "by confidence": _area(correct[np.argsort(-probabilities.max(axis=1))]),
                "by chance": float(np.mean(~correct)),
                "best possible": _area(np.sort(correct)[::-1]),
            },
        },
        model=options.model,
    )


def _area(correct_in_order: np.ndarray) -> float:
    """Mean risk over all coverages, answering in this order."""
    return float(np.mean(np.cumsum(~correct_in_order) / np.arange(1, len(correct_in_order) + 1)))


if __name__ == "__main__":
    main()
