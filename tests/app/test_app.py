"""The REST interface, its limits, and what keeps the server safe.

Every answer is held against `app/openapi.json` on its way to the test.
"""

import csv
import io
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import weakref
import zlib
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from PIL import Image

import app as application
from app import cameras, channels, create_app, folders
from app.__main__ import is_loopback, main
from app.cameras import CameraFeed, Sessions
from app.folders import PrivateFolder
from app.limits import Limits
from app.problems import Problem
from app.safety import trusted
from app.server import start
from app.timelines import timeline
from app.trackers import FewFacesTracker
from app.uploads import read_image
from app.workers import Busy, DetectorPool, SharedPredictor
from utils.config import CLASS_NAMES, DEFAULT_MODEL, PROJECT
from utils.drawn.clip import clip_frames, draw_clip
from utils.live.analyzer import FaceAnalyzer
from utils.live.frames import FrameSource
from utils.live.stills import read_stills
from utils.models.predictor import load
from utils.vision import detectors
from utils.vision.haar import FaceDetector
from utils.vision.images import MAX_PIXELS
from utils.vision.opencv import cv2
from utils.vision.preprocessing import Preprocessing

FOLDER = Path(application.__file__).parent
DOCUMENT = json.loads((FOLDER / "openapi.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def predictor():
    return load(DEFAULT_MODEL)


@pytest.fixture(scope="module")
def frames():
    """Someone happy, five frames a second."""
    happy = clip_frames(size=(320, 240), frames_per_second=5, order=("happy",))
    return [frame for _, frame, _ in happy]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("app") / "clip.mp4"
    draw_clip(path, size=(320, 240), frames_per_second=6, seconds_per_expression=0.5)
    return path.read_bytes()


@pytest.fixture
def make(predictor):
    """Makes a client of a new application; its settings are those of `create_app`."""
    made = []

    def client(model=predictor, **settings):
        made.append(create_app(model, **settings))
        return Client(made[-1])

    yield client
    for app in made:
        app.extensions["close"]()


@pytest.fixture
def private_files(tmp_path, monkeypatch):
    """Lists what applications made from now on have in their private folders."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def files() -> list[Path]:
        folders = list(tmp_path.glob("expressions-*"))
        assert not any(folder.stat().st_mode & 0o077 for folder in folders)
        return [path for folder in folders for path in folder.rglob("*") if path.is_file()]

    return files


@pytest.fixture
def client(make):
    return make()


class Client:
    """A test client that holds every answer of the interface against its description."""

    def __init__(self, app):
        self.app, self._client = app, app.test_client()

    def __call__(self, method: str, path: str, **more):
        answer = self._client.open(path, method=method, **more)
        route = path.split("?")[0]
        for template, methods in DOCUMENT["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", r"[^/]+", template), route):
                described = methods[method.lower()]["responses"]
                anywhere = answer.status_code in (403, 500)
                self._check(answer, described["default" if anywhere else str(answer.status_code)])
        return answer

    def _check(self, answer, described):
        if "$ref" in described:
            described = DOCUMENT["components"]["responses"][described["$ref"].split("/")[-1]]
        kinds = described.get("content", {})
        assert answer.mimetype in kinds if kinds else not answer.data
        schema = kinds.get(answer.mimetype, {}).get("schema")
        if schema:
            whole = {**schema, "components": DOCUMENT["components"]}
            OAS31Validator(whole).validate(answer.get_json(force=True))


def jpeg(frame) -> bytes:
    return cv2.imencode(".jpg", frame)[1].tobytes()


def encoded(kind: str, size=(64, 48), **more) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "grey").save(file, kind, **more)
    return file.getvalue()


def huge_png() -> bytes:
    """A small file whose header announces 3.6 thousand million pixels."""
    data = bytearray(encoded("PNG"))
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def refused(answer, status: int) -> str:
    """The sentence of a refusal."""
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    problem = answer.get_json(force=True)
    assert problem["status"] == status
    return problem["detail"]


class BlockingPredictor:
    """Answers when it is let, and counts."""

    class_names = CLASS_NAMES
    preprocessing = Preprocessing(CLASS_NAMES)

    def __init__(self):
        self.go_on, self.asked, self.batches = threading.Event(), threading.Event(), []

    def probabilities(self, faces):
        self.asked.set()
        assert self.go_on.wait(20)
        self.batches.append(len(faces))
        if faces.max(initial=0) == 255:
            raise ArithmeticError("broken network")
        rows = np.zeros((len(faces), 7), np.float32)
        rows[:, 0] = faces.reshape(len(faces), -1).mean(1) / 255
        return rows


# ---------------------------------------------------------------- pictures


def test_a_picture_as_body_or_form_gives_its_faces(client, frames):
    body = jpeg(frames[0])
    answer = client("POST", "/api/v1/faces", data=body).json
    assert (answer["width"], answer["height"], answer["left_out"]) == (320, 240, 0)
    (face,) = answer["faces"]
    assert face["label"] == "happy"
    assert list(face["probabilities"]) == list(CLASS_NAMES)
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert face["confidence"] == max(face["probabilities"].values())
    box = face["box"]  # the clip's face is in the middle
    assert box["left"] < 160 < box["left"] + box["width"]
    form = {"file": (io.BytesIO(body), "face.txt")}  # the name does not matter
    assert client("POST", "/api/v1/faces", data=form).json == answer


def test_a_picture_without_a_face_has_none(client):
    assert client("POST", "/api/v1/faces", data=encoded("PNG")).json["faces"] == []


def test_the_page_finds_what_predict_finds(client, predictor, group):
    """The same boxes and answers of the same image, small faces and the second opinion included."""
    picture, places = group
    data = cv2.imencode(".png", picture)[1].tobytes()
    table = read_stills(data, predictor)
    faces = client("POST", "/api/v1/faces", data=data).json["faces"]
    assert len(faces) == len(table) >= 0.8 * len(places)
    columns = {"x": "left", "y": "top", "width": "width", "height": "height"}
    for face, row in zip(faces, table.to_dict("records"), strict=True):
        assert face["box"] == {there: row[here] for here, there in columns.items()}
        assert face["label"] == row["label"]
        expected = [row[name] for name in CLASS_NAMES]
        assert list(face["probabilities"].values()) == pytest.approx(expected, abs=1e-4)


def test_only_so_many_faces_are_read(make, frames):
    two = np.hstack([frames[0], frames[0]])
    answer = make(limits=Limits(faces=1))("POST", "/api/v1/faces", data=jpeg(two)).json
    assert (len(answer["faces"]), answer["left_out"]) == (1, 1)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "empty"),
        (b"just text", 415, "known kind"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "known kind"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", 415, "known kind"),
        (encoded("JPEG")[:-30], 422, "cannot be used"),
        (b"\x89PNG\r\n\x1a\nnonsense", 422, "damaged"),
        (encoded("PNG", (4000, 8)), 422, "narrow"),
        (huge_png(), 413, f"{MAX_PIXELS / 1e6:g} million"),
        (encoded("BMP", (200, 200)), 413, "larger"),
    ],
)
def test_unfit_pictures_are_refused_with_a_reason(make, body, status, words):
    client = make(limits=Limits(picture_bytes=100_000))
    assert words in refused(client("POST", "/api/v1/faces", data=body), status)


def test_the_form_must_have_its_file(client):
    answer = client("POST", "/api/v1/faces", data={"other": (io.BytesIO(b"x"), "x")})
    assert "'file'" in refused(answer, 422)


def test_an_explanation_is_a_map_of_the_face(client, frames):
    body = jpeg(frames[0])
    box = client("POST", "/api/v1/faces", data=body).json["faces"][0]["box"]
    query = "&".join(f"{name}={value}" for name, value in box.items())
    answer = client("POST", f"/api/v1/explanation?{query}", data=body).json
    assert answer["label"] == "happy"
    assert np.shape(answer["values"]) == (answer["size"], answer["size"]) == (48, 48)
    assert np.max(answer["values"]) > 0


@pytest.mark.parametrize(
    "query", ["left=1", "left=-1&top=0&width=9&height=9", "left=9000&top=0&width=20&height=20"]
)
def test_an_explanation_needs_a_box_in_the_picture(client, query):
    refused(client("POST", f"/api/v1/explanation?{query}", data=encoded("PNG")), 422)


# ---------------------------------------------------------------- the interface


def test_the_description_is_valid_and_names_every_route(client):
    validate(DOCUMENT)
    described = {
        (path, method.upper())
        for path, methods in DOCUMENT["paths"].items()
        for method in methods
        if method != "parameters"
    }
    served = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method)
        for rule in client.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint.startswith("api.")
    }
    assert described == served
    assert client("GET", "/api/v1/openapi.json").json == DOCUMENT


def test_the_model_describes_itself(make):
    answer = make(model_name="fer2013.keras", card="# Models")("GET", "/api/v1/model").json
    assert answer["classes"] == list(CLASS_NAMES)
    assert answer["contract"]["size"] == 48
    assert (answer["name"], answer["card"]) == ("fer2013.keras", "# Models")


def test_health_and_unknown_addresses(client):
    assert client("GET", "/healthz").json == {"status": "ok"}
    assert "nothing" in refused(client("GET", "/api/v1/nothing"), 404)
    wrong = client._client.put("/api/v1/faces")
    refused(wrong, 405)
    assert set(wrong.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
    page = client("GET", "/deep/down", headers={"Accept": "text/html"})
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert 'href="../static/style.css"' in page.text


def test_a_failure_inside_is_a_problem_and_its_log_holds_no_picture(make, frames, caplog):
    failing = BlockingPredictor()
    failing.go_on.set()
    bright = np.where(frames[0] > 120, 255, frames[0])
    answer = make(failing)("POST", "/api/v1/faces", data=jpeg(bright))
    assert answer.status_code == 500
    assert "ArithmeticError" in caplog.text
    assert "JFIF" not in caplog.text and len(caplog.text) < 10_000


# ---------------------------------------------------------------- cameras


def test_faces_keep_their_number_through_a_session(client, frames):
    session = client("POST", "/api/v1/sessions").json["session"]
    address = f"/api/v1/sessions/{session}"
    answers = [client("POST", f"{address}/frames", data=jpeg(one)).json for one in frames[:4]]
    assert [[face["track"] for face in answer["faces"]] for answer in answers] == [[1]] * 4
    assert client("DELETE", address).status_code == 204
    assert "ended" in refused(client("POST", f"{address}/frames", data=jpeg(frames[0])), 404)


def test_frames_are_small_and_come_one_at_a_time(client, predictor, frames):
    session = client("POST", "/api/v1/sessions").json["session"]
    large = encoded("JPEG", (2000, 1100))
    assert "2.1 million" in refused(
        client("POST", f"/api/v1/sessions/{session}/frames", data=large), 413
    )
    sessions, detector = Sessions(predictor, most=1, faces=64), FaceDetector()
    name = sessions.open(detector)
    with sessions.get(name).busy, pytest.raises(Problem) as caught:
        sessions.read(name, frames[0], detector)
    assert caught.value.status == 429
    with pytest.raises(Problem) as caught:
        sessions.open(detector)
    assert caught.value.status == 503


def test_the_servers_camera_is_shown_while_somebody_watches(make, predictor, tmp_path, clip):
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip)
    client = make(camera=str(path), limits=Limits(viewers=1))
    for _ in range(2):  # which shows nothing, and takes no place
        assert client("HEAD", "/video_feed").status_code == 200
    answer = client("GET", "/video_feed")
    assert answer.content_type == "multipart/x-mixed-replace; boundary=frame"
    parts = answer.iter_encoded()
    head, picture = next(parts).split(b"\r\n\r\n", 1)
    assert head.startswith(b"--frame\r\nContent-Type: image/jpeg")
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), 1).shape == (240, 320, 3)
    refused(client("GET", "/video_feed"), 429)
    answer.close()
    feed = CameraFeed(str(path), predictor, most=1, faces=1)
    for _ in range(2):
        feed.watch().close()  # before a part was taken
    assert client("GET", "/server-camera").status_code == 200


def test_a_viewer_who_reads_nothing_gives_his_place_back(predictor, monkeypatch):
    monkeypatch.setattr(channels, "STUCK_SECONDS", 0.2)
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), dtype=np.uint8)
    camera = FrameSource((0.04 * number, noise) for number in range(100_000))
    with (
        start(predictor, camera=camera, limits=Limits(viewers=1)) as server,
        connected(server) as viewer,
    ):
        viewer.sendall(b"GET /video_feed HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert viewer.recv(12) == b"HTTP/1.1 200"
        feed = b"GET /video_feed HTTP/1.0\r\nHost: localhost\r\n\r\n"
        for _ in range(200):
            status = exchange(server, feed, 12)
            if status != b"HTTP/1.1 429" and status != b"HTTP/1.0 429":
                break
            time.sleep(0.1)
        assert status[-3:] == b"503"  # that camera ended with its viewer


def test_a_slow_viewer_does_not_get_the_past(predictor, monkeypatch):
    sent, part = [], cameras._Watching.__next__
    monkeypatch.setattr(
        cameras._Watching, "__next__", lambda self: sent.append(part(self)) or sent[-1]
    )
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    camera = FrameSource((0.04 * number, noise) for number in range(100_000))
    with start(predictor, camera=camera) as server, connected(server) as viewer:
        viewer.sendall(b"GET /video_feed HTTP/1.1\r\nHost: localhost\r\n\r\n")
        before = -1
        while not sent or len(sent) != before:  # it reads nothing, until no more is made for it
            before = len(sent)
            time.sleep(1)
    # What waits for it lies mostly in the system's buffers: some 4 MB on Linux.
    assert 0 < sum(map(len, sent)) < 12e6


def test_a_camera_that_is_unplugged_is_said_and_its_last_picture_stays(
    predictor, frames, monkeypatch
):
    monkeypatch.setattr(cameras, "_AGAIN", 0.05)
    unplugged, gone = threading.Event(), threading.Event()

    def camera():
        yield 0.0, frames[0]
        unplugged.wait(20)
        feed._say("camera 0 gives no image; trying again in 0.5 s.")
        gone.wait(20)
        raise OSError("camera 0 has given no image for 120 seconds.")

    feed = CameraFeed(FrameSource(camera()), predictor, most=1, faces=1)
    watching = feed.watch()
    first = next(watching)
    assert feed.message == ""
    unplugged.set()
    assert next(watching) == first  # nobody is sent away while it is tried again
    while not feed.message:
        time.sleep(0.01)
    assert "trying again" in feed.message
    gone.set()
    assert set(watching) <= {first}
    assert "no image for 120 seconds" in feed.message
    watching.close()


def test_the_page_of_the_camera_can_ask_for_its_state(make, tmp_path, clip):
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip)
    assert make(camera=str(path))("GET", "/server-camera/state").json == {"message": ""}
    refused(make()("GET", "/server-camera/state"), 404)


def test_a_missing_camera_of_the_server_is_explained(make):
    assert "--camera 0" in refused(make()("GET", "/video_feed"), 404)
    assert "camera 97" in refused(make(camera=97)("GET", "/video_feed"), 503)


def test_a_crowd_is_followed_only_so_far(make, frames, tmp_path):
    tracker = FewFacesTracker(2)
    tracker.update([(100 * place, 0, 50, 50) for place in range(4)], 0.0)
    assert [track.id for track in tracker.tracks] == [1, 2]
    client = make(limits=Limits(faces=1))
    address = f"/api/v1/sessions/{client('POST', '/api/v1/sessions').json['session']}/frames"
    two = jpeg(np.hstack([frames[0], frames[0]]))
    answers = [client("POST", address, data=two).json["faces"] for _ in range(3)]
    assert [[face["track"] for face in faces] for faces in answers] == [[1]] * 3
    path = tmp_path / "two.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, (640, 240))
    for frame in frames[:5]:
        writer.write(np.hstack([frame, frame]))
    writer.release()
    name = client("POST", "/api/v1/videos", data=path.read_bytes()).json["video"]
    assert finish(client, name)["faces"] == 1


# ---------------------------------------------------------------- videos


def finish(client, name: str) -> dict:
    for _ in range(600):
        state = client("GET", f"/api/v1/videos/{name}").json
        if state["state"] in ("done", "failed"):
            return state
        time.sleep(0.05)
    raise AssertionError(f"the video was not read: {state}")


def test_a_video_comes_back_annotated_and_is_removed(private_files, client, clip):
    answer = client("POST", "/api/v1/videos", data=clip)
    address = answer.headers["Location"]
    state = finish(client, answer.json["video"])
    assert (state["state"], state["frames"], state["length"], state["faces"]) == ("done", 21, 21, 1)

    video = client("GET", f"{address}/video")
    assert (video.mimetype, video.data[4:8]) == ("video/mp4", b"ftyp")
    part = client("GET", f"{address}/video", headers={"Range": "bytes=0-99"})
    assert (part.status_code, len(part.data)) == (206, 100)
    beyond = client("GET", f"{address}/video", headers={"Range": "bytes=99999999-"})
    assert "within its length" in refused(beyond, 416)
    assert beyond.headers["Content-Range"] == f"bytes */{len(video.data)}"
    table = client("GET", f"{address}/table")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert len({row["frame"] for row in rows}) >= 20
    assert "attachment" in table.headers["Content-Disposition"]
    (track,) = client("GET", f"{address}/timeline").json["tracks"]
    assert [column for column, *_ in track["cells"]] == list(range(20))

    (kept,) = {path.parent for path in private_files()}
    assert {path.name for path in kept.iterdir()} == {"expressions.mp4", "expressions.csv"}
    assert client("DELETE", address).status_code == 204
    assert not private_files()
    refused(client("GET", address), 404)


@pytest.mark.parametrize(
    ("limits", "body", "status", "words"),
    [
        ({}, b"", 422, "empty"),
        ({}, b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", 415, "known kind"),
        ({}, b"\0\0\0\x18ftypheic" + bytes(400), 415, "no video"),  # a phone's photograph
        ({}, b"\x00\x00\x00\x20ftypisom" + bytes(500), 422, "cannot be read"),
        ({"video_seconds": 2}, None, 413, "too long"),
        ({"video_pixels": 70_000}, None, 413, "320×240"),
        ({"video_bytes": 5_000}, None, 413, "larger"),
    ],
)
def test_unfit_videos_are_refused_and_leave_nothing(
    private_files, make, clip, limits, body, status, words
):
    client = make(limits=Limits(**limits))
    answer = client("POST", "/api/v1/videos", data=clip if body is None else body)
    assert words in refused(answer, status)
    assert not private_files()


def test_a_video_can_be_cancelled_and_only_some_wait(private_files, make, clip):
    model = BlockingPredictor()
    client = make(model, limits=Limits(videos=1))
    reading = client("POST", "/api/v1/videos", data=clip).json["video"]
    assert model.asked.wait(20)
    waiting = client("POST", "/api/v1/videos", data=clip).json["video"]
    assert "Too many" in refused(client("POST", "/api/v1/videos", data=clip), 429)
    assert "reading" in refused(client("GET", f"/api/v1/videos/{reading}/video"), 409)
    for name in (reading, waiting):
        assert client("DELETE", f"/api/v1/videos/{name}").status_code == 204
    model.go_on.set()
    later = client("POST", "/api/v1/videos", data=clip).json["video"]
    finish(client, later)
    assert {path.parent.name for path in private_files()} == {later}


def test_a_video_that_nobody_asks_about_is_not_read_on(private_files, make, clip, monkeypatch):
    now = 0.0
    monkeypatch.setattr("app.videos.time", SimpleNamespace(monotonic=lambda: now))
    model = BlockingPredictor()
    client = make(model, limits=Limits(video_unasked=150))
    reading = client("POST", "/api/v1/videos", data=clip).json["video"]
    assert model.asked.wait(20)
    left, awaited = (client("POST", "/api/v1/videos", data=clip).json["video"] for _ in range(2))
    now = 100.0
    assert client("GET", f"/api/v1/videos/{awaited}").status_code == 200
    now = 200.0
    model.go_on.set()
    assert finish(client, awaited)["state"] == "done"
    now = 400.0
    for name, status in ((reading, 404), (left, 404), (awaited, 200)):
        assert client("GET", f"/api/v1/videos/{name}").status_code == status
    assert {path.parent.name for path in private_files()} == {awaited}


def test_videos_do_not_outlive_their_time_nor_the_server(private_files, make, clip):
    client = make(limits=Limits(video_keep=0.05))
    name = client("POST", "/api/v1/videos", data=clip).json["video"]
    for _ in range(600):
        if client("GET", f"/api/v1/videos/{name}").status_code == 404:
            break
        time.sleep(0.05)
    assert not private_files()
    client = make(limits=Limits(videos_kept=1))
    first, second = (
        finish(client, client("POST", "/api/v1/videos", data=clip).json["video"])["video"]
        for _ in range(2)
    )
    refused(client("GET", f"/api/v1/videos/{first}"), 404)
    assert client("GET", f"/api/v1/videos/{second}").status_code == 200
    root = private_files()[0].parent.parent
    client.app.extensions["close"]()
    assert not root.exists()


def test_a_truncated_video_says_so(make, tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(40):
        writer.write(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))
    writer.release()
    client = make()
    for share, words in ((1, ""), (0.5, "The video ended after")):
        part = path.read_bytes()[: int(path.stat().st_size * share)]
        state = finish(client, client("POST", "/api/v1/videos", data=part).json["video"])
        assert state["state"] == "done" and state["detail"].startswith(words)
        assert bool(state["detail"]) == bool(words)


def test_folders_of_dead_processes_are_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    living = PrivateFolder()
    dead, young = tmp_path / "expressions-web-dead", tmp_path / "expressions-web-young"
    for folder in (dead, young):
        folder.mkdir()
        (folder / "upload.mp4").write_bytes(b"x")
    for folder in (dead, living.path):
        os.utime(folder, (0, 0))
    PrivateFolder().close()
    assert [folder.exists() for folder in (dead, young, living.path)] == [False, True, True]
    living.close()
    assert not living.path.exists()


def test_what_a_server_left_just_before_goes_a_little_later(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    waits, timer = [], threading.Timer
    monkeypatch.setattr(
        "threading.Timer", lambda wait, *more: waits.append(wait) or timer(0.05, *more)
    )
    left = tmp_path / "expressions-web-left"
    left.mkdir()
    folder = PrivateFolder()
    assert left.exists() and folders._YOUNG < waits[0] < 60
    monkeypatch.setattr(folders, "_YOUNG", 0)
    folder._again.join()
    assert not left.exists() and folder.path.exists()
    folder.close()


def test_a_timeline_has_a_column_for_every_moment():
    rows = [(1, 0.1 * frame, 0.9, 0.1) for frame in range(1001)]
    table = pd.DataFrame(rows, columns=["track", "seconds", "happy", "sad"])
    values = timeline(table, ("happy", "sad"), 100.0, 1001)
    (track,) = values["tracks"]
    assert [cell[0] for cell in track["cells"]] == list(range(300))
    assert track["cells"][0][1:] == [0, 0.9]
    assert 300 * values["step"] == pytest.approx(100)


def test_a_timeline_of_a_single_frame_can_be_drawn():
    table = pd.DataFrame([(1, 0.0, 0.9, 0.1)], columns=["track", "seconds", "happy", "sad"])
    values = timeline(table, ("happy", "sad"), 0.0, 1)
    assert values["seconds"] == values["step"] == pytest.approx(0.1)
    assert values["tracks"] == [{"track": 1, "cells": [[0, 0, 0.9]]}]


# ---------------------------------------------------------------- queues


def in_threads(call, arguments):
    """Begins the calls; gives the threads, and the list that their answers go to."""
    answers = [None] * len(arguments)

    def run(index, argument):
        try:
            answers[index] = call(argument)
        except Exception as error:
            answers[index] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(arguments)]
    for thread in threads:
        thread.start()
    return threads, answers


def test_waiting_faces_are_read_in_one_batch_and_go_to_their_callers():
    model = BlockingPredictor()
    shared = SharedPredictor(model)
    calls = [np.full((n, 48, 48, 1), n, np.uint8) for n in (1, 2, 3, 4)]
    threads, answers = in_threads(shared.probabilities, calls[:1])
    assert model.asked.wait(20)
    more_threads, more_answers = in_threads(shared.probabilities, calls[1:])
    while shared._queue.qsize() < 3:
        time.sleep(0.01)
    model.go_on.set()
    for thread in threads + more_threads:
        thread.join()
    assert model.batches == [1, 9]
    for n, answer in zip((1, 2, 3, 4), answers + more_answers, strict=True):
        assert answer[:, 0] * 255 == pytest.approx([n] * n)
    with pytest.raises(ArithmeticError):  # an error is its caller's; the thread goes on
        shared.probabilities(np.full((1, 48, 48, 1), 255, np.uint8))
    assert shared.probabilities(calls[0]).shape == (1, 7)
    shared.close()
    with pytest.raises(Busy, match="ending"):
        shared.probabilities(calls[0])


def test_who_would_wait_too_long_is_told_to_come_back(make, frames):
    model = BlockingPredictor()
    client = make(model, limits=Limits(working=1, waiting=0))
    session = client("POST", "/api/v1/sessions").json["session"]
    address = f"/api/v1/sessions/{session}/frames"
    threads, answers = in_threads(
        lambda body: client("POST", address, data=body), [jpeg(frames[0])]
    )
    assert model.asked.wait(20)
    answer = client("POST", "/api/v1/faces", data=jpeg(frames[0]))
    assert "Try again" in refused(answer, 503)
    assert answer.headers["Retry-After"] == "1"
    model.go_on.set()
    threads[0].join()
    assert answers[0].status_code == 200


def test_who_waits_when_the_server_ends_is_told_at_once():
    began, go_on = threading.Event(), threading.Event()
    pool = DetectorPool(size=1, waiting=1, patience=60)

    def work(detector):
        began.set()
        assert go_on.wait(20)
        return "read"

    threads, answers = in_threads(pool.run, [work])
    assert began.wait(20)
    waiting, refusals = in_threads(pool.run, [work])
    while not pool._threads._work_queue.qsize():
        time.sleep(0.01)
    pool.close()
    waiting[0].join(10)
    assert isinstance(refusals[0], Busy) and "ending" in str(refusals[0])
    go_on.set()
    threads[0].join()
    assert answers == ["read"]  # what had begun is finished


def test_who_waits_for_a_detector_in_vain_is_told():
    go_on = threading.Event()
    pool = DetectorPool(size=1, waiting=1, patience=0.2)
    threads, answers = in_threads(pool.run, [lambda detector: go_on.wait(20)] * 2)
    while not any(answers):
        time.sleep(0.01)
    go_on.set()
    for thread in threads:
        thread.join()
    assert sorted(map(str, answers))[0].startswith("No place became free")
    assert True in answers  # the patience is for a place, not for the work
    with pytest.raises(TimeoutError, match="of the work"):
        pool.run(lambda detector: (_ for _ in ()).throw(TimeoutError("of the work")))
    pool.close()


def test_pictures_live_on_the_pools_threads_and_not_while_the_network_is_asked(
    make, frames, monkeypatch
):
    threads, pictures = set(), []

    def read(*arguments):
        picture = read_image(*arguments)
        threads.add(threading.current_thread().name)
        pictures.append(weakref.ref(picture))
        return picture

    monkeypatch.setattr("app.api.read_image", read)
    model = BlockingPredictor()
    client = make(model, limits=Limits(working=2))
    calls, _ = in_threads(
        lambda body: client("POST", "/api/v1/faces", data=body), [jpeg(frames[0])] * 6
    )
    assert model.asked.wait(20)
    while len(pictures) < 6 or any(picture() is not None for picture in pictures):
        time.sleep(0.01)  # for ever, if the picture waited with its caller
    model.go_on.set()
    for call in calls:
        call.join()
    assert threads <= {"detection_0", "detection_1"}


def test_a_shared_predictor_serves_the_reader(predictor, frames):
    shared = SharedPredictor(predictor, batch=3)
    boxes = [(60 + n, 40, 120 + n, 120 + n) for n in range(7)]  # judged in several batches
    shares = shared.face_shares(frames[0], boxes)
    assert shares == pytest.approx(predictor.face_shares(frames[0], boxes), abs=1e-5)
    (face,) = FaceAnalyzer(shared).read(frames[0], 0.0)
    assert np.allclose(face.probabilities, predictor.predict_faces(frames[0], [face.box])[0])
    shared.close()


# ---------------------------------------------------------------- safety


@pytest.mark.parametrize("path", ["/", "/picture", "/video", "/static/camera.js", "/nothing"])
def test_every_answer_is_guarded(client, path):
    headers = client("GET", path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy and headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in headers
    assert not [name for name, _ in headers if name.startswith("Access-Control")]


def test_only_a_notebook_may_frame_the_pages_and_only_when_told(make):
    headers = make(allow_notebook=True)("GET", "/").headers
    assert headers["Content-Security-Policy"].endswith(
        "frame-ancestors 'self' http://localhost:* http://127.0.0.1:*"
    )
    assert "X-Frame-Options" not in headers


def test_pages_hold_no_inline_code_and_fetch_nothing_from_elsewhere():
    files = [*FOLDER.glob("templates/*"), *FOLDER.glob("static/*")]
    assert len(files) > 8
    for file in files:
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://[\w.]+\.\w", text), file
        if file.suffix == ".html":
            assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", text), file


@pytest.mark.parametrize(
    ("host", "bound", "good"),
    [
        ("127.0.0.1:8000", "127.0.0.1", True),
        ("localhost:9000", "127.0.0.1", True),  # through a tunnel
        ("[::1]:8000", "127.0.0.1", True),
        ("evil.example:8000", "127.0.0.1", False),
        ("127.0.0.1.evil.example", "127.0.0.1", False),
        ("localhost@evil.example", "127.0.0.1", False),
        ("192.168.0.7:8000", "127.0.0.1", False),
        ("192.168.0.7:8000", "192.168.0.7", True),
        ("192.168.0.7:8000", "0.0.0.0", True),
        ("evil.example:8000", "0.0.0.0", False),
        ("", "127.0.0.1", False),
        ("[::1", "127.0.0.1", False),
    ],
)
def test_the_host_header_must_name_this_server(host, bound, good):
    assert trusted(host, bound) is good


def test_the_name_of_a_proxy_can_be_told(make):
    headers = {"Host": "hub.example", "Origin": "https://hub.example"}
    assert make()("GET", "/healthz", headers=headers).status_code == 403
    assert make(names=["Hub.Example"])("GET", "/healthz", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
def test_pages_of_other_sites_are_kept_out(client, frames, headers):
    answer = client("POST", "/api/v1/faces", data=jpeg(frames[0]), headers=headers)
    refused(answer, 403)
    assert client("GET", "/healthz", headers={"Origin": "http://localhost"}).status_code == 200


# ---------------------------------------------------------------- connections


def connected(server, own="127.0.0.1"):
    port = int(server.url.rstrip("/").rsplit(":", 1)[1])
    return socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(own, 0))


def exchange(server, data: bytes, most: int | None = None) -> bytes:
    """What comes back, to its end or to so many bytes."""
    with connected(server) as connection:
        connection.sendall(data)
        answer = b""
        while (most is None or len(answer) < most) and (part := connection.recv(4096)):
            answer += part
        return answer if most is None else answer[:most]


def head(path: str, *more: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *more, "", ""]).encode()


def test_requests_are_judged_before_their_body_is_taken(predictor):
    limits = Limits(picture_bytes=1000, video_bytes=50_000, upload_bytes=70_000)
    ask = "Expect: 100-continue"
    with start(predictor, limits=limits) as server, connected(server) as other:
        evil = exchange(
            server, head("/api/v1/faces", "Origin: http://evil", "Content-Length: 9", ask)
        )
        assert evil.startswith(b"HTTP/1.1 403")
        large = head("/api/v1/faces", "Content-Length: 1001")
        assert exchange(server, large + bytes(1001)).startswith(b"HTTP/1.1 413")
        chunked = head("/api/v1/faces", "Transfer-Encoding: chunked") + b"7D0\r\n" + bytes(2000)
        assert exchange(server, chunked + b"\r\n0\r\n\r\n").startswith(b"HTTP/1.1 413")
        video = head("/api/v1/videos", "Content-Length: 50000", ask)
        other.sendall(video)
        assert b"100 Continue" in other.recv(100)
        busy = exchange(server, video)
        assert busy.startswith(b"HTTP/1.1 503") and b"Retry-After" in busy


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\r\n\r\n", 400),
        (head("/", "Content-Length: 99999999999"), 413),
        (b"GET / HTTP/1.1\r\nX: ".ljust(32_768, b"x"), 431),
        (head("/", "Transfer-Encoding: gzip"), 501),
    ],
)
def test_what_is_no_request_gets_a_problem_too(predictor, data, status):
    with start(predictor) as server:
        lines, body = exchange(server, data).split(b"\r\n\r\n", 1)
    assert b"Content-Type: application/problem+json" in lines
    assert b"X-Content-Type-Options: nosniff" in lines
    assert json.loads(body)["status"] == status == int(lines.split()[1])


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HT", head("/api/v1/videos", "Content-Length: 1000") + b"x"]
)
def test_a_request_that_stalls_is_let_go(predictor, monkeypatch, begun):
    monkeypatch.setattr(channels, "HEADER_SECONDS", 0.1)
    monkeypatch.setattr(channels, "BODY_SECONDS", 0.1)
    with start(predictor) as server:
        assert exchange(server, begun) == b""


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (head("/api/v1/videos", "Content-Length: 99999999999"), 413),
        (b"GET / HTTP/1.1\r\nX: ".ljust(40_000, b"x"), 431),
    ],
)
def test_an_answer_reaches_those_who_still_send(predictor, data, status):
    with start(predictor) as server:
        answer = exchange(server, data + bytes(10_000_000))
    assert int(answer.split()[1]) == status
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["status"] == status


@pytest.mark.parametrize(("name", "bound"), [("LINGER_BYTES", 1_000_000), ("LINGER_SECONDS", 0.1)])
def test_nobody_may_send_for_ever_after_the_answer(predictor, monkeypatch, name, bound):
    monkeypatch.setattr(channels, name, bound)
    with start(predictor) as server, connected(server) as connection:
        connection.sendall(head("/api/v1/videos", "Content-Length: 99999999999"))
        assert connection.recv(12) == b"HTTP/1.1 413"
        with pytest.raises(OSError):
            while True:
                connection.sendall(bytes(100_000))


def test_nobody_has_all_the_connections(predictor, monkeypatch):
    monkeypatch.setattr(channels, "HEADER_SECONDS", 1000)
    with start(predictor, limits=Limits(connections=2)) as server, ExitStack() as held:
        for _ in range(2):
            held.enter_context(connected(server))
        assert exchange(server, b"") == b""  # closed at once
        if sys.platform == "linux":  # where all of 127.0.0.0/8 is this machine
            with connected(server, "127.0.0.2") as other:
                other.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
                assert other.recv(12) == b"HTTP/1.0 200"
        held.close()
        answer = b""
        for _ in range(200):
            with suppress(ConnectionError):
                answer = exchange(server, b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n", 12)
            if answer:
                break
            time.sleep(0.05)
        assert answer == b"HTTP/1.0 200"  # its places are free again


@pytest.mark.skipif(sys.platform != "linux", reason="all of 127.0.0.0/8 must be this machine")
def test_many_connections_from_many_addresses_keep_nobody_waiting(predictor, monkeypatch):
    monkeypatch.setattr(channels, "HEADER_SECONDS", 1000)
    health = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with start(predictor, limits=Limits(connections=5)) as server, ExitStack() as held:
        first = held.enter_context(connected(server, "127.0.1.1"))
        for number in range(20):
            one = held.enter_context(connected(server, f"127.0.0.{2 + number % 4}"))
            one.sendall((b"", b"GET / HT", health)[number % 3])
        late = held.enter_context(connected(server, "127.0.1.2"))
        for one in (late, first):  # who holds one connection keeps it
            one.sendall(health)
            assert one.recv(12) == b"HTTP/1.1 200"
        assert len(server._waitress.active_channels) <= 10


# ---------------------------------------------------------------- the process


def test_a_server_on_a_thread_answers_and_stops(predictor):
    with start(predictor) as server:
        with urllib.request.urlopen(server.url + "healthz", timeout=20) as answer:
            assert answer.status == 200
            assert "Server" not in answer.headers
        port = int(server.url.rstrip("/").rsplit(":", 1)[1])
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.parametrize("end", ["SIGTERM", "SIGHUP"])
def test_the_program_says_where_it_listens_and_ends_when_told(tmp_path, end):
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "--port", "0"],
        cwd=PROJECT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+/", line)[0]
        with urllib.request.urlopen(url, timeout=20) as answer:
            assert b"Start the camera" in answer.read()
        assert list(tmp_path.glob("expressions-web-*"))
        process.send_signal(getattr(signal, end))
        process.send_signal(signal.SIGTERM)  # once more, while it ends
        assert process.wait(20) == 0
        assert not list(tmp_path.glob("expressions-web-*"))
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.stdout.close()
        process.stderr.close()


def test_the_program_ends_while_an_image_is_decoded(tmp_path):
    code = (
        "import runpy, sys, time, app.api\n"
        "def decode(*_):\n"  # which does not hear a signal
        "    print('decoding', flush=True)\n"
        "    time.sleep(100)\n"
        "app.api.read_image = decode\n"
        "sys.argv = ['app', '--port', '0']\n"
        "runpy.run_module('app', run_name='__main__')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = int(re.search(r":(\d+)/", process.stdout.readline())[1])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(head("/api/v1/faces", "Content-Length: 1") + b"x")
            assert process.stdout.readline() == "decoding\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(50) == 0
        assert not list(tmp_path.glob("expressions-web-*"))
    finally:
        process.kill()
        process.stdout.close()


def test_what_cannot_start_says_why(tmp_path, capsys):
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(DEFAULT_MODEL.read_bytes()[:5000])
    assert main(["--model", str(damaged)]) == 2
    assert "damaged.keras" in capsys.readouterr().err
    assert main(["--model", str(tmp_path / "none.keras")]) == 2
    assert "none.keras" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 2
    assert "--port" in capsys.readouterr().err
    # An address kept for documents, and a name that can be nobody's.
    for host in ("192.0.2.1", "none.invalid"):
        assert main(["--host", host]) == 2
        said = capsys.readouterr().err
        assert "--host" in said and said.count(host) == 1


@pytest.mark.parametrize("words", [["--port", "99999"], ["--port", "-1"], ["--host", ""]])
def test_impossible_addresses_are_refused(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_only_loopback_is_private():
    private = ["127.0.0.1", "127.0.0.2", "localhost", "::1"]
    assert [is_loopback(host) for host in [*private, "0.0.0.0", "192.168.0.7"]] == [True] * 4 + [
        False
    ] * 2


class _WholeFrame:
    """Stands in for YuNet: every frame is a face."""

    def __init__(self, model_file=None):
        pass

    scan_parts = 1

    def detect(self, frame, thorough=False, judge=None):
        return [(0, 0, frame.shape[1], frame.shape[0])]

    def scan(self, frame, judge, part):
        return self.detect(frame)

    def refind(self, frame, box):
        return self.detect(frame)[0]


def test_pictures_and_live_frames_are_searched_by_the_chosen_detector(make, frames, monkeypatch):
    monkeypatch.setattr(detectors, "YuNetDetector", _WholeFrame)
    client = make(detector="yunet")
    jpeg = cv2.imencode(".jpg", frames[0])[1].tobytes()
    height, width = frames[0].shape[:2]
    whole = {"left": 0, "top": 0, "width": width, "height": height}
    session = client("POST", "/api/v1/sessions").json["session"]
    for place in ("faces", f"sessions/{session}/frames"):
        answer = client("POST", f"/api/v1/{place}", data=jpeg, content_type="image/jpeg").json
        assert [face["box"] for face in answer["faces"]] == [whole]


def test_a_missing_yunet_file_ends_the_start_with_advice(monkeypatch, capsys):
    def absent(*_):
        raise FileNotFoundError("Run `make yunet`")

    monkeypatch.setattr(detectors, "YuNetDetector", absent)
    assert main(["--detector", "yunet", "--port", "0"]) == 2
    assert "make yunet" in capsys.readouterr().err
