"""The annotated frames as a video that browsers play.

OpenCV's wheels write MPEG-4 Part 2 into mp4, which no browser plays, and have no H.264
encoder. VP8 in WebM they can write, and every browser plays it.
"""

from pathlib import Path

from utils.live.overlay import draw_faces
from utils.live.sinks import Sink
from utils.vision.opencv import cv2


class WebmSink(Sink):
    """A sink (see `utils.live.sinks`) that writes a WebM file at a constant rate.

    Where the source was slower or faster, frames are repeated or left out, so that the
    clip keeps the source's time; a picture stays through a gap.

    Args:
        path: the file; an unfinished one is of no use and is removed.
        side: the longer side in pixels to which larger frames are scaled down.
        fps: most frames a second.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: str | Path, side: int = 1280, fps: float = 30.0):
        self.path, self.side, self.fps = Path(path), side, fps
        self._writer = self._last = None
        self._size = (0, 0)
        self._written = 0

    def write(self, reading) -> None:
        # Without the loop's frames a second, which say nothing to those who watch later.
        picture = draw_faces(reading.image, reading.faces, reading.class_names)
        if self._writer is None:
            self._open(picture, reading.source_fps or 25.0)
        due = round(reading.seconds * self.fps) + 1 - self._written
        if due <= 0:
            return
        if (picture.shape[1], picture.shape[0]) != self._size:
            picture = cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA)
        for _ in range(due - 1):
            self._writer.write(picture if self._last is None else self._last)
        self._writer.write(picture)
        self._last = picture
        self._written += due

    def close(self, complete: bool) -> None:
        if self._writer is not None:
            self._writer.release()
            if not complete:
                self.path.unlink(missing_ok=True)

    def _open(self, picture, source_fps: float) -> None:
        self.fps = min(self.fps, source_fps)
        height, width = picture.shape[:2]
        scale = min(1.0, self.side / max(height, width))
        # VP8 keeps colour at half the resolution: sides must be even.
        self._size = tuple(max(2, round(side * scale / 2) * 2) for side in (width, height))
        code = cv2.VideoWriter_fourcc(*"VP80")
        self._writer = cv2.VideoWriter(str(self.path), cv2.CAP_FFMPEG, code, self.fps, self._size)
        if not self._writer.isOpened():
            raise OSError(f"The video {self.path.name} cannot be written. Is the disk full?")
