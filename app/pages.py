"""The pages that people open, and the picture of the server's camera."""

from flask import Blueprint, Response, render_template, request

from app.cameras import CameraFeed
from app.limits import Limits
from app.problems import Problem
from utils.live.overlay import class_colour


def blueprint(
    class_names: tuple[str, ...], limits: Limits, feed: CameraFeed | None, record=None
) -> Blueprint:
    """The routes; ``feed`` is None without a camera to show, ``record`` where nothing is kept."""
    routes = Blueprint("pages", __name__)
    # The same colours as in annotated videos, which are BGR.
    colours = ["#{2:02x}{1:02x}{0:02x}".format(*class_colour(i)) for i in range(len(class_names))]

    @routes.app_context_processor
    def common() -> dict:
        return {
            # Addresses are relative, so that the pages work behind a proxy that adds a prefix.
            "root": "../" * (request.path.count("/") - 1),
            "classes": class_names,
            "colours": colours,
            "limits": limits,
            "server_camera": feed is not None,
            "record": record,
        }

    @routes.get("/")
    def camera():
        return render_template("camera.html", page="camera")

    @routes.get("/picture")
    def picture():
        return render_template("picture.html", page="picture")

    @routes.get("/video")
    def video():
        return render_template("video.html", page="video")

    @routes.get("/server-camera")
    def server_camera():
        _feed()
        return render_template("server_camera.html", page="server_camera")

    @routes.get("/video_feed")
    def video_feed():
        watched = _feed()
        parts = None if request.method == "HEAD" else watched.watch()
        return Response(parts, content_type=watched.content_type)

    @routes.get("/server-camera/state")
    def camera_state():
        return {"message": _feed().message}

    def _feed() -> CameraFeed:
        if feed is None:
            raise Problem(
                404, "This server shows no camera of its own. Start it with --camera 0 (or "
                "another number, or a stream's address) to have one."
            )  # fmt: skip
        return feed

    return routes
