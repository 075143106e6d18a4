"""One network and a few detectors, shared by many threads.

Neither may be used by two threads at once, and both are what the machine's cores are
spent on. So the network has a thread of its own behind a bounded queue, which answers
the faces of all waiting requests in one call; a detector is lent to one thread at a time.
Whoever would have to wait too long is told so at once (`Busy`).
"""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import contextmanager
from queue import Empty, Full, Queue

import numpy as np

from utils.faces import FaceDetector
from utils.preprocessing import Box, prepare_faces

_STOP = None


class Busy(RuntimeError):
    """Too much waits already; the text says so to the client."""


class SharedPredictor:
    """A predictor that any thread may ask; it answers as `utils.predictor.Predictor` does.

    Args:
        predictor: has ``class_names``, ``preprocessing`` and ``probabilities(faces)``;
            called by one thread only.
        waiting: most calls in the queue.
        batch: faces after which no further call joins a batch.
        patience: seconds that a call waits, for a place and then for its answer.
    """

    def __init__(self, predictor, waiting: int = 64, batch: int = 64, patience: float = 30.0):
        self.class_names = tuple(predictor.class_names)
        self.preprocessing = predictor.preprocessing
        self._predictor, self._batch, self._patience = predictor, batch, patience
        self._queue: Queue = Queue(waiting)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._answer, name="inference", daemon=True)
        self._thread.start()

    def probabilities(self, faces: np.ndarray) -> np.ndarray:
        """Class probabilities of prepared faces, see `utils.predictor.Predictor`.

        Args:
            faces: uint8, (n, size, size, channels) as the contract says, 0–255.

        Returns:
            float32, (n, classes).

        Raises:
            Busy: the queue stayed full, or the server is ending.
        """
        if self._closed.is_set():
            raise Busy("The server is ending. Start it again.")
        answer: Future = Future()
        try:
            self._queue.put((faces, answer), timeout=self._patience)
            return answer.result(timeout=self._patience)
        except (Full, NoAnswer):
            raise Busy("Too many faces wait to be read. Try again in a moment.") from None

    def predict_faces(self, frame: np.ndarray, boxes: list[Box]) -> np.ndarray:
        """Class probabilities of the boxed faces of a frame, see `utils.predictor.Predictor`."""
        return self.probabilities(prepare_faces(frame, boxes, self.preprocessing))

    def close(self) -> None:
        """Answer what is in the queue, then end."""
        if not self._closed.is_set():
            self._closed.set()
            self._queue.put(_STOP)
            self._thread.join()

    def _answer(self) -> None:
        going_on = True
        while going_on:
            calls = [self._queue.get()]
            while calls[-1] is not _STOP and sum(len(faces) for faces, _ in calls) < self._batch:
                try:
                    calls.append(self._queue.get_nowait())
                except Empty:
                    break
            if calls[-1] is _STOP:
                going_on = False
                calls.pop()
            self._answer_batch(calls)

    def _answer_batch(self, calls: list[tuple[np.ndarray, Future]]) -> None:
        if not calls:
            return
        try:
            rows = self._predictor.probabilities(np.concatenate([faces for faces, _ in calls]))
        except Exception as error:  # belongs to those who asked; the thread goes on
            for _, answer in calls:
                answer.set_exception(error)
            return
        ends = np.cumsum([len(faces) for faces, _ in calls])[:-1]
        for (_, answer), part in zip(calls, np.split(rows, ends), strict=True):
            answer.set_result(part)


class DetectorPool:
    """Detectors to borrow, and a bounded number of threads that wait for one.

    A picture is decoded while a detector is held, so the pool bounds memory as well.

    Args:
        size: detectors.
        waiting: threads that may wait.
        patience: seconds that they wait.
    """

    def __init__(self, size: int, waiting: int, patience: float = 30.0):
        self._free: Queue = Queue()
        for _ in range(size):
            self._free.put(FaceDetector())
        self._places = threading.BoundedSemaphore(size + waiting)
        self._patience = patience

    @contextmanager
    def lend(self) -> Iterator[FaceDetector]:
        """A detector for as long as the ``with`` block lasts.

        Raises:
            Busy: too many wait, or none became free in time.
        """
        if not self._places.acquire(blocking=False):
            raise Busy("Too many requests wait already. Try again in a second.")
        try:
            try:
                detector = self._free.get(timeout=self._patience)
            except Empty:
                raise Busy("No place became free in time. Try again in a moment.") from None
            try:
                yield detector
            finally:
                self._free.put(detector)
        finally:
            self._places.release()
