"""Uploaded videos: read one after the other, kept in a private folder, and not for long."""

import math
import queue
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.folders import PrivateFolder
from app.limits import Limits
from app.problems import Problem
from app.timelines import timeline
from app.trackers import FewFacesTracker
from app.webm import WebmSink
from utils.opencv import cv2
from utils.reader import ExpressionReader
from utils.sinks import CsvSink
from utils.sources import TimedFrame, VideoFile
from utils.video import live


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
    """

    id: str
    folder: Path
    state: str = "waiting"
    frames: int = 0
    length: int | None = None
    faces: int = 0
    detail: str = ""
    timeline: dict | None = None
    upload: Path | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    expiry: threading.Timer | None = None

    @property
    def picture(self) -> Path:
        """The annotated video."""
        return self.folder / "expressions.webm"

    @property
    def table(self) -> Path:
        """The CSV table."""
        return self.folder / "expressions.csv"


class VideoJobs:
    """Reads uploaded videos in a thread of its own, in the order in which they came.

    An upload is removed as soon as it is read; what was made of it when it is deleted,
    after ``limits.video_keep`` seconds, when ``limits.videos_kept`` later ones are done,
    or when the server ends.

    Args:
        predictor: see `utils.video.live`.
        limits: see `Limits`.
    """

    def __init__(self, predictor, limits: Limits):
        self._predictor, self._limits = predictor, limits
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
            video.length = check_video(video.upload, self._limits)
        except BaseException:
            self.remove(name)
            raise
        self._waiting.put(video)
        return video

    def get(self, name: str) -> Video:
        """The video of that name; Problem 404 if there is none."""
        with self._lock:
            if name not in self._videos:
                raise Problem(404, "There is no such video here; it was removed. Send it again.")
            return self._videos[name]

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

    def close(self) -> None:
        """Stop, and remove everything."""
        with self._lock:
            names = list(self._videos)
        for name in names:
            self.remove(name)
        self._waiting.put(None)
        self._thread.join(timeout=10)
        self._root.close()

    def _run(self) -> None:
        while (video := self._waiting.get()) is not None:
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
        progress = _Progress(video)
        messages: list[str] = []
        sinks = [progress, CsvSink(video.table), WebmSink(video.picture, self._limits.video_side)]
        table = live(
            _Upload(video.upload, self._limits, say=messages.append),
            ExpressionReader(self._predictor, tracker=FewFacesTracker(self._limits.faces)),
            sinks,
            stop=video.stop,
            say=lambda text: None,
        )
        if "error" in table.attrs:
            raise ValueError(table.attrs["error"])
        if not table.attrs["frames"]:
            raise ValueError("none of the video's frames can be decoded")
        video.detail = _plain(" ".join(messages), video)
        video.faces = int(table["track"].nunique())
        video.timeline = timeline(
            table, self._predictor.class_names, progress.seconds, video.frames
        )
        return "done"


class _Upload(VideoFile):
    """A video that must also turn out as short as its header said."""

    def __init__(self, path: Path, limits: Limits, say: Callable[[str], None]):
        super().__init__(path, say)
        self._limits = limits

    def __iter__(self) -> Iterator[TimedFrame]:
        longest = self._limits.video_seconds
        for number, (seconds, frame) in enumerate(super().__iter__(), start=1):
            if seconds > longest or number > longest * self._limits.video_fps:
                raise ValueError(_too_long(longest))
            yield seconds, frame


class _Progress:
    """A sink that counts."""

    def __init__(self, video: Video):
        self._video, self.seconds = video, 0.0

    def write(self, reading) -> None:
        self._video.frames += 1
        self.seconds = reading.seconds

    def close(self, complete: bool) -> None:
        pass


def check_video(path: Path, limits: Limits) -> int | None:
    """Refuse a file whose header announces what would not be read to the end.

    Returns:
        The number of frames that the header announces, if it does.

    Raises:
        Problem: 413 too long or too large, 422 no video.
    """
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise Problem(
                422,
                "The video cannot be read: it is damaged, or its codec is not known. Convert it "
                "to MP4 (H.264) and try again.",
            )
        width, height = (
            capture.get(cv2.CAP_PROP_FRAME_WIDTH),
            capture.get(cv2.CAP_PROP_FRAME_HEIGHT),
        )
        fps, length = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    finally:
        capture.release()
    if width * height > limits.video_pixels:
        raise Problem(
            413,
            f"The video's frames are too large: {width:.0f}×{height:.0f} pixels, at most "
            f"{limits.video_pixels / 1e6:g} million are taken. Scale it down and try again.",
        )
    known = 0 < length < 1e9 and 0 < fps <= limits.video_fps
    if known and length / fps > limits.video_seconds:
        raise Problem(413, f"{_too_long(limits.video_seconds)}. Cut it and try again.")
    return int(length) if known else None


def _too_long(seconds: float) -> str:
    return f"The video is too long: at most {math.ceil(seconds / 60)} minutes are read"


def _plain(text: str, video: Video) -> str:
    """A message about a video without the place of its upload, and without a full stop."""
    for place in (str(video.upload), video.upload.name):
        text = text.replace(place, "The video")
    return text.strip(" .")
