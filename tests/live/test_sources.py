"""Sources that need no live loop: which one fits, files behind an address, cameras' manners."""

import functools
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from utils.live.addresses import safe_address
from utils.live.camera import LiveCamera
from utils.live.sources import ImageSequence, open_source
from utils.live.video_file import VideoFile
from utils.vision.opencv import cv2

FRAME = np.full((24, 32, 3), 90, np.uint8)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def write_video(path, frames=12):
    codec = "mp4v" if path.suffix == ".mp4" else "MJPG"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 10.0, (32, 24))
    for _ in range(frames):
        writer.write(FRAME)
    writer.release()
    return path


@pytest.fixture
def served(tmp_path):
    """A folder, and the address at which a server on this machine hands out its files."""
    handler = functools.partial(QuietHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_file_behind_an_address_is_read_once_and_wholly(served):
    folder, address = served
    write_video(folder / "clip.avi")
    with open_source(f"{address}/clip.avi") as source:
        time.sleep(0.3)  # a slow reader loses no frame
        seconds = [seconds for seconds, _ in source]
    assert seconds == pytest.approx([index / 10 for index in range(12)])
    assert source.name == f"{address}/clip.avi"


def test_an_address_that_does_not_answer_is_a_stream(served):
    assert isinstance(open_source(f"{served[1]}/none"), LiveCamera)


def test_a_name_with_a_colon_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "2026-01-01T12:30:05.mp4")
    with open_source("2026-01-01T12:30:05.mp4") as source:
        assert len(list(source)) == 12


def test_paths_begin_at_home_where_they_say_so(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_video(tmp_path / "clip.avi")
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "1.png"), FRAME)
    for source, length in (("~/clip.avi", 12), ("~/images", 1), (["~/images/1.png"], 1)):
        with open_source(source) as opened:
            assert len(list(opened)) == length


def test_cameras_are_known_by_any_whole_number():
    for index in (0, "0", np.int64(0)):
        source = open_source(index)
        assert isinstance(source, LiveCamera) and source.address == 0
    with pytest.raises(FileNotFoundError, match="²"), open_source("²"):
        pass


@pytest.mark.parametrize("nothing", ["", "  "])
def test_an_empty_text_is_not_the_current_folder(nothing):
    with pytest.raises(ValueError, match="source is empty"):
        open_source(nothing)


def test_images_are_upright_whole_and_no_bombs(tmp_path):
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:, :24] = (255, 0, 0)  # blue on the left, in BGR
    tag = Image.Exif()
    tag[0x0112] = 8  # to be turned anticlockwise
    turned = Image.fromarray(np.rot90(upright[..., ::-1], -1).copy())
    turned.save(tmp_path / "1.tiff", exif=tag)
    Image.new("1", (12_000, 12_000)).save(tmp_path / "2.png")
    cv2.imwrite(str(tmp_path / "3.png"), upright[..., 0])
    paths, said = [str(tmp_path / name) for name in ("1.tiff", "2.png", "3.png", "4.png")], []
    source = open_source(paths, say=said.append)
    assert isinstance(source, ImageSequence)
    frames = [frame for _, frame in source]
    assert (frames[0] == upright).all()
    assert [frame.shape for frame in frames] == [(32, 48, 3)] * 2
    assert len(said) == 2 and "2.png" in said[0] and "too large" in said[0] and "4.png" in said[1]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://user:secret@host:554/1", "rtsp://host:554/1"),
        ("rtsp://user:se@cret@host/1", "rtsp://host/1"),
        ("http://host/mail@home", "http://host/mail@home"),
        ("clip@home.mp4", "clip@home.mp4"),
    ],
)
def test_addresses_are_shown_without_their_password(address, shown):
    assert safe_address(address) == shown


class Device:
    """As cv2.VideoCapture: some frames, then none; the last read may hang."""

    def __init__(self, frames, hang=None, shade=0):
        self.left, self.hang, self.shade = frames, hang, shade

    def isOpened(self):
        return True

    def get(self, _):
        return 30.0

    def read(self):
        time.sleep(0.005)
        self.left -= 1
        if self.left == 0 and self.hang is not None:
            self.hang.wait(10)
        return self.left >= 0, np.full((8, 8), self.shade, np.uint8)

    def release(self):
        pass


def test_a_device_that_works_for_a_moment_is_tried_again_ever_more_slowly():
    said, twice = [], threading.Event()

    def say(text):
        said.append(text.split("again in ")[1])
        if len(said) == 2:
            twice.set()

    with LiveCamera("rtsp://camera", say=say, open_capture=lambda _: Device(frames=4)):
        assert twice.wait(10)
    assert said == ["0.5 s.", "1 s."]


def test_a_read_that_hung_gives_the_next_run_no_old_frame(monkeypatch):
    first, second = threading.Event(), threading.Event()
    devices = iter([Device(2, hang=first, shade=1), Device(2, hang=second, shade=2)])
    source = LiveCamera(0, say=lambda _: None, open_capture=lambda _: next(devices))
    with source:
        hanging = source._thread
        monkeypatch.setattr(hanging, "join", lambda timeout: None)  # it would wait two seconds
    with source:
        frames = iter(source)
        next(frames)
        first.set()
        threading.Thread.join(hanging)
        threading.Timer(0.05, second.set).start()
        assert int(next(frames)[1][0, 0]) == 2


def test_a_file_that_is_no_video_is_named_without_its_password(served):
    folder, address = served
    (folder / "clip.avi").write_bytes(b"no video")
    source = VideoFile(address.replace("//", "//user:secret@") + "/clip.avi")
    with pytest.raises(ValueError, match="cannot be read as a video") as caught, source:
        pass
    assert "secret" not in str(caught.value)
