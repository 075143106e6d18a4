import ast

import papermill
import pytest

from utils.cli.notebooks import TRAINING, TRANSFER
from utils.config import PROJECT
from utils.models.model_file import save_model
from utils.training.parameters import check_parameters

GOOD = {
    "SOURCE": "drawn",
    "DATA": "data/somewhere",
    "CLASSES": None,
    "IMAGE_SIZE": 48,
    "METHOD": "whole",
    "EPOCHS": 3,
    "BATCH_SIZE": 32,
    "SEED": 0,
    "MODEL": "models/mine.keras",
}
TRANSFER_GOOD = {
    **{name: value for name, value in GOOD.items() if name != "METHOD"},
    "DATA": ["data/somewhere"],
    "TRUNK": "own",
    "WEIGHTS": None,
    "UNFREEZE_FROM": "stage3_block2_first_convolution",
}


def test_good_settings_give_the_folders(tmp_path):
    assert check_parameters(GOOD) == [PROJECT / "data/somewhere"]
    for name in ("ck", "ferg"):
        (tmp_path / name).mkdir()
    two = [str(tmp_path / "ck"), str(tmp_path / "ferg")]
    other = {"TRUNK": "mobilenetv2", "WEIGHTS": "imagenet", "IMAGE_SIZE": 96}
    settings = TRANSFER_GOOD | other | {"SOURCE": "", "DATA": two}
    settings |= {"UNFREEZE_FROM": "block_13_expand"}
    assert check_parameters(settings) == [tmp_path / "ck", tmp_path / "ferg"]


@pytest.mark.parametrize("notebook", [TRAINING, TRANSFER], ids=lambda path: path.stem)
def test_the_settings_of_a_notebook_can_be_used(notebook, tmp_path):
    known = papermill.inspect_notebook(str(notebook))
    settings = {name: ast.literal_eval(one["default"]) for name, one in known.items()}
    check_parameters(settings | {"SOURCE": "drawn", "DATA": str(tmp_path / "drawn")})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"TARGETS": "people"}, "TARGETS are .labels., .votes., or the weight"),
        ({"METHOD": "hole"}, "METHOD is one of 'whole', 'bottleneck'. Received: 'hole'"),
        ({"EPOCHS": 0}, "EPOCHS is a whole number of at least 1. Received: 0"),
        ({"IMAGE_SIZE": "48"}, "IMAGE_SIZE is a whole number of at least 1. Received: '48'"),
        ({"CLASSES": "happy"}, "CLASSES is None, or a list of two or more different names"),
        (
            {"CLASSES": ["happy", "sad", "sad"]},
            "CLASSES is None, or a list of two or more different names",
        ),
        ({"SEED": -1}, "SEED is a whole number of at least 0"),
        ({"MODEL": "models/mine"}, "MODEL names a file that ends in .keras"),
        ({"MODEL": "README.md/mine.keras"}, "MODEL: .* cannot be written"),
        ({"DATA": []}, "Received: an empty list"),
        ({"DATA": ["data/a/ck", "data/b/ck"]}, "DATA names 'ck' more than once"),
        ({"DATA": ["data/a", "data/b"]}, "SOURCE fills one folder, but DATA names 2"),
        ({"SOURCE": "no/such/archive.zip"}, "There is nothing at SOURCE"),
        (
            {"SOURCE": "", "DATA": "data/no such"},
            'There is no folder .*Set SOURCE to the download(.|\n)*DATA = "data/animated"',
        ),
        (
            {"METHOD": "bottleneck", "IMAGE_SIZE": 64},
            r"\.keras takes grey images of 48 × 48 pixels",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_named(changed, message):
    with pytest.raises(ValueError, match=f"cannot be used:(.|\n)*{message}"):
        check_parameters(GOOD | changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"TRUNK": "resnet"}, "TRUNK is one of 'own', 'vgg16', 'mobilenetv2'. Received: 'resnet'"),
        ({"WEIGHTS": "imagenet"}, "'own' is that of a saved model"),
        ({"TRUNK": "vgg16", "WEIGHTS": "no/such.h5"}, "There is no file .*which WEIGHTS names"),
        ({"TRUNK": "vgg16", "WEIGHTS": "models/fer2013.keras"}, "whose trunk is 'own'"),
        ({"UNFREEZE_FROM": ""}, "no layer ''"),
        (
            {"TRUNK": "vgg16", "UNFREEZE_FROM": "block5_pool"},
            "no layer can learn. Received: 'block5_pool'; the last that can is 'block5_conv3'",
        ),
        (
            {"TRUNK": "vgg16", "UNFREEZE_FROM": "block5_conv"},
            "no layer 'block5_conv'. Did you mean block5_conv",
        ),
        ({"TRUNK": "vgg16", "IMAGE_SIZE": 24}, "at least 32 × 32 pixels"),
    ],
)
def test_trunks_that_cannot_be_used_are_named(changed, message):
    with pytest.raises(ValueError, match=f"cannot be used:(.|\n)*{message}"):
        check_parameters(TRANSFER_GOOD | changed)


def test_everything_wrong_is_said_at_once():
    with pytest.raises(ValueError, match=r"TRUNK is one of(.|\n)*EPOCHS is a whole number"):
        check_parameters(TRANSFER_GOOD | {"TRUNK": "x", "EPOCHS": -1})


def test_own_trunk_must_take_the_size(tmp_path, small_network, preprocessing):
    file = save_model(small_network, preprocessing, tmp_path / "small.keras", litert_model=False)
    own = TRANSFER_GOOD | {"WEIGHTS": str(file), "UNFREEZE_FROM": "block2_convolution"}
    check_parameters(own)
    with pytest.raises(ValueError, match="takes grey images of 48 × 48 pixels"):
        check_parameters(own | {"IMAGE_SIZE": 96})
    (tmp_path / "broken.keras").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"broken\.keras"):
        check_parameters(own | {"WEIGHTS": str(tmp_path / "broken.keras")})
