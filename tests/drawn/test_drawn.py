"""The drawn data set and clip: repeatable, split by character, found by the cascade."""

import hashlib
from dataclasses import asdict
from itertools import pairwise

import cv2
import numpy as np
import pandas as pd
import pytest

from utils.config import CLASS_NAMES, SPLITS
from utils.drawn.clip import CLIP_ORDER, clip_frames, clip_timeline, draw_clip
from utils.drawn.dataset import MANIFEST_COLUMNS, draw_dataset
from utils.drawn.face_painting import EXPRESSIONS
from utils.drawn.random_face import draw_face, random_action_units, random_character, random_image

CHARACTERS = {"train": 3, "validation": 2, "test": 2}


@pytest.fixture(scope="module")
def drawing(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawing") / "animated"
    return folder, draw(folder)


def draw(folder, **changes):
    arguments = {"characters": CHARACTERS, "images_per_expression": 2, "progress": False}
    return draw_dataset(folder, **(arguments | changes))


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_every_class_has_a_prototype_that_differs_from_the_others():
    assert set(EXPRESSIONS) == set(CLASS_NAMES)
    assert len(set(EXPRESSIONS.values())) == len(CLASS_NAMES)


def test_towards_goes_from_one_face_to_the_other():
    neutral, happy = EXPRESSIONS["neutral"], EXPRESSIONS["happy"]
    assert neutral.towards(happy, 0) == neutral
    assert asdict(neutral.towards(happy, 1)) == pytest.approx(asdict(happy))
    assert neutral.towards(happy, 0.5).lip_corner_up == pytest.approx(happy.lip_corner_up / 2)


@pytest.mark.parametrize("label", CLASS_NAMES)
def test_random_expressions_stay_nearest_to_their_own_prototype(label):
    rng = np.random.default_rng(5)

    def direction(units):
        return np.subtract(list(asdict(units).values()), list(asdict(rest).values()))

    rest = EXPRESSIONS["neutral"]
    for _ in range(30):
        pulled = direction(random_action_units(label, rng))
        if label == "neutral":
            assert np.abs(pulled).max() < 0.15
            continue
        likeness = {
            name: pulled @ direction(units) / np.linalg.norm(direction(units))
            for name, units in EXPRESSIONS.items()
            if name != "neutral"
        }
        assert max(likeness, key=likeness.get) == label


@pytest.mark.parametrize("size", [24, 48, 350])
def test_a_face_is_a_bgr_image_of_the_size_asked_for(size):
    character = random_character(np.random.default_rng(1))
    image = draw_face(character, EXPRESSIONS["happy"], size)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8
    # The cheek is skin: as in BGR, red is its strongest channel and blue its weakest.
    blue, _, red = image[int(0.58 * size), int(0.36 * size)]
    assert red > blue


def test_a_face_too_small_to_read_is_refused():
    with pytest.raises(ValueError, match="Received: size=8"):
        draw_face(random_character(np.random.default_rng(1)), EXPRESSIONS["sad"], 8)


def test_pose_light_and_background_change_the_image():
    character = random_character(np.random.default_rng(2))
    plain = draw_face(character, EXPRESSIONS["neutral"], 64, background=(10, 20, 30))
    assert tuple(plain[0, 0]) == (10, 20, 30)
    lit = draw_face(character, EXPRESSIONS["neutral"], 64, light=(0.3, 0))
    assert lit[:, 32:].mean() > lit[:, :32].mean() + 5
    for change in ({"tilt": 8}, {"turn": (0.08, 0)}, {"gaze": (1, 0)}, {"zoom": 0.8}):
        assert (draw_face(character, EXPRESSIONS["neutral"], 64, **change) != plain).any()


def test_the_haar_cascade_finds_the_faces():
    """The usual cascade, 1.1 and 5, on images drawn at 192 pixels: 20 of each class."""
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    found = []
    for number in range(20):
        for label in CLASS_NAMES:
            rng = np.random.default_rng((11, number, CLASS_NAMES.index(label)))
            image = random_image(random_character(rng), label, 192, rng)
            boxes = cascade.detectMultiScale(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), 1.1, 5)
            # Only a box around the whole face counts, not one on an eye or a corner.
            found.append(any(width > 192 * 0.6 for _, _, width, _ in boxes))
    assert np.mean(found) >= 0.95


def test_the_manifest_describes_every_image(drawing):
    folder, manifest = drawing
    assert tuple(manifest.columns) == MANIFEST_COLUMNS
    assert len(manifest) == sum(CHARACTERS.values()) * len(CLASS_NAMES) * 2
    images = {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}
    assert set(manifest["file"]) == images
    assert set(manifest["domain"]) == {"animated"} and set(manifest["source"]) == {"drawn"}
    for row in manifest.itertuples():
        split, label, name = row.file.split("/")
        assert split in SPLITS and label == manifest.at[row.Index, "class"]
        assert name.startswith(row.subject + "_")
        assert hashlib.sha256((folder / row.file).read_bytes()).hexdigest() == row.sha256
    image = cv2.imread(str(folder / manifest["file"][0]), cv2.IMREAD_UNCHANGED)
    assert image.shape == (48, 48, 3) and image.dtype == np.uint8
    pd.testing.assert_frame_equal(pd.read_csv(folder / "manifest.csv"), manifest)


def test_no_character_and_no_image_is_in_two_splits(drawing):
    _, manifest = drawing
    split = manifest["file"].str.split("/").str[0]
    assert (split.groupby(manifest["subject"]).nunique() == 1).all()
    assert manifest["subject"].nunique() == sum(CHARACTERS.values())
    assert manifest["sha256"].is_unique


def test_characters_of_different_streams_look_different():
    streams = range(len(SPLITS) + 1)  # the splits and the clip
    people = [
        random_character(np.random.default_rng((0, s, n))) for s in streams for n in range(10)
    ]
    assert len(set(people)) == len(people)


def test_the_same_arguments_give_the_same_bytes(drawing, tmp_path):
    folder, _ = drawing
    draw(tmp_path / "again")
    assert contents(tmp_path / "again") == contents(folder)


def test_another_seed_gives_other_people(drawing, tmp_path):
    _, manifest = drawing
    other = draw(tmp_path / "other", seed=1)
    assert not set(other["sha256"]) & set(manifest["sha256"])


def test_fewer_images_are_among_the_same(drawing, tmp_path):
    _, manifest = drawing
    subset = draw(tmp_path / "fewer", images_per_expression=1)
    assert set(subset["sha256"]) < set(manifest["sha256"])


def test_drawing_again_changes_nothing(drawing):
    folder, manifest = drawing
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    pd.testing.assert_frame_equal(draw(folder), manifest)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_something_else_at_the_destination_is_kept(drawing, tmp_path):
    folder, _ = drawing
    with pytest.raises(FileExistsError, match="was drawn with"):
        draw(folder, seed=2)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds no drawn data set"):
        draw(tmp_path)
    with pytest.raises(FileExistsError):
        draw(tmp_path / "notes.txt")
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_a_changed_image_is_reported_and_kept(tmp_path):
    folder = tmp_path / "animated"
    manifest = draw(folder, characters={"test": 1}, images_per_expression=1)
    image = folder / manifest["file"][3]
    image.write_bytes(b"changed")
    with pytest.raises(FileExistsError, match=image.name):
        draw(folder, characters={"test": 1}, images_per_expression=1)
    assert image.read_bytes() == b"changed"


def test_what_a_killed_run_left_is_replaced(tmp_path):
    left = tmp_path / ".animated.partial" / "train" / "happy"
    left.mkdir(parents=True)
    (left / "half.png").write_bytes(b"half")
    draw(tmp_path / "animated", characters={"train": 1}, images_per_expression=1)
    assert [path.name for path in tmp_path.iterdir()] == ["animated"]
    assert not (tmp_path / "animated/train/happy/half.png").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"characters": {"holdout": 2}},
        {"characters": {"train": 0}},
        {"images_per_expression": 0},
        {"size": 400},
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is_written(tmp_path, wrong):
    with pytest.raises(ValueError, match="Received"):
        draw(tmp_path / "animated", **wrong)
    assert not list(tmp_path.iterdir())


def test_the_clip_is_a_readable_video_with_its_timeline(tmp_path):
    path = tmp_path / "clip.mp4"
    timeline = draw_clip(path, size=(320, 240), frames_per_second=10, seconds_per_expression=0.5)
    assert [item.name for item in tmp_path.iterdir()] == ["clip.mp4"]
    assert tuple(timeline["label"]) == CLIP_ORDER and set(CLIP_ORDER) == set(CLASS_NAMES)
    assert timeline["start"].tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3]
    assert timeline["end"].tolist() == [0.5, 1, 1.5, 2, 2.5, 3, 3.5]
    video = cv2.VideoCapture(str(path))
    try:
        assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
        frames = []
        while (reading := video.read())[0]:
            frames.append(reading[1])
    finally:
        video.release()
    assert len(frames) == 35 and frames[0].shape == (240, 320, 3)
    drawn = clip_frames(size=(320, 240), frames_per_second=10, seconds_per_expression=0.5)
    for read, (_, frame, _) in zip(frames, drawn, strict=True):
        assert np.abs(read.astype(int) - frame).mean() < 8  # lossy, yet the same image


def test_the_frames_of_the_clip_follow_the_timeline_smoothly():
    settings = {"seconds_per_expression": 1.0, "frames_per_second": 8, "size": (160, 120)}
    frames = list(clip_frames(**settings))
    timeline = clip_timeline(1.0)
    for seconds, frame, label in frames:
        now = timeline[(timeline["start"] <= seconds) & (seconds < timeline["end"])]
        assert now["label"].tolist() == [label]
        assert frame.shape == (120, 160, 3) and frame.dtype == np.uint8
    assert [seconds for seconds, _, _ in frames] == pytest.approx(np.arange(56) / 8)


def test_the_clip_moves_without_jumps():
    def greatest_step(frames_per_second):
        frames = [
            frame.astype(int)
            for _, frame, _ in clip_frames(
                seconds_per_expression=1.0, frames_per_second=frames_per_second, size=(160, 120)
            )
        ]
        return max(np.abs(after - before).mean() for before, after in pairwise(frames))

    # Movement shrinks as frames come closer together; a jump would stay as great.
    assert 0 < greatest_step(32) < 0.5 * greatest_step(8)


def test_two_characters_stand_side_by_side():
    settings = {"frames_per_second": 2, "size": (320, 240), "order": ("happy",)}
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    _, frame, label = next(clip_frames(characters=2, seconds_per_expression=0.5, **settings))
    boxes = cascade.detectMultiScale(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), 1.1, 5)
    middles = sorted(left + width / 2 for left, _, width, _ in boxes)
    assert label == "happy" and len(boxes) == 2 and middles[0] < 160 < middles[1]


def test_a_clip_that_cannot_be_made_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.mp4"):
        draw_clip(tmp_path / "clip.avi")
    with pytest.raises(ValueError, match="characters=3"):
        next(clip_frames(characters=3))
    with pytest.raises(ValueError, match="characters=3"):
        draw_clip(tmp_path / "clip.mp4", characters=3)
    assert not list(tmp_path.iterdir())
