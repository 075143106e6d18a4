import cv2
import numpy as np
import pytest

from utils.vision.preprocessing import Preprocessing, crop, prepare, prepare_faces

TWO = ("calm", "loud")


def test_rgb_metadata_turns_bgr_round():
    blue = np.zeros((8, 8, 3), np.uint8)
    blue[..., 0] = 200
    prepared = prepare(blue, Preprocessing(TWO, size=8, colour="rgb"))
    assert prepared.dtype == np.uint8
    assert (prepared == [0, 0, 200]).all()


def test_grey_metadata_weighs_colours_as_itu_r_bt_601_does():
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 2] = 100
    prepared = prepare(red, Preprocessing(TWO, size=8))
    assert prepared.shape == (8, 8, 1)
    assert (prepared == round(100 * 0.299)).all()


def test_grey_image_is_the_same_in_one_channel_and_in_three():
    grey = np.random.default_rng(0).integers(0, 256, (30, 20), dtype=np.uint8)
    described = Preprocessing(TWO, size=16)
    three = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    assert np.array_equal(prepare(grey, described), prepare(three, described))


def test_image_of_the_right_size_is_untouched():
    grey = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    assert np.array_equal(prepare(grey, Preprocessing(TWO))[..., 0], grey)


def test_shrinking_averages_instead_of_skipping_pixels():
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 200
    assert (prepare(stripes, Preprocessing(TWO, size=16)) == 100).all()


def test_crop_inside_is_exactly_the_box():
    frame = np.arange(100, dtype=np.uint8).reshape(10, 10)
    assert np.array_equal(crop(frame, (2, 3, 4, 5)), frame[3:8, 2:6])


def test_margin_widens_every_side():
    frame = np.arange(100, dtype=np.uint8).reshape(10, 10)
    assert np.array_equal(crop(frame, (4, 4, 4, 4), margin=0.25), frame[3:9, 3:9])


@pytest.mark.parametrize("box", [(-3, -2, 6, 6), (7, 8, 6, 6), (-2, -2, 14, 14)])
def test_crop_over_the_border_repeats_the_edge(box):
    frame = np.random.default_rng(1).integers(0, 256, (10, 10, 3), dtype=np.uint8)
    left, top, width, height = box
    part = crop(frame, box)
    assert part.shape == (height, width, 3)
    for row in range(height):
        for column in range(width):
            inside = frame[np.clip(top + row, 0, 9), np.clip(left + column, 0, 9)]
            assert (part[row, column] == inside).all()


def test_box_outside_the_frame_is_refused():
    with pytest.raises(ValueError, match=r"does not overlap.*\(30, 0, 5, 5\).*20×10"):
        crop(np.zeros((10, 20), np.uint8), (30, 0, 5, 5))


def test_faces_become_one_batch():
    frame = np.full((40, 60, 3), 7, np.uint8)
    batch = prepare_faces(frame, [(0, 0, 20, 20), (30, 10, 20, 20)], Preprocessing(TWO, size=12))
    assert batch.shape == (2, 12, 12, 1)
    assert batch.dtype == np.uint8
    assert prepare_faces(frame, [], Preprocessing(TWO)).shape == (0, 48, 48, 1)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.float32),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 8), np.uint8),
        np.zeros(8, np.uint8),
    ],
)
def test_other_arrays_are_refused(image):
    with pytest.raises(ValueError, match="Received"):
        prepare(image, Preprocessing(TWO))


@pytest.mark.parametrize(
    "values",
    [
        {"class_names": ("one",)},
        {"class_names": ("same", "same")},
        {"class_names": TWO, "size": 4},
        {"class_names": TWO, "colour": "bgr"},
        {"class_names": TWO, "margin": -0.1},
        {"class_names": TWO, "value_range": (0, 1)},
        {"class_names": TWO, "unheard": 1},
    ],
)
def test_impossible_settings_are_refused(values):
    with pytest.raises(ValueError, match="Received"):
        Preprocessing.from_dict(values)


def test_metadata_survives_a_dictionary():
    described = Preprocessing(TWO, size=32, colour="rgb", margin=0.2)
    assert Preprocessing.from_dict(described.to_dict()) == described


@pytest.mark.parametrize("name", ["confidence", "Frame", " x ", "unsure", "source", "", "a\nb", 3])
def test_no_class_is_called_as_a_column_of_the_results_or_in_two_lines(name):
    with pytest.raises(ValueError, match=r"^A class cannot be called ") as refused:
        Preprocessing(("happy", name))
    assert repr(name) in str(refused.value)
