"""What a frozen trunk makes of every image, computed once and then read from disk.

With these features an edited MLP head is trained in seconds (`head`). They are known as
bottleneck features; see Chollet, "Building powerful image classification models using very
little data", 2016.
"""

import io
import json
import math
import os
from pathlib import Path

import numpy as np

from utils.config import CACHE
from utils.datasets.table import fingerprint
from utils.files import digest, locked, telling_of_losses
from utils.models.backend import keras, xla_pays
from utils.progress import progress_bar
from utils.training.batches import Batches


def trunk_features(
    trunk: keras.Model, images: Batches, cache: str | Path = CACHE, mirror: bool = False
) -> np.memmap:
    """What a trunk makes of every image, computed once and then read from disk.

    The file is keyed by the images, the trunk's layers and weights, and the
    preprocessing; change any of them and it is computed anew. Which part an image
    belongs to makes no difference. Batch by batch is added
    to its end, and it gets its name when it is complete: however many the images,
    memory stays small, and when killed it goes on with the batch that it was at.

    Args:
        trunk: maps (n, *preprocessing.input_shape), 0–255, to any shape of features.
        images: neither shuffled nor augmented.
        cache: folder for the feature files.
        mirror: of each image's mirror image instead.

    Returns:
        A read-only memory map, float16, (n, *trunk.output_shape[1:]), in the order
        of ``images.table``.

    Raises:
        BlockingIOError: another process computes them.
        OSError: the disk has no room for them, as is found out before any work.
    """
    if images.shuffle or images.augmentation:
        raise ValueError(
            "Features are computed once, so their images must be neither shuffled nor augmented. "
            f"Received: shuffle={images.shuffle}, augmentation={images.augmentation}."
        )
    cache = Path(cache)
    cache.mkdir(parents=True, exist_ok=True)
    file = cache / f"features-{features_key(trunk, images)}{'-mirrored' * mirror}.npy"
    if not file.is_file():
        temporary = cache / f".{file.stem}.part"
        with locked(file, "computed"):
            if not file.is_file():  # or another process has been faster
                _compute(trunk, images, temporary, mirror)
                os.replace(temporary, file)
    return np.load(file, mmap_mode="r")


def _compute(trunk, images, file: Path, mirror: bool) -> None:
    """Write the features that the file does not hold yet; its length tells which.

    They are appended, not written through a memory map: what a process has written to a
    map counts as its resident memory.
    """
    shape = (len(images.table), *trunk.output_shape[1:])
    header = _npy_header(shape)
    row_bytes = np.dtype(np.float16).itemsize * math.prod(shape[1:])
    length = file.stat().st_size if file.is_file() else 0
    first = max(length - len(header), 0) // row_bytes // images.batch_size
    together = _images_at_once(trunk)
    trunk.jit_compile = xla_pays()
    kept = "What is computed so far is kept, and goes on when this is run again"
    needed = len(header) + shape[0] * row_bytes - length
    with telling_of_losses(file, kept, needed), open(file, "r+b" if length else "wb") as stream:
        stream.write(header)
        stream.seek(first * images.batch_size * row_bytes, os.SEEK_CUR)
        for index in progress_bar(
            range(first, len(images)),
            desc=f"trunk features, {row_bytes * shape[0] / 1e9:.1f} GB",
            unit="batch",
            initial=first,
            total=len(images),
        ):
            batch = images[index][0][:, :, :: -1 if mirror else 1]
            for start in range(0, len(batch), together):
                features = trunk.predict_on_batch(batch[start : start + together])
                stream.write(_float16(np.asarray(features)).tobytes())
            stream.flush()
        os.fsync(stream.fileno())


def _float16(features: np.ndarray) -> np.ndarray:
    greatest, limit = np.abs(features).max(), np.finfo(np.float16).max
    if not greatest <= limit:  # nor is it when a value is not a number
        raise ValueError(
            f"The trunk's features reach {greatest}, but float16 holds up to {limit}. "
            "Its weights are probably not those that its layers were made for."
        )
    return features.astype(np.float16)


def _npy_header(shape) -> bytes:
    buffer = io.BytesIO()
    about = {"descr": np.dtype(np.float16).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, about)
    return buffer.getvalue()


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
        features: (n, …), as `trunk_features` returns them; or a list of several views' of the
            same images. With a ``seed`` chance takes one of them for each row; else the first.
        wanted: float32, (n, classes), as `Batches.wanted`.
        rows: positions of those to take.
        seed: of the order, which is new for every epoch; None keeps the given order.
        weights: float32, one for each of ``rows``, given to Keras as a third item; None
            leaves it out.
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
        # Opened for each batch: while a map stays open, all that was ever read through it
        # counts as resident, and grows to the size of the file.
        views = [np.load(file, mmap_mode="r") for file in self.files]
        rows, random = self.rows[chosen], self._random
        values = views[0][rows].astype(np.float32)
        if len(views) > 1 and random is not None:
            of = random.integers(len(views), size=len(rows))
            for number, view in enumerate(views[1:], start=1):
                values[of == number] = view[rows[of == number]]
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
