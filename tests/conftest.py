"""What several tests share: a small real data set and a small network."""

import gc
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.groups import group_scene
from tests.single_images import image
from utils import datasets
from utils.config import CLASS_NAMES
from utils.drawn.dataset import draw_dataset
from utils.vision.boxes import Box
from utils.vision.preprocessing import Preprocessing

SLOW = ("end_to_end", "notebooks", "browser", "training", "benchmarks")


def pytest_collection_modifyitems(items):
    """The files that take minutes first, so that all processes end together."""
    items.sort(key=lambda item: (*SLOW, item.path.parent.name).index(item.path.parent.name))


def pytest_collection_finish():
    """Let Python's search for garbage leave out TensorFlow's million objects, which are none."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def forgotten_networks():
    """What Keras keeps of the networks of a file of tests goes with it: some gigabytes."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].backend.clear_session()
        gc.freeze()  # what is left, such as TensorFlow's own caches, is searched no more


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


def make_small_network(preprocessing: Preprocessing):
    # Not above: the process that deals the tests out would load TensorFlow as well.
    from utils.models import networks

    trunk = networks.convolutional_trunk(preprocessing, widths=(4, 8))
    return networks.join(trunk, networks.mlp_head(len(preprocessing.class_names), units=(8,)))


@pytest.fixture
def small_network(preprocessing):
    return make_small_network(preprocessing)


@pytest.fixture
def small_six_layers(monkeypatch):
    """`--network six-layer` trains a small network; returns what makes it."""
    monkeypatch.setattr("utils.models.six_layer_network", make_small_network)
    return make_small_network


@pytest.fixture(scope="session")
def fer2013_archive() -> Path:
    """The real FER-2013 archive, where the person has named one."""
    path = os.environ.get("FER2013_ARCHIVE")
    if not path:
        pytest.skip("FER2013_ARCHIVE does not name the FER-2013 archive")
    return Path(path)


@pytest.fixture(scope="session")
def group() -> tuple[np.ndarray, list[Box]]:
    """Drawn heads of 24 to 200 pixels on one image, uint8 BGR, and where their faces are."""
    return group_scene()


@pytest.fixture
def tiny(tmp_path):
    """Five images; the folder names use capitals and synonyms."""
    image(tmp_path / "train" / "Anger" / "1.png", 10)
    image(tmp_path / "train" / "Anger" / "2.png", 20)
    image(tmp_path / "train" / "joy" / "3.png", 30)
    image(tmp_path / "test" / "joy" / "4.png", 40)
    image(tmp_path / "test" / "wink" / "5.png", 50)
    (tmp_path / "train" / "joy" / "._3.png").write_bytes(b"Finder's")
    (tmp_path / "train" / "joy" / "notes.txt").write_text("no image")
    return tmp_path
