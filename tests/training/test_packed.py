"""Images from the packed file are those that decoding gives."""

from dataclasses import replace

import numpy as np
import pytest

from utils import datasets
from utils.training.augmentation import Augmentation
from utils.training.batches import Batches
from utils.training.distributed import Team
from utils.training.packed import pack


def test_packed_images_are_what_decoding_gives(table, preprocessing, tmp_path):
    packed = datasets.split_of(pack(table, preprocessing, tmp_path), "train")
    settings = {"batch_size": 16, "shuffle": True, "augmentation": Augmentation()}
    decoded = Batches(datasets.split_of(table, "train"), preprocessing, **settings)
    images = Batches(packed, preprocessing, **settings)
    assert len(images) > 1
    for index in range(len(images)):
        for one, other in zip(images[index], decoded[index], strict=True):
            assert np.array_equal(one, other)
    rows = np.array([5, 2, 9])
    assert np.array_equal(images.part(rows)[0][0], decoded.part(rows)[0][0])
    assert images.fingerprint == decoded.fingerprint  # a training goes on with either


def test_an_image_is_decoded_once(table, preprocessing, tmp_path):
    first = pack(table, preprocessing, tmp_path)["pack"].iat[0]
    (made,) = tmp_path.iterdir()
    assert str(made) == first
    before = made.stat()
    others = table.assign(split="test", **{"class": table["class"].iloc[::-1].to_numpy()})
    assert pack(others, preprocessing, tmp_path)["pack"].iat[0] == first
    assert made.stat().st_mtime_ns == before.st_mtime_ns
    assert before.st_size == pytest.approx(len(table) * 48 * 48, abs=200)
    larger = pack(table, replace(preprocessing, size=64), tmp_path)
    assert larger["pack"].iat[0] != first


def test_a_process_that_does_not_see_the_file_says_so(table, preprocessing, tmp_path):
    with pytest.raises(FileNotFoundError, match="Process 1 does not see"):
        pack(table, preprocessing, tmp_path, team=Team(process=1))
