"""A file with a row for every image, made once and read without being held in memory."""

import io
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from utils.files import locked, telling_of_losses
from utils.progress import progress_bar


def write_rows(
    file: Path,
    shape: tuple[int, ...],
    dtype: type,
    batch_size: int,
    rows_of: Callable[[int], Iterable[np.ndarray]],
    what: str,
) -> None:
    """Make a `.npy` file of rows, unless it is there.

    Batch by batch is added to its end, and it gets its name when it is complete: however
    many the rows, memory stays small, and when killed it goes on with the batch that it was
    at. They are appended, not written through a memory map: what a process has written to a
    map counts as its resident memory.

    Args:
        file: whose name follows from all that the rows follow from.
        shape: of the whole array, rows first.
        dtype: of the array.
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

    It is opened anew each time: while a map stays open, all that was ever read through it
    counts as resident, and grows to the size of the file.
    """
    return np.load(file, mmap_mode="r")[rows]
