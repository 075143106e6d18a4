"""Uploaded videos: read one after the other, kept in a private folder, and not for long."""

import math
import queue
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app.decoding import UploadedVideo
from app.folders import PrivateFolder
from app.limits import Limits
from app.problems import Problem
from app.timelines import timeline
from app.trackers import FewFacesTracker
from utils.live.analyzer import FaceAnalyzer
from utils.live.loop import read_live
from utils.live.sinks import CsvSink, Sink, VideoSink


@dataclass
class Video:
    """One upload on its way.

    Attributes:
        id: its name, which cannot be guessed.
        folder: its own, private folder.
        state: "waiting", "reading", "done" or "failed".
        frames: frames read so far.
        length: frames that the file announces.
        faces: different faces seen.
        detail: why it failed, or what of it could not be read.
        timeline: see `app.timelines.timeline`; None before the end.
        asked: when somebody last asked about it, as `time.monotonic` tells it.
    """

    id: str
    folder: Path
    state: str = "waiting"
    frames: int = 0
    length: int | None = None
    faces: int = 0
    detail: str = ""
    timeline: dict | None = None
    asked: float = math.inf  # until it has come wholly
    upload: Path | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    expiry: threading.Timer | None = None

    @property
    def picture(self) -> Path:
        """The annotated video."""
        return self.folder / "expressions.mp4"

    @property
    def table(self) -> Path:
        """The CSV table."""
        return self.folder / "expressions.csv"


class VideoJobs:
    """Reads uploaded videos in a thread of its own, in the order in which they came.

    An upload is removed as soon as it is read, and before that when nobody has asked about it
    for ``limits.video_unasked`` seconds; what was made of it when it is deleted, after
    ``limits.video_keep`` seconds, when ``limits.videos_kept`` later ones are done, or when the
    server ends.

    Args:
        predictor: see `utils.live.loop.read_live`.
        limits: see `Limits`.
        detector: "haar" or "yunet".
    """

    def __init__(self, predictor, limits: Limits, detector: str = "haar"):
        self._predictor, self._limits, self._detector = predictor, limits, detector
        self._root = PrivateFolder()
        self._videos: dict[str, Video] = {}
        self._waiting: queue.Queue = queue.Queue()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="videos", daemon=True)
        self._thread.start()

    def add(self, save: Callable[[Path], Path]) -> Video:
        """Take an upload.

        Args:
            save: writes it to the file given, and returns the name it gave it.

        Raises:
            Problem: 429 too many wait, 413 too long or too large, 422 no video.
        """
        name = secrets.token_urlsafe(16)
        video = Video(name, self._root.path / name)
        with self._lock:
            waiting = sum(one.state == "waiting" for one in self._videos.values())
            if waiting >= self._limits.videos:
                raise Problem(429, "Too many videos wait already. Try again in some minutes.", 60)
            self._videos[name] = video
        try:
            video.folder.mkdir()
            video.upload = save(video.folder / "upload")
            with UploadedVideo(video.upload, self._limits) as checked:
                video.length = checked.length
        except BaseException:
            self.remove(name)
            raise
        video.asked = time.monotonic()
        self._waiting.put(video)
        return video

    def get(self, name: str) -> Video:
        """The video of that name; Problem 404 if there is none."""
        with self._lock:
            if name not in self._videos:
                raise Problem(404, "There is no such video here; it was removed. Send it again.")
            video = self._videos[name]
            video.asked = time.monotonic()
            return video

    def finished(self, name: str) -> Video:
        """The same, once it has been read; Problem 409 before."""
        video = self.get(name)
        if video.state != "done":
            raise Problem(409, f"The video is not read yet: {video.detail or video.state}.", 1)
        return video

    def remove(self, name: str) -> None:
        """Stop reading a video, and remove it and all that was made of it."""
        with self._lock:
            video = self._videos.pop(name, None)
        if video is not None:
            video.stop.set()
            if video.expiry is not None:
                video.expiry.cancel()
            if video.state != "reading":  # else the reading thread does it
                shutil.rmtree(video.folder, ignore_errors=True)

    def remove_unasked(self) -> None:
        """Remove the videos that wait or are being read, and that nobody waits for any more."""
        latest = time.monotonic() - self._limits.video_unasked
        with self._lock:
            unasked = [
                one.id
                for one in self._videos.values()
                if one.state in ("waiting", "reading") and one.asked < latest
            ]
        for name in unasked:
            self.remove(name)

    def close(self) -> None:
        """Stop, and remove everything."""
        with self._lock:
            names = list(self._videos)
        for name in names:
            self.remove(name)
        self._waiting.put(None)
        self._thread.join(timeout=2)  # it is a daemon, and ends with its next frame
        self._root.close()

    def _run(self) -> None:
        while (video := self._waiting.get()) is not None:
            self.remove_unasked()
            if video.stop.is_set():
                continue
            video.state = "reading"
            state = "failed"
            try:
                state = self._read(video)
            except Exception as error:  # belongs to this video; the next one goes on
                video.detail = _plain(str(error), video)
            finally:
                video.upload.unlink(missing_ok=True)
                video.state = state
            if video.stop.is_set() or state == "failed":
                shutil.rmtree(video.folder, ignore_errors=True)
            if not video.stop.is_set():
                self._keep_for_a_while(video)

    def _keep_for_a_while(self, video: Video) -> None:
        with self._lock:
            finished = [one.id for one in self._videos.values() if one.state in ("done", "failed")]
        for name in finished[: -self._limits.videos_kept]:
            self.remove(name)
        video.expiry = threading.Timer(self._limits.video_keep, self.remove, [video.id])
        video.expiry.daemon = True
        video.expiry.start()

    def _read(self, video: Video) -> str:
        progress = _Progress(video, self.remove_unasked)
        upload = UploadedVideo(video.upload, self._limits)
        sinks = [progress, CsvSink(video.table), VideoSink(video.picture, self._limits.video_side)]
        table = read_live(
            upload,
            FaceAnalyzer(self._predictor, self._detector, FewFacesTracker(self._limits.faces)),
            sinks,
            stop=video.stop,
            say=lambda text: None,
        )
        if "error" in table.attrs:
            raise ValueError(table.attrs["error"])
        if not table.attrs["frames"]:
            raise ValueError("none of the video's frames can be decoded")
        video.detail = _plain(" ".join(upload.messages), video)
        video.faces = int(table["track"].nunique())
        video.timeline = timeline(
            table, self._predictor.class_names, progress.seconds, video.frames
        )
        return "done"


class _Progress(Sink):
    """A sink that counts, and looks for videos that nobody waits for."""

    def __init__(self, video: Video, look: Callable[[], None]):
        self._video, self._look, self.seconds = video, look, 0.0

    def write(self, reading) -> None:
        self._video.frames += 1
        self.seconds = reading.seconds
        self._look()


def _plain(text: str, video: Video) -> str:
    """A message about a video without the place of its upload, and without a full stop."""
    for place in (str(video.upload), video.upload.name):
        text = text.replace(place, "The video")
    return text.strip(" .")
