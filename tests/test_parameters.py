import pytest

from utils.config import PROJECT
from utils.model_file import save_model
from utils.parameters import check_parameters

GOOD = {
    "source": "drawn",
    "data": "data/somewhere",
    "classes": None,
    "split": "grouped",
    "size": 48,
    "colour": "grey",
    "method": "whole",
    "trunk": "residual",
    "weights": None,
    "unfreeze_from": "",
    "counts": {"EPOCHS": 3},
    "learning_rate": 1e-3,
}


def test_good_settings_give_the_folders(tmp_path):
    assert check_parameters(**GOOD) == [PROJECT / "data/somewhere"]
    for name in ("ck", "ferg"):
        (tmp_path / name).mkdir()
    two = [str(tmp_path / "ck"), str(tmp_path / "ferg")]
    fine = {"method": "fine-tune", "trunk": "mobilenetv2", "weights": "imagenet", "size": 96}
    settings = GOOD | fine | {"source": "", "data": two, "unfreeze_from": "block_13_expand"}
    assert check_parameters(**settings) == [tmp_path / "ck", tmp_path / "ferg"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"trunk": "resnet"}, "TRUNK is one of 'residual', .* Received: 'resnet'"),
        ({"method": "hole"}, "METHOD is one of .* Received: 'hole'"),
        ({"split": "by person"}, "SPLIT is one of 'grouped', 'random'"),
        ({"colour": "gray"}, "COLOUR is one of 'grey', 'rgb'. Received: 'gray'"),
        ({"counts": {"EPOCHS": 0}}, "EPOCHS is a whole number of at least 1. Received: 0"),
        ({"size": "48"}, "IMAGE_SIZE is a whole number of at least 1. Received: '48'"),
        ({"learning_rate": 2}, "LEARNING_RATE lies between 0 and 1. Received: 2"),
        ({"classes": "happy"}, "CLASSES is None, or a list of two names"),
        ({"classes": ["joy", "joy"]}, "CLASSES is None, or a list of two names"),
        ({"data": []}, "Received: an empty list"),
        ({"data": ["data/a/ck", "data/b/ck"]}, "DATA names 'ck' more than once"),
        ({"data": ["data/a", "data/b"]}, "SOURCE fills one folder, but DATA names 2"),
        ({"source": "no/such/archive.zip"}, "There is nothing at SOURCE"),
        ({"source": "", "data": "data/no such"}, "There is no folder .*Set SOURCE to the download"),
        ({"weights": "imagenet"}, "'whole' trains everything from random weights"),
        ({"trunk": "own"}, "'whole' trains everything from random weights"),
        ({"method": "bottleneck"}, "needs a trunk that has learned, and 'residual' is new"),
        (
            {"method": "bottleneck", "trunk": "own", "weights": "imagenet"},
            "'own' is that of a saved model",
        ),
        (
            {"method": "bottleneck", "trunk": "own", "size": 64},
            r"fer2013\.keras takes grey pictures of 48 × 48 pixels",
        ),
        (
            {"method": "bottleneck", "trunk": "vgg16", "weights": "no/such.h5"},
            "There is no file .*which WEIGHTS names",
        ),
        ({"unfreeze_from": "stage3_block1_add"}, "UNFREEZE_FROM names the first layer that"),
        ({"method": "fine-tune", "trunk": "vgg16"}, "Received: METHOD='fine-tune', UNFREEZE_FROM="),
        (
            {"method": "fine-tune", "trunk": "vgg16", "unfreeze_from": "block5_conv"},
            "no layer 'block5_conv'. Did you mean block5_conv",
        ),
        ({"method": "bottleneck", "trunk": "vgg16", "size": 24}, "at least 32 × 32 pixels"),
    ],
)
def test_settings_that_cannot_be_used_are_named(changed, message):
    with pytest.raises(ValueError, match=f"cannot be used:(.|\n)*{message}"):
        check_parameters(**GOOD | changed)


def test_everything_wrong_is_said_at_once():
    with pytest.raises(ValueError, match=r"TRUNK is one of(.|\n)*EPOCHS is a whole number"):
        check_parameters(**GOOD | {"trunk": "x", "counts": {"EPOCHS": -1}})


def test_own_trunk_must_take_the_size(tmp_path, small_network, preprocessing):
    file = save_model(small_network, preprocessing, tmp_path / "small.keras", fast_form=False)
    own = GOOD | {"method": "bottleneck", "trunk": "own", "weights": str(file)}
    check_parameters(**own)
    with pytest.raises(ValueError, match="takes grey pictures of 48 × 48 pixels"):
        check_parameters(**own | {"size": 96})
    (tmp_path / "broken.keras").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"broken\.keras"):
        check_parameters(**own | {"weights": str(tmp_path / "broken.keras")})
