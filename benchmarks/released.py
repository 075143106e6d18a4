"""What the released model's card says: how it came about, and what it reaches.

    python -m benchmarks.released [STEP …] [--runs RUN …] [--tried MODEL[+MODEL…] …]
        [--data data/fer2013]

The steps are model files on the way, in order; the last is the one released, and alone by
default. Each is scored without and with the mirror image, and so is what was tried and
dropped; of models joined by "+", the mean of their answers. The runs are folders in
`models/runs`, whose logs are kept. Writes `results/released.json` and
`results/released_log.csv`; steps, tries and runs that are not named stay as they are there.
After `make release`, all of it is

    python -m benchmarks.released models/{first,second,third,fourth,taught,wide,fer2013}.keras
        --runs models/runs/RUN-OF-TAUGHT models/runs/RUN-OF-WIDE models/runs/RUN-OF-FER2013
"""

import argparse
import json

import numpy as np
import pandas as pd

from benchmarks.measuring import save
from utils import datasets
from utils.config import RESULTS, project_path
from utils.datasets import audit
from utils.files import write_text
from utils.models import networks
from utils.models.backend import all_layers, keras
from utils.models.model_file import load_model
from utils.training import calibration, evaluation
from utils.training.batches import Batches
from utils.training.runs import best_epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "steps", nargs="*", default=["models/fer2013.keras"], metavar="STEP", help=".keras file"
    )
    parser.add_argument("--runs", nargs="+", default=[], metavar="RUN", help="folder of a run")
    parser.add_argument("--tried", nargs="+", default=[], metavar="MODEL", help=".keras file")
    parser.add_argument("--data", default="data/fer2013")
    options = parser.parse_args()

    file = RESULTS / "released.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    whole = datasets.find_images(project_path(options.data))
    table = datasets.split_of(whole, "validation")
    *earlier, released = [project_path(step) for step in options.steps]
    steps = known.get("steps", {}) | {one.stem: _step(_answers([one], table)) for one in earlier}
    tried = known.get("tried", {})
    for name in options.tried:
        members = [project_path(one) for one in name.split("+")]
        tried[" + ".join(one.stem for one in members)] = _step(_answers(members, table))
    answers = _answers([released], table)
    steps.pop(released.stem, None)
    steps[released.stem] = _step(answers)
    labels, probabilities, model = answers["labels"], answers["both"], answers["models"][0]
    right = probabilities.argmax(axis=1) == labels
    leaked = audit.images_also_in_train(audit.audit_images(whole), "validation")
    unseen = ~table["file"].isin(leaked).to_numpy()
    save(
        "released",
        {
            "steps": steps,
            "tried": tried,
            "runs": _runs(options.runs) if options.runs else known.get("runs", []),
            "intervals": evaluation.bootstrap_intervals(labels, probabilities).T.to_dict(),
            "recall_intervals": {
                name: evaluation.wilson_interval(int(right[labels == i].sum()), (labels == i).sum())
                for i, name in enumerate(answers["classes"])
            },
            "pictures_also_in_train": int((~unseen).sum()),
            "accuracy_without_pictures_in_train": float(right[unseen].mean()),
            "parameters": model.count_params(),
            "multiply_adds": 2 * multiply_adds(model),
            "megabytes": released.stat().st_size / 1e6,
        },
        model=released,
    )


def multiply_adds(model: keras.Model) -> int:
    """Of the convolutions and dense layers, for one view of one face."""
    total = 0
    for layer in all_layers(networks.join(model.get_layer("trunk"), model.get_layer("head"))):
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            places = layer.output.shape[1:-1]  # none where a dense layer takes a vector
            total += int(np.prod(places) * np.prod(layer.kernel.shape))
    return total


def _answers(files, table) -> dict:
    """The mean answers of models, with the mirror image and without."""
    models, both, plain, classes = [], [], [], None
    for file in files:
        model, preprocessing = load_model(file)
        if classes not in (None, preprocessing.class_names):
            raise SystemExit(f"{file} knows other classes than {files[0]}, or in another order.")
        classes = preprocessing.class_names
        pictures = Batches(table, preprocessing)
        network = networks.join(model.get_layer("trunk"), model.get_layer("head"))
        views = calibration.views_of(network, pictures)
        models.append(model)
        both.append(np.mean(views, axis=0))
        plain.append(views[0])
    return {
        "models": models,
        "classes": classes,
        "labels": pictures.labels,
        "both": np.mean(both, axis=0),
        "plain": np.mean(plain, axis=0),
    }


def _step(answers: dict) -> dict:
    """What one model reaches, or several whose answers are averaged."""
    return {
        "parameters": sum(model.count_params() for model in answers["models"]),
        "accuracy_without_mirror": _share_right(answers["plain"], answers["labels"]),
        "accuracy": _share_right(answers["both"], answers["labels"]),
    }


def _share_right(probabilities, labels) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())


def _runs(folders) -> list[dict]:
    """The length of each training, whose log is kept as well."""
    runs = [project_path(run) for run in folders]
    logs = {run.name: pd.read_csv(run / "log.csv") for run in runs}
    log = pd.concat(logs, names=["run"]).reset_index("run")
    write_text(RESULTS / "released_log.csv", log.to_csv(index=False))
    return [
        {
            "epochs": len(log),
            "best_epoch": best_epoch(log),
            "minutes": float(log["seconds"].sum()) / 60,
        }
        for log in logs.values()
    ]


if __name__ == "__main__":
    main()
