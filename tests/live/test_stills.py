"""Images of every kind in, one tidy table out."""

import io
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from utils.config import CLASS_NAMES
from utils.drawn.clip import clip_frames
from utils.live.stills import read_stills
from utils.vision.haar import FaceDetector
from utils.vision.opencv import cv2
from utils.vision.preprocessing import Preprocessing, prepare_faces

COLUMNS = ["file", "face", "x", "y", "width", "height", *CLASS_NAMES, "label", "confidence"]
BOX = ["x", "y", "width", "height"]


class HuePredictor:
    """A stand-in for a trained network: 60 % happy, or angry where there is more red than blue."""

    preprocessing = Preprocessing(CLASS_NAMES, colour="rgb")
    class_names = CLASS_NAMES

    def predict_faces(self, frame, boxes):
        faces = prepare_faces(frame, boxes, self.preprocessing).astype(int)
        rows = np.full((len(boxes), 7), 0.4 / 6, np.float32)
        for row, face in zip(rows, faces, strict=True):
            red = face[..., 0].mean() > face[..., 2].mean()
            row[CLASS_NAMES.index("angry" if red else "happy")] = 0.6
        return rows


@pytest.fixture(scope="module")
def detector():
    return FaceDetector()


@pytest.fixture(scope="module")
def face():
    """A drawn character, BGR, which the Haar cascade finds; made clearly red."""
    _, frame, _ = next(islice(clip_frames(), 35, None))
    reddened = frame.copy()
    reddened[..., 0] //= 2
    return reddened


@pytest.fixture(scope="module")
def empty():
    return np.full((120, 160, 3), 90, np.uint8)


def read(images, detector, **settings):
    table = read_stills(images, HuePredictor(), detector, **settings)
    assert list(table.columns) == COLUMNS
    assert all(str(table[name].dtype) == "Int64" for name in BOX)
    return table


def test_every_kind_of_source_gives_the_same_row(face, detector, tmp_path):
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), face)
    rgb = np.ascontiguousarray(face[..., ::-1])
    table = read([path, str(path), path.read_bytes(), Image.fromarray(rgb), face], detector)
    assert table["file"].tolist() == [str(path)] * 2 + ["image 2", "image 3", "image 4"]
    assert table["face"].tolist() == [1] * 5
    assert table["label"].tolist() == ["angry"] * 5
    assert len(table[[*BOX, *CLASS_NAMES]].drop_duplicates()) == 1
    assert table[list(CLASS_NAMES)].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)
    x, y, width, height = (int(value) for value in table.loc[0, BOX])
    assert 0 <= x < x + width <= face.shape[1] and 0 <= y < y + height <= face.shape[0]
    as_rgb = read(rgb, detector, colour_order="rgb")
    assert as_rgb.iloc[0, 1:].tolist() == table.iloc[4, 1:].tolist()
    assert read(rgb, detector)["label"].tolist() == ["happy"]  # told wrongly, red is blue


def test_a_single_image_needs_no_list(face, detector, tmp_path):
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), face)
    for source in (path, str(path), path.read_bytes(), face, Image.open(path)):
        assert read(source, detector)["label"].tolist() == ["angry"]


def test_what_a_widget_or_an_open_file_gives_is_one_image(face, detector, tmp_path):
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), face)
    data = path.read_bytes()
    written = io.BytesIO()
    written.write(data)  # and not rewound
    with open(path, "rb") as file:
        sources = [memoryview(data), io.BytesIO(data), written, file]
        for source in sources:
            assert read(source, detector)["label"].tolist() == ["angry"]
        assert read(sources, detector)["label"].tolist() == ["angry"] * 4


def test_what_imread_could_not_read_gets_a_row_and_the_rest_goes_on(face, detector, tmp_path):
    missing = cv2.imread(str(tmp_path / "missing.png"))
    with open(__file__, encoding="utf-8") as text:
        table = read([missing, text, face], detector)
    labels = table["label"].tolist()
    assert labels[0].startswith("not read: no image (None)") and "cv2.imread" in labels[0]
    assert labels[1].startswith("not read: ") and labels[2] == "angry"


def test_the_largest_face_is_the_first_and_boxes_are_the_upright_images(face, detector, tmp_path):
    small = cv2.resize(face, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    both = np.full((face.shape[0], face.shape[1] + small.shape[1], 3), 90, np.uint8)
    both[: small.shape[0], : small.shape[1]] = small
    both[:, small.shape[1] :] = face
    upright = read(both, detector)
    assert upright["face"].tolist() == [1, 2]
    assert upright["width"].is_monotonic_decreasing
    assert upright.loc[0, "x"] > small.shape[1] > upright.loc[1, "x"]
    tag = Image.Exif()
    tag[0x0112] = 6  # to be turned clockwise
    turned = Image.fromarray(np.rot90(both[..., ::-1]).copy())
    turned.save(tmp_path / "phone.png", exif=tag)
    table = read(tmp_path / "phone.png", detector)
    assert (table[BOX] == upright[BOX]).all(axis=None)


def test_damaged_images_get_a_row_and_the_rest_goes_on(face, empty, detector, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = cv2.imencode(".jpg", noise)[1].tobytes()
    table = read(
        [data[: len(data) // 2], empty, b"", tmp_path / "none.jpg", face / 255, face], detector
    )
    assert table["face"].tolist() == [0, 0, 0, 0, 0, 1]
    assert table["file"].tolist() == [
        "image 0", "image 1", "image 2", str(tmp_path / "none.jpg"), "image 4", "image 5",
    ]  # fmt: skip
    texts = table["label"].tolist()
    assert "truncated" in texts[0] and texts[1] == "no face" and "empty" in texts[2]
    assert "none.jpg" in texts[3] and "float64" in texts[4] and texts[5] == "angry"
    assert all(texts[number].startswith("not read: ") for number in (0, 2, 3, 4))
    assert table.loc[:4, [*BOX, *CLASS_NAMES, "confidence"]].isna().all(axis=None)


def test_a_folder_gives_its_images_by_name(face, empty, detector, tmp_path):
    for name, image in (("b.PNG", face), ("a.jpg", empty), (".hidden.png", face)):
        (tmp_path / name).write_bytes(cv2.imencode(".png", image)[1].tobytes())
    (tmp_path / "c.jpg").write_text("no image")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    table = read(str(tmp_path), detector)
    assert table["file"].tolist() == [str(tmp_path / name) for name in ("a.jpg", "b.PNG", "c.jpg")]
    assert table["label"].tolist()[:2] == ["no face", "angry"]
    assert table["label"].tolist()[2].startswith("not read: ")
    mixed = read([tmp_path, tmp_path / "folder.png", empty], detector)
    assert mixed["label"][3] == "not read: a folder without images"
    assert mixed["file"].tolist()[3:] == [str(tmp_path / "folder.png"), "image 4"]


def test_a_generator_is_read_one_by_one(empty, detector):
    alive = []

    def images():
        for number in range(3):
            alive.append(number)
            yield empty

    class Watcher:
        def detect(self, image, thorough):
            asked.append(len(alive))
            return []

    asked = []
    assert len(read(images(), Watcher())) == 3
    assert asked == [1, 2, 3]


def test_below_the_threshold_a_face_is_unsure(face, detector):
    # The stand-in is 60 % sure; as float32 that lies a hair above 0.6.
    assert read(face, detector, threshold=0.6)["label"].tolist() == ["angry"]
    unsure = read(face, detector, threshold=0.61)
    assert unsure["label"].tolist() == ["unsure"]
    assert unsure["confidence"].tolist() == pytest.approx([0.6])


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (23, 23), (40, 400), (400, 40)])
def test_tiny_and_narrow_images(shape, detector):
    grey = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert read(grey, detector)["label"].tolist() == ["no face"]


def test_a_long_strip_does_not_spoil_the_detector(face, detector):
    # Haar cascades keep memory for the widest times the highest image they have seen.
    strips = [np.zeros((30, 40_000), np.uint8), np.zeros((40_000, 30), np.uint8)]
    labels = read([*strips, face], detector)["label"].tolist()
    assert all("too narrow: " in label for label in labels[:2]) and labels[2] == "angry"


def test_nothing_gives_an_empty_table_and_nonsense_an_error(empty, detector):
    assert len(read([], detector)) == 0
    with pytest.raises(TypeError, match="Received: int"):
        read([empty, 3], detector)
    with pytest.raises(ValueError, match="colour_order"):
        read(empty, detector, colour_order="brg")


def test_three_lines_read_a_photograph_and_show_it(face, tmp_path):
    from utils import live, plots

    photo = tmp_path / "photo.jpg"
    cv2.imwrite(str(photo), face)
    faces = live.read_stills(photo)
    figure = plots.still(photo, faces)
    assert list(faces.columns) == COLUMNS and len(faces) == 1  # the released model's classes
    names = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert names == list(CLASS_NAMES)
