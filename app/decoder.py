"""A program of its own: the frames of a video, within the memory that it may hold.

Whatever a header asks for is FFmpeg's to allocate: `VideoFile` bounds a frame, nothing bounds
an index of a billion frames, nor the time that one damaged packet takes, nor keeps a mistake in
one of a hundred decoders from ending the process. So videos that anyone may send are decoded
here, where too much memory ends this process and nothing else, and where the server can end it
at any moment.

To standard output go lines of JSON: first what the header announces (``size``, ``fps``,
``length``), then for each frame its ``seconds`` and ``shape``, followed by its bytes,
and last the ``messages`` of `utils.live.video_file.VideoFile`; or else an ``error``
and the ``size``.
"""

import json
import os
import signal
import sys
import threading
import time

import psutil

from utils.live.video_file import VideoFile

TOO_LARGE = 77  # the exit status that says so
_LOOK = 0.01  # seconds between two looks at the memory; frames fill some MB in them


def main(path: str, most: int, most_pixels: int) -> None:
    """Decode a file.

    Args:
        path: the file.
        most: bytes of memory that this process may hold.
        most_pixels: most pixels of a frame.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's; it ends this one
    _bound_memory(most)
    messages: list[str] = []
    video = VideoFile(path, say=messages.append, most_pixels=most_pixels)
    try:
        with video:
            _tell(size=video.size, fps=video.fps, length=video.length)
            for seconds, frame in video:
                _tell(seconds=seconds, shape=frame.shape)
                sys.stdout.buffer.write(frame.data)
        _tell(messages=messages)
    except ValueError as error:
        _tell(error=str(error), size=video.size)


def _bound_memory(most: int) -> None:
    """End this process once it holds more, or the server is gone, also amid a frame."""
    memory, server = psutil.Process().memory_info, os.getppid()

    def look() -> None:
        if memory().rss > most or os.getppid() != server:
            os._exit(TOO_LARGE)

    def go_on_looking() -> None:
        while True:
            time.sleep(_LOOK)
            look()

    look()
    threading.Thread(target=go_on_looking, daemon=True).start()


def _tell(**values) -> None:
    sys.stdout.buffer.write(json.dumps(values).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    except BrokenPipeError:  # whoever asked wants no more
        os._exit(0)
