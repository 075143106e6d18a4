"""The browser: pages and a REST interface over the same model that the notebooks use.

`create_app` makes the Flask application, `app.server` runs it, ``python -m app`` does both.
Detection, reading, explaining and drawing are those of `utils`; here is only what a
server adds: limits, waiting rooms, uploads that are not kept, and pages.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

try:
    import utils as utils
except ImportError as error:
    # Under this package's own name, `python -m app` prints it without a traceback.
    raise ImportError(str(error), name=__name__) from None

# isort: split
from flask import Flask

from app import api, pages, problems, safety
from app.cameras import CameraFeed, Sessions
from app.limits import Limits
from app.recordings import Recordings
from app.videos import VideoJobs
from app.workers import DetectorPool, SharedPredictor


def create_app(
    predictor,
    *,
    limits: Limits | None = None,
    camera: int | str | None = None,
    model_name: str = "",
    card: str | None = None,
    host: str = "127.0.0.1",
    names: Sequence[str] = (),
    allow_notebook: bool = False,
    detector: str = "haar",
    record: str | Path | None = None,
) -> Flask:
    """The application; end it with ``app.extensions["close"]()``.

    Args:
        predictor: a `utils.models.predictor.Predictor`; only one thread will use it.
        limits: what may be asked of the server.
        camera: a camera attached to this machine for ``/video_feed``: its index, a
            stream's URL, or whatever `utils.live.sources.open_source` takes; None for none.
        model_name: what ``/api/v1/model`` calls the model.
        card: the model's card, Markdown.
        host: the address that the server will be bound to.
        names: more names that it answers to; see `app.safety.trusted`.
        allow_notebook: let a page of a Jupyter server on localhost show this one in a frame.
        detector: "haar" or "yunet": what finds faces, see `utils.vision.detectors`.
        record: folder that the camera page may record takes into; None: nothing is kept.
    """
    if record is not None and not safety.is_loopback(host):
        raise ValueError(
            "A server that records faces answers to its own machine alone. Received: host "
            f"{host}; leave it out."
        )
    limits = limits or Limits()
    app = Flask(__name__)
    app.json.sort_keys = False  # classes stay in the model's order
    app.config["MAX_CONTENT_LENGTH"] = limits.picture_bytes  # the video route raises its own

    shared = SharedPredictor(predictor)
    detectors = DetectorPool(limits.working, limits.waiting, detector=detector)
    sessions = Sessions(shared, limits.sessions, limits.faces)
    videos = VideoJobs(shared, limits, detector)
    feed = None
    if camera is not None:
        feed = CameraFeed(camera, shared, limits.viewers, limits.faces, detector)

    recordings = Recordings(record, shared)
    problems.register(app)
    safety.guard(app, host, names, allow_notebook)
    app.register_blueprint(
        api.blueprint(shared, detectors, sessions, videos, limits, model_name, card, recordings)
    )
    app.register_blueprint(pages.blueprint(shared.class_names, limits, feed, recordings.folder))

    def close() -> None:
        """End what runs and remove what was uploaded; the last call for this application."""
        if feed is not None:
            feed.end()
        detectors.close()
        videos.close()
        shared.close()

    def admit(method: str, header: Callable[[str], str | None]) -> None:
        """Refuse a request by its headers, before its body is taken: Problem 403."""
        safety.refuse_strangers(method, header, host, names)

    app.extensions["admit"] = admit
    app.extensions["close"] = close
    return app
