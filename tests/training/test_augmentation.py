import numpy as np
import pytest

from utils.training.augmentation import Augmentation

NOTHING = Augmentation(flip=False, rotation=0, shift=0, zoom=0, brightness=0, contrast=0, erasing=0)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (48, 48, 1), dtype=np.uint8)


def only(**change):
    return Augmentation(**{**NOTHING.__dict__, **change})


def test_nothing_asked_nothing_changed(image):
    assert np.array_equal(NOTHING(image, np.random.default_rng(1)), image)


def test_same_chance_same_image(image):
    first, second, other = (Augmentation()(image, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_flip_mirrors_about_half(image):
    random = np.random.default_rng(0)
    results = [only(flip=True)(image, random) for _ in range(200)]
    mirrored = sum(np.array_equal(result, image[:, ::-1]) for result in results)
    plain = sum(np.array_equal(result, image) for result in results)
    assert mirrored + plain == 200
    assert 70 < mirrored < 130


@pytest.mark.parametrize("shape", [(48, 48, 1), (31, 40, 3)])
def test_shape_and_type_stay(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    changed = Augmentation()(image, np.random.default_rng(3))
    assert changed.shape == shape
    assert changed.dtype == np.uint8


def test_shift_moves_a_spot_by_no_more_than_asked():
    image = np.zeros((48, 48, 1), np.uint8)
    image[22:26, 22:26] = 255
    random = np.random.default_rng(0)
    for _ in range(50):
        rows, columns, _ = np.nonzero(only(shift=0.1)(image, random) > 127)
        assert abs(rows.mean() - 23.5) <= 4.8 + 0.5
        assert abs(columns.mean() - 23.5) <= 4.8 + 0.5


def test_erasing_covers_one_rectangle(image):
    changed = only(erasing=1)(image, np.random.default_rng(5))
    rows, columns, _ = np.nonzero(changed != image)
    covered = changed[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert len(np.unique(covered)) == 1
    assert 6 * 6 <= covered.size <= 19 * 19


def test_erasing_reaches_every_edge(image):
    random = np.random.default_rng(0)
    reached = np.zeros(image.shape[:2], bool)
    for _ in range(1000):
        reached |= (only(erasing=1)(image, random) != image).any(axis=2)
    assert reached[[0, -1]].mean() > 0.8 and reached[:, [0, -1]].mean() > 0.8


def test_the_source_array_is_untouched(image):
    before = image.copy()
    Augmentation(erasing=1)(image, np.random.default_rng(0))
    assert np.array_equal(image, before)


def test_noise_is_centred_and_no_stronger_than_asked():
    grey = np.full((48, 48, 1), 128, np.uint8)
    random = np.random.default_rng(0)
    changes = [only(noise=0.1)(grey, random).astype(int) - 128 for _ in range(50)]
    deviations = [change.std() for change in changes]
    assert max(deviations) < 0.1 * 255 * 1.1
    assert np.mean(deviations) == pytest.approx(0.05 * 255, rel=0.3)
    assert abs(np.mean(changes)) < 0.3


def test_blur_flattens_but_keeps_the_mean(image):
    random = np.random.default_rng(0)
    results = [only(blur=2)(image, random) for _ in range(20)]
    assert np.mean([result.std() for result in results]) < 0.6 * image.std()
    assert np.mean(results) == pytest.approx(image.mean(), abs=2)
