import papermill
import pytest

from utils.cli.notebooks import TRAINING
from utils.config import PROJECT
from utils.models.model_file import save_model
from utils.training.parameters import check_parameters

GOOD = {
    "SOURCE": "drawn",
    "DATA": "data/somewhere",
    "CLASSES": None,
    "SPLIT": "grouped",
    "PER_CLASS": None,
    "IMAGE_SIZE": 48,
    "COLOUR": "grey",
    "MARGIN": None,
    "BALANCE_CLASSES": False,
    "BALANCE_DOMAINS": False,
    "METHOD": "whole",
    "TRUNK": "residual",
    "WEIGHTS": None,
    "UNFREEZE_FROM": "",
    "MIRROR": True,
    "EPOCHS": 3,
    "BATCH_SIZE": 32,
    "LEARNING_RATE": 1e-3,
    "HEAD_EPOCHS": 2,
    "SEED": 0,
    "MODEL": "",
    "RESULT": "",
}


def test_good_settings_give_the_folders(tmp_path):
    assert check_parameters(GOOD) == [PROJECT / "data/somewhere"]
    for name in ("ck", "ferg"):
        (tmp_path / name).mkdir()
    two = [str(tmp_path / "ck"), str(tmp_path / "ferg")]
    fine = {"METHOD": "fine-tune", "TRUNK": "mobilenetv2", "WEIGHTS": "imagenet", "IMAGE_SIZE": 96}
    settings = GOOD | fine | {"SOURCE": "", "DATA": two, "UNFREEZE_FROM": "block_13_expand"}
    assert check_parameters(settings) == [tmp_path / "ck", tmp_path / "ferg"]


def test_the_notebook_has_every_setting_that_is_looked_at():
    assert set(GOOD) | {"RUNS"} == set(papermill.inspect_notebook(str(TRAINING)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"TRUNK": "resnet"}, "TRUNK is one of 'residual', .* Received: 'resnet'"),
        ({"METHOD": "hole"}, "METHOD is one of .* Received: 'hole'"),
        ({"SPLIT": "by person"}, "SPLIT is one of 'grouped', 'random'"),
        ({"COLOUR": "gray"}, "COLOUR is one of 'grey', 'rgb'. Received: 'gray'"),
        ({"EPOCHS": 0}, "EPOCHS is a whole number of at least 1. Received: 0"),
        ({"IMAGE_SIZE": "48"}, "IMAGE_SIZE is a whole number of at least 1. Received: '48'"),
        ({"LEARNING_RATE": 2}, "LEARNING_RATE lies between 0 and 1. Received: 2"),
        ({"CLASSES": "happy"}, "CLASSES is None, or a list of two or more different names"),
        (
            {"CLASSES": ["happy", "sad", "sad"]},
            "CLASSES is None, or a list of two or more different names",
        ),
        ({"PER_CLASS": 0}, "PER_CLASS is a whole number of at least 1"),
        ({"MIRROR": "no"}, "MIRROR is True or False. Received: 'no'"),
        ({"SEED": -1}, "SEED is a whole number of at least 0"),
        ({"MARGIN": 2}, "MARGIN is None, or lies between 0 and 1"),
        ({"MODEL": "models/mine"}, "MODEL names a file that ends in .keras"),
        ({"MODEL": "README.md/mine.keras"}, "MODEL: .* cannot be written"),
        ({"RESULT": "mine.txt"}, "RESULT names a file that ends in .json"),
        (
            {"METHOD": "fine-tune", "TRUNK": "vgg16", "UNFREEZE_FROM": "block5_pool"},
            "no layer can learn. Received: 'block5_pool'; the last that can is 'block5_conv3'",
        ),
        ({"DATA": []}, "Received: an empty list"),
        ({"DATA": ["data/a/ck", "data/b/ck"]}, "DATA names 'ck' more than once"),
        ({"DATA": ["data/a", "data/b"]}, "SOURCE fills one folder, but DATA names 2"),
        ({"SOURCE": "no/such/archive.zip"}, "There is nothing at SOURCE"),
        ({"SOURCE": "", "DATA": "data/no such"}, "There is no folder .*Set SOURCE to the download"),
        ({"WEIGHTS": "imagenet"}, "'whole' trains everything from random weights"),
        ({"TRUNK": "own"}, "'whole' trains everything from random weights"),
        ({"METHOD": "bottleneck"}, "needs a trunk that has learned, and 'residual' is new"),
        (
            {"METHOD": "bottleneck", "TRUNK": "own", "WEIGHTS": "imagenet"},
            "'own' is that of a saved model",
        ),
        (
            {"METHOD": "bottleneck", "TRUNK": "own", "IMAGE_SIZE": 64},
            r"fer2013\.keras takes grey images of 48 × 48 pixels",
        ),
        (
            {"METHOD": "bottleneck", "TRUNK": "vgg16", "WEIGHTS": "no/such.h5"},
            "There is no file .*which WEIGHTS names",
        ),
        ({"UNFREEZE_FROM": "stage3_block1_add"}, "UNFREEZE_FROM names the first layer that"),
        ({"METHOD": "fine-tune", "TRUNK": "vgg16"}, "Received: METHOD='fine-tune', UNFREEZE_FROM="),
        (
            {"METHOD": "fine-tune", "TRUNK": "vgg16", "UNFREEZE_FROM": "block5_conv"},
            "no layer 'block5_conv'. Did you mean block5_conv",
        ),
        ({"METHOD": "bottleneck", "TRUNK": "vgg16", "IMAGE_SIZE": 24}, "at least 32 × 32 pixels"),
    ],
)
def test_settings_that_cannot_be_used_are_named(changed, message):
    with pytest.raises(ValueError, match=f"cannot be used:(.|\n)*{message}"):
        check_parameters(GOOD | changed)


def test_everything_wrong_is_said_at_once():
    with pytest.raises(ValueError, match=r"TRUNK is one of(.|\n)*EPOCHS is a whole number"):
        check_parameters(GOOD | {"TRUNK": "x", "EPOCHS": -1})


def test_own_trunk_must_take_the_size(tmp_path, small_network, preprocessing):
    file = save_model(small_network, preprocessing, tmp_path / "small.keras", litert_model=False)
    own = GOOD | {"METHOD": "bottleneck", "TRUNK": "own", "WEIGHTS": str(file)}
    check_parameters(own)
    with pytest.raises(ValueError, match="takes grey images of 48 × 48 pixels"):
        check_parameters(own | {"IMAGE_SIZE": 96})
    (tmp_path / "broken.keras").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"broken\.keras"):
        check_parameters(own | {"WEIGHTS": str(tmp_path / "broken.keras")})
