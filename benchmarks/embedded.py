"""What the six-layer network reaches on drawn characters that it never saw.

    python -m benchmarks.embedded

Beside it a control: the same training on labels that were shuffled. If that one did
better than chance, something other than the expression would be telling the answer.
"""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measuring import save
from utils import datasets, evaluation, networks, training
from utils.animated import draw_dataset
from utils.augmentation import Augmentation
from utils.backend import keras
from utils.notebooks import DEMO_BATCH_SIZE, DEMO_EPOCHS
from utils.predictor import Predictor
from utils.preprocessing import Preprocessing
from utils.streaming import Pictures


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        faces = Path(folder, "faces")
        draw_dataset(faces)
        table = datasets.find_pictures(faces)
        shuffled = table.copy()
        random = np.random.default_rng(0)
        for split in ("train", "validation"):
            rows = shuffled["split"] == split
            shuffled.loc[rows, "class"] = random.permutation(shuffled.loc[rows, "class"])
        true_labels, seconds = _test_accuracy(table, Path(folder, "true"))
        control, _ = _test_accuracy(shuffled, Path(folder, "shuffled"))
        counts = datasets.count_classes(table).loc["total"].to_dict()
    chance = 1 / len(datasets.class_order(table))
    save(
        "embedded",
        {
            "pictures": {name: int(count) for name, count in counts.items()},
            "epochs": DEMO_EPOCHS,
            "training_seconds": seconds,
            "held_out_characters": true_labels,
            "shuffled_labels": control,
            "chance": chance,
        },
    )


def _test_accuracy(table, runs: Path) -> tuple[dict, float]:
    preprocessing = Preprocessing(datasets.class_order(table))
    learn, choose, test = (datasets.split_of(table, split) for split in datasets.SPLITS)
    keras.utils.set_random_seed(0)
    network = networks.six_layer_network(preprocessing)
    run = training.train(
        network,
        Pictures(learn, preprocessing, DEMO_BATCH_SIZE, shuffle=True, augmentation=Augmentation()),
        Pictures(choose, preprocessing),
        training.Settings(epochs=DEMO_EPOCHS),
        runs=runs,
    )
    pictures = Pictures(test, preprocessing)
    probabilities = Predictor(network, preprocessing).predict_pictures(pictures)
    interval = evaluation.bootstrap_intervals(pictures.labels, probabilities)
    return interval.loc["accuracy"].round(4).to_dict(), float(run.log["seconds"].sum())


if __name__ == "__main__":
    main()
