"""What the released model's card says: how it came about, and what it reaches.

    python -m benchmarks.released [STEP …] --runs RUN [RUN …] [--tried MODEL[+MODEL…] …]
        [--data data/fer2013]

The steps are the model files that `make release` leaves, in order; the last is the one
released. Each is scored without and with the mirror image, and so is what was tried and
dropped; of models joined by "+", the mean of their answers. The runs are the steps' folders
in `models/runs`, whose logs are kept. Writes `results/released.json` and
`results/released_log.csv`.
"""

import argparse

import numpy as np
import pandas as pd

from benchmarks.measuring import save
from utils import audit, calibration, datasets, evaluation, networks
from utils.backend import all_layers, keras
from utils.config import RESULTS, project_path
from utils.files import write_text
from utils.model_file import load_model
from utils.runs import best_epoch
from utils.streaming import Pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "steps", nargs="*", default=["models/fer2013.keras"], metavar="STEP", help=".keras file"
    )
    parser.add_argument("--runs", nargs="+", required=True, metavar="RUN", help="folder of a run")
    parser.add_argument("--tried", nargs="*", default=[], metavar="MODEL", help=".keras file")
    parser.add_argument("--data", default="data/fer2013")
    options = parser.parse_args()

    whole = datasets.find_pictures(project_path(options.data))
    table = datasets.split_of(whole, "validation")
    files = [project_path(step) for step in options.steps]
    steps = {file.stem: _step([file], table) for file in files}
    tried = {}
    for name in options.tried:
        members = [project_path(file) for file in name.split("+")]
        tried[" + ".join(file.stem for file in members)] = _step(members, table)
    model, preprocessing = load_model(files[-1])
    labels, probabilities = _answers(model, preprocessing, table)[:2]
    right = probabilities.argmax(axis=1) == labels
    leaked = audit.pictures_also_in_train(audit.audit(whole), "validation")
    unseen = ~table["file"].isin(leaked).to_numpy()
    runs = [project_path(run) for run in options.runs]
    logs = {run.name: pd.read_csv(run / "log.csv") for run in runs}
    log = pd.concat(logs, names=["run"]).reset_index("run")
    write_text(RESULTS / "released_log.csv", log.to_csv(index=False))
    save(
        "released",
        {
            "steps": steps,
            "tried": tried,
            "runs": [
                {
                    "epochs": len(log),
                    "best_epoch": best_epoch(log),
                    "minutes": float(log["seconds"].sum()) / 60,
                }
                for log in logs.values()
            ],
            "intervals": evaluation.bootstrap_intervals(labels, probabilities).T.to_dict(),
            "recall_intervals": {
                name: evaluation.wilson_interval(int(right[labels == i].sum()), (labels == i).sum())
                for i, name in enumerate(preprocessing.class_names)
            },
            "pictures_also_in_train": int((~unseen).sum()),
            "accuracy_without_pictures_in_train": float(right[unseen].mean()),
            "parameters": model.count_params(),
            "multiply_adds": 2 * _multiply_adds(model),
            "megabytes": files[-1].stat().st_size / 1e6,
        },
    )


def _answers(model, preprocessing, table):
    """Labels, the answers with the mirror image, and those without."""
    pictures = Pictures(table, preprocessing)
    network = networks.join(model.get_layer("trunk"), model.get_layer("head"))
    views = calibration.views_of(network, pictures)
    return pictures.labels, np.mean(views, axis=0), views[0]


def _step(files, table) -> dict:
    """What one model reaches, or several whose answers are averaged."""
    models = [load_model(file) for file in files]
    answers = [_answers(*one, table) for one in models]
    labels = answers[0][0]
    both, plain = (np.mean([one[view] for one in answers], axis=0) for view in (1, 2))
    return {
        "parameters": sum(model.count_params() for model, _ in models),
        "accuracy_without_mirror": float((plain.argmax(axis=1) == labels).mean()),
        "accuracy": float((both.argmax(axis=1) == labels).mean()),
        "ece": evaluation.expected_calibration_error(labels, both),
    }


def _multiply_adds(model: keras.Model) -> int:
    """Of the convolutions and dense layers, for one view of one face."""
    total = 0
    for layer in all_layers(networks.join(model.get_layer("trunk"), model.get_layer("head"))):
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            places = layer.output.shape[1:-1]  # none where a dense layer takes a vector
            total += int(np.prod(places) * np.prod(layer.kernel.shape))
    return total


if __name__ == "__main__":
    main()
