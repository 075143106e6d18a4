"""Ten thousand videos, a million photographs: read by many processes into a folder of tables.

`source_lists` cuts the work to pieces, `dask_cluster` has the processes, and `readings_folder`
keeps what came of each piece.
"""

import errno
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from utils.config import DEFAULT_MODEL
from utils.files import digest, locked, replacing
from utils.live import readings_folder
from utils.live.addresses import safe_address
from utils.live.arguments import check_threshold
from utils.live.dask_cluster import Client, bring_model, cluster
from utils.live.loop import explain
from utils.live.predict import read_into
from utils.live.results import table_columns
from utils.live.sinks import CsvSink, Sink
from utils.live.source_lists import Piece, cut, list_sources
from utils.live.table_sinks import ParquetSink
from utils.progress import progress_bar

_SINKS = {"parquet": ParquetSink, "csv": CsvSink}
_AHEAD = 1000  # pieces that are sent at a time: the scheduler need not hold a million
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass
class Outcome:
    """What came of a piece.

    Attributes:
        worker: the address of who read it.
        read: source, frames, faces, seconds of work and notes of each source that was read.
        failed: the reason of each that was not.
    """

    worker: str
    read: list[tuple] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def read_many(
    sources: Iterable[str | Path],
    folder: str | Path,
    model: str | Path = DEFAULT_MODEL,
    *,
    workers: int | None = None,
    dask: str | None = None,
    form: str = "parquet",
    progress: bool = True,
    say: Callable[[str], None] = print,
    **settings,
) -> dict[str, str]:
    """Read the faces of many images and videos with many processes.

    Run again, it goes on where it stopped: what the folder holds is not read again.

        failed = live.read_many(["videos", "photos/**/*.jpg"], "faces")
        table = pandas.read_parquet("faces")

    Args:
        sources: see `utils.live.source_lists.list_sources`.
        folder: gets a file of rows, in the columns of `utils.live.predict.read_sources`, for every
            video and every hundred images or fewer; ``_sources`` with what was read and how long it
            took; ``_settings.json``; and ``_failed.csv``. All workers must see it under this path.
        model: ``.keras`` file of this project.
        workers, dask: see `utils.live.dask_cluster.cluster`.
        form: "parquet" or "csv".
        progress: show a bar.
        say: where messages go.
        **settings: of `utils.live.predict.read_into`, such as ``threshold`` and ``every``.

    Returns:
        For each source that was not read, the reason.

    Raises:
        ValueError: the folder holds something else, or readings of another model or of other
            settings; a source that has no end; a threshold that is no share.
        FileNotFoundError: see `utils.live.source_lists.list_sources`.
        BlockingIOError: another process of this machine reads into the folder.
        OSError: it cannot be written, or not be seen by a worker, or the disk is full; what is
            complete is kept.
        ConnectionError: see `utils.live.dask_cluster.cluster`; or the scheduler was lost.
    """
    check_threshold(settings.get("threshold", 0))
    folder = Path(folder).absolute()
    found = list_sources(sources, settings.get("sequence", False), say)
    if settings.get("whole") and not all(source.still for source in found):
        raise ValueError("Whole pictures are image files; some of the sources are none.")
    with locked(folder, "read into"):
        about = {"model": digest(Path(model), digits=64), "form": form, **settings}
        readings_folder.begin(folder, about)
        done = readings_folder.sources_in(folder, form)
        left = [source for source in found if _as_written(source.path) not in done]
        if len(left) < len(found):
            say(f"{len(found) - len(left)} of {len(found)} sources are there already.")
        failed = {}
        if left:
            with cluster(workers, dask) as client:
                run = _Run(client, bring_model(client, model), folder, form, settings)
                with progress_bar(total=len(left), unit="source", disable=not progress) as bar:
                    failed = run.read(list(cut(left, len(found))), bar)
            if run.notes:
                say(f"{run.notes} sources have notes in {folder / readings_folder.SOURCES}.")
        readings_folder.tidy(folder, form, failed)
    return failed


def _as_written(path: str) -> str:
    """A source as a table of UTF-8 holds it, whose name may be no text."""
    return safe_address(path).encode(errors="backslashreplace").decode()


def read_piece(piece: Piece, folder: Path, form: str, reader: str, settings: dict) -> Outcome:
    """Read a piece on a worker, and write its two files, or none where nothing could be read."""
    from dask.distributed import get_worker

    worker = get_worker()
    plugin = worker.plugins[reader]
    readings_folder.check_seen(folder, worker.address)
    outcome = Outcome(worker.address)
    columns = table_columns(plugin.predictor.class_names)
    detector = plugin.detector(settings.get("detector", "haar"))
    with suppress(_NothingRead):
        with (
            replacing(folder / f"{piece.name}.{form}") as temporary,
            closing(_Rows(_SINKS[form](temporary), columns)) as rows,
        ):
            for source in piece.sources:
                rows.frames, rows.faces, notes, began = 0, 0, [], time.perf_counter()
                problems = read_into(
                    [rows], [source.path], plugin.predictor, progress=False, say=notes.append,
                    **settings | {"detector": detector},
                )  # fmt: skip
                if rows.problem:
                    raise rows.problem
                name = safe_address(source.path)
                if problems:
                    outcome.failed[source.path] = problems[0].removeprefix(f"{name}: ")
                else:
                    spent = round(time.perf_counter() - began, 3)
                    note = " ".join(notes).removeprefix(f"{name}: ")
                    outcome.read.append((name, rows.frames, rows.faces, spent, note))
            if not outcome.read:
                raise _NothingRead
        readings_folder.write_sources(folder, piece.name, outcome.read)
    return outcome


class _NothingRead(Exception):
    """Of a piece, whose file is not kept then."""


class _Rows(Sink):
    """Passes readings on, counts them, and tells the disk's failures from a source's."""

    def __init__(self, sink: Sink, columns: Sequence[str]):
        self._sink, self.problem = sink, None
        self.frames = self.faces = 0
        sink.begin(columns)

    def write(self, reading) -> bool:
        self.frames, self.faces = self.frames + 1, self.faces + len(reading.faces)
        try:
            self._sink.write(reading)
        except OSError as error:
            self.problem = error
        return self.problem is None

    def close(self, complete: bool = True) -> None:
        self._sink.close(complete)


class _Run:
    """Deals pieces out; what fails is tried once more elsewhere, what kills its worker alone."""

    def __init__(self, client: Client, reader: str, folder: Path, form: str, settings: dict):
        self._client = client
        self._arguments = folder, form, reader, settings
        self._about = digest(repr(self._arguments))
        self.notes = 0  # sources of which something is told

    def read(self, pieces: list[Piece], bar) -> dict[str, str]:
        """Read them all; returns the reasons of the sources that were not."""
        began, faces, failed, deadly = time.monotonic(), 0, {}, []

        def count(outcome: Outcome) -> None:
            nonlocal faces
            faces += sum(row[2] for row in outcome.read)
            self.notes += sum(bool(row[-1]) for row in outcome.read)
            bar.set_postfix_str(f"{faces / (time.monotonic() - began):.1f} faces/s", refresh=False)
            bar.update(len(outcome.read))

        for piece, outcome in self._deal((piece, None) for piece in pieces):
            if outcome is None:
                deadly += [(Piece((source,)), None) for source in piece.sources]
                continue
            count(outcome)
            single = {source.path: Piece((source,)) for source in piece.sources}
            failed |= {single[path]: outcome.worker for path in outcome.failed}
        reasons = {}
        for tasks, ahead in ((failed.items(), _AHEAD), (deadly, 1)):
            for piece, outcome in self._deal(tasks, ahead):
                path = piece.sources[0].path
                died = "the process that read it was killed, more than once"
                reason = died if outcome is None else outcome.failed.get(path)
                if reason:
                    reasons[safe_address(path)] = reason
                    bar.update(1)
                else:
                    count(outcome)
        return reasons

    def _deal(
        self, tasks: Iterable[tuple[Piece, str | None]], ahead: int = _AHEAD
    ) -> Iterator[tuple[Piece, Outcome | None]]:
        """Each piece with its outcome, as they come; with None where its worker died.

        ``tasks`` are pieces with the worker that should not have them again; ``ahead`` are sent at
        a time.
        """
        from dask.distributed import as_completed

        tasks, running = iter(tasks), {}
        completed = as_completed(loop=self._client.loop)

        def send() -> None:
            for piece, avoided in islice(tasks, ahead - len(running)):
                others = [one for one in self._client.nthreads() if avoided and one != avoided]
                elsewhere = {"workers": others, "allow_other_workers": True} if others else {}
                key = f"read-{piece.name}-{self._about}{'-again' * bool(avoided)}"
                future = self._client.submit(
                    read_piece, piece, *self._arguments, key=key, pure=False, **elsewhere
                )
                running[future] = piece
                completed.add(future)

        send()
        for future in completed:
            piece = running.pop(future)
            if future.cancelled():
                raise ConnectionError(
                    "The scheduler was lost. What is complete is kept; run it again to go on."
                )
            error = future.exception()
            outcome = None if error else future.result()
            future.release()  # or Dask would read it again if the worker that has it dies
            unseen = isinstance(error, readings_folder.FolderUnseen)
            if unseen or getattr(error, "errno", None) in _FULL:
                raise error  # the others would fare no better
            if error and type(error).__name__ != "KilledWorker":
                reason = explain(error)
                outcome = Outcome("", failed={one.path: reason for one in piece.sources})
            send()
            yield piece, outcome
