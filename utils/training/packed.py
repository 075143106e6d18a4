"""Images decoded once and kept in one file, where decoding is what a network waits for."""

from pathlib import Path

import numpy as np
import pandas as pd

from utils.config import CACHE
from utils.datasets.table import fingerprint
from utils.files import digest
from utils.training.distributed import ALONE, Team
from utils.training.row_file import write_rows
from utils.vision.images import read_image
from utils.vision.preprocessing import Preprocessing, prepare

_BATCH = 128


def pack(
    table: pd.DataFrame,
    preprocessing: Preprocessing,
    cache: str | Path = CACHE,
    team: Team = ALONE,
) -> pd.DataFrame:
    """Decode all images of a table into one file, from which `batches.Batches` then reads.

    The file is keyed by the images' contents, size and colour: classes and splits may change.

    Args:
        table: rows with ``file``, ``class`` and ``split``.
        preprocessing: says size and colour.
        cache: folder for the file, which takes height × width × channels bytes an image.
        team: those who train together. The first process makes the file.

    Returns:
        The table with ``pack``, the file, and ``pack_row``, the image's row in it.

    Raises:
        BlockingIOError: another process makes the file.
        OSError: the disk has no room for it, or a process of the team does not see it.
    """
    shape = preprocessing.input_shape
    images = fingerprint(table.assign(split="all", **{"class": ""}))
    file = Path(cache, f"images-{digest(images, str(shape))}.npy").resolve()
    files = table["file"].to_numpy()

    def decoded(index: int):
        for name in files[index * _BATCH : (index + 1) * _BATCH]:
            yield prepare(read_image(name), preprocessing)

    if team.writes:
        write_rows(file, (len(table), *shape), np.uint8, _BATCH, decoded, "decoded images")
    team.wait()
    if not file.is_file():
        raise FileNotFoundError(
            f"Process {team.process} does not see {file}, which process 0 has made. Run all of "
            "them in a folder that every machine sees."
        )
    return table.assign(pack=str(file), pack_row=np.arange(len(table)))
