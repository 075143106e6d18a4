"""A video file, frame by frame, as FFmpeg's libraries (PyAV) decode it."""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from utils.live.addresses import is_address, safe_address
from utils.live.film_frames import Upright, decoding_threads, progressive, square_size
from utils.live.frames import FrameSource, TimedFrame
from utils.live.video_container import is_sound, open_container, video_tracks

MOST_PIXELS = 36_000_000  # of a frame: 8K, 7,680 × 4,320, passes
_MISSES = 1000  # packets in a row that cannot be read: nothing comes after them
_BEFORE = 10.0  # seconds between two frames to begin with, at most, where there is no index
_REORDERED = 16  # frames at most that are shown in another order than they are stored in
_NOT_TOLD = 0.5  # seconds at the end that a header may announce too much


class VideoFile(FrameSource):
    """The frames of a video file, with their own times, upright, with square pixels.

    Interlaced frames are deinterlaced. Damaged packets are left out, and how many is told at the
    end, as is an end that is missing. Later frames of another size are scaled to the first's. Of
    several tracks the one of the largest frames is read, and covers of sound are none.

    Args:
        path: a file that FFmpeg reads, or the http(s):// URL of one.
        say: where messages go.
        start: seconds before which no frame is given, nor decoded where the file has an index.
        end: seconds at which the frames end; None for the file's end.
        every: seconds between two frames that are given, the others are left out; None for all.
        most_pixels: of a frame. A larger video is refused; a frame that is larger than its header
            says is left out as damaged.

    Attributes:
        size: (width, height) of the frames as they are stored, in pixels; zeros before it is known.

    Raises (on entering):
        FileNotFoundError: no such file.
        ValueError: the file is no video, its codec is unknown, or its frames are too large.
    Raises (while iterating):
        ValueError: there is no frame.
    """

    def __init__(
        self,
        path: str | Path,
        say: Callable[[str], None] = print,
        *,
        start: float = 0.0,
        end: float | None = None,
        every: float | None = None,
        most_pixels: int = MOST_PIXELS,
    ):
        check_span(start, end, every)
        self._address = path if is_address(path) else None
        self.path, self._say = Path(os.path.expanduser(path)), say
        self._start, self._end, self._every, self._most = start, end, every, most_pixels
        self.size = 0, 0
        self._container = None
        super().__init__(name=safe_address(path) if self._address else self.path.name)

    def __enter__(self):
        if not self._address and not self.path.is_file():
            raise FileNotFoundError(f"There is no video file {self.path}. Check the path.")
        try:
            self._open()
        except (av.FFmpegError, UnicodeError, OverflowError) as error:
            self._close()
            raise self._unreadable() from error
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *error) -> None:
        self._close()

    def __iter__(self) -> Iterator[TimedFrame]:
        self._damaged, self._missing, self._reached = 0, False, 0.0
        self._fitted, count = None, 0
        if self._tracks > 1:
            size = "×".join(map(str, self.size))
            self._say(f"{self.name} holds {self._tracks} video tracks; that of {size} is read.")
        for seconds, frame in self._chosen():
            try:
                image = self._image(frame)
            except (av.FFmpegError, ValueError):  # colours that nobody knows
                self._damaged += 1
                continue
            count += 1
            yield seconds, image
        if self._damaged and count:
            plural = "s were" if self._damaged > 1 else " was"
            self._say(f"{self.name}: {self._damaged} damaged packet{plural} left out.")
        if not count:
            end = f" to {self._end:g} seconds" if self._end else " seconds on"
            part = f" from {self._start:g}{end}" if self._start or self._end else ""
            raise ValueError(f"{self.name} holds no frame that can be decoded{part}.")
        if self._is_cut_off():
            length = f" of {self._seconds:.1f}" if self._seconds else ""
            self._say(
                f"{self.name} ended after {self._reached:.1f}{length} seconds: the rest cannot be "
                "read."
            )

    def _open(self) -> None:
        most = max(self._most, MOST_PIXELS)  # while it looks for the size
        self._container = open_container(self.path, self._address, most)
        if is_sound(self._container):
            raise ValueError(f"{self.name} holds sound only. Name a video.")
        if not (tracks := video_tracks(self._container)):
            raise self._unreadable()
        stream = self._stream = tracks[0]
        self._tracks = len(tracks)
        coder = self._coder = stream.codec_context
        self.size = coder.width, coder.height
        if not 0 < math.prod(self.size) <= self._most:
            known = f"{coder.width}×{coder.height} pixels" if coder.width else "of unknown size"
            raise ValueError(
                f"The frames of {self.name} are too large, or it is damaged: they are {known}; "
                f"expected are at most {self._most / 1e6:g} million pixels. Scale it down."
            )
        coder.options = {"max_pixels": str(self._most)}
        # Threads for whole frames would hold frames back, and lose them beside a damaged one.
        coder.thread_type, coder.thread_count = "SLICE", decoding_threads()
        coder.open(strict=False)
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        self._period = 1 / fps if 0 < fps < 1000 else 1 / 25
        self.fps = fps if 0 < fps < 1000 else None
        if self._every and self._every > self._period:
            self.fps = 1 / self._every
        # Frames are shown in another order than they are stored in, by which an index may go.
        self._delay = _REORDERED * self._period * bool(coder.has_b_frames)
        self._origin, self.length, length = None, None, self._container.duration
        begin = self._container.start_time or 0
        if length and "matroska" in self._container.format.name and 0 < begin < length:
            length -= begin  # it told the time of its end
        self._seconds = length / 1e6 if length is not None and 0 < length < 1e12 else None
        if "avi" in self._container.format.name and self.fps:  # FFmpeg shortens what is cut off
            self._seconds = max(self._seconds or 0.0, stream.frames * self._period) or None
        if self._seconds and self.fps:  # the number of frames counts those that an edit hides
            end = min(self._seconds, self._end or math.inf)
            self.length = max(0, round((end - self._start) * self.fps))

    def _close(self) -> None:
        if self._container is not None:
            self._container.close()

    def _unreadable(self) -> ValueError:
        return ValueError(
            f"{self.name} cannot be read as a video: it is damaged, or of a kind that FFmpeg does "
            "not know. Convert it to mp4 (H.264) and try again."
        )

    def _chosen(self) -> Iterator[tuple[float, av.VideoFrame]]:
        """The frames that were asked for; between two of them it jumps where that is quicker."""
        due, last, sought = self._start, None, not self._start
        while True:
            for frame in progressive(self._decoded()):
                seconds = self._time(frame, last)
                if not sought:  # only now, for times count from the first frame
                    sought, self._damaged = True, 0
                    if self._seek(due):
                        last = None
                        break
                last = self._reached = seconds
                if self._end is not None and seconds >= self._end:
                    self._reached = math.inf
                    return
                if seconds < due - 1e-6:
                    continue
                yield seconds, frame
                if self._every:
                    passed = math.floor((seconds - self._start) / self._every + 1e-6) + 1
                    due = self._start + passed * self._every
                    if self._key_frame_between(seconds, due):
                        self._seek(due)
                        last = None
                        break
            else:
                return

    def _time(self, frame: av.VideoFrame, last: float | None) -> float:
        """Seconds from the file's first frame; later than ``last`` whatever the file says."""
        seconds = frame.time
        if self._origin is None:
            self._origin = seconds or 0.0
        if seconds is not None:
            seconds -= self._origin
        if last is not None and (seconds is None or not seconds > last):
            return last + self._period  # some containers carry no times
        return seconds or 0.0

    def _decoded(self) -> Iterator[av.VideoFrame]:
        failed = 0  # since the last frame: at the end they are a missing end
        for packet in self._packets():
            try:
                frames = self._coder.decode(packet)
            except (av.FFmpegError, MemoryError):
                failed += 1
                continue
            if frames and packet.size:
                self._damaged += failed
                failed = 0
            yield from frames
        self._missing |= failed > 0

    def _packets(self) -> Iterator[av.Packet]:
        """The video's packets; those that cannot be read are counted, or are a missing end."""
        missed = 0
        while missed < _MISSES:
            try:
                for packet in self._container.demux(self._stream):
                    if packet.size:
                        self._damaged += missed
                        missed = 0
                    yield packet
                break
            except av.error.InvalidDataError:
                missed += 1
            except av.FFmpegError:  # of the disk or the network
                missed = _MISSES
        self._missing |= missed > 0
        if missed >= _MISSES:
            yield av.Packet()  # the frames that the decoder still holds

    def _is_cut_off(self) -> bool:
        if self._missing:
            return True
        # Others guess their length; with sound beside it, it may be the sound's.
        alone = len(self._container.streams) == 1
        if not (self._is_indexed() and alone and self._seconds):
            return False
        most = max(_NOT_TOLD, 0.02 * self._seconds) + self._period
        return self._reached + most < self._seconds

    def _is_indexed(self) -> bool:
        """Whether the file knows its length, and where the frames to begin with are."""
        return not {"mov", "matroska", "avi"}.isdisjoint(self._container.format.name.split(","))

    def _seek(self, seconds: float) -> bool:
        """Go to the last frame at or before a time that can be decoded on its own, if need be."""
        seconds -= self._delay
        if not self._is_indexed():  # it may land behind the last frame to begin with
            seconds -= _BEFORE
        if seconds > 0:
            with suppress(av.FFmpegError):  # then what comes before is decoded and left out
                self._container.seek(self._ticks(seconds), stream=self._stream)
                return True
        return False

    def _key_frame_between(self, seconds: float, due: float) -> bool:
        """Whether the file's index knows a frame to begin with that lies nearer to a time."""
        entries = self._stream.index_entries
        found = entries.search_timestamp(self._ticks(due - self._delay))
        return found >= 0 and entries[found].timestamp > self._ticks(seconds)

    def _ticks(self, seconds: float) -> int:
        return round((seconds + self._origin) / self._stream.time_base)

    def _image(self, frame: av.VideoFrame) -> np.ndarray:
        """A frame as an array: uint8, (height, width, 3) BGR, 0–255."""
        if self._fitted is None:
            self._fitted = VideoReformatter(), Upright(), *square_size(self._stream, frame)
        convert, upright, width, height = self._fitted
        converted = convert.reformat(frame, width, height, "bgr24", threads=1)
        return np.ascontiguousarray(upright(converted.to_ndarray(), frame))


def check_span(start: float, end: float | None, every: float | None) -> None:
    """Refuse times that select nothing, below 0 or an end before the start: ValueError."""
    good = 0 <= start < math.inf and (end is None or end > start)
    if not good or not (every is None or 0 < every < math.inf):
        raise ValueError(
            "The part of a video begins at 0 seconds or later and ends after that, and frames are "
            f"more than 0 seconds apart. Received: from {start} to {end}, every {every}"
        )
