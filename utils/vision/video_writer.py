"""Writing videos that browsers and phones play, and that can be read however writing ended."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

_CLOCK = 90_000  # ticks a second, of which every usual rate is a whole number
_FRAGMENTS = "+hybrid_fragmented+default_base_moof+frag_every_frame"
_KEY = 2  # seconds between two frames that a player can jump to


class Mp4Writer:
    """An mp4 file, H.264 in yuv420p, whose frames keep their own times.

    It is written in fragments, a frame in each, which can be played without what follows. `close`
    makes it an ordinary mp4, with its length and an index in one place.

    Args:
        path: the file; one that is there is overwritten.
        size: (width, height) in pixels; odd sides become even ones, as H.264 wants.
        fps: frames a second, as far as they are known; a frame's own time counts.
        side: the longer side, in pixels, to which larger frames are scaled.

    Raises:
        OSError: the file cannot be written, or PyAV has no encoder for it.
    """

    def __init__(self, path: str | Path, size: tuple[int, int], fps: float = 25.0, side=4096):
        if "libx264" not in av.codecs_available:
            raise OSError(
                "This PyAV has no encoder for H.264 (libx264). Install the wheel, which has: "
                "python -m pip install --force-reinstall --only-binary=:all: av"
            )
        scale = min(1.0, side / max(size))
        self._fps = min(max(fps, 0.01), 240.0)
        # FFmpeg would take the colon of a relative name for the end of a protocol.
        self._file = av.open(
            f"file:{os.path.abspath(path)}",
            "w",
            format="mp4",
            options={"movflags": _FRAGMENTS, "flush_packets": "1"},
        )
        try:
            rate = Fraction(self._fps).limit_denominator(1001)
            self._stream = self._file.add_stream("libx264", rate=rate)
            coder = self._stream.codec_context
            coder.width, coder.height = (max(16, 2 * round(edge * scale / 2)) for edge in size)
            coder.pix_fmt = "yuv420p"
            coder.time_base = Fraction(1, _CLOCK)
            coder.gop_size = max(1, round(_KEY * self._fps))
            # No frame waits in the encoder for a later one: it could not be read after a kill.
            coder.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "21"}
            coder.open()
        except BaseException:
            self._file.close()
            raise
        self._size = coder.width, coder.height
        self._convert = VideoReformatter()
        self._last: int | None = None

    def write(self, seconds: float, image: np.ndarray) -> None:
        """Add a frame; OSError where it cannot be written.

        Args:
            seconds: when it is shown, or a frame's time after the last where that is not later.
            image: uint8, (height, width, 3) BGR, 0–255; one of another size is scaled.
        """
        ticks = round(seconds * _CLOCK)
        if self._last is not None and ticks <= self._last:
            ticks = self._last + max(1, round(_CLOCK / self._fps))
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
        width, height = self._size
        frame = self._convert.reformat(frame, width, height, "yuv420p")
        frame.pts, frame.time_base, self._last = ticks, Fraction(1, _CLOCK), ticks
        self._file.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what is left; the file is complete then. OSError where it cannot be written."""
        try:
            self._file.mux(self._stream.encode(None))
        finally:
            self._file.close()
