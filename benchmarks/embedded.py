"""What the training notebook reaches on drawn characters that it never saw.

    python -m benchmarks.embedded

Beside it a control: the same training on labels that were shuffled. If that one did
better than chance, something other than the expression would be telling the answer.
"""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measuring import save
from utils import datasets, training
from utils.cli.notebooks import DEMO_BATCH_SIZE, DEMO_EPOCHS
from utils.config import SPLITS
from utils.drawn.dataset import MARGIN, draw_dataset
from utils.models import networks
from utils.models.backend import keras
from utils.models.predictor import Predictor
from utils.training import evaluation
from utils.training.augmentation import Augmentation
from utils.training.batches import Batches
from utils.vision.preprocessing import Preprocessing


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        faces = Path(folder, "faces")
        draw_dataset(faces)
        table = datasets.find_images(faces)
        shuffled = table.copy()
        random = np.random.default_rng(0)
        for split in ("train", "validation"):
            rows = shuffled["split"] == split
            shuffled.loc[rows, "class"] = random.permutation(shuffled.loc[rows, "class"])
        true_labels, seconds = _train_and_test(table, Path(folder, "true"))
        control, _ = _train_and_test(shuffled, Path(folder, "shuffled"))
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


def _train_and_test(table, runs: Path) -> tuple[dict, float]:
    preprocessing = Preprocessing(datasets.class_order(table), margin=MARGIN)
    learn, choose, test = (datasets.split_of(table, split) for split in SPLITS)
    keras.utils.set_random_seed(0)
    # The notebook's network: its head takes the mean of each channel.
    head = networks.mlp_head(len(preprocessing.class_names), units=(128,), pool=True)
    network = networks.join(networks.residual_trunk(preprocessing), head)
    run = training.train(
        network,
        Batches(learn, preprocessing, DEMO_BATCH_SIZE, shuffle=True, augmentation=Augmentation()),
        Batches(choose, preprocessing),
        training.Settings(epochs=DEMO_EPOCHS),
        runs=runs,
    )
    pictures = Batches(test, preprocessing)
    predictor = Predictor(networks.mirrored(network), preprocessing)
    probabilities = predictor.predict_batches(pictures)
    interval = evaluation.bootstrap_intervals(pictures.labels, probabilities)
    accuracy = interval.loc["accuracy"].round(4).to_dict()
    return accuracy, float(run.log["seconds"].sum())


if __name__ == "__main__":
    main()
