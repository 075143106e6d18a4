"""Sinks that stay open from one source to the next."""

from collections import Counter
from collections.abc import Callable, Sequence

from utils.live.loop import explain
from utils.live.results import ResultsTable
from utils.live.sinks import Sink


class Kept(Sink):
    """A sink that keeps the table in memory."""

    def __init__(self, class_names: Sequence[str]):
        self.table = ResultsTable(class_names)
        self.write = self.table.add


class Tally(Sink):
    """A sink that says in a line how often each label was read of a source, when it is over.

    Attributes:
        frames, faces: how many were read in all.
    """

    def __init__(self, say: Callable[[str], None] = print):
        self._say, self._source = say, None
        self.frames, self.faces, self._labels = 0, 0, Counter()

    def write(self, reading) -> None:
        if reading.source != self._source:
            self.close(True)
            self._source = reading.source
        self.frames += 1
        self._labels.update(face.label for face in reading.faces)

    def close(self, complete: bool) -> None:
        if self._labels:
            count = self._labels.total()
            labels = ", ".join(f"{label} {times}" for label, times in self._labels.most_common())
            readings = "1 reading" if count == 1 else f"{count} readings"
            self._say(f"{self._source}: {readings} of a face: {labels}")
            self.faces += count
            self._labels.clear()


class Open(Sink):
    """A sink that stays open from one source to the next."""

    def __init__(self, sink: Sink):
        self.write = sink.write


class Shared(Sink):
    """A file that all sources share; when it fails, the others go on.

    Attributes:
        problem: why it could not be written; empty while it can.
    """

    def __init__(self, sink: Sink):
        self._sink, self.problem = sink, ""

    def write(self, reading) -> None:
        self._try(self._sink.write, reading)

    def end(self, complete: bool) -> None:
        """Close it, when no source is left."""
        self._try(self._sink.close, complete, always=True)

    def _try(self, act, argument, always: bool = False) -> None:
        if self.problem and not always:
            return
        try:
            act(argument)
        except OSError as error:
            self.problem = self.problem or explain(error)
