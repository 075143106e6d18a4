"""The table as a Parquet file, which pandas, DuckDB, Polars and Spark read column by column."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from utils.live.sinks import Sink

_ROWS = 10_000  # that are written together, and kept in memory until then
_WHOLE = ("frame", "track", "x", "y", "width", "height")
_TEXT = ("source", "label")


class ParquetSink(Sink):
    """A Parquet file of a reading's rows; it can be read once it is closed.

    Args:
        path: the file; an old one is overwritten when it is begun.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.files = (self.path,)

    def begin(self, columns: Sequence[str]) -> None:
        """Raises: OSError, the file cannot be written."""
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        kinds = {**dict.fromkeys(_WHOLE, pa.int64()), **dict.fromkeys(_TEXT, pa.string())}
        self._schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in columns])
        self._writer = ParquetWriter(self.path, self._schema, compression="zstd")
        self._rows: list[Sequence] = []

    def write(self, reading) -> None:
        self._rows += reading.rows
        if len(self._rows) >= _ROWS:
            self._flush()

    def close(self, complete: bool) -> None:
        try:
            self._flush()
        finally:
            with suppress(AttributeError):  # pyarrow's, where it could not be opened
                self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        rows, self._rows = self._rows, []
        if rows:
            # A file's name may hold bytes that are no text.
            names = [str(row[0]).encode("utf-8", "backslashreplace").decode() for row in rows]
            columns = [names, *list(zip(*rows, strict=True))[1:]]
            self._writer.write_table(pa.table(columns, self._schema))
