"""From the two students to the two models that are released: no training, only last layers.

    python -m benchmarks.release.finish [--pack FILE] [--out FOLDER] [--models FOLDER]

`expressions.keras`, which is to read people, answers with its student's head for votes. Rare
expressions drown among the frequent ones, so the answers are divided by the classes' shares of
the votes to the power `TAU` (Menon et al., "Long-tail learning via logit adjustment", ICLR
2021). `fer2013.keras`, for comparison with the field, answers with its student's head for labels
and, by a smaller part, with that for votes, which knows no single labeller's slips. Last, on
images held out of Training, a temperature is fitted: the confidence of the one becomes the share
of people who would agree, that of the other how often it is right. All of it goes into the last
layer, so the models are ordinary ones.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.release import pack
from benchmarks.release.networks import STUDENT, two_headed
from utils.config import CLASS_NAMES, MODELS
from utils.datasets import votes as people
from utils.models import networks
from utils.models.backend import keras
from utils.models.model_file import save_model
from utils.training import calibration
from utils.vision.preprocessing import Preprocessing

TAU = 0.25  # on images held out, more costs people's majority; less, the rare expressions
OF_VOTES = 0.3  # share of the votes' head in the answers of fer2013.keras


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pack", type=Path, default=pack.PACK)
    parser.add_argument("--out", type=Path, default=pack.PACK.parent, help="where train wrote")
    parser.add_argument("--models", type=Path, default=MODELS)
    options = parser.parse_args()
    packed = pack.load(options.pack)
    expressions = read_student(options.out / "expressions.npz", {"votes": 1.0})
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
