"""Whether a notebook's settings make sense, asked before any work is done."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from utils import config
from utils.datasets.table import margin_of
from utils.files import check_writable
from utils.models import backbones
from utils.models.backend import keras
from utils.training.targets import vote_weight
from utils.vision.preprocessing import Preprocessing


def check_parameters(settings: Mapping[str, object]) -> list[Path]:
    """Look for settings that contradict each other or that no training can have.

    Args:
        settings: the values of a training notebook's settings cell by their names, as ``globals()``
            has them there. Looked at are those that the notebook has.

    Returns:
        The folders of the data sets.

    Raises:
        ValueError: the message lists everything that is wrong.
    """
    data = settings["DATA"]
    folders = [config.project_path(one) for one in ([data] if isinstance(data, str) else data)]
    problems = [
        f"{name} {expected}. Received: {settings[name]!r}"
        for name, (fits, expected) in _VALUES.items()
        if name in settings and not fits(settings[name])
    ]
    problems += [*_of_data(settings, folders), *_of_outputs(settings)]
    if not problems:  # what follows needs to know what these mean
        problems = list(_of_trunk(settings))
    if problems:
        raise ValueError("These settings cannot be used:\n- " + "\n- ".join(problems))
    return folders


def _whole_number(least: int) -> tuple[Callable, str]:
    return (
        lambda value: type(value) is int and value >= least,
        f"is a whole number of at least {least}",
    )


def _one_of(allowed) -> tuple[Callable, str]:
    return lambda value: value in allowed, f"is one of {', '.join(map(repr, allowed))}"


def _are_targets(value) -> bool:
    try:
        return vote_weight(value) >= 0
    except ValueError:
        return False


def _are_classes(value) -> bool:
    return value is None or (
        not isinstance(value, str) and len(value) >= 2 and len(set(value)) == len(value)
    )


_VALUES = {
    "CLASSES": (_are_classes, "is None, or a list of two or more different names"),
    "TARGETS": (_are_targets, 'are "labels", "votes", or the weight of the votes from 0 to 1'),
    "METHOD": _one_of(("whole", "bottleneck")),
    "TRUNK": _one_of([name for name in backbones.TRUNKS if name not in backbones.NEW]),
    "IMAGE_SIZE": _whole_number(1),
    "EPOCHS": _whole_number(1),
    "BATCH_SIZE": _whole_number(1),
    "SEED": _whole_number(0),
}


def _of_data(settings, folders) -> Iterator[str]:
    source = settings.get("SOURCE", "")
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
            f"There is no folder {folder}, which DATA names. Set SOURCE to the download that is to "
            'be imported there; or, for drawn faces, SOURCE = "drawn" and DATA = "data/animated"'
        )
    if folders and not source and not missing:
        try:
            margin_of(*folders)
        except ValueError as error:
            yield str(error)


def _of_outputs(settings) -> Iterator[str]:
    path = config.project_path(settings["MODEL"])
    if path.suffix != ".keras":
        yield f"MODEL names a file that ends in .keras. Received: {settings['MODEL']!r}"
        return
    try:
        check_writable(path)
    except OSError as error:
        yield f"MODEL: {error}"


def _of_trunk(settings) -> Iterator[str]:
    """What only a trunk that has learned can tell; of those from elsewhere random weights do."""
    if settings.get("METHOD") == "whole":
        return
    name, weights = settings.get("TRUNK", "own"), settings.get("WEIGHTS")
    first = settings.get("UNFREEZE_FROM")
    if weights not in (None, "imagenet"):
        weights = config.project_path(weights)
        if not weights.is_file():
            yield f"There is no file {weights}, which WEIGHTS names"
            return
        if name != "own" and weights.suffix == ".keras":
            yield (
                "WEIGHTS is a model of this project, whose trunk is 'own'. Received: "
                f"TRUNK={name!r}; expected with it 'imagenet', Keras's file of weights, or None"
            )
            return
    try:
        preprocessing = Preprocessing(config.CLASS_NAMES, size=settings["IMAGE_SIZE"])
        trunk = backbones.make_trunk(name, preprocessing, weights if name == "own" else None)
        if first is not None:
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
