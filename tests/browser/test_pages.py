"""The pages in a real Chromium, with a camera that shows the embedded clip.

Debian's packages chromium and chromium-driver are what it needs. With SCREENSHOTS=results
in the environment, the README's pictures are taken anew.
"""

import base64
import http.server
import io
import os
import re
import shutil
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from app import api, cameras
from app.server import start
from utils.config import CLASS_NAMES, DEFAULT_MODEL
from utils.drawn.clip import clip_frames, draw_clip
from utils.live.stills import read_stills
from utils.models.predictor import load
from utils.vision.opencv import cv2

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs Debian's packages chromium and chromium-driver"
)


@pytest.fixture(scope="module")
def server():
    with start(load(DEFAULT_MODEL), allow_notebook=True) as running:
        yield running


@pytest.fixture(scope="module")
def face():
    """A frame of the clip in which its face is surprised."""
    frames = clip_frames(frames_per_second=1, order=("surprise",))
    return next(frame for _, frame, _ in frames)


@pytest.fixture(scope="module")
def media(tmp_path_factory, face):
    """Files to show and send: a camera's frames, a picture and a video."""
    folder = tmp_path_factory.mktemp("media")
    frames = clip_frames(frames_per_second=5, seconds_per_expression=1, order=("surprise",))
    jpegs = (cv2.imencode(".jpg", frame)[1].tobytes() for _, frame, _ in frames)
    (folder / "camera.mjpeg").write_bytes(b"".join(jpegs))
    cv2.imwrite(str(folder / "face.jpg"), face)
    draw_clip(folder / "clip.mp4", frames_per_second=6, seconds_per_expression=0.5)
    return folder


@pytest.fixture(scope="module")
def label(media):
    """What the package says of the picture, without server and page."""
    return read_stills(media / "face.jpg", load(DEFAULT_MODEL))["label"].item()


def open_browser(*arguments: str):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("headless=new", "no-sandbox", "hide-scrollbars", *arguments):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    browser.set_page_load_timeout(30)
    return browser


@pytest.fixture(scope="module")
def browser(media):
    camera = media / "camera.mjpeg"
    browser = open_browser(
        "use-fake-device-for-media-stream",
        "use-fake-ui-for-media-stream",
        f"use-file-for-fake-video-capture={camera}",
    )
    yield browser
    browser.quit()


@pytest.fixture(autouse=True)
def no_errors_on_the_page(request):
    """Neither a script's error nor anything that the content policy had to stop."""
    yield
    if "browser" in request.fixturenames:
        log = request.getfixturevalue("browser").get_log("browser")
        assert [line["message"] for line in log if line["level"] == "SEVERE"] == []


def wait(browser, condition, seconds=30):
    return WebDriverWait(browser, seconds, poll_frequency=0.1).until(lambda _: condition())


def text(browser, name: str) -> str:
    return browser.find_element(By.ID, name).text


def look(browser, width=1000, height=760, dark=False):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def screenshot(browser, name: str) -> None:
    if "SCREENSHOTS" in os.environ:
        picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
        picture.save(Path(os.environ["SCREENSHOTS"], f"web-{name}.png"), optimize=True)


def shares(browser) -> list[int]:
    found = browser.find_elements(By.CSS_SELECTOR, ".bars .share")
    return [int(element.text.removesuffix(" %")) for element in found]


def press(browser, name: str) -> None:
    browser.find_element(By.ID, name).click()


def focused(browser) -> str:
    return browser.switch_to.active_element.get_attribute("id")


def outlined(browser) -> bool:
    """Whether the focus can be seen."""
    focus = browser.switch_to.active_element
    width = focus.value_of_css_property("outline-width").removesuffix("px")
    return focus.value_of_css_property("outline-style") == "solid" and float(width) >= 2


def tab_to(browser, name: str) -> None:
    """Press Tab until an element has the focus, which can be seen all the way."""
    for _ in range(12):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        assert outlined(browser)
        if focused(browser) == name:
            return
    raise AssertionError(f"Tab does not lead to {name}")


def status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
def held_upload(monkeypatch):
    """Uploads whose bytes have come and which wait in the server: names, and what lets them on."""
    names, go_on = [], threading.Event()
    save = api.save_video

    def save_later(path, most):
        names.append(path.parent.name)
        assert go_on.wait(30)
        return save(path, most)

    monkeypatch.setattr(api, "save_video", save_later)
    yield names, go_on
    go_on.set()


def fits(browser) -> bool:
    script = "return document.documentElement.scrollWidth <= window.innerWidth"
    return browser.execute_script(script)


def test_camera_page_labels_the_face(browser, server):
    look(browser)
    browser.get(server.url)
    browser.find_element(By.ID, "start").click()
    wait(browser, lambda: text(browser, "summary").startswith("Face 1: "))
    assert text(browser, "summary").removeprefix("Face 1: ") in CLASS_NAMES
    wait(browser, lambda: "frames a second" in text(browser, "figures"))
    drawn = browser.execute_script(
        "const c = document.getElementById('overlay');"
        "return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
        ".filter((value, index) => index % 4 === 3 && value).length"
    )
    assert drawn > 1000
    screenshot(browser, "camera")
    browser.find_element(By.ID, "start").click()
    assert text(browser, "hint") == "The camera is off."
    assert browser.execute_script("return document.getElementById('video').srcObject") is None


@pytest.mark.parametrize("page, on, off", [("", "start", "start"), ("picture", "take", "cancel")])
@pytest.mark.parametrize("order", [([0], [1]), ([1], [0]), ([0, 1],)])
def test_a_camera_that_was_given_late_is_not_left_on(browser, server, page, on, off, order):
    browser.get(server.url + page)
    browser.execute_script(
        "window.tracks = []; window.prompts = [];"
        "const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
        "navigator.mediaDevices.getUserMedia = async (wish) => {"
        "  await new Promise((allow) => window.prompts.push(allow));"
        "  const stream = await ask(wish);"
        "  window.tracks.push(...stream.getTracks());"
        "  return stream;"
        "}"
    )

    def opened_and_on() -> tuple[int, int]:
        """How many were opened, and how many of them are on."""
        return tuple(
            browser.execute_script(
                "const on = window.tracks.filter((track) => track.readyState === 'live');"
                "return [window.tracks.length, on.length]"
            )
        )

    for name in (on, off, on):
        press(browser, name)
    count = 0
    for together in order:
        browser.execute_script(f"{together}.forEach((one) => window.prompts[one]())")
        count += len(together)
        wait(browser, lambda count=count: opened_and_on()[0] == count)
    shown = "return document.getElementById('video').videoWidth > 0"
    wait(browser, lambda: browser.execute_script(shown))
    assert opened_and_on() == (2, 1)
    press(browser, off)
    assert opened_and_on() == (2, 0)


def test_a_session_that_begins_after_stop_is_ended(browser, server, monkeypatch):
    opened, ended = [], []
    asked, go_on = threading.Event(), threading.Event()
    open_session, end_session = cameras.Sessions.open, cameras.Sessions.end

    def open_later(sessions, *arguments):
        asked.set()
        assert go_on.wait(30)
        opened.append(open_session(sessions, *arguments))
        return opened[-1]

    def end(sessions, name):
        ended.append(name)
        end_session(sessions, name)

    monkeypatch.setattr(cameras.Sessions, "open", open_later)
    monkeypatch.setattr(cameras.Sessions, "end", end)
    browser.get(server.url)
    press(browser, "start")
    wait(browser, asked.is_set)
    press(browser, "start")
    go_on.set()
    wait(browser, lambda: ended)
    assert ended == opened


def test_a_notebook_shows_the_live_page_in_a_frame(browser, server):
    look(browser)
    page = f'<iframe allow="camera" width=900 height=700 src="{server.url}"></iframe>'.encode()

    class Notebook(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(page if self.path == "/" else b"")

        def log_message(self, *line):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Notebook) as notebook:
        threading.Thread(target=notebook.serve_forever, daemon=True).start()
        browser.get(f"http://127.0.0.1:{notebook.server_port}/")
        browser.switch_to.frame(0)
        browser.find_element(By.ID, "start").click()
        wait(browser, lambda: text(browser, "summary").startswith("Face 1: "))
        browser.switch_to.default_content()
        browser.get("about:blank")
        notebook.shutdown()


def test_picture_page_shows_bars_that_sum_to_100(browser, server, media, label):
    look(browser)
    browser.get(server.url + "picture")
    browser.find_element(By.ID, "file").send_keys(str(media / "face.jpg"))
    wait(browser, lambda: text(browser, "summary").startswith("1 face: "))
    assert len(shares(browser)) == len(CLASS_NAMES)
    assert sum(shares(browser)) == 100
    assert text(browser, "summary") == f"1 face: {label}."
    browser.find_element(By.CSS_SELECTOR, ".face button").click()
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".face .wide canvas"))
    screenshot(browser, "picture")


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_can_be_dropped_and_pasted(browser, server, media, label, way):
    look(browser)
    browser.get(server.url + "picture")
    prevented = browser.execute_script(
        """
        const [way, bytes] = arguments;
        const content = Uint8Array.from(atob(bytes), (one) => one.charCodeAt(0));
        const files = new DataTransfer();
        files.items.add(new File([content], "face.jpg", { type: "image/jpeg" }));
        const section = document.getElementById("drop");
        const kind = { bubbles: true, cancelable: true };
        if (way === "paste") {
          return section.dispatchEvent(new ClipboardEvent(way, { ...kind, clipboardData: files }));
        }
        return ["dragover", "drop"].map((name) => {
          const event = new DragEvent(name, { ...kind, dataTransfer: files });
          section.dispatchEvent(event);
          return [event.defaultPrevented, section.classList.contains("over")];
        });
        """,
        way,
        base64.b64encode((media / "face.jpg").read_bytes()).decode(),
    )
    if way == "drop":  # else the browser would leave the page for the picture
        assert prevented == [[True, True], [True, False]]
    wait(browser, lambda: text(browser, "summary") == f"1 face: {label}.")
    shown = "return document.getElementById('picture').naturalWidth"
    assert browser.execute_script(shown) == cv2.imread(str(media / "face.jpg")).shape[1]


def test_a_late_answer_does_not_replace_a_later_picture(browser, server, media, label, face):
    small = media / "small.png"
    cv2.imwrite(str(small), cv2.resize(face, None, fx=0.5, fy=0.5))
    browser.get(server.url + "picture")
    browser.execute_script(
        "const send = window.fetch; let calls = 0;"
        "window.fetch = async (...request) => {"
        "  const answer = await send(...request);"
        "  if (!calls++) await new Promise((resume) => { window.letFirstOn = resume; });"
        "  return answer;"
        "}"
    )
    browser.find_element(By.ID, "file").send_keys(str(media / "face.jpg"))
    wait(browser, lambda: browser.execute_script("return 'letFirstOn' in window"))
    browser.find_element(By.ID, "file").send_keys(str(small))
    wait(browser, lambda: text(browser, "summary") == f"1 face: {label}.")
    source = "return document.getElementById('picture').src"
    shown = browser.execute_script(source)
    browser.execute_script("window.letFirstOn()")
    time.sleep(0.5)  # in which nothing may happen
    assert browser.execute_script(source) == shown


def test_a_picture_that_the_browser_cannot_show_is_read_all_the_same(
    browser, server, face, label, tmp_path
):
    cv2.imwrite(str(tmp_path / "face.tiff"), face)
    browser.get(server.url + "picture")
    browser.find_element(By.ID, "file").send_keys(str(tmp_path / "face.tiff"))
    wait(browser, lambda: text(browser, "summary").startswith(f"1 face: {label}."))
    assert "does not show" in text(browser, "summary")
    assert len(shares(browser)) == len(CLASS_NAMES)
    for empty in ("#shown", ".face canvas"):
        assert not browser.find_element(By.CSS_SELECTOR, empty).is_displayed()


def test_a_picture_can_be_taken_with_the_keyboard_alone(browser, server):
    look(browser)
    browser.get(server.url + "picture")
    tab_to(browser, "take")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    wait(browser, lambda: focused(browser) == "shoot")
    tab_to(browser, "cancel")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert focused(browser) == "take"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    wait(browser, lambda: focused(browser) == "shoot")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    wait(browser, lambda: text(browser, "summary").startswith("1 face: "))
    assert browser.execute_script("return document.getElementById('video').srcObject") is None
    assert focused(browser) == "take"


def test_the_keyboard_does_for_pictures(browser, server, media, label):
    look(browser)
    browser.get(server.url + "picture")
    tab_to(browser, "choose")
    browser.execute_script(
        "window.asked = 0; document.getElementById('file').addEventListener('click', (event) => {"
        "  event.preventDefault(); window.asked += 1;"  # the system's dialogue, which hides pages
        "})"
    )
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.execute_script("return window.asked") == 1
    browser.find_element(By.ID, "file").send_keys(str(media / "face.jpg"))
    summary = browser.find_element(By.ID, "summary")
    assert summary.get_attribute("aria-live") == "polite"  # so the result is also said
    wait(browser, lambda: summary.text == f"1 face: {label}.")
    assert focused(browser) == "choose"
    browser.switch_to.active_element.send_keys(Keys.TAB, Keys.TAB)
    why = browser.switch_to.active_element
    assert why.get_attribute("aria-label") == f"Why {label}, face 1"
    assert outlined(browser)
    why.send_keys(Keys.ENTER)
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".face .wide canvas"))
    assert browser.switch_to.active_element == why
    browser.find_element(By.ID, "file").send_keys(str(media / "face.jpg"))
    wait(browser, lambda: focused(browser) == "choose")  # what was focused is gone


def test_video_page_ends_with_a_playable_file(browser, server, media):
    look(browser, height=860)
    browser.get(server.url + "video")
    browser.find_element(By.ID, "file").send_keys(str(media / "clip.mp4"))
    wait(browser, lambda: text(browser, "summary").startswith("Done: 1 face in 21 frames"))
    ready = "const v = document.getElementById('player'); return v.readyState >= 2 && v.duration"
    duration = wait(browser, lambda: browser.execute_script(ready))
    assert duration == pytest.approx(3.5, abs=0.3)
    browser.execute_script(
        "const v = document.getElementById('player'); v.muted = true; return v.play()"
    )
    ended = "return document.getElementById('player').currentTime > 0.5"
    wait(browser, lambda: browser.execute_script(ended))
    screenshot(browser, "video")
    table = browser.find_element(By.ID, "table").get_attribute("href")
    rows = browser.execute_async_script(
        "fetch(arguments[0]).then((a) => a.text()).then(arguments[1])", table
    ).splitlines()
    assert rows[0].startswith("source,frame,seconds,track,")


def test_video_page_says_that_the_file_is_cut_off(browser, server, face, tmp_path):
    path = tmp_path / "cut.avi"
    size = (face.shape[1], face.shape[0])
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, size)
    for _ in range(20):
        writer.write(face)
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    browser.get(server.url + "video")
    browser.find_element(By.ID, "file").send_keys(str(path))
    wait(browser, lambda: text(browser, "summary").startswith("Done"))
    assert re.search(r"ended after [\d.]+ of 2\.0 seconds", text(browser, "notice"))


def test_cancel_removes_a_video_that_was_sent_already(browser, server, media, held_upload):
    names, go_on = held_upload
    browser.get(server.url + "video")
    browser.find_element(By.ID, "file").send_keys(str(media / "clip.mp4"))
    wait(browser, lambda: names)
    press(browser, "cancel")
    address = f"{server.url}api/v1/videos/{names[0]}"
    assert status(address) == 200
    assert text(browser, "summary") == "Cancelling the video …"
    go_on.set()
    wait(browser, lambda: text(browser, "summary") == "The video was cancelled and removed.")
    assert status(address) == 404


def test_cancel_ends_an_upload_that_is_under_way(browser, server, tmp_path, held_upload):
    names, _ = held_upload
    (tmp_path / "long.mp4").write_bytes(bytes(8_000_000))
    browser.get(server.url + "video")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1}
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", slow | {"uploadThroughput": 5e5})
    try:
        browser.find_element(By.ID, "file").send_keys(str(tmp_path / "long.mp4"))
        sent = "return document.getElementById('progress').value"
        wait(browser, lambda: browser.execute_script(sent) > 0)
        press(browser, "cancel")
        wait(browser, lambda: text(browser, "summary") == "The video was cancelled and removed.")
    finally:
        browser.execute_cdp_cmd("Network.emulateNetworkConditions", slow | {"uploadThroughput": -1})
    assert names == []


def test_leaving_the_page_removes_the_video(browser, server, media, held_upload):
    names, go_on = held_upload
    go_on.set()
    browser.get(server.url + "video")
    browser.find_element(By.ID, "file").send_keys(str(media / "clip.mp4"))
    wait(browser, lambda: text(browser, "stageText").startswith("Reading"))
    browser.get("about:blank")
    wait(browser, lambda: status(f"{server.url}api/v1/videos/{names[0]}") == 404)


def test_the_keyboard_does_for_videos(browser, server, media):
    browser.get(server.url + "video")
    browser.find_element(By.ID, "file").send_keys(str(media / "clip.mp4"))
    assert focused(browser) == "cancel"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert focused(browser) == "choose"
    browser.find_element(By.ID, "file").send_keys(str(media / "clip.mp4"))
    wait(browser, lambda: text(browser, "summary").startswith("Done"))
    assert focused(browser) == "player"

    timeline = browser.find_element(By.ID, "timeline")
    seconds = float(timeline.get_attribute("aria-valuemax"))
    for keys, expected in (
        ((Keys.END,), seconds),
        ((Keys.HOME, Keys.PAGE_UP), seconds / 10),
        ((Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT), 2 * seconds / 20),  # of 21 frames
        ((Keys.ARROW_LEFT,), seconds / 20),
    ):
        timeline.send_keys(*keys)
        shown = browser.execute_script("return document.getElementById('player').currentTime")
        assert shown == pytest.approx(expected, abs=0.1)
        assert float(timeline.get_attribute("aria-valuenow")) == pytest.approx(shown, abs=0.051)
    assert "seconds, face 1: " in timeline.get_attribute("aria-valuetext")
    assert focused(browser) == "timeline"


def test_pages_fit_a_phone_in_the_dark(browser, server, media):
    look(browser, 390, 844, dark=True)
    browser.get(server.url + "picture")
    browser.find_element(By.ID, "file").send_keys(str(media / "face.jpg"))
    wait(browser, lambda: shares(browser))
    assert fits(browser)
    screenshot(browser, "phone")
    ground = browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    assert max(map(int, ground.strip("rgba()").split(",")[:3])) < 64
    for page in ("", "video"):
        browser.get(server.url + page)
        assert fits(browser)


def test_the_way_to_the_servers_camera_is_not_cut_off_on_a_phone(browser, media):
    with start(load(DEFAULT_MODEL), camera=str(media / "clip.mp4")) as server:
        look(browser, 360, 640)
        browser.get(server.url)
        script = "const n = document.querySelector('nav'); return n.scrollWidth <= n.clientWidth"
        assert browser.execute_script(script)
        browser.get("about:blank")  # a late request for the icon would miss the server


def test_a_camera_that_cannot_be_had_is_explained(server):
    browser = open_browser("use-fake-ui-for-media-stream")  # allowed, but there is none
    try:
        browser.get(server.url)
        browser.find_element(By.ID, "start").click()
        wait(browser, lambda: "No camera was found" in text(browser, "notice"))
        for script, expected in (
            ("Object.defineProperty(window, 'isSecureContext', {value: false})", "localhost"),
            (
                "navigator.mediaDevices.getUserMedia = () =>"
                " Promise.reject(new DOMException('', 'NotAllowedError'))",
                "did not allow",
            ),
        ):
            browser.get(server.url)
            browser.execute_script(script)
            browser.find_element(By.ID, "start").click()
            wait(browser, lambda text_=expected: text_ in text(browser, "notice"))
    finally:
        browser.quit()


def test_faces_are_recorded_while_the_button_is_held(browser, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("data/mine")
    with start(load(DEFAULT_MODEL), record=folder) as running:
        look(browser, width=820, height=980)
        browser.get(running.url)
        press(browser, "start")
        wait(browser, lambda: "frames a second" in text(browser, "figures"))
        assert not folder.exists()
        browser.find_element(By.ID, "subject").send_keys("Ada")
        browser.find_element(By.ID, "expression").send_keys("surprise")
        button = browser.find_element(By.ID, "hold")
        ActionChains(browser).click_and_hold(button).perform()
        wait(browser, lambda: len(list(folder.glob("*/surprise/*.png"))) >= 2)
        screenshot(browser, "record")
        ActionChains(browser).release().perform()
        wait(browser, lambda: "surprise" in text(browser, "kept"))
        assert button.get_attribute("aria-pressed") == "false"
        count = len(list(folder.rglob("*.png")))
        before = text(browser, "figures")
        wait(browser, lambda: text(browser, "figures") != before)  # frames go on
        assert len(list(folder.rglob("*.png"))) == count
        press(browser, "undo")
        wait(browser, lambda: "nothing yet" in text(browser, "kept"))
        assert not folder.exists()
        press(browser, "start")
        browser.get("about:blank")  # a late request for the icon would miss the server
