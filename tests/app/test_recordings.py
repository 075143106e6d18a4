"""The camera page keeps faces only where it may, and only while it is asked to."""

import pytest

from app import create_app
from app.__main__ import main
from utils.config import DEFAULT_MODEL
from utils.datasets.takes import find_takes
from utils.drawn.clip import clip_frames
from utils.models.predictor import load
from utils.vision.opencv import cv2


@pytest.fixture(scope="module")
def predictor():
    return load(DEFAULT_MODEL)


@pytest.fixture(scope="module")
def frame():
    image = next(clip_frames(size=(320, 240), order=("happy",)))[1]
    return cv2.imencode(".jpg", image)[1].tobytes()


@pytest.fixture
def serve(predictor):
    made = []

    def client(**settings):
        made.append(create_app(predictor, **settings))
        return made[-1].test_client()

    yield client
    for app in made:
        app.extensions["close"]()


def send(client, frame, wish=""):
    name = client.post("/api/v1/sessions").json["session"]
    return client.post(f"/api/v1/sessions/{name}/frames{wish}", data=frame)


def test_frames_are_kept_only_with_the_wish(tmp_path, serve, frame):
    folder = tmp_path / "mine"
    client = serve(record=folder)
    assert len(send(client, frame).json["faces"]) == 1
    assert not folder.exists()
    assert send(client, frame, "?record=joy&subject=Ada").status_code == 200
    table = find_takes(folder)
    assert list(table["class"]) == ["happy"] and list(table["subject"]) == ["Ada"]
    answer = client.get("/api/v1/recordings/Ada")
    assert answer.json == {"subject": "Ada", "counts": {"happy": 1}}
    assert client.delete("/api/v1/recordings/Ada").status_code == 204
    assert not folder.exists()


def test_a_session_that_lets_go_begins_another_take(tmp_path, serve, frame):
    client = serve(record=tmp_path / "mine")
    place = f"/api/v1/sessions/{client.post('/api/v1/sessions').json['session']}/frames"
    for wish in ("?record=happy&subject=Ada", "", "?record=happy&subject=Ada"):
        assert client.post(place + wish, data=frame).status_code == 200
    assert find_takes(tmp_path / "mine")["take"].nunique() == 2


def test_a_server_that_may_not_record_keeps_nothing(tmp_path, serve, frame, monkeypatch):
    monkeypatch.chdir(tmp_path)
    client = serve()
    answer = send(client, frame, "?record=happy&subject=Ada")
    assert answer.status_code == 404 and "--record FOLDER" in answer.get_json(force=True)["detail"]
    assert client.get("/api/v1/recordings/Ada").status_code == 404
    assert b'id="record"' not in client.get("/").data
    assert list(tmp_path.iterdir()) == []


def test_page_says_where_images_lie(tmp_path, serve):
    page = serve(record=tmp_path / "mine").get("/").data.decode()
    assert 'id="hold"' in page and str(tmp_path / "mine") in page


@pytest.mark.parametrize(
    "wish", ["?record=happy", "?record=..&subject=Ada", "?record=a/b&subject=A"]
)
def test_names_that_could_lead_elsewhere_are_refused(tmp_path, serve, frame, wish):
    answer = send(serve(record=tmp_path / "mine"), frame, wish)
    assert answer.status_code == 422
    assert list(tmp_path.iterdir()) == []


def test_recording_is_for_this_machine_alone(tmp_path, capsys):
    assert main(["--record", str(tmp_path / "mine"), "--host", "0.0.0.0", "--port", "0"]) == 2
    assert "its own machine alone" in capsys.readouterr().err
