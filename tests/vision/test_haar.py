"""Haar detection: real faces, borders, sizes, missing cascades, missing libraries."""

import importlib.util
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from utils.vision import haar
from utils.vision.boxes import apart, clip_box, intersection_over_union
from utils.vision.haar import FaceDetector
from utils.vision.images import to_grey
from utils.vision.opencv import cv2, explain_import_error


@pytest.fixture(scope="module")
def detector():
    return FaceDetector()


def draw_face(side=160, light=200):
    """A plain frontal face that Haar cascades know as one, on grey; uint8 (side, side)."""
    image = np.full((200, 200), 120, np.uint8)
    cv2.ellipse(image, (100, 100), (72, 92), 0, 0, 360, light, -1)
    for x in (70, 130):
        cv2.ellipse(image, (x, 84), (19, 9), 0, 0, 360, 235, -1)
        cv2.circle(image, (x, 84), 9, 35, -1)
        cv2.ellipse(image, (x, 66), (24, 6), 0, 0, 360, 60, -1)
        cv2.ellipse(image, (x, 96), (20, 8), 0, 0, 180, light - 30, 3)
    cv2.line(image, (100, 88), (95, 118), light - 45, 4)
    cv2.ellipse(image, (100, 122), (14, 6), 0, 0, 180, light - 80, 4)
    cv2.ellipse(image, (100, 148), (28, 8), 0, 0, 360, 95, -1)
    cv2.ellipse(image, (100, 20), (70, 34), 0, 180, 360, 50, -1)
    image = cv2.GaussianBlur(image, (5, 5), 0)
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)


def scene(height=480, width=640, places=((200, 150, 160),)):
    """Faces on grey; places are (left, top, side)."""
    frame = np.full((height, width), 120, np.uint8)
    for left, top, side in places:
        frame[top : top + side, left : left + side] = draw_face(side)
    return frame


def centre(box):
    return box[0] + box[2] / 2, box[1] + box[3] / 2


@pytest.mark.parametrize("scale", [0.25, 1, 4])
def test_a_face_is_found_at_any_resolution(detector, scale):
    frame = cv2.resize(scene(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for box in (detector.detect(frame), detector.scan(frame)):
        assert len(box) == 1
        assert all(isinstance(value, int) for value in box[0])
        assert centre(box[0]) == pytest.approx((280 * scale, 235 * scale), abs=20 * scale)


def test_grey_and_bgr_give_the_same_boxes(detector):
    grey = scene()
    colour = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    assert detector.detect(grey) == detector.detect(colour) != []


def test_several_faces_are_found_apart_from_each_other(detector):
    frame = scene(places=((40, 100, 150), (260, 180, 110), (440, 60, 180)))
    boxes = detector.detect(frame)
    assert sorted(round(centre(box)[0] / 20) for box in boxes) == [
        pytest.approx(x / 20, abs=1) for x in (115, 315, 530)
    ]
    assert boxes == sorted(boxes, key=lambda box: -box[2])


def test_refind_stays_with_the_face_it_was_given(detector):
    frame = scene(places=((40, 100, 150), (440, 60, 180)))
    for box in detector.detect(frame):
        moved = box[0] + 8, box[1] - 6, box[2], box[3]
        found = detector.refind(frame, moved)
        assert found is not None and not apart(found, [box], 0.8)
    assert detector.refind(frame, (280, 300, 100, 100)) is None
    assert detector.refind(frame, (900, 900, 100, 100)) is None


def test_only_the_thorough_search_finds_a_tilted_face(detector):
    turn = cv2.getRotationMatrix2D((280, 230), 27, 1)
    frame = cv2.warpAffine(scene(), turn, (640, 480), borderValue=120)
    assert detector.detect(frame) == []
    (box,) = detector.detect(frame, thorough=True)
    assert centre(box) == pytest.approx((280, 235), abs=35)


@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (19, 19), (24, 24), (48, 48), (400, 20, 3)])
def test_small_and_narrow_frames_have_no_face_and_no_error(detector, shape):
    blank = np.full(shape, 90, np.uint8)
    assert detector.detect(blank, thorough=True) == detector.scan(blank) == []
    assert detector.detect(blank, True, lambda frame, boxes: np.zeros(len(boxes))) == []
    assert detector.refind(blank, (0, 0, 30, 30)) is None


def test_threads_may_share_a_detector(detector):
    frames = [scene(width=width, places=((width - 200, 100, 160),)) for width in (300, 480, 640)]
    alone = [(detector.detect(frame), detector.scan(frame)) for frame in frames]
    assert all(boxes for pair in alone for boxes in pair)
    with ThreadPoolExecutor(3) as threads:
        both = threads.map(lambda frame: (detector.detect(frame), detector.scan(frame)), 4 * frames)
        assert list(both) == 4 * alone


def test_a_tall_strip_after_a_wide_one_takes_no_memory_for_both():
    detector, before = FaceDetector(), scene()
    found = detector.detect(before)
    for strip in (np.zeros((30, 6_000), np.uint8), np.zeros((6_000, 30), np.uint8)):
        assert detector.detect(strip) == []
        assert all(np.prod(reach) <= 16_000_000 for reach in detector._reach.values())
    assert detector.detect(before) == found != []


def test_boxes_stay_inside_the_frame(detector):
    face = draw_face(200)
    for frame in (face, face[:, :150], face[30:], np.hstack([face[:, 20:], face[:, :180]])):
        for box in detector.detect(np.ascontiguousarray(frame), thorough=True):
            assert box == clip_box(box, frame.shape)


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((50, 50), np.float32),
        np.zeros((50, 50, 4), np.uint8),
        np.zeros((0, 50), np.uint8),
        np.zeros((3, 50, 50, 3), np.uint8),
    ],
)
def test_what_is_no_frame_is_refused(detector, frame):
    with pytest.raises(ValueError, match=r"uint8 array.*Received"):
        detector.detect(frame)


def test_to_grey_takes_bgr_and_not_rgb():
    blue = np.zeros((4, 4, 3), np.uint8)
    blue[..., 0] = 255
    assert to_grey(blue).max() == round(0.114 * 255)  # the weight of blue in ITU-R BT.601


def test_missing_or_damaged_cascades_are_explained(tmp_path, monkeypatch):
    with pytest.raises(OSError, match=r'pip install "opencv-python>=4.14,<5"'):
        FaceDetector(folder=tmp_path)
    with pytest.raises(ValueError, match="least_share"):
        FaceDetector(least_share=0)
    without = type("OpenCV5", (), {"__version__": "5.0.0"})
    monkeypatch.setattr(haar, "cv2", without)
    with pytest.raises(OSError, match=r'5.0.0 has no Haar.*pip install "opencv-python>=4.14,<5"'):
        FaceDetector()


def test_a_missing_system_library_is_named_with_its_package(tmp_path, monkeypatch):
    error = "libGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "cv2.py").write_text(f"raise ImportError({error!r})")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "cv2")
    path = importlib.util.find_spec("utils.vision.opencv").origin
    spec = importlib.util.spec_from_file_location("opencv_without_libgl", path)
    with pytest.raises(ImportError, match="apt-get install libgl1"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    glib = explain_import_error(ImportError("libgthread-2.0.so.0: cannot open shared object file"))
    assert "libglib2.0-0" in glib and "dnf install glib2" in glib
    assert "pip install" in explain_import_error(ImportError("No module named 'cv2'"))


def test_real_faces_are_found(detector, fer2013_archive):
    found, frontal, count = 0, 0, 40
    usual = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    with zipfile.ZipFile(fer2013_archive) as images:
        names = sorted(n for n in images.namelist() if "PublicTest" in n and n.endswith(".jpg"))
        for name in names[:: len(names) // count][:count]:
            face = cv2.imdecode(np.frombuffer(images.read(name), np.uint8), 0)
            frame = cv2.copyMakeBorder(
                cv2.resize(face, (192, 192)), 96, 96, 96, 96, cv2.BORDER_REPLICATE
            )
            found += len(detector.detect(frame, thorough=True)) > 0
            frontal += len(usual.detectMultiScale(frame, 1.1, 5)) > 0
    assert found > frontal and found >= 0.8 * count


def test_a_second_opinion_finds_small_faces_and_refuses_what_is_none(detector):
    frame = scene(places=((40, 40, 40), (300, 60, 160), (200, 300, 60), (420, 320, 36)))

    def left_half(frame, boxes):
        return np.array([0.9 if box[0] < 250 else 0.1 for box in boxes])

    def everything(frame, boxes):
        return np.ones(len(boxes))

    assert len(detector.detect(frame)) == 2  # under a tenth of the shorter side none is looked for
    found = detector.detect(frame, judge=everything)
    assert len(found) == 4 and found == sorted(found, key=lambda box: -box[2])
    assert all(box[0] < 250 for box in detector.detect(frame, judge=left_half))
    assert detector.detect(frame, True, lambda frame, boxes: np.zeros(len(boxes))) == []


def test_a_still_whose_middle_may_be_a_face_is_searched_finer(detector):
    turn = cv2.getRotationMatrix2D((320, 240), 26, 1)
    frame = cv2.warpAffine(scene(places=((240, 160, 160),)), turn, (640, 480), borderValue=120)

    def judge_with(middle):
        return lambda frame, boxes: np.array([middle if box[2] > 300 else 0.6 for box in boxes])

    (box,) = detector.detect(frame, True, judge_with(0.3))
    assert centre(box) == pytest.approx((320, 240), abs=30)
    assert detector.detect(frame, True, judge_with(0.05)) == []  # only from 0.6 of it on


def test_a_judged_box_lies_where_the_face_does(detector):
    for side in range(60, 240, 20):
        frame = scene(places=((200, 150, side),))
        (box,) = detector.detect(frame, judge=lambda frame, boxes: np.ones(len(boxes)))
        assert intersection_over_union(box, (200, 150, side, side)) > 0.85  # proposals: 0.78
