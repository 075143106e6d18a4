"""Takes that the camera page records, where the server was started with ``--record FOLDER``."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.problems import Problem
from utils.live.recording import TakeRecorder
from utils.live.results import Reading
from utils.live.unsure import Face

_MOST = 16  # sessions whose take may go on


class Recordings:
    """What is recorded of whom; a frame is kept only if its request asks for it.

    Args:
        folder: where takes go; None where the server does not record.
        predictor: gives classes and margin.
    """

    def __init__(self, folder: str | Path | None, predictor):
        self.folder = None if folder is None else Path(folder)
        self._predictor = predictor
        self._door, self._takes = threading.Lock(), {}

    def keep(
        self, session: str, subject: str, name: str, frame: np.ndarray, faces: Sequence[Face]
    ) -> None:
        """Keep the largest face of a frame, while the page's button is held.

        Args:
            session: whose frames these are; its frames make one take until one comes without.
            subject, name: of the person and the class.
            frame: uint8, (height, width) grey or (height, width, 3) BGR, 0–255.
            faces: found in it.

        Raises:
            Problem: 404 the server does not record, 422 a name that cannot be used.
        """
        with self._door:
            recorder, asked = self._takes.get(session, (None, None))
            if recorder is None or asked != (subject, name):
                recorder = self._recorder(subject)
                try:
                    recorder.hold(name)
                except ValueError as error:
                    raise Problem(422, str(error)) from error
            self._takes[session] = recorder, (subject, name)
            while len(self._takes) > _MOST:
                del self._takes[next(iter(self._takes))]
            names = tuple(self._predictor.class_names)
            recorder.write(Reading("camera page", 0, time.monotonic(), frame, list(faces), names))

    def release(self, session: str) -> None:
        """A frame came without the wish: the take has ended."""
        with self._door:
            self._takes.pop(session, None)

    def counts(self, subject: str) -> dict[str, int]:
        """How many images of each class there are of a person; Problems as for `keep`."""
        return self._recorder(subject).counts()

    def undo(self, subject: str) -> None:
        """Remove a person's last take; Problems as for `keep`."""
        with self._door:
            self._takes.clear()
            self._recorder(subject).undo()

    def _recorder(self, subject: str) -> TakeRecorder:
        if self.folder is None:
            raise Problem(
                404, "This server records nothing. Start it with --record FOLDER to let it."
            )
        try:
            return TakeRecorder(self.folder, subject, self._predictor.preprocessing.margin)
        except ValueError as error:
            raise Problem(422, str(error)) from error
