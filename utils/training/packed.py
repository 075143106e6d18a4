"""Files with a row for every image, made once: decoded images, and features of a trunk.

They are read row by row, and never held in memory.
"""

import io
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from utils.config import CACHE
from utils.datasets.table import fingerprint
from utils.files import digest, locked, telling_of_losses
from utils.progress import progress_bar
from utils.training.distributed import ALONE, Team
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


def write_rows(
    file: Path,
    shape: tuple[int, ...],
    dtype: type,
    batch_size: int,
    rows_of: Callable[[int], Iterable[np.ndarray]],
    what: str,
) -> None:
    """Make a `.npy` file of rows, unless it is there.

    It gets its name when it is complete; when killed it goes on with the batch that it was at. Rows
    are appended, not written through a memory map: what is written to a map counts as resident.

    Args:
        file: whose name follows from all that the rows follow from.
        shape, dtype: of the whole array, rows first.
        batch_size: rows a batch; the last has what is left.
        rows_of: gives the rows of a batch, by its number, in one or more arrays.
        what: it is called in the progress bar.

    Raises:
        BlockingIOError: another process makes it.
        OSError: the disk has no room for it, as is found out before any work.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.is_file():
        return
    temporary = file.with_name(f".{file.stem}.part")
    with locked(file, "computed"):
        if not file.is_file():  # or another process has been faster
            _append(temporary, shape, dtype, batch_size, rows_of, what)
            os.replace(temporary, file)


def _append(file, shape, dtype, batch_size, rows_of, what) -> None:
    """Write the rows that the file does not hold yet; its length tells which."""
    header = _npy_header(shape, dtype)
    row_bytes = np.dtype(dtype).itemsize * math.prod(shape[1:])
    length = file.stat().st_size if file.is_file() else 0
    first = max(length - len(header), 0) // row_bytes // batch_size
    batches = -(-shape[0] // batch_size)
    kept = "What is computed so far is kept, and goes on when this is run again"
    needed = len(header) + shape[0] * row_bytes - length
    with telling_of_losses(file, kept, needed), open(file, "r+b" if length else "wb") as stream:
        stream.write(header)
        stream.seek(first * batch_size * row_bytes, os.SEEK_CUR)
        for index in progress_bar(
            range(first, batches),
            desc=f"{what}, {row_bytes * shape[0] / 1e9:.1f} GB",
            unit="batch",
            initial=first,
            total=batches,
        ):
            for rows in rows_of(index):
                stream.write(rows.tobytes())
            stream.flush()
        os.fsync(stream.fileno())


def _npy_header(shape, dtype) -> bytes:
    buffer = io.BytesIO()
    about = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, about)
    return buffer.getvalue()


def read_rows(file: str | Path, rows: np.ndarray) -> np.ndarray:
    """Some rows of such a file, as an array of its own.

    It is opened anew each time: all that was ever read through an open map counts as resident.
    """
    return np.load(file, mmap_mode="r")[rows]
