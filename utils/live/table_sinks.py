"""The table as a JSON list, or as the Parquet file that pandas, DuckDB, Polars and Spark read.

`CsvSink`, whose rows are on the disk as they are read, is among the `sinks`.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from utils.files import check_writable, replacing
from utils.live.sinks import FileSink

_ROWS = 10_000  # that are written together, and kept in memory until then
_WHOLE = ("frame", "track", "x", "y", "width", "height")
_TEXT = ("source", "label")


class JsonSink(FileSink):
    """A list with one object a row, which takes its name in one step when it is closed.

    Args:
        path: the file; an old one is replaced, if there was a frame or the run is complete.
    """

    _columns = None  # between runs

    def begin(self, columns: Sequence[str]) -> None:
        """Raises: OSError, the file cannot be written."""
        check_writable(self.path)
        self._columns, self._before = columns, "[\n"

    def _open(self) -> None:
        with ExitStack() as opened:
            new = opened.enter_context(replacing(self.path))
            # A file's name may hold bytes that are no text; JSON has a form for them.
            text = {"encoding": "utf-8", "errors": "backslashreplace"}
            self._file = opened.enter_context(new.open("w", **text))
            self._opened = opened.pop_all()

    def write(self, reading) -> None:
        if self._file is None:
            self._open()
        for row in reading.rows:
            record = json.dumps(dict(zip(self._columns, row, strict=True)), ensure_ascii=False)
            with self._telling():
                self._file.write(self._before + record)
            self._before = ",\n"

    def close(self, complete: bool) -> None:
        if complete and self._file is None and self._columns:
            self._open()
        file, self._file, self._columns = self._file, None, None
        if file is not None:
            with self._telling(), self._opened:
                file.write("[]\n" if self._before == "[\n" else "\n]\n")

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(
                f"The list {self.path} cannot be written: {error.strerror or error}. Nothing of it "
                "is kept."
            ) from error


class ParquetSink(FileSink):
    """A Parquet file of a reading's rows; it can be read once it is closed.

    Args:
        path: the file; an old one is overwritten by the first frame, or by a complete run.
    """

    _schema, _writer, _rows = None, None, ()  # before a run

    def begin(self, columns: Sequence[str]) -> None:
        """Raises: OSError, the file cannot be written."""
        import pyarrow as pa

        check_writable(self.path)
        kinds = {**dict.fromkeys(_WHOLE, pa.int64()), **dict.fromkeys(_TEXT, pa.string())}
        self._schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in columns])
        self._writer, self._rows = None, []

    def _open(self) -> None:
        from pyarrow.parquet import ParquetWriter

        self._writer = ParquetWriter(self.path, self._schema, compression="zstd")

    def write(self, reading) -> None:
        if self._writer is None:
            self._open()
        self._rows += reading.rows
        if len(self._rows) >= _ROWS:
            self._flush()

    def close(self, complete: bool) -> None:
        if complete and self._writer is None and self._schema:
            self._open()
        try:
            self._flush()
        finally:
            if self._writer is not None:
                self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        rows, self._rows = self._rows, []
        if rows:
            # A file's name may hold bytes that are no text.
            names = [str(row[0]).encode("utf-8", "backslashreplace").decode() for row in rows]
            columns = [names, *list(zip(*rows, strict=True))[1:]]
            self._writer.write_table(pa.table(columns, self._schema))
