"""Figures of labels: what people see in an image, and how that differs from its label."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from utils.datasets.joined_votes import votes_of
from utils.datasets.votes import VOTE_NAMES
from utils.plots.figures import finish, grid, image_grid, show_image
from utils.plots.matrices import heatmap
from utils.vision.images import read_image

_LABEL, _OTHER = "#d55e00", "#0072b2"


def doubtful_labels(table: pd.DataFrame, count: int = 12) -> Figure:
    """The first images of a review, with what people, or else a model, would call them.

    Args:
        table: as `label_review.unlike_people` or `label_review.doubtful_labels` gives it. Of
            the former each image has its votes beside it, as bars, its label's in orange.
        count: how many images.
    """
    table = table.head(count)
    voted = "people" in table
    across = 4 if voted else 6
    rows = max(-(-len(table) // across), 1)
    figure, places = image_grid(rows, across * (1 + voted), 10, (1.7 if voted else 2.2) * rows)
    if table.empty:
        figure.text(0.5, 0.5, "No label here is doubtful.", ha="center", va="center")
    places = places.reshape(-1, 1 + voted)
    for place, (_, row), votes in zip(places, table.iterrows(), votes_of(table), strict=False):
        show_image(place[0], read_image(row["file"]))
        title = f"labelled {row['class']}"
        if voted:
            _bars(place[1], votes, row["class"])
        else:
            title += f" {row['for_label']:.0%}\n{row['better']} {row['model']:.0%}"
        place[0].set_title(title, fontsize=8)
    return finish(figure)


def against_people(confusions: dict[str, np.ndarray], class_names) -> Figure:
    """What was answered to each class of people's clear majority, as shares, side by side.

    Args:
        confusions: counts, int (classes, classes), by whose answers they are, such as
            {"label": …, "model": …}; as `people.confusion_with_people` gives them.
        class_names: the classes in their order.
    """
    figure, places = grid(1, len(confusions), 5 * len(confusions), 4.4)
    for axes, (whose, counts) in zip(places[0], confusions.items(), strict=True):
        names = [f"{name} ({n})" for name, n in zip(class_names, counts.sum(axis=1), strict=True)]
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        small = {"annot_kws": {"fontsize": 8}, "cbar": False}
        heatmap(axes, shares, class_names, names, fmt=".2f", vmax=1, **small)
        agreed = np.trace(counts) / max(counts.sum(), 1)
        axes.set(xlabel=whose, title=f"{whose}: as people in {agreed:.0%}")
    places[0, 0].set_ylabel("people's clear majority (images)")
    return finish(figure)


def _bars(axes, votes: np.ndarray, label: str) -> None:
    """Bars of the votes that were given, the most first."""
    order = [place for place in np.argsort(-votes, kind="stable") if votes[place]][:4]
    names = [VOTE_NAMES[place] for place in order]
    colours = [_LABEL if name == label else _OTHER for name in names]
    axes.barh(names, votes[order], color=colours, height=0.7)
    for height, (name, number) in enumerate(zip(names, votes[order], strict=True)):
        axes.text(number + 0.2, height, f"{number} {name}", va="center", fontsize=8)
    axes.set(xlim=(0, 20), ylim=(3.6, -0.6))
