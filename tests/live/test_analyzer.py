"""Reading frame after frame with the real detector: who is who when two people cross."""

from functools import cache

import numpy as np
import pytest

from tests.vision.test_haar import scene
from utils.config import CLASS_NAMES
from utils.drawn.face_painting import EXPRESSIONS, paint_head
from utils.drawn.random_face import random_character
from utils.live.analyzer import FaceAnalyzer
from utils.vision.haar import FaceDetector
from utils.vision.opencv import cv2

UNIT = 50  # pixels from the middle of a head to its side
APART = 2.3 * UNIT  # farther from each other than the width of a detected box


class EvenPredictor:
    """Any answer does: these tests ask where a face is, not what it shows."""

    class_names = CLASS_NAMES

    def __init__(self):
        self.calls = []

    def predict_faces(self, frame, boxes):
        self.calls.append(len(boxes))
        return np.full((len(boxes), len(CLASS_NAMES)), 1 / len(CLASS_NAMES))


@cache
def person(seed):
    """Someone to paste: float BGR over black, and the share of what is behind that shows."""
    character, side = random_character(np.random.default_rng(seed)), round(3.4 * UNIT)
    over = []
    for shade in (0, 255):
        canvas = np.full((2 * side, 2 * side, 3), shade, np.uint8)
        paint_head(canvas, character, EXPRESSIONS["neutral"], (side, side), 2 * UNIT)
        canvas = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
        over.append(canvas.astype(np.float32))
    return over[0], (over[1] - over[0]) / 255


def paste(frame, seed, centre):
    colour, through = person(seed)
    side = len(colour)
    left, top = (round(value - side / 2) for value in centre)
    part = frame[top : top + side, left : left + side]
    part[:] = colour + through * part


def crossing(seconds, there, front, people=(11, 32), fps=15):
    """(seconds, frame, centres): two people change sides, one in front of the other.

    `there` is where the first one walks, as (x, y) of a share 0–1 of the way; the second
    comes the other way, a little lower.
    """
    tiles = np.random.default_rng(5).integers(30, 80, (6, 8, 3), dtype=np.uint8)
    background = cv2.resize(tiles, (640, 480), interpolation=cv2.INTER_CUBIC)
    for index in range(round(seconds * fps) + 1):
        share = index / (seconds * fps)
        frame = background.copy()
        x, y = there(1 - share)
        centres = there(share), (x, y + 12)
        for number in (1 - front, front):
            paste(frame, people[number], centres[number])
        yield index / fps, frame, centres


def ids_of(clip):
    """Which ids each person had while apart: a list of two sets."""
    analyzer, ids = FaceAnalyzer(EvenPredictor()), [set(), set()]
    for seconds, frame, centres in clip:
        faces = analyzer.read(frame, seconds)
        if np.hypot(*np.subtract(*centres)) < APART:
            continue
        for face in faces:
            middle = np.array(face.box[:2]) + np.array(face.box[2:]) / 2
            away = np.hypot(*(np.array(centres) - middle).T)
            assert away.min() < 0.7 * UNIT, f"no face is at {face.box}, {seconds:.2f} s"
            ids[int(away.argmin())].add(face.track)
    return ids


def level(share):
    return 110 + 420 * share, 230


def falling(share):
    return 110 + 420 * share, 160 + 130 * share


def leftwards(share):
    return 530 - 420 * share, 230


@pytest.mark.parametrize(
    ("seconds", "there", "front"),
    [
        (1.2, level, 0),
        (1.2, falling, 1),
        (2.0, leftwards, 1),
        (2.0, falling, 0),
        (4.0, level, 1),
        (4.0, leftwards, 0),
    ],
)
def test_two_people_who_cross_keep_their_ids(seconds, there, front):
    ids = ids_of(crossing(seconds, there, front))
    assert [len(each) for each in ids] == [1, 1]
    assert ids[0] != ids[1]


def test_who_is_behind_another_is_not_shown_until_seen_again():
    analyzer = FaceAnalyzer(EvenPredictor())
    shown = []
    for seconds, frame, centres in crossing(3.0, level, front=0):
        shown.append((np.hypot(*np.subtract(*centres)), len(analyzer.read(frame, seconds))))
    assert {count for gap, count in shown if gap < 0.5 * UNIT} == {1}
    assert {count for gap, count in shown[-5:]} == {2}


def test_someone_who_walks_out_of_the_frame_is_no_longer_read():
    def out(share):
        return 330 + 390 * share, 240

    analyzer = FaceAnalyzer(EvenPredictor())
    counts = []
    for index in range(31):
        frame = np.full((480, 860, 3), 50, np.uint8)
        paste(frame, 11, out(index / 30))
        counts.append(len(analyzer.read(np.ascontiguousarray(frame[:, :640]), index / 15)))
    assert counts[:5] == [1] * 5 and counts[-1] == 0


@pytest.mark.parametrize(
    ("read_every", "fps", "calls"),
    # In one second: every frame; every frame, as they are rarer than that; every other one.
    [(0.0, 30, 31), (0.05, 15, 16), (0.05, 30, 16)],
)
def test_the_network_reads_as_often_as_told(read_every, fps, calls):
    predictor = EvenPredictor()
    analyzer = FaceAnalyzer(predictor, read_every=read_every)
    frame = np.full((480, 640, 3), 50, np.uint8)
    paste(frame, 11, (320, 240))
    for index in range(fps + 1):
        (face,) = analyzer.read(frame, index / fps)
        assert face.probabilities.sum() == pytest.approx(1)
    assert len(predictor.calls) == calls


def test_the_detector_sees_the_frame_in_colour():
    class Witness(FaceDetector):
        def scan(self, frame):
            seen["scan"] = frame.copy()
            return super().scan(frame)

        def refind(self, frame, box):
            seen["refind"] = frame.copy()
            return super().refind(frame, box)

    seen, frame = {}, np.full((480, 640, 3), (50, 60, 70), np.uint8)
    paste(frame, 11, (320, 240))
    analyzer = FaceAnalyzer(EvenPredictor(), Witness(), detect_every=0)
    for seconds in (0.0, 0.1):
        assert len(analyzer.read(frame, seconds)) == 1
    assert (seen["scan"] == frame).all() and (seen["refind"] == frame).all()


def test_a_new_face_is_read_at_once():
    predictor = EvenPredictor()
    analyzer = FaceAnalyzer(predictor, detect_every=0, scan_every=0, read_every=10.0)
    frame = np.full((480, 640, 3), 50, np.uint8)
    paste(frame, 11, (160, 240))
    assert len(analyzer.read(frame, 0.0)) == 1
    paste(frame, 32, (460, 240))
    assert len(analyzer.read(frame, 0.1)) == 2
    assert predictor.calls == [1, 2]


class _Crowd:
    """Reads every face alike, and takes every box for one; counts the calls."""

    class_names = ("happy", "sad")
    opinion = "all of them"

    def __init__(self):
        self.calls = []

    def predict_faces(self, frame, boxes):
        self.calls.append(len(boxes))
        return np.tile((0.75, 0.25), (len(boxes), 1))

    def face_shares(self, frame, boxes):
        return np.ones(len(boxes))


def test_a_group_from_36_to_180_pixels_is_tracked_and_read_in_one_call():
    places = [(20 + 70 * n, 20, 36 + 2 * n) for n in range(8)]
    places += [(20, 120, 180), (240, 120, 120), (420, 120, 80), (20, 340, 60), (500, 330, 120)]
    frame = scene(480, 640, places)
    predictor = _Crowd()
    analyzer = FaceAnalyzer(predictor, read_every=0)
    for number in range(30):
        faces = analyzer.read(frame, number / 30)
    centres = [(x + side / 2, y + side / 2, side) for x, y, side in places]
    found = [
        any(
            abs(box[0] + box[2] / 2 - x) < 0.3 * side and abs(box[1] + box[3] / 2 - y) < 0.3 * side
            for box in (face.box for face in faces)
        )
        for x, y, side in centres
    ]
    assert all(found)
    assert len({face.track for face in faces}) == len(faces)
    assert len(predictor.calls) <= 30 and predictor.calls[-1] == len(faces)


def test_a_judge_that_believes_nothing_lets_no_face_in():
    predictor = _Crowd()
    predictor.face_shares = lambda frame, boxes: np.zeros(len(boxes))
    analyzer = FaceAnalyzer(predictor)
    assert not any(analyzer.read(scene(), number / 30) for number in range(20))


def test_a_track_of_what_is_no_face_any_more_ends():
    """The cascade goes on seeing one, as it does in some wheels and folds."""
    predictor = _Crowd()
    analyzer = FaceAnalyzer(predictor)
    counts = [len(analyzer.read(scene(), number / 15)) for number in range(60)]
    assert counts[-1] == 1
    predictor.face_shares = lambda frame, boxes: np.zeros(len(boxes))
    analyzer._judge = predictor.face_shares
    counts = [len(analyzer.read(scene(), number / 15)) for number in range(60, 120)]
    assert counts[0] == 1 and counts[-1] == 0


def test_a_crowd_is_looked_for_in_turns():
    places = [(20 + 90 * (n % 7), 20 + 90 * (n // 7), 60) for n in range(28)]
    frame, sought = scene(480, 680, places), []

    class Counting(FaceDetector):
        def refind(self, frame, box):
            sought[-1] += 1
            return super().refind(frame, box)

    analyzer = FaceAnalyzer(_Crowd(), Counting())
    for number in range(45):
        sought.append(0)
        faces = analyzer.read(frame, number / 30)
    assert len(faces) == len(places)
    assert max(sought) <= 8 and sum(sought[15:]) >= 2 * len(places)  # each, twice a second or more
