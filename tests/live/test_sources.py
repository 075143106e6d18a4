"""Sources that need no live loop: which one fits, files behind an address, cameras' manners."""

import functools
import itertools
import re
import signal
import subprocess
import sys
import threading
import time
from base64 import b64encode
from hashlib import md5
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from subprocess import PIPE

import numpy as np
import pytest
from PIL import Image

from utils.live import camera
from utils.live.addresses import safe_address
from utils.live.camera import CameraUnavailable, LiveCamera
from utils.live.snapshots import refusal
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
        ("rtsp://user:se/cr@et@host/1", "rtsp://host/1"),
        ("rtsp://user:12/secret@host/1", "rtsp://host/1"),
        ("rtsp://user:se?cr#et@host/1", "rtsp://host/1"),
        ("rtsp://user:secret@host/1?pwd=se@cret", "rtsp://host/1?pwd=…"),
        ("http://host:80/x?channel=2&pwd=se&cret#x", "http://host:80/x?channel=2&pwd=…"),
        ("http://host/x?user=me;token=se/cr=et@x", "http://host/x?user=…;token=…"),
        (
            "rtsp://host/user=me&password=secret&channel=1",
            "rtsp://host/user=…&password=…&channel=1",
        ),
        ("rtsp://[::1]:554/1", "rtsp://[::1]:554/1"),
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


class CameraHandler(BaseHTTPRequestHandler):
    """Cameras of a kind that answer themselves; the server counts what it was asked."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        path, server = self.path.split("?")[0], self.server
        if path == "/locked" and self.headers.get("Authorization") != server.key:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
        elif path == "/stalled":
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=x")
            self.end_headers()
            jpeg = cv2.imencode(".jpg", cv2.resize(FRAME, (320, 240)))[1].tobytes()
            for _ in range(40):
                head = f"--x\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                self.wfile.write(head.encode() + b"\r\n\r\n" + jpeg + b"\r\n")
            server.go_on.wait(20)
        else:
            server.asked += 1
            self.send_response(200)
            self.end_headers()
            self.wfile.write(cv2.imencode(".png", FRAME + server.asked)[1].tobytes())


@pytest.fixture
def network_camera():
    with ThreadingHTTPServer(("127.0.0.1", 0), CameraHandler) as server:
        server.asked, server.key, server.go_on = 0, "none", threading.Event()
        server.address = f"127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield server
        server.go_on.set()
        server.shutdown()


def shades(address, count):
    with open_source(address) as source:
        assert isinstance(source, LiveCamera)
        return [int(frame[0, 0, 0]) for (_, frame), _ in zip(source, range(count), strict=False)]


def test_an_address_that_answers_one_image_is_a_camera_of_new_images(network_camera):
    seen = shades(f"http://{network_camera.address}/snapshot?pwd=a", 3)
    assert seen == sorted(set(seen)) and len(seen) == 3


def test_a_password_with_a_slash_opens_a_camera(network_camera):
    network_camera.key = "Basic " + b64encode(b"user:se/cr@et").decode()
    assert len(shades(f"http://user:se/cr@et@{network_camera.address}/locked", 1)) == 1


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://user:secret@{}/locked", r"refuses the user name or password \(401\)"),
        ("http://{}/locked?token=secret", r"asks for a user name and password \(401\)"),
        ("rtsp://user:secret@127.0.0.1:1/x", "cannot be reached at port 1"),
        ("http://user:secret@nowhere.invalid/x", "There is no host nowhere.invalid"),
    ],
)
def test_a_stream_that_cannot_be_opened_tells_why_and_no_password(network_camera, address, why):
    with (
        pytest.raises(CameraUnavailable, match=why) as caught,
        LiveCamera(address.format(network_camera.address)),
    ):
        pass
    assert "secret" not in str(caught.value)


class RtspHandler(StreamRequestHandler):
    """An RTSP server that wants a Digest, and has nothing to show."""

    def handle(self):
        while request := b"".join(iter(self.rfile.readline, b"\r\n")).decode():
            address = request.split()[1]
            outer = md5(f"DESCRIBE:{address}".encode()).hexdigest()
            inner = md5(b"user:camera:secret").hexdigest()
            proof = md5(f"{inner}:7:{outer}".encode()).hexdigest()
            known = f'response="{proof}"' in request
            asks = 'WWW-Authenticate: Digest realm="camera", nonce="7"\r\n'
            status = "404 Not Found" if known else f"401 Unauthorized\r\n{asks.rstrip()}"
            self.wfile.write(f"RTSP/1.0 {status}\r\nCSeq: 1\r\n\r\n".encode())


@pytest.mark.parametrize(
    ("password", "why"), [("secret", r"nothing at that path \(404\)"), ("wrong", "refuses")]
)
def test_a_wrong_rtsp_password_is_told_from_a_wrong_path(password, why):
    with ThreadingTCPServer(("127.0.0.1", 0), RtspHandler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        address = f"rtsp://127.0.0.1:{server.server_address[1]}/1"
        assert re.search(why, refusal(address, "user", password))
        server.shutdown()


def test_first_reads_that_fail_are_given_two_seconds():
    class Waking(Device):
        def read(self):
            self.left -= 1
            return self.left < 0, FRAME

    with LiveCamera(0, open_capture=lambda _: Waking(5)) as source:
        assert next(iter(source))[1].shape == FRAME.shape


def test_attempts_to_open_a_device_again_come_no_slower_than_every_five_seconds(monkeypatch):
    assert camera._LONGEST_PAUSE == 5
    monkeypatch.setattr(camera, "_LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(camera, "_FIRST_PAUSE", 0.04)
    said, opened, enough = [], itertools.count(), threading.Event()

    def open_capture(_):
        number = next(opened)
        if number == 6:
            enough.set()
        return Device(2 if number == 0 else 0)

    with LiveCamera("rtsp://x", say=said.append, open_capture=open_capture):
        assert enough.wait(10)
    # Not once for each attempt.
    assert [text.split("again in ")[1] for text in said] == ["0.04 s.", "0.08 s.", "0.1 s."]
    with pytest.raises(ValueError, match="patience"):
        LiveCamera(0, patience=0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a process")
def test_ctrl_c_in_a_stalled_stream_ends_without_an_abort(network_camera):
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # whoever ignored it before
        "from utils.live.sources import open_source\n"
        "with open_source(sys.argv[1]) as source:\n"
        "    for _ in source:\n"
        "        print('frame', flush=True)\n"
    )
    command = [sys.executable, "-c", code, f"http://{network_camera.address}/stalled"]
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stdout.readline() == "frame\n"
        time.sleep(0.5)  # until it waits for the next
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
