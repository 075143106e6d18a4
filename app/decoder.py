"""A program of its own: the frames of a video, within the memory that it may hold.

A frame's size stands in the frame, whatever the file's header announces. OpenCV scales a larger
one to the size of the first, but only when FFmpeg has decoded it, and hands FFmpeg no limit
(of `OPENCV_FFMPEG_CAPTURE_OPTIONS`, ``max_pixels`` does not reach the decoder). So videos that
anyone may send are decoded here, where too much memory ends this process and nothing else.

To standard output go lines of JSON: first what the header announces (``width``, ``height``,
``fps``, ``length``), then for each frame its ``seconds`` and ``shape``, followed by its bytes,
and last the ``messages`` of `utils.live.sources.VideoFile`; or else an ``error``.
"""

import json
import os
import signal
import sys
import threading
import time

import psutil

from utils.live.sources import VideoFile
from utils.vision.opencv import cv2

TOO_LARGE = 77  # the exit status that says so
_LOOK = 0.01  # seconds between two looks at the memory; frames fill some MB in them


def main(path: str, most: int) -> None:
    """Decode a file.

    Args:
        path: the file.
        most: bytes of memory that this process may hold.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's; it ends this one
    _bound_memory(most)
    messages: list[str] = []
    try:
        with VideoFile(path, say=messages.append) as video:
            width, height = _announced_size(path)
            _tell(width=width, height=height, fps=video.fps, length=video.length)
            for seconds, frame in video:
                _tell(seconds=seconds, shape=frame.shape)
                sys.stdout.buffer.write(frame.data)
        _tell(messages=messages)
    except ValueError as error:
        _tell(error=str(error))


def _bound_memory(most: int) -> None:
    """End this process once it holds more, also amid a frame: one may be as large as it likes."""
    memory = psutil.Process().memory_info

    def look() -> None:
        if memory().rss > most:
            os._exit(TOO_LARGE)

    def go_on_looking() -> None:
        while True:
            time.sleep(_LOOK)
            look()

    look()
    threading.Thread(target=go_on_looking, daemon=True).start()


def _announced_size(path: str) -> tuple[int, int]:
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    try:
        sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        return tuple(int(capture.get(side)) for side in sides)
    finally:
        capture.release()


def _tell(**values) -> None:
    sys.stdout.buffer.write(json.dumps(values).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except BrokenPipeError:  # whoever asked wants no more
        os._exit(0)
