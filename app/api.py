"""The REST interface, as `openapi.json` beside this file describes it."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from flask import Blueprint, Response, jsonify, request, send_file, url_for

from app.cameras import Sessions
from app.limits import Limits
from app.problems import Problem
from app.recordings import Recordings
from app.uploads import body, read_image, save_video
from app.videos import Video, VideoJobs
from app.workers import DetectorPool, SharedPredictor
from utils.live.stills import find_faces
from utils.models.saliency import occlusion_map
from utils.vision.boxes import Box, clip_box
from utils.vision.haar import FaceDetector
from utils.vision.preprocessing import prepare_faces

_BOX = ("left", "top", "width", "height")
_DOCUMENT = Path(__file__).with_name("openapi.json")


def blueprint(
    predictor: SharedPredictor,
    detectors: DetectorPool,
    sessions: Sessions,
    videos: VideoJobs,
    limits: Limits,
    model_name: str,
    card: str | None,
    recordings: Recordings,
) -> Blueprint:
    """The routes; see `app.create_app` for what they are given."""
    routes = Blueprint("api", __name__)
    class_names = predictor.class_names

    def face_values(box: Box, probabilities: np.ndarray) -> dict:
        best = int(np.argmax(probabilities))
        shares = [round(float(share), 6) for share in probabilities]
        return {
            "box": dict(zip(_BOX, map(int, box), strict=True)),
            "probabilities": dict(zip(class_names, shares, strict=True)),
            "label": class_names[best],
            "confidence": shares[best],
        }

    @routes.post("/api/v1/faces")
    def faces():
        sent = body(limits.picture_bytes)

        def search(detector: FaceDetector):
            picture = read_image(sent, limits.picture_pixels)
            boxes = find_faces(picture, predictor, detector)
            crops = prepare_faces(picture, boxes[: limits.faces], predictor.preprocessing)
            return picture.shape[:2], boxes, crops

        (height, width), boxes, crops = detectors.run(search)
        rows = predictor.probabilities(crops)
        return {
            "width": width,
            "height": height,
            "faces": [face_values(*pair) for pair in zip(boxes, rows, strict=False)],
            "left_out": max(0, len(boxes) - limits.faces),
        }

    @routes.post("/api/v1/explanation")
    def explanation():
        wanted = _number_arguments(_BOX)
        sent = body(limits.picture_bytes)

        def crop(detector: FaceDetector) -> np.ndarray:
            picture = read_image(sent, limits.picture_pixels)
            box = clip_box(wanted, picture.shape)
            if box is None or min(box[2:]) < 8:
                raise Problem(422, "The box lies outside the picture, or is under 8 pixels.")
            return prepare_faces(picture, [box], predictor.preprocessing)[0]

        face = detectors.run(crop)
        index = int(np.argmax(predictor.probabilities(face[None])[0]))
        values = occlusion_map(predictor, face, index)
        return {
            "label": class_names[index],
            "size": len(values),
            "margin": predictor.preprocessing.margin,
            "values": np.round(values, 4).tolist(),
        }

    @routes.get("/api/v1/model")
    def model():
        return {
            "name": model_name,
            "classes": list(class_names),
            "contract": asdict(predictor.preprocessing),
            "card": card,
        }

    @routes.post("/api/v1/sessions")
    def open_session():
        return {"session": detectors.run(sessions.open)}, 201

    @routes.post("/api/v1/sessions/<name>/frames")
    def read_frame(name):
        sessions.get(name)
        sent = body(limits.picture_bytes)

        def read(detector: FaceDetector):
            frame = read_image(sent, limits.frame_pixels)
            return frame, sessions.read(name, frame, detector)

        frame, found = detectors.run(read)
        if "record" in request.args:
            subject = request.args.get("subject", "")
            recordings.keep(name, subject, request.args["record"], frame, found)
        else:
            recordings.release(name)
        height, width = frame.shape[:2]
        return {
            "width": width,
            "height": height,
            "faces": [
                {"track": one.track} | face_values(one.box, one.probabilities) for one in found
            ],
        }

    @routes.delete("/api/v1/sessions/<name>")
    def end_session(name):
        sessions.end(name)
        recordings.release(name)
        return "", 204

    @routes.get("/api/v1/recordings/<subject>")
    def recorded(subject):
        return {"subject": subject, "counts": recordings.counts(subject)}

    @routes.delete("/api/v1/recordings/<subject>")
    def undo_take(subject):
        recordings.undo(subject)
        return "", 204

    @routes.post("/api/v1/videos")
    def add_video():
        video = videos.add(lambda path: save_video(path, limits.video_bytes))
        place = url_for("api.video_state", name=video.id)
        return _state(video), 202, {"Location": place}

    @routes.get("/api/v1/videos/<name>")
    def video_state(name):
        return _state(videos.get(name))

    @routes.delete("/api/v1/videos/<name>")
    def remove_video(name):
        videos.remove(name)
        return "", 204

    @routes.get("/api/v1/videos/<name>/video")
    def annotated_video(name):
        return send_file(videos.finished(name).picture, mimetype="video/mp4", conditional=True)

    @routes.get("/api/v1/videos/<name>/table")
    def video_table(name):
        return send_file(
            videos.finished(name).table,
            mimetype="text/csv",
            as_attachment=True,
            download_name="expressions.csv",
        )

    @routes.get("/api/v1/videos/<name>/timeline")
    def video_timeline(name):
        return jsonify(videos.finished(name).timeline)

    @routes.get("/api/v1/openapi.json")
    def document():
        return Response(_DOCUMENT.read_bytes(), mimetype="application/json")

    @routes.get("/healthz")
    def health():
        return {"status": "ok"}

    return routes


def _state(video: Video) -> dict:
    return {
        "video": video.id,
        "state": video.state,
        "frames": video.frames,
        "length": video.length,
        "faces": video.faces,
        "detail": video.detail,
    }


def _number_arguments(names: tuple[str, ...]) -> list[int]:
    """Whole numbers of the query, such as ``?left=10``; Problem 422 if one is none."""
    values = []
    for name in names:
        text = request.args.get(name, "")
        if not text.isascii() or not text.isdigit() or len(text) > 6:
            raise Problem(
                422,
                f"The query must name the face's box in pixels: {', '.join(names)}, whole numbers "
                f"from 0. {name} is missing or none.",
            )
        values.append(int(text))
    return values
