"""The server under load, against the Flask server of the usual tutorial.

    python -m benchmarks.web [--clients 16] [--seconds 30]

Every contender is a server process of its own with the same network, asked by the same
clients on loopback, one contender after the other. Each client sends the frames of a
clip with two drawn faces (640×480, JPEG) over one connection, as fast as it is answered.

- plain: Flask's own server; full-frame `detectMultiScale(grey, 1.3, 5)` with the customary
  cascade, `model.predict` for each face. A lock guards the cascade, which the tutorials
  lack: OpenCV's may not be used by two threads at once.
- pictures: this project's `POST /api/v1/faces`, which searches every picture thoroughly.
- camera: its `POST /api/v1/sessions/…/frames`, one session a client.
"""

import argparse
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

import numpy as np
from tqdm.auto import tqdm

from benchmarks.measuring import save
from utils.config import DEFAULT_MODEL, PROJECT
from utils.drawn.clip import clip_frames
from utils.vision.opencv import cv2

CONTENDERS = {
    "plain": ("benchmarks.web", "--serve-plain"),
    "pictures": ("app", "--port"),
    "camera": ("app", "--port"),
}
_EXPECTED = (200, 429, 503)  # read, or told to come back


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--serve-plain", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve_plain:
        serve_plain(options.serve_plain)
        return
    frames = clip_frames(frames_per_second=15, characters=2)
    bodies = [cv2.imencode(".jpg", frame)[1].tobytes() for _, frame, _ in frames]
    results = {
        name: measure(name, bodies, options.clients, options.seconds)
        for name in tqdm(CONTENDERS, unit="server")
    }
    plain = results["plain"]["answers_per_second"]
    ratios = {
        f"{name}_times_plain": results[name]["answers_per_second"] / plain
        for name in ("pictures", "camera")
    }
    save("web", {"clients": options.clients, "seconds": options.seconds, **results, **ratios})


def measure(name: str, bodies: list[bytes], clients: int, seconds: float) -> dict:
    """Load one contender; its answers a second, milliseconds and refusals."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    module, option = CONTENDERS[name]
    server = subprocess.Popen(
        [sys.executable, "-m", module, option, str(port)],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port, server)
        load(name, port, bodies, clients, 3.0)  # the first calls compile
        statuses, times, faces, elapsed = load(name, port, bodies, clients, seconds)
        peak = peak_megabytes_of(server.pid)
    finally:
        server.terminate()
        server.wait(30)
    unexpected = {status: count for status, count in statuses.items() if status not in _EXPECTED}
    if unexpected or not times:
        raise SystemExit(f"{name} answered with {dict(statuses)}; expected 200, 429 and 503 alone.")
    milliseconds = np.array(times) * 1000
    return {
        "answers": statuses.pop(200, 0),
        "refused": {str(status): count for status, count in sorted(statuses.items())},
        "answers_per_second": len(times) / elapsed,
        "p50_ms": float(np.percentile(milliseconds, 50)),
        "p95_ms": float(np.percentile(milliseconds, 95)),
        "faces_per_answer": faces / max(len(times), 1),
        "peak_mb": peak,
    }


def load(name: str, port: int, bodies: list[bytes], clients: int, seconds: float):
    """Statuses, the seconds of each good answer, faces found, and seconds in all."""
    statuses, times, faces = Counter(), [], []
    end = time.perf_counter() + seconds

    def ask(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        path = "/api/v1/faces"
        if name == "camera":
            connection.request("POST", "/api/v1/sessions")
            session = json.loads(connection.getresponse().read())["session"]
            path = f"/api/v1/sessions/{session}/frames"
        place = number * 7  # clients begin at different places of the clip
        while time.perf_counter() < end:
            begin = time.perf_counter()
            connection.request("POST", path, bodies[place % len(bodies)])
            answer = connection.getresponse()
            content = answer.read()
            statuses[answer.status] += 1
            if answer.status == 200:
                times.append(time.perf_counter() - begin)
                faces.append(len(json.loads(content)["faces"]))
            else:
                time.sleep(float(answer.headers.get("Retry-After", 1)))
            place += 1

    begin = time.perf_counter()
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses, times, sum(faces), time.perf_counter() - begin


def wait_for(port: int, server: subprocess.Popen) -> None:
    for _ in range(1200):
        if server.poll() is not None:
            raise SystemExit(f"The server ended with {server.returncode} before it answered.")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The server did not begin to listen within two minutes.")


def peak_megabytes_of(process: int) -> float | None:
    """The most memory a running process was resident in, in MB; None where Linux is not."""
    try:
        with open(f"/proc/{process}/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
    except OSError:
        return None
    return int(line.split()[1]) * 1024 / 1e6


def serve_plain(port: int) -> None:
    """The tutorials' server."""
    from flask import Flask, jsonify, request

    from utils.models.backend import keras

    app = Flask(__name__)
    model = keras.saving.load_model(DEFAULT_MODEL)
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    lock = threading.Lock()

    @app.post("/api/v1/faces")
    def faces():
        frame = cv2.imdecode(np.frombuffer(request.data, np.uint8), cv2.IMREAD_COLOR)
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        with lock:
            boxes = cascade.detectMultiScale(grey, 1.3, 5)
        found = []
        for left, top, width, height in boxes:
            face = cv2.resize(grey[top : top + height, left : left + width], (48, 48))
            answer = model.predict(face.reshape(1, 48, 48, 1), verbose=0)[0]
            found.append(
                {
                    "box": [int(v) for v in (left, top, width, height)],
                    "probabilities": answer.tolist(),
                }
            )
        return jsonify(faces=found)

    app.run("127.0.0.1", port)


if __name__ == "__main__":
    main()
