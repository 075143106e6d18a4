"""What each choice of the released model's training is worth, one changed at a time.

    python -m benchmarks.ablations [VARIANT …] [--data data/fer2013]

Every variant trains on the same quarter of the training part for the same few epochs, with
the same seed, and is scored on the validation part: a race over a short distance. It tells
what learns faster, not what would win after a hundred epochs; augmentation, which pays late,
shows that most. Writes `results/ablations.json`; variants measured before stay in it.
"""

import argparse
import json
import tempfile
from datetime import date

import numpy as np

from benchmarks import measuring
from benchmarks.measuring import save
from utils import datasets, training
from utils.config import RESULTS, project_path
from utils.datasets import audit
from utils.models import networks
from utils.models.backend import keras
from utils.training import evaluation
from utils.training.augmentation import STRONG, Augmentation
from utils.training.batches import Batches
from utils.training.optimizer import Muon
from utils.vision.preprocessing import Preprocessing

SHARE, EPOCHS = 0.25, 6
USUAL = Augmentation()
CROPS = Augmentation(rotation=0, shift=2 / 48, zoom=0, brightness=0, contrast=0, erasing=0)


class Nesterov(keras.optimizers.SGD):
    """What most networks for FER-2013 were trained by."""

    def __init__(self, learning_rate, **others):
        super().__init__(learning_rate, momentum=0.9, nesterov=True, **others)


class Averaged(Muon):
    """Each epoch ends with the moving average of its weights (Polyak & Juditsky, 1992)."""

    def __init__(self, *args, **others):
        steps = -(-round(SHARE * 28_709) // 128)
        super().__init__(
            *args, use_ema=True, ema_momentum=0.97, ema_overwrite_frequency=steps, **others
        )


class _RaggedBatches(Batches):
    """As they were when most variants were raced: the last has the nine left over."""

    def rows(self, index):
        return self._order[index * self.batch_size : (index + 1) * self.batch_size]


class _MixedBatches(_RaggedBatches):
    """Each image is a mean of two, and its label of theirs (Zhang et al., "mixup", 2018)."""

    targets = {"mixing": 0.4}  # noqa: RUF012 - for the run's settings

    def __getitem__(self, index):
        images, labels = super().__getitem__(index)
        random = np.random.default_rng([self.seed, self.epoch, index, 1])
        partners = random.permutation(len(images))
        weights = random.beta(0.4, 0.4, (len(images), 1)).astype(np.float32)
        both = weights[..., None, None] * images + (1 - weights[..., None, None]) * images[partners]
        return np.rint(both).astype(np.uint8), weights * labels + (1 - weights) * labels[partners]


def _wider_stem(preprocessing) -> keras.Model:
    head = networks.mlp_head(len(preprocessing.class_names), (128,))
    return networks.join(networks.residual_trunk(preprocessing, stem=48), head)


VARIANTS = {
    "the released network": {},
    "other random weights to begin with": {"seed": 1},
    "mean of each channel instead of the whole map": {"pool": True},
    "six plain layers": {"maker": networks.six_layer_network},
    "a stem of twice the channels": {"maker": _wider_stem},
    "no squeeze and excitation": {"excite": False},
    "blocks begin as the identity": {"identity": True},
    "AdamW at 0.002": {"optimizer": keras.optimizers.AdamW, "learning_rate": 2e-3},
    "SGD at 0.1": {"optimizer": Nesterov, "learning_rate": 0.1, "weight_decay": 5e-3},
    "half the learning rate": {"learning_rate": 5e-3},
    "averaged weights": {"optimizer": Averaged},
    "batches of 256": {"batch_size": 256},
    "batches of even size": {"batches": Batches},
    "no label smoothing": {"label_smoothing": 0.0},
    "no augmentation": {"augmentation": None},
    "mirrored and moved only, as crops of 44 pixels are": {"augmentation": CROPS},
    "strong augmentation": {"augmentation": STRONG},
    "mixup": {"batches": _MixedBatches},
    "without blank and contradictory pictures": {"clean": True},
}
"""Each differs from the first in one choice, and in what that choice brings with it: another
optimizer its own learning rate and weight decay. The second gives a feeling for how much chance
decides.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("variants", nargs="*", default=list(VARIANTS), metavar="VARIANT")
    parser.add_argument("--data", default="data/fer2013")
    options = parser.parse_args()
    if unknown := set(options.variants) - set(VARIANTS):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(VARIANTS)}")
    table = datasets.find_images(project_path(options.data))
    learn = datasets.split_of(table, "train").sample(frac=SHARE, random_state=0)
    choose = datasets.split_of(table, "validation")
    file = RESULTS / "ablations.json"
    known = json.loads(file.read_text(encoding="utf-8"))["variants"] if file.exists() else {}
    for name in options.variants:
        known[name] = _race(learn, choose, **VARIANTS[name])
        ordered = {one: known[one] for one in VARIANTS if one in known}
        save("ablations", {"pictures": len(learn), "epochs": EPOCHS, "variants": ordered})


def _race(
    learn,
    choose,
    maker=networks.residual_network,
    optimizer=Muon,
    augmentation=USUAL,
    batch_size=128,
    identity=False,
    excite=True,
    pool=False,
    clean=False,
    batches=_RaggedBatches,
    **settings,
) -> dict:
    """Train one variant; how often its last epoch is right on the validation part."""
    preprocessing = Preprocessing(datasets.class_order(learn))
    if clean:
        learn = _consistent(learn)
    network = maker(preprocessing)
    if pool:
        head = networks.mlp_head(len(preprocessing.class_names), (128,), pool=True)
        network = networks.join(network.get_layer("trunk"), head)
    if identity:
        _begin_as_identity(network)
    if not excite:
        _weigh_all_alike(network)
    stream = learn, preprocessing, batch_size, True, augmentation, 0
    pictures = batches(*stream)
    with tempfile.TemporaryDirectory() as runs:
        log = training.train(
            network,
            pictures,
            Batches(choose, preprocessing),
            training.Settings(epochs=EPOCHS, **settings),
            runs=runs,
            optimizer=optimizer,
        ).log
    last = log.iloc[-1]
    right = round(last["val_accuracy"] * len(choose))
    return {
        "pictures": len(learn),
        "accuracy": last["val_accuracy"],
        "interval": evaluation.wilson_interval(right, len(choose)),
        "accuracy_in_training": last["accuracy"],
        "minutes": log["seconds"].sum() / 60,
        "raced_on": {
            "date": date.today().isoformat(),
            "processor": measuring.processor(),
            "backend": keras.backend.backend(),
        },
    }


def _consistent(table):
    """A table without blank pictures, and without those that carry two labels."""
    report = audit.audit_images(table)
    blank = report.images.loc[report.images["blank"], "file"]
    conflicting = report.duplicates.loc[report.duplicates["conflicting"], "file"]
    return table[~table["file"].isin({*blank, *conflicting})]


def _begin_as_identity(network) -> None:
    """Let each block's last normalisation scale by zero at first (Goyal et al., 2017)."""
    for layer in network.get_layer("trunk").layers:
        if layer.name.endswith("_second_normalisation"):
            layer.gamma_initializer = keras.initializers.Zeros()


def _weigh_all_alike(network) -> None:
    """Hold the weights of all channels at one."""
    for layer in network.get_layer("trunk").layers:
        if layer.name.endswith("_excite"):
            layer.kernel_initializer = keras.initializers.Zeros()
            layer.bias_initializer = keras.initializers.Constant(20)  # its sigmoid is 1
            layer.trainable = False


if __name__ == "__main__":
    main()
