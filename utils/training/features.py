"""What a frozen trunk makes of every image (bottleneck features), computed once.

With these an edited MLP head is trained in seconds (`head`); see Chollet, "Building powerful image
classification models using very little data", 2016.
"""

import json
import math
from pathlib import Path

import numpy as np

from utils.config import CACHE
from utils.datasets.table import fingerprint
from utils.files import digest
from utils.models.backend import keras, xla_pays
from utils.training.batches import Batches
from utils.training.packed import read_rows, write_rows


def trunk_features(
    trunk: keras.Model, images: Batches, cache: str | Path = CACHE, mirror: bool = False
) -> np.memmap:
    """What a trunk makes of every image, computed once and then read from disk.

    The file is keyed by the images, the trunk's layers and weights, and the preprocessing, whatever
    split an image is of. When killed, it goes on with the batch that it was at.

    Args:
        trunk: maps (n, *preprocessing.input_shape), 0–255, to any shape of features.
        images: neither shuffled nor augmented.
        cache: folder for the feature files.
        mirror: of each image's mirror image instead.

    Returns:
        A read-only memory map, float16, (n, *trunk.output_shape[1:]), in the order of
        ``images.table``.

    Raises:
        BlockingIOError: another process computes them.
        OSError: the disk has no room for them, as is found out before any work.
    """
    if images.shuffle or images.augmentation:
        raise ValueError(
            "Features are computed once, so their images must be neither shuffled nor augmented. "
            f"Received: shuffle={images.shuffle}, augmentation={images.augmentation}."
        )
    file = Path(cache, f"features-{features_key(trunk, images)}{'-mirrored' * mirror}.npy")
    together = _images_at_once(trunk)
    trunk.jit_compile = xla_pays()

    def features_of(index: int):
        batch = images[index][0][:, :, :: -1 if mirror else 1]
        for start in range(0, len(batch), together):
            features = trunk.predict_on_batch(batch[start : start + together])
            yield _float16(np.asarray(features))

    shape = (len(images.table), *trunk.output_shape[1:])
    write_rows(file, shape, np.float16, images.batch_size, features_of, "trunk features")
    return np.load(file, mmap_mode="r")


def _float16(features: np.ndarray) -> np.ndarray:
    greatest, limit = np.abs(features).max(), np.finfo(np.float16).max
    if not greatest <= limit:  # nor is it when a value is not a number
        raise ValueError(
            f"The trunk's features reach {greatest}, but float16 holds up to {limit}. "
            "Its weights are probably not those that its layers were made for."
        )
    return features.astype(np.float16)


def _images_at_once(trunk) -> int:
    """How many images keep the largest map inside the trunk under 256 MB in float32.

    VGG16's first map of one image of 350 × 350 pixels takes 31 MB; 128 would take 4 GB.
    """
    largest = max(math.prod(layer.output.shape[1:]) for layer in trunk.layers)
    return max(2**26 // largest, 1)


class Features(keras.utils.PyDataset):
    """Streams cached features and their labels to Keras.

    Each item is float32 (batch, *feature shape) and float32 (batch, classes), what to answer.

    Args:
        features: (n, …), as `trunk_features` returns them; or a list of several views' of the same
            images. With a ``seed`` chance takes one of them for each row; else the first.
        wanted: float32, (n, classes), as `Batches.wanted`.
        rows: positions of those to take.
        seed: of the order, which is new for every epoch; None keeps the given order.
        weights: float32, one for each of ``rows``, a third item for Keras; None leaves it out.
        batch_size: rows a batch at most; all batches are of nearly the same size.
    """

    def __init__(self, features, wanted, rows, seed=None, weights=None, batch_size=256):
        super().__init__()
        views = features if isinstance(features, list) else [features]
        self.files = [view.filename for view in views]
        self.rows = np.asarray(rows)
        self.wanted = wanted[self.rows]
        self.weights = weights
        self.batch_size = batch_size
        self._random = None if seed is None else np.random.default_rng(seed)
        self._order = np.arange(len(self.rows))
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        if self._random is not None:
            self._random.shuffle(self._order)

    def __len__(self) -> int:
        return -(-len(self._order) // self.batch_size)

    def __getitem__(self, index: int):
        chosen = np.array_split(self._order, len(self))[index]  # none of a few rows
        rows, random, files = self.rows[chosen], self._random, self.files
        values = read_rows(files[0], rows).astype(np.float32)
        if len(files) > 1 and random is not None:
            of = random.integers(len(files), size=len(rows))
            for number, view in enumerate(files[1:], start=1):
                values[of == number] = read_rows(view, rows[of == number])
        batch = values, self.wanted[chosen]
        return batch if self.weights is None else (*batch, self.weights[chosen])


def features_key(trunk: keras.Model, images: Batches) -> str:
    """Hex digits that follow from images, preprocessing, and a trunk's layers and weights."""
    return digest(
        fingerprint(images.table.assign(split="all")),
        json.dumps(images.preprocessing.to_dict()),
        trunk.to_json(),
        *(weight.tobytes() for weight in trunk.get_weights()),
    )
