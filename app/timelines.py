"""A table of readings, coarse enough for a page to draw."""

import pandas as pd

_BINS = 300  # columns: no screen shows more


def timeline(
    table: pd.DataFrame, class_names: tuple[str, ...], seconds: float, frames: int
) -> dict:
    """Which class each face showed, moment by moment.

    Args:
        table: as `utils.live.loop.read_live` returns it.
        class_names: the classes, in order.
        seconds: length of the video; a single frame counts as a tenth.
        frames: frames in it.

    Returns:
        ``seconds``; ``step``, the seconds of a column; ``tracks``, a list of ``track``
        and ``cells``, each [column, index of the class, mean probability 0–1].
    """
    names = list(class_names)
    count = max(1, min(_BINS, frames - 1))  # no more than frames, or columns would stay empty
    seconds = max(seconds, 0.1)
    step = seconds / count
    # A hundredth is added, for the table's times are rounded.
    columns = (table["seconds"] / step + 0.01).astype(int).clip(upper=count - 1)
    means = table.groupby(["track", columns])[names].mean()
    tracks = []
    for track, rows in means.groupby(level=0):
        best = rows.to_numpy().argmax(axis=1)
        shares = rows.to_numpy().max(axis=1)
        places = rows.index.get_level_values(1)
        cells = [
            [int(place), int(index), round(float(share), 3)]
            for place, index, share in zip(places, best, shares, strict=True)
        ]
        tracks.append({"track": int(track), "cells": cells})
    return {"seconds": round(seconds, 3), "step": step, "tracks": tracks}
