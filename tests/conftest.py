"""What several tests share: a small real data set and a small network."""

import os
from pathlib import Path

import pytest

from utils import datasets
from utils.config import CLASS_NAMES
from utils.drawn.dataset import draw_dataset
from utils.models import networks
from utils.vision.preprocessing import Preprocessing


@pytest.fixture(scope="session")
def faces(tmp_path_factory) -> Path:
    """Drawn faces in train, validation and test, 48 × 48, made once for all tests."""
    folder = tmp_path_factory.mktemp("data") / "faces"
    characters = {"train": 8, "validation": 3, "test": 3}
    draw_dataset(folder, size=48, characters=characters, images_per_expression=1, progress=False)
    return folder


@pytest.fixture(scope="session")
def table(faces):
    return datasets.find_images(faces)


@pytest.fixture
def preprocessing() -> Preprocessing:
    return Preprocessing(CLASS_NAMES)


@pytest.fixture
def small_network(preprocessing):
    trunk = networks.convolutional_trunk(preprocessing, widths=(4, 8, 8, 8))
    return networks.join(trunk, networks.mlp_head(len(CLASS_NAMES), units=(8,)))


@pytest.fixture(scope="session")
def fer2013_archive() -> Path:
    """The real FER-2013 archive, where the person has named one."""
    path = os.environ.get("FER2013_ARCHIVE")
    if not path:
        pytest.skip("FER2013_ARCHIVE does not name the FER-2013 archive")
    return Path(path)
