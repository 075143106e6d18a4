"""One network and a few detectors, shared by many threads.

Both are what the machine's cores are spent on, and a detector searches one picture at a
time. So the network has a thread of its own behind a bounded queue, which answers the
faces of all waiting requests in one call; each detector has a thread, too.
Whoever would have to wait too long is told so at once (`Busy`).
"""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer
from queue import Empty, Full, Queue
from typing import TypeVar

import numpy as np

from utils.models.opinion import face_shares
from utils.vision.boxes import Box
from utils.vision.detectors import make_detector
from utils.vision.haar import FaceDetector
from utils.vision.preprocessing import prepare_faces

Result = TypeVar("Result")

_STOP = None
_ENDING = "The server is ending. Start it again."


class Busy(RuntimeError):
    """Too much waits already; the text says so to the client."""


class SharedPredictor:
    """A predictor that any thread may ask; it answers as `utils.models.predictor.Predictor` does.

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
        self.opinion = getattr(predictor, "opinion", None)
        self._predictor, self._batch, self._patience = predictor, batch, patience
        self._queue: Queue = Queue(waiting)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._answer, name="inference", daemon=True)
        self._thread.start()

    def probabilities(self, faces: np.ndarray) -> np.ndarray:
        """Class probabilities of prepared faces, see `utils.models.predictor.Predictor`.

        Args:
            faces: uint8, (n, size, size, channels) as the model expects, 0–255.

        Returns:
            float32, (n, classes).

        Raises:
            Busy: the queue stayed full, or the server is ending.
        """
        if not len(faces):
            return np.empty((0, len(self.class_names)), np.float32)
        return self._ask(faces)[0]

    def with_features(self, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities and the trunk's features, see `Predictor.with_features`."""
        return self._ask(faces)

    def predict_faces(self, frame: np.ndarray, boxes: list[Box]) -> np.ndarray:
        """Class probabilities of the boxed faces of a frame, see `Predictor.predict_faces`."""
        return self.probabilities(prepare_faces(frame, boxes, self.preprocessing))

    def face_shares(self, frame: np.ndarray, boxes: list[Box]) -> np.ndarray | None:
        """How sure the network is of a face in each box, see `Predictor.face_shares`."""
        return face_shares(self, frame, boxes)

    def close(self) -> None:
        """Answer what is in the queue, then end."""
        if not self._closed.is_set():
            self._closed.set()
            self._queue.put(_STOP)
            self._thread.join()

    def _ask(self, faces: np.ndarray) -> tuple[np.ndarray, ...]:
        """The network's answers, in parts: between those of a crowd others have their turn."""
        if self._closed.is_set():
            raise Busy(_ENDING)
        parts = [faces[at : at + self._batch] for at in range(0, len(faces), self._batch)]
        answers: list[Future] = [Future() for _ in parts]
        try:
            for call in zip(parts, answers, strict=True):
                self._queue.put(call, timeout=self._patience)
            rows = [answer.result(timeout=self._patience) for answer in answers]
        except (Full, NoAnswer):
            raise Busy("Too many faces wait to be read. Try again in a moment.") from None
        return tuple(map(np.concatenate, zip(*rows, strict=True)))

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
            faces = np.concatenate([faces for faces, _ in calls])
            if self.opinion is None:
                answers = (self._predictor.probabilities(faces),)
            else:
                answers = self._predictor.with_features(faces)
        except Exception as error:  # belongs to those who asked; the thread goes on
            for _, answer in calls:
                answer.set_exception(error)
            return
        ends = np.cumsum([len(faces) for faces, _ in calls])[:-1]
        parts = zip(*(np.split(rows, ends) for rows in answers), strict=True)
        for (_, answer), part in zip(calls, parts, strict=True):
            answer.set_result(part)


class DetectorPool:
    """A few threads, each with a detector of its own, that decode and search pictures.

    Images live on these threads alone, from decoding to the crops that are handed back:
    so ``size`` bounds how many large ones there are at a time, also in what the C library
    keeps for each thread that ever decoded one.

    Args:
        size: threads.
        waiting: calls that may wait for one.
        patience: seconds that they wait.
        detector: "haar" or "yunet".
    """

    def __init__(self, size: int, waiting: int, patience: float = 30.0, detector: str = "haar"):
        detectors = [make_detector(detector) for _ in range(size)]
        self._own = threading.local()
        self._threads = ThreadPoolExecutor(
            size, "detection", lambda: setattr(self._own, "detector", detectors.pop())
        )
        self._places = threading.BoundedSemaphore(size + waiting)
        self._patience = patience

    def run(self, work: Callable[[FaceDetector], Result]) -> Result:
        """What ``work`` returns; it is called on one of the threads, with its detector.

        It should return crops and numbers, never the picture.

        Raises:
            Busy: too many wait, none became free in time, or the server is ending.
            Exception: whatever ``work`` raises.
        """
        if not self._places.acquire(blocking=False):
            raise Busy("Too many requests wait already. Try again in a second.")
        try:
            try:
                answer = self._threads.submit(lambda: work(self._own.detector))
            except RuntimeError:  # it takes nothing after `close`
                raise Busy(_ENDING) from None
            try:
                return answer.result(self._patience)
            except NoAnswer:  # perhaps of `work` itself, or it has begun: then its end counts
                if answer.cancel():
                    raise Busy("No place became free in time. Try again in a moment.") from None
                return answer.result()
        except CancelledError:
            raise Busy(_ENDING) from None
        finally:
            self._places.release()

    def close(self) -> None:
        """Begin no further call."""
        self._threads.shutdown(wait=False, cancel_futures=True)
