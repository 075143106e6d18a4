"""Whether the training notebook's settings make sense, asked before any work is done."""

from pathlib import Path

from utils import backbones, config
from utils.preprocessing import Preprocessing

METHODS = ("whole", "bottleneck", "fine-tune")
SPLITS = ("grouped", "random")


def check_parameters(
    *,
    source,
    data,
    classes,
    split,
    size,
    colour,
    method,
    trunk,
    weights,
    unfreeze_from,
    counts: dict[str, int],
    learning_rate,
) -> list[Path]:
    """Look for settings that are unknown or contradict each other.

    Args:
        source, data, classes, split, size, colour, method, trunk, weights,
        unfreeze_from, learning_rate: as the notebook explains them.
        counts: those that must be whole numbers of at least 1, by their names.

    Returns:
        The folders of the data sets.

    Raises:
        ValueError: the message lists everything that is wrong.
    """
    folders = [config.project_path(one) for one in ([data] if isinstance(data, str) else data)]
    problems = [
        *_of_data(source, folders, classes),
        *_among("SPLIT", split, SPLITS),
        *_among("COLOUR", colour, ("grey", "rgb")),
        *_among("METHOD", method, METHODS),
        *_among("TRUNK", trunk, backbones.TRUNKS),
        *(
            f"{name} is a whole number of at least 1. Received: {count!r}"
            for name, count in ({"IMAGE_SIZE": size} | counts).items()
            if type(count) is not int or count < 1
        ),
    ]
    if not isinstance(learning_rate, int | float) or not 0 < learning_rate < 1:
        problems.append(f"LEARNING_RATE lies between 0 and 1. Received: {learning_rate!r}")
    if not problems:  # what follows needs to know what these mean
        problems = list(_of_weights(method, trunk, weights))
    if not problems:
        problems = list(_of_trunk(size, colour, method, trunk, weights, unfreeze_from))
    if problems:
        raise ValueError("These settings cannot be used:\n- " + "\n- ".join(problems))
    return folders


def _among(name, value, allowed):
    if value not in allowed:
        yield f"{name} is one of {', '.join(map(repr, allowed))}. Received: {value!r}"


def _of_data(source, folders, classes):
    if not folders:
        yield "DATA names one folder, or a list of several. Received: an empty list"
    names = [folder.name for folder in folders]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"DATA names {name!r} more than once. Data sets are told apart by the folder's name"
    if source and len(folders) > 1:
        yield (
            f"SOURCE fills one folder, but DATA names {len(folders)}. Import each data set by "
            'itself with `python -m utils import SOURCE DESTINATION`, then set SOURCE = ""'
        )
    if source and source != "drawn" and not config.project_path(source).exists():
        yield f"There is nothing at SOURCE, {config.project_path(source)}"
    if not source:
        for folder in folders:
            if not folder.is_dir():
                yield (
                    f"There is no folder {folder}. Set SOURCE to the download that is to be "
                    'imported there, or to "drawn" for drawn faces'
                )
    if classes is not None and (isinstance(classes, str) or len(set(classes)) < 2):
        yield f"CLASSES is None, or a list of two names or more. Received: {classes!r}"


def _of_weights(method, trunk, weights):
    if method == "whole" and (trunk == "own" or weights is not None):
        yield (
            "METHOD 'whole' trains everything from random weights. Received: "
            f"TRUNK={trunk!r}, WEIGHTS={weights!r}. Set WEIGHTS = None and name another trunk, or "
            "take the METHOD 'fine-tune', which goes on from weights"
        )
    if method != "whole" and trunk in backbones.NEW:
        yield (
            f"METHOD {method!r} needs a trunk that has learned, and {trunk!r} is new. Take TRUNK = "
            "'own', which is that of models/fer2013.keras, or the METHOD 'whole'"
        )
    if weights not in (None, "imagenet") and not config.project_path(weights).is_file():
        yield f"There is no file {config.project_path(weights)}, which WEIGHTS names"


def _of_trunk(size, colour, method, trunk, weights, unfreeze_from):
    """What only the trunk itself can tell; random weights do for that."""
    if bool(unfreeze_from) != (method == "fine-tune"):
        yield (
            "UNFREEZE_FROM names the first layer that the METHOD 'fine-tune' trains, and is \"\" "
            f"otherwise. Received: METHOD={method!r}, UNFREEZE_FROM={unfreeze_from!r}"
        )
    try:
        preprocessing = Preprocessing(config.CLASS_NAMES, size=size, colour=colour)
        if trunk == "own" and weights not in (None, "imagenet"):
            weights = config.project_path(weights)
        made = backbones.make_trunk(trunk, preprocessing, weights if trunk == "own" else None)
        if unfreeze_from:
            backbones.layer_position(made, unfreeze_from)
    except (FileNotFoundError, ValueError) as error:
        yield str(error)
