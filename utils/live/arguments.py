"""What this room's doors are handed: sources, a predictor or its file, a threshold."""

from collections.abc import Iterable
from numbers import Integral
from pathlib import Path


def as_list(sources) -> list:
    """Sources as a list; a text, a path or a camera's index is a single one.

    >>> as_list("clip.mp4"), as_list(0), as_list(("a.jpg", "b.jpg"))
    (['clip.mp4'], [0], ['a.jpg', 'b.jpg'])
    """
    if isinstance(sources, str | Path | Integral):
        return [sources]
    if isinstance(sources, Iterable) and not isinstance(sources, bytes):
        return list(sources)
    raise TypeError(
        "Expected a path, a camera's index, an address, or a list of these. "
        f"Received: {type(sources).__name__}"
    )


def as_predictor(predictor):
    """What has ``class_names``; of a model's path its predictor, of None the released one.

    Raises:
        TypeError: it is none of these.
    """
    if predictor is None or isinstance(predictor, str | Path):
        from utils.models.predictor import load

        return load() if predictor is None else load(predictor)
    if not hasattr(predictor, "class_names"):
        raise TypeError(
            "Expected a predictor, as utils.models.load gives one of a model's file, or the path "
            f"of that file. Received: {type(predictor).__name__}"
        )
    return predictor


def check_threshold(threshold: float) -> None:
    """Refuse what is no share: ValueError."""
    if not 0 <= threshold <= 1:
        raise ValueError(f"The threshold is a share from 0 to 1. Received: {threshold}")
