"""The page that needs no server, in a real Chromium whose camera shows a drawn face."""

import functools
import http.server
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.test_pages import CHROMIUM, DRIVER, open_browser
from utils.config import DEFAULT_MODEL
from utils.drawn.clip import clip_frames
from utils.models.predictor import load
from utils.models.web_page import RUNTIME, export_page
from utils.vision.haar import FaceDetector
from utils.vision.opencv import cv2
from utils.vision.preprocessing import crop, prepare

PACKAGE = os.environ.get("ONNXRUNTIME_WEB")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER and PACKAGE),
    reason="needs chromium, chromium-driver, and ONNXRUNTIME_WEB naming the npm package's .tgz",
)


@pytest.fixture(scope="module")
def picture():
    """A surprised face in the place of the oval: 60 % of a square picture."""
    frame = next(clip_frames(size=(640, 480), order=("surprise",)))[1]
    face = crop(frame, FaceDetector().detect(frame)[0], margin=1 / 3)  # 1 / (1 + 2/3) = 60 %
    return cv2.resize(face, (480, 480))


def test_page_reads_the_face_in_the_oval(tmp_path, picture):
    pytest.importorskip("tf2onnx", reason="requirements-export.txt is not installed")
    predictor = load(DEFAULT_MODEL)
    faces = np.random.default_rng(0).integers(0, 256, (8, 48, 48, 1)).astype(np.uint8)
    folder = export_page(DEFAULT_MODEL, tmp_path / "page", PACKAGE, faces).file
    assert {*RUNTIME, "index.html", "page.js", "page.css", "model.onnx", "model.onnx.json"} == {
        file.name for file in Path(folder).iterdir()
    }
    inside = prepare(picture[96:384, 96:384], predictor.preprocessing)
    expected = predictor.probabilities(inside[None])[0]
    (tmp_path / "camera.mjpeg").write_bytes(cv2.imencode(".jpg", picture)[1].tobytes() * 5)

    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser = open_browser(
        "use-fake-device-for-media-stream",
        "use-fake-ui-for-media-stream",
        f"use-file-for-fake-video-capture={tmp_path / 'camera.mjpeg'}",
    )
    try:
        browser.get(f"http://127.0.0.1:{server.server_address[1]}/")
        WebDriverWait(browser, 30).until(lambda _: browser.find_elements(By.TAG_NAME, "meter"))
        browser.find_element(By.ID, "start").click()
        label = predictor.class_names[expected.argmax()]
        figures = browser.find_element(By.ID, "figures")
        WebDriverWait(browser, 30).until(lambda _: figures.text.startswith(label))
        print(figures.text)
        meters = browser.find_elements(By.TAG_NAME, "meter")
        shown = [float(meter.get_property("value")) for meter in meters]
        assert np.allclose(shown, expected, atol=0.1)
        severe = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
        assert [line["message"] for line in severe if "favicon" not in line["message"]] == []
    finally:
        browser.quit()
        server.shutdown()
        server.server_close()
