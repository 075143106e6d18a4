"""Figures of labels: what people see in an image, and how that differs from its label."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from utils.datasets.joined_votes import votes_of
from utils.datasets.votes import VOTE_NAMES
from utils.plots.figures import finish, show_image
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
    size = 10, (1.7 if voted else 2.2) * rows
    figure, grid = plt.subplots(
        rows, across * (1 + voted), figsize=size, facecolor="white", squeeze=False
    )
    for axes in grid.flat:
        axes.axis("off")
    if table.empty:
        figure.text(0.5, 0.5, "No label here is doubtful.", ha="center", va="center")
    places = grid.reshape(-1, 1 + voted)
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
    figure, grid = plt.subplots(
        1, len(confusions), figsize=(5 * len(confusions), 4.4), facecolor="white", squeeze=False
    )
    for axes, (whose, counts) in zip(grid[0], confusions.items(), strict=True):
        names = [f"{name} ({n})" for name, n in zip(class_names, counts.sum(axis=1), strict=True)]
        sns.heatmap(
            counts / np.maximum(counts.sum(axis=1, keepdims=True), 1),
            annot=True,
            fmt=".2f",
            annot_kws={"fontsize": 8},
            cmap="Blues",
            vmin=0,
            vmax=1,
            square=True,
            linewidths=0.5,
            xticklabels=class_names,
            yticklabels=names,
            cbar=False,
            ax=axes,
        )
        agreed = np.trace(counts) / max(counts.sum(), 1)
        axes.set(xlabel=whose, title=f"{whose}: as people in {agreed:.0%}")
        axes.tick_params(axis="x", rotation=45)
        axes.tick_params(axis="y", rotation=0)
    grid[0, 0].set_ylabel("people's clear majority (images)")
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
