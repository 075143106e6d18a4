"""Groups with the released model: small faces, faces at the border, and what is no face at all."""

import zipfile

import numpy as np
import pytest

from tests.groups import SIDES, found, group_scene
from utils.drawn.dataset import MARGIN
from utils.live.analyzer import FaceAnalyzer
from utils.live.stills import find_faces, read_stills
from utils.models.predictor import load
from utils.vision.haar import FaceDetector
from utils.vision.opencv import cv2


class Counting:
    """The released model, which notes how many faces each call reads."""

    def __init__(self):
        self._predictor, self.calls = load(), []

    def __getattr__(self, name):
        return getattr(self._predictor, name)

    def predict_faces(self, frame, boxes):
        self.calls.append(len(boxes))
        return self._predictor.predict_faces(frame, boxes)


@pytest.fixture(scope="module")
def predictor():
    return load()


def read_live(frame, seconds=2.0, rate=15):
    """What is shown at the end of a standing picture, and the calls of the network."""
    predictor = Counting()
    analyzer = FaceAnalyzer(predictor)
    for number in range(round(seconds * rate)):
        faces = analyzer.read(frame, number / rate)
    return faces, predictor.calls


def test_a_group_from_24_to_200_pixels_is_found_followed_and_read_in_one_call(group, predictor):
    frame, places = group
    table = read_stills(frame, predictor)
    assert found(table[["x", "y", "width", "height"]].to_numpy(int), places) == len(places)
    faces, calls = read_live(frame)
    boxes = [face.box for face in faces]
    assert found(boxes, places) >= len(places) - 1  # one is dark on dark
    assert len(faces) == len({face.track for face in faces}) <= len(places)
    assert calls[-1] == len(faces) and all(sum(face.probabilities) > 0.99 for face in faces)


def test_faces_that_are_all_far_away_are_found(predictor):
    frame, places = group_scene(sides=[28] * 12)  # of 720 pixels: a twenty-fifth
    boxes = find_faces(frame, predictor, FaceDetector())
    assert found(boxes, places) >= 10 and len(boxes) <= len(places)


def test_real_faces_in_a_group_are_found_and_followed(fer2013_archive, predictor):
    with zipfile.ZipFile(fer2013_archive) as images:
        names = sorted(n for n in images.namelist() if "PublicTest" in n and n.endswith(".jpg"))
        data = [images.read(name) for name in names[:: len(names) // len(SIDES)][: len(SIDES)]]
    crops = [cv2.imdecode(np.frombuffer(one, np.uint8), 0) for one in data]
    frame, places = group_scene(crops)
    still = find_faces(frame, predictor, FaceDetector())
    usual = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    least = found(usual.detectMultiScale(frame, 1.3, 5), places)  # some are turned or covered
    assert found(still, places) > least and len(still) <= len(places)
    faces, _ = read_live(frame)
    assert found([face.box for face in faces], places) > least


@pytest.mark.parametrize("edge", ["left", "top"])
def test_a_face_at_the_border_is_found(group, predictor, edge):
    frame, ((left, top, side, _), *_) = group
    alone = frame[: round(top + 1.3 * side), : round(left + 1.3 * side)]
    cut = alone[:, left:] if edge == "left" else alone[top:]
    (box,) = find_faces(np.ascontiguousarray(cut), predictor, FaceDetector())
    near = box[0] if edge == "left" else box[1]
    assert near < MARGIN * side and box[2] == pytest.approx(side, rel=0.3)


def test_sample_pictures_without_a_face_give_none(predictor):
    pytest.importorskip("skimage")
    from benchmarks.detection import face_free_pictures

    detector, pictures = FaceDetector(), face_free_pictures()[0]
    assert len(pictures) > 10
    assert {name: find_faces(each, predictor, detector) for name, each in pictures.items()} == {
        name: [] for name in pictures
    }
