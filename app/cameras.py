"""Live pictures: sessions of the browsers' cameras, and one camera of the server."""

import secrets
import threading
import time
from dataclasses import dataclass, field

import numpy as np

from app.problems import Problem
from app.trackers import FewFacesTracker
from utils.live.analyzer import FaceAnalyzer
from utils.live.loop import read_live
from utils.live.sinks import Sink
from utils.live.unsure import Face
from utils.vision.haar import FaceDetector
from utils.vision.opencv import cv2

_IDLE = 30.0  # seconds without a frame after which a session may be forgotten
_FIRST, _AGAIN = 20.0, 5.0  # seconds for which a picture is waited for
_BOUNDARY = "frame"


@dataclass
class _Session:
    analyzer: FaceAnalyzer
    start: float = field(default_factory=time.monotonic)
    used: float = field(default_factory=time.monotonic)
    busy: threading.Lock = field(default_factory=threading.Lock)


class Sessions:
    """What is known from frame to frame of each browser's camera: ids and smoothing.

    Args:
        predictor: see `utils.live.analyzer.FaceAnalyzer`.
        most: sessions at a time. An idle one makes room for a new one.
        faces: most faces that each follows.
    """

    def __init__(self, predictor, most: int, faces: int):
        self._predictor, self._most, self._faces = predictor, most, faces
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()

    def open(self, detector: FaceDetector) -> str:
        """Begin a session.

        Args:
            detector: any; each `read` brings one.

        Returns:
            Its name, which cannot be guessed.

        Raises:
            Problem: 503, all are in use.
        """
        with self._lock:
            now = time.monotonic()
            idle = [name for name, one in self._sessions.items() if now - one.used > _IDLE]
            for name in idle:
                del self._sessions[name]
            if len(self._sessions) >= self._most:
                raise Problem(503, "All live places are taken. Try again in a minute.", 30)
            name = secrets.token_urlsafe(16)
            tracker = FewFacesTracker(self._faces)
            self._sessions[name] = _Session(FaceAnalyzer(self._predictor, detector, tracker))
        return name

    def read(self, name: str, frame: np.ndarray, detector: FaceDetector) -> list[Face]:
        """The faces of the session's next frame.

        Args:
            name: the session.
            frame: uint8, (height, width) grey or (height, width, 3) BGR, 0–255.
            detector: to search with; a search in another thread waits for it.

        Raises:
            Problem: 404 no such session, 429 its last frame is still being read.
        """
        session = self.get(name)
        if not session.busy.acquire(blocking=False):
            raise Problem(
                429, "The last frame of this camera is still being read. Send one at a time.", 1
            )
        try:
            session.used = time.monotonic()
            session.analyzer.detector = detector
            return session.analyzer.read(frame, session.used - session.start)
        finally:
            session.busy.release()

    def get(self, name: str) -> _Session:
        """The session of that name; Problem 404 if there is none."""
        with self._lock:
            if name not in self._sessions:
                raise Problem(404, "There is no such camera session; it has ended. Begin another.")
            return self._sessions[name]

    def end(self, name: str) -> None:
        """Forget a session; one that has ended already is no error."""
        with self._lock:
            self._sessions.pop(name, None)


class CameraFeed(Sink):
    """The annotated picture of the server's camera, for any number of browsers up to a few.

    The camera is open while somebody watches, and no longer. A feed is a sink for
    `utils.live.loop.read_live`, which runs in a thread of its own.

    Args:
        source: see `utils.live.sources.open_source`.
        predictor: see `utils.live.loop.read_live`.
        most: browsers at a time.
        faces: most faces that are followed.
        detector: "haar" or "yunet".

    Attributes:
        message: why no newer picture comes, such as that the camera was unplugged; "" else.
    """

    def __init__(self, source, predictor, most: int, faces: int, detector: str = "haar"):
        self._source, self._predictor, self._most = source, predictor, most
        self._faces, self._detector = faces, detector
        self._viewers, self._stop, self._thread = 0, threading.Event(), None
        self._door, self._news = threading.Lock(), threading.Condition()
        self._jpeg, self._number, self._end, self.message = b"", 0, "", ""

    def watch(self) -> "_Watching":
        """The parts of a multipart/x-mixed-replace answer, from the newest picture on.

        Its ``close`` gives the viewer's place back, whether a part was taken or not.

        Raises:
            Problem: 429 too many watch, 503 the camera gives no picture.
        """
        self._enter()
        watching = _Watching(self)
        try:
            watching.await_picture()
        except BaseException:
            watching.close()
            raise
        return watching

    @property
    def content_type(self) -> str:
        return f"multipart/x-mixed-replace; boundary={_BOUNDARY}"

    def write(self, reading) -> None:
        """A sink's part: keep the newest picture as JPEG."""
        encoded = cv2.imencode(".jpg", reading.annotated, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
        with self._news:
            self._jpeg, self._number, self.message = encoded.tobytes(), self._number + 1, ""
            self._news.notify_all()

    def end(self) -> None:
        """No more pictures come: the camera has ended, or the application does."""
        self._stop.set()
        with self._news:
            self._end = self.message = self.message or "The server's camera has ended."
            self._news.notify_all()

    def newer(self, seen: int) -> tuple[int, bytes]:
        """Number and JPEG of a picture later than ``seen``; Problem 503 if none comes.

        While a camera is waited for, the last picture comes again: so who has left is noticed.
        """
        with self._news:
            wait = _AGAIN if seen else _FIRST
            self._news.wait_for(lambda: self._number > seen or self._end, timeout=wait)
            if self._number > seen or (seen and not self._end):
                return self._number, self._jpeg
            raise Problem(503, self.message or "The server's camera gives no picture.", 10)

    def _enter(self) -> None:
        with self._door:
            if self._viewers >= self._most:
                raise Problem(429, "The server's camera is watched by too many already.", 30)
            if not self._viewers:
                if self._thread is not None:
                    self._thread.join()  # the device must be free again
                self._stop.clear()
                self._jpeg, self._number, self._end, self.message = b"", 0, "", ""
                self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
                self._thread.start()
            self._viewers += 1

    def leave(self) -> None:
        """One viewer less; the camera is closed after the last."""
        with self._door:
            self._viewers -= 1
            if not self._viewers:
                self._stop.set()

    def _run(self) -> None:
        try:
            tracker = FewFacesTracker(self._faces)
            analyzer = FaceAnalyzer(self._predictor, self._detector, tracker)
            read_live(self._source, analyzer, [self], stop=self._stop, say=self._say)
        except Exception as error:  # no camera, no network: the viewers are told
            self._say(str(error))
        finally:
            self.end()

    def _say(self, text: str) -> None:
        with self._news:
            self.message = text


class _Watching:
    """One viewer's pictures. No generator, whose ``finally`` is skipped where it never began."""

    def __init__(self, feed: CameraFeed):
        self._feed, self._seen, self._jpeg = feed, 0, b""
        self._left = False

    def __iter__(self) -> "_Watching":
        return self

    def __next__(self) -> bytes:
        if not self._jpeg:
            try:
                self.await_picture()
            except Problem:  # the camera ended; what was sent stays on the page
                raise StopIteration from None
        jpeg, self._jpeg = self._jpeg, b""
        head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
        return head.encode() + b"\r\n\r\n" + jpeg + b"\r\n"

    def await_picture(self) -> None:
        self._seen, self._jpeg = self._feed.newer(self._seen)

    def close(self) -> None:
        if not self._left:
            self._left = True
            self._feed.leave()
