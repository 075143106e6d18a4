"""Uploaded videos in their decoder's process: the same frames, and no more memory than allowed."""

import shutil
import struct
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from app.decoding import UploadedVideo
from app.limits import Limits
from app.problems import Problem
from app.videos import VideoJobs
from utils.config import DEFAULT_MODEL
from utils.drawn.clip import draw_clip
from utils.live.video_file import VideoFile
from utils.models.predictor import load
from utils.vision.opencv import cv2

MEMORY = 170_000_000  # bytes: the decoder itself takes about 70 million
WIDE = Limits(video_memory=MEMORY, video_pixels=400_000_000)


def jpeg(width: int, height: int) -> bytes:
    return cv2.imencode(".jpg", np.full((height, width), 128, np.uint8))[1].tobytes()


def avi(frames: list[bytes], width: int, height: int) -> bytes:
    """A Motion JPEG video whose header may say what it likes about its frames."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)

    count = len(frames)
    main = struct.pack("<14I", 100_000, 0, 0, 0, count, 0, 1, 0, width, height, 0, 0, 0, 0)
    stream = b"vidsMJPG" + struct.pack("<10I4H", 0, 0, 0, 1, 10, 0, count, 0, 0, 0, 0, 0, 0, 0)
    kind = struct.pack("<3I2H4s5I", 40, width, height, 1, 24, b"MJPG", 0, 0, 0, 0, 0)
    streams = chunk(b"LIST", b"strl" + chunk(b"strh", stream) + chunk(b"strf", kind))
    header = chunk(b"LIST", b"hdrl" + chunk(b"avih", main) + streams)
    movie = chunk(b"LIST", b"movi" + b"".join(chunk(b"00dc", frame) for frame in frames))
    return chunk(b"RIFF", b"AVI " + header + movie)


@pytest.fixture
def growing(tmp_path):
    """Makes a video of five frames of 320 × 240 pixels, as announced, and five larger ones."""

    def make(width: int, height: int):
        path = tmp_path / "growing.avi"
        path.write_bytes(avi([jpeg(320, 240)] * 5 + [jpeg(width, height)] * 5, 320, 240))
        return path

    return make


def test_the_frames_are_those_of_the_file(tmp_path):
    path = tmp_path / "clip.mp4"
    draw_clip(path, size=(320, 240), frames_per_second=6, seconds_per_expression=0.5)
    with UploadedVideo(path, Limits()) as uploaded, VideoFile(path) as file:
        assert (uploaded.fps, uploaded.length) == (file.fps, file.length)
        for (seconds, frame), (due, expected) in zip(uploaded, file, strict=True):
            assert seconds == due
            assert np.array_equal(frame, expected)
    assert uploaded.messages == []
    assert psutil.Process().children() == []


def test_frames_may_change_their_size_within_the_memory(growing):
    with UploadedVideo(growing(1280, 960), Limits(video_memory=MEMORY)) as video:
        assert [frame.shape for _, frame in video] == [(240, 320, 3)] * 10
    assert video.messages == []


def test_frames_that_grow_beyond_the_memory_are_refused(growing):
    with UploadedVideo(growing(16_000, 12_000), WIDE) as video:
        frames = iter(video)
        for _ in range(5):
            next(frames)
        with pytest.raises(ValueError, match=r"more than 170 MB.* Convert it .* one size"):
            list(frames)
    assert psutil.Process().children() == []


def test_frames_that_grow_beyond_the_size_are_left_out(growing):
    with UploadedVideo(growing(16_000, 12_000), Limits(video_memory=MEMORY)) as video:
        assert [frame.shape for _, frame in video] == [(240, 320, 3)] * 5
    assert "the rest cannot be read" in video.messages[0]


def test_such_a_video_fails_with_the_reason_and_leaves_nothing(growing):
    videos = VideoJobs(load(DEFAULT_MODEL), WIDE)
    source = growing(16_000, 12_000)
    video = videos.add(lambda path: Path(shutil.copy(source, path.with_suffix(".avi"))))
    assert video.length == 10
    while video.folder.exists():
        assert videos.get(video.id).state in ("waiting", "reading", "failed")
        time.sleep(0.02)
    assert video.state == "failed"
    assert video.detail.startswith("The video takes too much memory")
    videos.close()


def test_what_fills_the_memory_before_the_first_frame_is_refused_as_well(growing):
    with pytest.raises(Problem, match="more than 1 MB") as caught:
        UploadedVideo(growing(320, 240), Limits(video_memory=1_000_000)).__enter__()
    assert caught.value.status == 413
    assert psutil.Process().children() == []


def test_a_decoder_that_crashes_is_no_end_of_the_video(growing):
    with UploadedVideo(growing(3000, 2000), Limits()) as video:
        for process in psutil.Process().children():  # the pipe holds less than all frames
            process.kill()
        with pytest.raises(ValueError, match="cannot be read"):
            list(video)


def test_leaving_early_ends_the_decoder(growing):
    with UploadedVideo(growing(4000, 3000), Limits()) as video:
        next(iter(video))
        assert len(psutil.Process().children()) == 1
    assert psutil.Process().children() == []
