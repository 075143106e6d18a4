"""Whether the training notebook's settings make sense, asked before any work is done."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from utils import config
from utils.datasets.table import margin_of
from utils.files import check_writable
from utils.models import backbones
from utils.models.backend import keras
from utils.vision.preprocessing import Preprocessing

CHOICES = {
    "SPLIT": ("grouped", "random"),
    "COLOUR": ("grey", "rgb"),
    "METHOD": ("whole", "bottleneck", "fine-tune"),
    "TRUNK": backbones.TRUNKS,
}
COUNTS = ("IMAGE_SIZE", "EPOCHS", "BATCH_SIZE", "HEAD_EPOCHS")
SWITCHES = ("BALANCE_CLASSES", "BALANCE_DOMAINS", "MIRROR")


def check_parameters(settings: Mapping[str, object]) -> list[Path]:
    """Look for settings that are unknown or contradict each other.

    Args:
        settings: the values of the notebook's settings cell by their names, as
            ``globals()`` has them there; what else it holds makes no difference.

    Returns:
        The folders of the data sets.

    Raises:
        ValueError: the message lists everything that is wrong.
    """
    data = settings["DATA"]
    folders = [config.project_path(one) for one in ([data] if isinstance(data, str) else data)]
    problems = [*_of_values(settings), *_of_data(settings, folders), *_of_outputs(settings)]
    if not problems:  # what follows needs to know what these mean
        problems = list(_of_weights(settings))
    if not problems:
        problems = list(_of_trunk(settings))
    if problems:
        raise ValueError("These settings cannot be used:\n- " + "\n- ".join(problems))
    return folders


def _of_values(settings) -> Iterator[str]:
    for name, allowed in CHOICES.items():
        if settings[name] not in allowed:
            shown = ", ".join(map(repr, allowed))
            yield f"{name} is one of {shown}. Received: {settings[name]!r}"
    counts = [*COUNTS, *(["PER_CLASS"] if settings["PER_CLASS"] is not None else [])]
    for name in counts:
        if type(settings[name]) is not int or settings[name] < 1:
            yield f"{name} is a whole number of at least 1. Received: {settings[name]!r}"
    for name in SWITCHES:
        if not isinstance(settings[name], bool):
            yield f"{name} is True or False. Received: {settings[name]!r}"
    if type(settings["SEED"]) is not int or settings["SEED"] < 0:
        yield f"SEED is a whole number of at least 0. Received: {settings['SEED']!r}"
    rate = settings["LEARNING_RATE"]
    if not isinstance(rate, int | float) or not 0 < rate < 1:
        yield f"LEARNING_RATE lies between 0 and 1. Received: {rate!r}"
    margin = settings["MARGIN"]
    if margin is not None and (not isinstance(margin, int | float) or not 0 <= margin <= 1):
        yield f"MARGIN is None, or lies between 0 and 1. Received: {margin!r}"
    classes = settings["CLASSES"]
    if classes is not None and (
        isinstance(classes, str) or len(classes) < 2 or len(set(classes)) < len(classes)
    ):
        yield f"CLASSES is None, or a list of two or more different names. Received: {classes!r}"


def _of_data(settings, folders) -> Iterator[str]:
    source = settings["SOURCE"]
    if not folders:
        yield "DATA names one folder, or a list of several. Received: an empty list"
    names = [folder.name for folder in folders]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"DATA names {name!r} more than once; give each data set's folder its own name"
    if source and len(folders) > 1:
        yield (
            f"SOURCE fills one folder, but DATA names {len(folders)}. Import each data set by "
            'itself with `python -m utils import SOURCE DESTINATION`, then set SOURCE = ""'
        )
    if source and source != "drawn" and not config.project_path(source).exists():
        yield f"There is nothing at SOURCE, {config.project_path(source)}"
    missing = [folder for folder in folders if not folder.is_dir()] if not source else []
    for folder in missing:
        yield (
            f"There is no folder {folder}. Set SOURCE to the download that is to be imported "
            'there, or to "drawn" for drawn faces'
        )
    if folders and not source and not missing and settings["MARGIN"] is None:
        try:
            margin_of(*folders)
        except ValueError as error:
            yield str(error)


def _of_outputs(settings) -> Iterator[str]:
    for name, suffix in (("MODEL", ".keras"), ("RESULT", ".json")):
        if not settings[name]:
            continue
        path = config.project_path(settings[name])
        if path.suffix != suffix:
            yield f"{name} names a file that ends in {suffix}. Received: {settings[name]!r}"
        else:
            try:
                check_writable(path)
            except OSError as error:
                yield f"{name}: {error}"


def _of_weights(settings) -> Iterator[str]:
    method, trunk, weights = settings["METHOD"], settings["TRUNK"], settings["WEIGHTS"]
    if method == "whole" and (trunk == "own" or weights is not None):
        yield (
            "METHOD 'whole' trains everything from random weights. Received: "
            f"TRUNK={trunk!r}, WEIGHTS={weights!r}. Set WEIGHTS = None and name another trunk, or "
            "take the METHOD 'fine-tune', which goes on from weights"
        )
    if method != "whole" and trunk in backbones.NEW:
        yield (
            f"METHOD {method!r} needs a trunk that has learned, and {trunk!r} is new. Take TRUNK = "
            "'own', which is that of models/expressions.keras, or the METHOD 'whole'"
        )
    if weights not in (None, "imagenet") and not config.project_path(weights).is_file():
        yield f"There is no file {config.project_path(weights)}, which WEIGHTS names"


def _of_trunk(settings) -> Iterator[str]:
    """What only the trunk itself can tell; for those from elsewhere random weights do."""
    method, weights, first = settings["METHOD"], settings["WEIGHTS"], settings["UNFREEZE_FROM"]
    if bool(first) != (method == "fine-tune"):
        yield (
            "UNFREEZE_FROM names the first layer that the METHOD 'fine-tune' trains, and is \"\" "
            f"otherwise. Received: METHOD={method!r}, UNFREEZE_FROM={first!r}"
        )
        return
    own = settings["TRUNK"] == "own"
    if own and weights not in (None, "imagenet"):
        weights = config.project_path(weights)
    try:
        preprocessing = Preprocessing(
            config.CLASS_NAMES, size=settings["IMAGE_SIZE"], colour=settings["COLOUR"]
        )
        trunk = backbones.make_trunk(settings["TRUNK"], preprocessing, weights if own else None)
        if first:
            backbones.unfreeze_from(trunk, first)
    except (FileNotFoundError, ValueError) as error:
        yield str(error)
        return
    if first and not trunk.trainable_weights:
        convolutions = [one.name for one in trunk.layers if isinstance(one, keras.layers.Conv2D)]
        yield (
            f"From UNFREEZE_FROM on no layer can learn. Received: {first!r}; the last that can is "
            f"{convolutions[-1]!r}"
        )
