"""The three matrices: confusion, precision and recall."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from utils.plots.figures import finish
from utils.training import evaluation


def confusion_matrix(metrics: dict, of: str = "") -> Figure:
    """Counts: rows are the true classes, columns the predicted ones; ``of`` heads the title."""
    counts = np.array(metrics["confusion"])
    return _matrix(counts, metrics["classes"], "Confusion matrix (images)", of, "d", counts.max())


def precision_matrix(metrics: dict, of: str = "") -> Figure:
    """Of what was called a class, what it really was. Columns sum to one."""
    shares = evaluation.precision_matrix(metrics["confusion"])
    return _matrix(shares, metrics["classes"], "Precision matrix (columns sum to 1)", of)


def recall_matrix(metrics: dict, of: str = "") -> Figure:
    """Of each true class, what it was called. Rows sum to one."""
    shares = evaluation.recall_matrix(metrics["confusion"])
    return _matrix(shares, metrics["classes"], "Recall matrix (rows sum to 1)", of)


def heatmap(axes, values: np.ndarray, columns, rows, **settings) -> None:
    """Values from 0 on as shades of blue, with what the columns and rows are called."""
    look = {"annot": True, "cmap": "Blues", "vmin": 0, "square": True, "linewidths": 0.5}
    sns.heatmap(values, xticklabels=columns, yticklabels=rows, ax=axes, **look, **settings)
    axes.tick_params(axis="x", rotation=45)
    axes.tick_params(axis="y", rotation=0)


def _matrix(values, class_names, title, of, number_format=".2f", highest=1) -> Figure:
    # Whole on a laptop's screen, and three low enough for Notebook 7 not to fold them away.
    side = max(4.4, 1.7 + 0.42 * len(class_names))
    figure, axes = plt.subplots(figsize=(side + 0.8, side), facecolor="white")
    bar = {"shrink": 0.8, "ticks": MaxNLocator(5, integer=number_format == "d")}
    names = class_names, class_names
    heatmap(axes, values, *names, fmt=number_format, vmax=highest, cbar_kws=bar)
    axes.set(xlabel="predicted", ylabel="true", title=f"{of}: {title}" if of else title)
    return finish(figure)
