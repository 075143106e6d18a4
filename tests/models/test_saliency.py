"""Occlusion maps: where a predictor looks, there the map lights up."""

import json

import numpy as np
import pytest

from utils.config import RESULTS
from utils.models.predictor import Predictor
from utils.models.saliency import FILL, FILLS, PATCH, STEPS, occlusion_map


class PatchPredictor:
    """Class 1 as probable as its one region is bright: what speaks for it is known."""

    def __init__(self, region):
        self.region, self.asked = region, []

    def probabilities(self, faces):
        self.asked.append(len(faces))
        bright = faces[(slice(None), *self.region)].reshape(len(faces), -1).mean(axis=1) / 255
        return np.stack([1 - bright, bright], axis=1).astype(np.float32)


def lit(region, size=48, channels=1):
    """A dark face with one bright region."""
    face = np.zeros((size, size, channels), np.uint8)
    face[region] = 255
    return face


REGIONS = [np.s_[8:16, 28:36], np.s_[0:6, 0:6], np.s_[40:48, 20:30]]


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("region", REGIONS)
def test_the_region_that_is_looked_at_lights_up(region, fill):
    importance = occlusion_map(PatchPredictor(region), lit(region), fill=fill)
    assert importance.shape == (48, 48) and importance.dtype == np.float32
    top, left = np.unravel_index(importance.argmax(), importance.shape)
    assert region[0].start <= top < region[0].stop and region[1].start <= left < region[1].stop
    inside = np.zeros((48, 48), bool)
    inside[region] = True
    assert importance[inside].mean() > 5 * importance[~inside].mean()
    reach = 8  # pixels of a patch: farther off, nothing that counts is covered
    far = np.ones((48, 48), bool)
    far[
        max(region[0].start - reach, 0) : region[0].stop + reach,
        max(region[1].start - reach, 0) : region[1].stop + reach,
    ] = False
    assert importance[far].max() == importance[far].min() == 0


def test_what_speaks_for_one_class_speaks_against_the_other():
    region = REGIONS[0]
    predictor = PatchPredictor(region)
    spoke_for = occlusion_map(predictor, lit(region), class_index=1)
    against = occlusion_map(predictor, lit(region), class_index=0)
    assert np.allclose(spoke_for, -against, atol=1e-6) and spoke_for.max() > 0
    assert np.array_equal(occlusion_map(predictor, lit(region)), spoke_for)  # the top class


def test_the_fall_is_in_units_of_probability():
    # A patch as large as the face leaves one place: the mean covers everything, and
    # class 1 falls from 1 to the mean brightness, 64 of 2304 pixels.
    region = REGIONS[0]
    everything = occlusion_map(
        PatchPredictor(region), lit(region), patch=1, steps=STEPS, fill="mean"
    )
    assert everything == pytest.approx(np.full((48, 48), 1 - 7 / 255), abs=1e-6)


def test_too_few_places_are_made_enough_to_cover_every_pixel():
    # 48 pixels in squares of six: each is covered once, so the falls of the 64 squares,
    # spread over 36 pixels each, add up to the whole: from 1 to the mean brightness.
    region = REGIONS[0]
    importance = occlusion_map(
        PatchPredictor(region), lit(region), patch=1 / 8, steps=2, fill="mean"
    )
    assert importance.sum() / 36 == pytest.approx(1 - 7 / 255, abs=1e-5)


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (30, 1), (100, 3)])
def test_every_size_and_colour_at_the_same_cost(size, channels):
    region = np.s_[0 : size // 4, 0 : size // 4]
    predictor = PatchPredictor(region)
    face = lit(region, size, channels)
    before = face.copy()
    importance = occlusion_map(predictor, face)
    assert importance.shape == (size, size) and np.isfinite(importance).all()
    assert importance[: size // 4, : size // 4].mean() > importance[size // 2 :].mean() == 0
    assert sum(predictor.asked) <= STEPS**2 + 1 and max(predictor.asked) <= 32
    assert (face == before).all()


def test_a_real_network_is_asked_as_it_is(small_network, preprocessing, table):
    from utils.training.batches import Batches

    predictor = Predictor(small_network, preprocessing)
    face = Batches(table.iloc[:1], preprocessing)[0][0][0]
    maps = [occlusion_map(predictor, face, class_index=index) for index in range(7)]
    assert max(abs(one).max() for one in maps) > 0
    assert np.abs(np.sum(maps, axis=0)).max() < 1e-5  # what one class loses others gain


def test_a_wrong_face_is_refused_by_the_predictor(small_network, preprocessing):
    with pytest.raises(ValueError, match="Expected uint8 faces"):
        occlusion_map(Predictor(small_network, preprocessing), np.zeros((48, 48, 3), np.uint8))


def test_the_defaults_are_what_the_benchmark_chose():
    chosen = json.loads((RESULTS / "explanations.json").read_text(encoding="utf-8"))["chosen"]
    assert chosen == {"patch": pytest.approx(PATCH), "steps": STEPS, "fill": FILL}
