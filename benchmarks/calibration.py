"""Whether a model is right as often as it says, on pictures its temperature did not see.

    python -m benchmarks.calibration [--data data/fer2013/validation] [--model models/fer2013.keras]

The pictures are halved, stratified; a temperature fitted on one half is judged on the
other, and the other way round. Beside it the model as it is, and what a model that is
right exactly as often as it says would measure on so few pictures. Writes
`results/calibration.json` and the reliability diagram `results/calibration.png`.
"""

import argparse

import numpy as np
from sklearn.model_selection import StratifiedKFold

from benchmarks.measuring import save
from utils import datasets, plots
from utils.config import RESULTS, project_path
from utils.models import networks
from utils.models.model_file import load_model
from utils.training import calibration, evaluation
from utils.training.batches import Batches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="data/fer2013/validation", help="folder per class")
    parser.add_argument("--model", default="models/fer2013.keras")
    options = parser.parse_args()

    model, preprocessing = load_model(project_path(options.model))
    network = networks.join(model.get_layer("trunk"), model.get_layer("head"))
    table = datasets.find_images(project_path(options.data), preprocessing.class_names)
    pictures = Batches(table, preprocessing)
    labels = pictures.labels
    views = calibration.views_of(network, pictures)
    as_it_is = np.mean(views, axis=0)
    held_out = np.empty_like(as_it_is, dtype=np.float64)
    temperatures = []
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    for fitted, judged in folds.split(labels, labels):
        temperature = calibration.fit_temperature(labels[fitted], [view[fitted] for view in views])
        tempered = [calibration.tempered(view[judged], temperature) for view in views]
        held_out[judged] = np.mean(tempered, axis=0)
        temperatures.append(temperature)
    figure = plots.reliability(labels, as_it_is)
    figure.savefig(RESULTS / "calibration.png", dpi=100)
    save(
        "calibration",
        {
            "pictures": len(labels),
            "model_as_it_is": _summary(labels, as_it_is),
            "temperatures_fitted_on_halves": temperatures,
            "each_half_by_the_others_temperature": _summary(labels, held_out),
            "ece_if_perfectly_calibrated": _by_chance(as_it_is),
        },
        model=options.model,
    )


def _summary(labels, probabilities) -> dict[str, float]:
    return {
        "ece": evaluation.expected_calibration_error(labels, probabilities),
        "log_loss": float(-np.log(probabilities[np.arange(len(labels)), labels]).mean()),
        "mean_confidence": float(probabilities.max(axis=1).mean()),
        "accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
    }


def _by_chance(probabilities, draws: int = 500) -> dict[str, float]:
    """The calibration error where each label is drawn from the probabilities themselves."""
    random = np.random.default_rng(0)
    sums = np.cumsum(probabilities.astype(np.float64), axis=1)
    sums /= sums[:, -1:]
    errors = [
        evaluation.expected_calibration_error(
            (random.random((len(sums), 1)) > sums).sum(axis=1), probabilities
        )
        for _ in range(draws)
    ]
    low, high = np.quantile(errors, [0.025, 0.975])
    return {"mean": float(np.mean(errors)), "low": float(low), "high": float(high)}


if __name__ == "__main__":
    main()
