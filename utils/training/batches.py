"""Images on their way from the disk to Keras."""

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import pandas as pd

from utils.datasets.table import fingerprint
from utils.files import digest
from utils.models.backend import keras
from utils.training.augmentation import Augmentation
from utils.training.distributed import ALONE, Team
from utils.training.packed import read_rows
from utils.training.targets import Targets, left_out, soft_targets, vote_weight
from utils.vision.images import read_image
from utils.vision.preprocessing import Preprocessing, prepare


class Batches(keras.utils.PyDataset):
    """Streams a table of images to Keras in batches, decoding as it goes.

    Only the batches in flight are held in memory. The order depends on (seed, epoch) alone, an
    image's augmentation on (seed, epoch, image): an interrupted epoch can be run again exactly,
    however many processes share it.

    Each item is a pair: uint8 (batch, size, size, channels), 0–255, grey or RGB, and float32
    (batch, classes), what to answer: one-hot labels or shares of votes.

    Attributes:
        table: the images, without those that are left out for want of votes.
        labels: int, (n,), their class indices.
        wanted: float32, (n, classes), what to answer.
        left_out: how many were left out, in a sentence; "" if none.
        vote_weight: of the votes against the labels, 0–1.
        targets: what else than the labels is trained towards, for a run's settings; or None.

    Args:
        table: rows with ``file`` and ``class``, as `find_images` gives them; from `packed.pack` its
            images are decoded already.
        preprocessing: its classes give the order of the labels.
        batch_size: images a batch at most; without ``shuffle`` the last has what is left.
        shuffle: draw a new order for every epoch, in batches of nearly the same size: a last one of
            a few images would move the weights as far as any other (`benchmarks/ablations.py`).
        augmentation: random changes to apply, or None.
        seed: source of all chance here.
        targets: what to answer: "labels", "votes" or a weight of these, as `soft_targets` says.
        team: those who share each batch. An item is then what this process reads of it, and an
            epoch leaves out the few images, others each time, that its devices cannot share.
    """

    targets: dict | None = None

    def __init__(
        self,
        table: pd.DataFrame,
        preprocessing: Preprocessing,
        batch_size: int = 128,
        shuffle: bool = False,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        targets: Targets = "labels",
        team: Team = ALONE,
    ):
        super().__init__()
        unknown = sorted(set(table["class"]) - set(preprocessing.class_names))
        if unknown or table.empty:
            raise ValueError(
                f"Expected images of {', '.join(preprocessing.class_names)}. "
                f"Received: {', '.join(unknown) or 'an empty table'}."
            )
        if batch_size < 1:
            raise ValueError(f"Expected a batch of at least one image. Received: {batch_size}")
        wanted, kept = soft_targets(table, preprocessing.class_names, targets)
        if not kept.any():
            raise ValueError(
                f"No image is left to learn from. Received: {left_out(kept, table, targets)}"
            )
        self.wanted = wanted[kept]
        self.vote_weight = vote_weight(targets)
        self.left_out = left_out(kept, table, targets)
        if self.vote_weight:
            self.targets = {"votes": self.vote_weight, "wanted": digest(self.wanted.tobytes())}
        self.table = table = table[kept].reset_index(drop=True)
        self.preprocessing = preprocessing
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.augmentation = augmentation
        self.seed = seed
        self.team = team
        if shuffle and len(table) < team.devices:
            raise ValueError(
                f"Expected an image for each of {team.devices} devices at least. Received: "
                f"{len(table)} images."
            )
        self.labels = pd.Categorical(table["class"], preprocessing.class_names).codes.astype(int)
        self.start_epoch(0)

    @cached_property
    def fingerprint(self) -> str:
        """`table.fingerprint` of it; every file is read for it, once."""
        return fingerprint(self.table)

    def start_epoch(self, epoch: int) -> None:
        """Set the order of images for an epoch, counted from 0."""
        self.epoch = epoch
        self._order = np.arange(len(self.table))
        if self.shuffle:
            np.random.default_rng([self.seed, epoch]).shuffle(self._order)
            self._order = self._order[: len(self._order) // self.team.devices * self.team.devices]

    def part(self, rows: np.ndarray) -> "Batches":
        """Some of the images, neither shuffled nor augmented, with the same kind of targets."""
        table = self.table.iloc[rows]
        return Batches(
            table, self.preprocessing, self.batch_size, targets=self.vote_weight, team=self.team
        )

    def on_epoch_end(self) -> None:
        self.start_epoch(self.epoch + 1)

    def __len__(self) -> int:
        return -(-len(self._order) // self.batch_size)

    def rows(self, index: int) -> np.ndarray:
        """Positions in the table of a batch's images that this process reads, in their order."""
        if self.shuffle:
            shared = self._order.reshape(-1, self.team.devices)  # one image for each device
            return self.team.rows(np.array_split(shared, len(self))[index].ravel())
        return self.team.rows(self._order[index * self.batch_size :][: self.batch_size])

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.rows(index)
        batch = np.empty((len(chosen), *self.preprocessing.input_shape), np.uint8)
        for row, number, image in zip(batch, chosen, self._prepared(chosen), strict=True):
            if self.augmentation:
                random = np.random.default_rng([self.seed, self.epoch, number])
                image = self.augmentation(image, random)
            row[:] = image
        return batch, self.wanted[chosen]

    def _prepared(self, rows: np.ndarray) -> Iterable[np.ndarray]:
        if "pack" in self.table:
            return read_rows(self.table["pack"].iat[0], self.table["pack_row"].to_numpy()[rows])
        files = self.table["file"].iloc[rows]
        return (prepare(read_image(file), self.preprocessing) for file in files)


class Weighted(keras.utils.PyDataset):
    """Images with a weight for each, float32 (n,), a third item of every batch for Keras."""

    def __init__(self, images: Batches, weights: np.ndarray):
        super().__init__()
        self.images = images
        self.weights = weights

    def on_epoch_end(self) -> None:
        self.images.on_epoch_end()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        return *self.images[index], self.weights[self.images.rows(index)]
