"""YuNet: boxes like FER-2013's from its marks, and what is said of a wrong file.

Nothing here has YuNet's own weights. A network of the same inputs and outputs stands in,
run by the real `cv2.FaceDetectorYN`: it takes every white cell of 32 × 32 pixels for a face.
"""

import inspect
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from utils.files import digest
from utils.vision import yunet, yunet_file
from utils.vision.detectors import make_detector
from utils.vision.haar import FaceDetector
from utils.vision.opencv import cv2
from utils.vision.yunet import YuNetDetector, box_around
from utils.vision.yunet_file import fetch_yunet, find_yunet

# A face around the upper left corner of its cell; x, y in pixels from there. The marks are
# where FER-2013's images have them: the eyes at 0.38 of the height, 0.383 apart, and the
# mouth at 0.785. The nose counts for nothing.
BOX = (-32, -32, 64, 64)
MARKS = np.array([(-12.26, -7.68), (12.26, -7.68), (3, 5), (-8, 18.24), (8, 18.24)])


def field(number: int, value) -> bytes:
    """One field of a protocol-buffer message: an integer, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value: int) -> bytes:
    head = b""
    while value > 127:
        head, value = head + bytes([value & 127 | 128]), value >> 7
    return head + bytes([value])


def tensor(name: str, values: np.ndarray) -> bytes:
    dims = b"".join(field(1, size) for size in values.shape)
    return dims + field(2, 1) + field(8, name) + field(9, values.astype("<f4").tobytes())


def node(kind: str, inputs, output: str, **attributes) -> bytes:
    """An ONNX node whose attributes are lists of integers."""
    body = b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind)
    for name, values in attributes.items():
        numbers = b"".join(field(8, value) for value in values)
        body += field(5, field(1, name) + numbers + field(20, 7))
    return body


def value_info(name: str, shape=()) -> bytes:
    dims = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))


def white_cell_network(outputs=("cls", "obj", "bbox", "kps")) -> bytes:
    """An ONNX file with YuNet's outputs that marks MARKS wherever a 32-pixel cell is white."""
    silent = {"cls": [-9], "obj": [-9], "bbox": [0] * 4, "kps": [0] * 10}
    box = [0.5, 0.5, np.log(2), np.log(2)]  # in cells; the size as a logarithm
    heard = {"cls": [-9], "obj": [-9], "bbox": box, "kps": list(MARKS.ravel() / 32)}
    nodes, constants, ends = [], [], []
    for stride in (8, 16, 32):
        square = {"kernel_shape": (stride, stride), "strides": (stride, stride)}
        nodes.append(node("AveragePool", ["input"], f"mean_{stride}", **square))
        for output in outputs:
            name = f"{output}_{stride}"
            bias = np.array((heard if stride == 32 else silent)[output])
            gain = 10 / 255 / 3 if stride == 32 and output in ("cls", "obj") else 0
            constants += [
                tensor(f"{name}_w", np.full((len(bias), 3, 1, 1), gain)),
                tensor(f"{name}_b", bias),
            ]
            inputs = [f"mean_{stride}", f"{name}_w", f"{name}_b"]
            nodes.append(node("Conv", inputs, f"{name}_map", kernel_shape=(1, 1)))
            nodes.append(node("Transpose", [f"{name}_map"], name, perm=(0, 2, 3, 1)))
            ends.append(value_info(name))
    graph = b"".join(field(1, one) for one in nodes) + field(2, "white")
    graph += b"".join(field(5, one) for one in constants)
    graph += field(11, value_info("input", (1, 3, 64, 64)))
    graph += b"".join(field(12, one) for one in ends)
    return field(1, 7) + field(7, graph) + field(8, field(1, "") + field(2, 11))


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "Größe 脸.onnx"  # any name, on any system
    path.write_bytes(white_cell_network())
    return YuNetDetector(path)


def scene(height=320, width=480, cells=((192, 128),), scale=1):
    frame = np.zeros((height, width, 3), np.uint8)
    for left, top in cells:
        frame[top : top + 32, left : left + 32] = 255
    return cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("colours", ["grey", "bgr"])
def test_boxes_lie_around_the_marks_at_any_size(detector, scale, colours):
    frame = scene(height=480, width=640, scale=scale)
    if colours == "grey":
        frame = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    (box,) = detector.detect(frame)
    expected = np.add(BOX, (192, 128, 0, 0)) * scale
    assert box == pytest.approx(tuple(expected), abs=1 + scale)
    assert all(isinstance(value, int) for value in box)
    assert detector.scan(frame) == [box]


def test_several_faces_come_largest_first_and_apart(detector):
    frame = scene(cells=((64, 64), (320, 224)))
    boxes = detector.detect(frame)
    assert sorted(box[:2] for box in boxes) == [(32, 32), (288, 192)]
    assert detector.detect(np.zeros_like(frame)) == []


def test_refind_stays_with_the_face_it_was_given(detector):
    frame = scene(cells=((64, 64), (320, 224)))
    for box in detector.detect(frame):
        assert detector.refind(frame, box) == box
    assert detector.refind(frame, (180, 100, 64, 64)) is None
    assert detector.refind(frame, (900, 900, 64, 64)) is None
    assert detector.refind(frame, (32, 32, 30, 30)) is None  # there is a face, but a larger one


def test_threads_may_share_a_detector(detector):
    frames = [scene(width=width, cells=((width - 160, 128),)) for width in (320, 480, 640)]
    alone = [detector.detect(frame) for frame in frames]
    assert all(len(boxes) == 1 for boxes in alone)
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(detector.detect, 10 * frames)) == 10 * alone


def test_boxes_are_clipped_at_the_border(detector):
    frame = scene(cells=((0, 0), (448, 288)))
    assert sorted(detector.detect(frame)) == [(0, 0, 32, 32), (416, 256, 64, 64)]


def test_a_face_without_surroundings_is_looked_for_in_a_border(detector):
    frame = np.zeros((48, 48), np.uint8)
    frame[7:25, 7:25] = 255  # no cell of its own; in a border of 24 pixels, doubled, it is one
    assert detector.detect(frame) == []
    assert detector.detect(frame, thorough=True) == [(0, 0, 24, 24)]


def test_a_turned_or_lowered_head_keeps_its_size():
    squeezed_across = MARKS * (0.6, 1)
    squeezed_down = MARKS * (1, 0.6)
    for marks in (MARKS, squeezed_across, squeezed_down):
        assert box_around(marks)[2:] == pytest.approx((64, 64), abs=0.5)
    assert box_around(MARKS) == pytest.approx(BOX, abs=0.5)


def test_a_tilted_head_has_its_box_centred_on_the_same_place():
    turn = np.array([(0, -1), (1, 0)])
    assert box_around(MARKS @ turn) == pytest.approx(BOX, abs=0.5)


@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (19, 19, 3), (400, 20, 3)])
def test_small_and_narrow_frames_have_no_face_and_no_error(detector, shape):
    blank = np.full(shape, 90, np.uint8)
    assert detector.detect(blank, thorough=True) == detector.scan(blank) == []
    assert detector.refind(blank, (0, 0, 30, 30)) is None


def test_what_is_no_frame_is_refused(detector):
    with pytest.raises(ValueError, match=r"uint8 array.*Received"):
        detector.detect(np.zeros((64, 64, 4), np.uint8))


def test_it_has_the_methods_of_the_haar_detector():
    for name in ("detect", "scan", "refind"):
        haar, yunet = (
            inspect.signature(getattr(one, name)) for one in (FaceDetector, YuNetDetector)
        )
        assert haar == yunet


def test_an_absent_file_is_explained(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        YuNetDetector(tmp_path / "yunet.onnx")
    for part in ("face_detection_yunet_2023mar.onnx", "github.com/opencv/opencv_zoo", "MIT"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "it is empty"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:8f2383e4dd\nsize 232589\n",
            "Git LFS's pointer.*download button",
        ),
        (b"\n\n<!DOCTYPE html>\n<html lang='en'>", "a web page.*download button"),
        (white_cell_network()[:300], "that OpenCV .* reads"),
        (white_cell_network(outputs=("cls", "bbox")), "that OpenCV .* reads"),
    ],
    ids=["empty", "pointer of Git", "web page", "cut off", "another network"],
)
def test_a_wrong_file_is_explained(tmp_path, content, reason):
    path = tmp_path / "yunet.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"(?s)yunet.onnx .*is no YuNet model.*{reason}"):
        YuNetDetector(path)
    with pytest.raises(ValueError, match=r"(?s)yunet.onnx is refused.*Expected one with the SHA"):
        fetch_yunet(path, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_file_in_models_is_found(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="make yunet"):
        find_yunet(tmp_path)
    brought = tmp_path / "face_detection_yunet_2026may.onnx"
    brought.write_bytes(white_cell_network())
    assert find_yunet(tmp_path) == brought
    monkeypatch.setattr(yunet, "find_yunet", lambda: brought)
    assert make_detector("yunet").detect(scene())


def test_make_yunet_takes_the_zoos_files_by_their_digest(tmp_path, monkeypatch):
    content = white_cell_network()
    monkeypatch.setattr(yunet_file, "KNOWN", {digest(content, digits=64): "yunet_zoo.onnx"})
    (tmp_path / "download").write_bytes(content)
    target = fetch_yunet(tmp_path / "download", tmp_path / "models")
    assert target == tmp_path / "models/yunet_zoo.onnx" and target.read_bytes() == content
    with pytest.raises(FileNotFoundError, match="make yunet"):
        fetch_yunet(tmp_path / "absent", tmp_path)
    with pytest.raises(OSError, match=r"cannot be reached.*make yunet"):
        fetch_yunet("http://127.0.0.1:9/yunet.onnx", tmp_path)


def test_a_detector_is_made_by_its_name(detector):
    assert isinstance(make_detector(), FaceDetector)
    assert make_detector("haar", least_share=0.3).least_share == 0.3
    assert make_detector(detector) is detector
    with pytest.raises(ValueError, match=r'"haar" or "yunet"\. Received: "hog"'):
        make_detector("hog")
    with pytest.raises(ValueError, match="score is a share"):
        YuNetDetector(score=1.2)
