"""From the two students to the two models that are released.

    python -m benchmarks.release.finish [--pack FILE] [--out FOLDER] [--models FOLDER]

`expressions.keras`, which is to read people, goes on for some epochs with their votes alone, on
images changed less, as those that it will meet. Rare expressions drown among the frequent ones,
so its answers are divided by the classes' shares of the votes to the power `TAU` (Menon et al.,
"Long-tail learning via logit adjustment", ICLR 2021). `fer2013.keras`, for comparison with the
field, answers with its head for labels and, by a smaller part, with that for votes, which knows
no single labeller's slips. Last, on images held out of Training, a temperature is fitted: the
confidence of the one becomes the share of people who would agree, that of the other how often
it is right. All of it goes into the last layer, so the models are ordinary ones. Started again
after a stop, it goes on with the last epoch.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.release import pack
from benchmarks.release.networks import STUDENT, two_headed
from utils.config import CLASS_NAMES, MODELS
from utils.datasets import votes as people
from utils.models import networks
from utils.models.backend import fastest_precision, keras, xla_pays
from utils.models.model_file import save_model
from utils.models.rebuilding import rebuild
from utils.training import calibration
from utils.training.augmentation import Augmentation
from utils.training.optimizer import Muon
from utils.vision.preprocessing import Preprocessing

EPOCHS, PEAK_RATE, WEIGHT_DECAY, BATCH = 22, 8e-3, 5e-2, 128
RARITY = 0.25  # power of a class's rarity that its votes are weighted by
TAU = 0.3
OF_VOTES = 0.3  # share of the votes' head in the answers of fer2013.keras
SMOOTHING = 0.1  # of drawn faces' labels
AUGMENTATION = Augmentation(
    rotation=12,
    shift=0.08,
    zoom=0.2,
    brightness=0.12,
    contrast=0.4,
    erasing=0.3,
    blur=0.7,
    noise=0.03,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pack", type=Path, default=pack.PACK)
    parser.add_argument("--out", type=Path, default=pack.PACK.parent, help="where train wrote")
    parser.add_argument("--models", type=Path, default=MODELS)
    options = parser.parse_args()
    packed = pack.load(options.pack)
    expressions = read_student(options.out / "expressions.npz", {"votes": 1.0})
    teach(expressions, Images(packed), options.out / "finishing")
    shares = adjusted(expressions, packed)
    calibrated(expressions, packed, shares, people.usable(packed["votes"]))
    heads = {"votes": OF_VOTES, "labels": 1 - OF_VOTES}
    fer2013 = read_student(options.out / "fer2013.npz", heads)
    labels = np.eye(len(CLASS_NAMES))[packed["labels"]]
    calibrated(fer2013, packed, labels, np.ones(len(labels), bool))
    for name, network in (("expressions", expressions), ("fer2013", fer2013)):
        path = options.models / f"{name}.keras"
        file = save_model(networks.mirrored(network), Preprocessing(CLASS_NAMES), path)
        print(f"{file}, {file.stat().st_size / 1e6:.1f} MB")


def read_student(path: Path, heads: dict[str, float]) -> keras.Model:
    """A student of `train`, its last layer a mixture of its heads for "votes" and "labels"."""
    both = two_headed(STUDENT)
    with np.load(path) as saved:
        for part, variables in enumerate((both.trainable_variables, both.non_trainable_variables)):
            for number, variable in enumerate(variables):
                if (name := f"{part}_{number:03d}") in saved:
                    variable.assign(saved[name])
    network = networks.residual_network(Preprocessing(CLASS_NAMES))
    network.get_layer("trunk").set_weights(both.get_layer("trunk").get_weights())
    shared = [
        one for name in ("dense", "normalisation") for one in both.get_layer(name).get_weights()
    ]
    mixed = [
        sum(share * weight for share, weight in zip(heads.values(), pair, strict=True))
        for pair in zip(*(both.get_layer(name).get_weights() for name in heads), strict=True)
    ]
    network.get_layer("head").set_weights([*shared, *mixed])
    return network


class Images(keras.utils.PyDataset):
    """Changed images of the pack in batches: uint8 images, shares of votes, and weights."""

    def __init__(self, packed: dict):
        super().__init__()
        labels, votes = packed["labels"], packed["votes"]
        smooth = np.eye(len(CLASS_NAMES))[labels] * (1 - SMOOTHING) + SMOOTHING / len(CLASS_NAMES)
        photographed = np.arange(len(labels)) < pack.first_drawn(packed)
        shares = np.nan_to_num(people.shares(votes))
        chosen = (packed["parts"] == pack.PARTS.index("train")) & people.usable(votes)
        chosen &= packed["images"].std(axis=(1, 2)) >= 1
        self.targets = np.where(photographed[:, None], shares, smooth)
        weights = self.targets @ shares[chosen & photographed].mean(axis=0) ** -RARITY
        self.weights = weights / weights[chosen].mean()
        self.images, self.rows = packed["images"][..., None], np.flatnonzero(chosen)
        self.start(0)

    def start(self, epoch: int) -> None:
        """Draw the order of an epoch, counted from 0."""
        self.epoch = epoch
        self.order = np.random.default_rng([5, epoch]).permutation(self.rows)

    def __len__(self) -> int:
        return len(self.rows) // BATCH

    def __getitem__(self, index: int):
        rows = self.order[index * BATCH : (index + 1) * BATCH]
        random = np.random.default_rng([5, self.epoch, index])
        images = np.stack([AUGMENTATION(image, random) for image in self.images[rows]])
        return images, self.targets[rows].astype(np.float32), self.weights[rows].astype(np.float32)


def teach(network: keras.Model, images: Images, folder: Path) -> None:
    """Train a network on, or go on where that was stopped."""
    finished = folder.with_suffix(".weights.h5")
    if finished.is_file():
        network.load_weights(finished)
        return
    keras.utils.set_random_seed(0)
    worker = rebuild(network, fastest_precision())
    worker.set_weights(network.get_weights())
    steps = EPOCHS * len(images)
    rate = keras.optimizers.schedules.CosineDecay(
        PEAK_RATE / 20, steps - steps // 20, warmup_target=PEAK_RATE, warmup_steps=steps // 20
    )
    worker.compile(
        Muon(rate, weight_decay=WEIGHT_DECAY, clipnorm=1.0),
        "categorical_crossentropy",
        jit_compile=xla_pays(),
    )
    order = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: images.start(epoch))
    kept = keras.callbacks.BackupAndRestore(folder, delete_checkpoint=False)
    worker.fit(images, epochs=EPOCHS, shuffle=False, callbacks=[kept, order])
    network.set_weights(worker.get_weights())
    network.save_weights(finished)


def adjusted(network: keras.Model, packed: dict) -> np.ndarray:
    """Divide a network's answers by the class shares of the votes; returns all shares, (n, 7)."""
    shares = np.nan_to_num(people.shares(packed["votes"]))
    learned = people.usable(packed["votes"]) & (packed["parts"] == pack.PARTS.index("train"))
    learned &= np.arange(len(learned)) < pack.first_drawn(packed)
    last = network.get_layer("head").layers[-1]
    kernel, bias = last.get_weights()
    last.set_weights([kernel, bias - TAU * np.log(shares[learned].mean(axis=0))])
    return shares


def calibrated(network: keras.Model, packed: dict, targets: np.ndarray, usable) -> None:
    """Fit the temperature to targets, (n, 7), of the usable images that were held out."""
    rows = usable & (packed["parts"] == pack.PARTS.index("held-out"))
    images = packed["images"][rows][..., None]
    views = [network.predict(one, verbose=0) for one in (images, images[:, :, ::-1])]
    temperature = calibration.fit_temperature(targets[rows], views)
    calibration.set_temperature(network, temperature)
    print(f"temperature {temperature:.3f}, fitted on {rows.sum():,} images held out")


if __name__ == "__main__":
    main()
