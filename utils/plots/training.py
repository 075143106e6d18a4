"""Figures of data, training and evaluation.

Throughout, ``labels`` is an integer array (n,) and ``probabilities`` an array (n, classes).
"""

from collections.abc import Iterable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from utils.plots.figures import finish, image_grid, show_image
from utils.training import evaluation
from utils.vision.images import read_image


def class_counts(counts: pd.DataFrame) -> Figure:
    """Bars of images per class and split, from `datasets.count_classes`."""
    counts = counts.drop(index="total", columns="total")
    figure, axes = _figure(8, 3.4)
    counts.plot.bar(ax=axes, rot=0, width=0.8, color=sns.color_palette("colorblind"))
    for bars in axes.containers:
        axes.bar_label(bars, fontsize=7, padding=2, rotation=0 if len(counts.columns) < 3 else 90)
    axes.margins(y=0.25)
    axes.set(xlabel="", ylabel="images", title="Images per class")
    axes.legend(title="", frameon=False, loc="upper center", ncols=len(counts.columns))
    return finish(figure)


def example_images(table: pd.DataFrame, class_names, seed: int = 0) -> Figure:
    """A row of eight random images for every class."""
    figure, places = image_grid(len(class_names), 8, 8, len(class_names) * 1.02)
    for row, name in zip(places, class_names, strict=True):
        images = table[table["class"] == name]
        files = images.sample(min(8, len(images)), random_state=seed)["file"]
        for axes, file in zip(row, files, strict=False):
            show_image(axes, read_image(file))
        place = {"transform": row[0].transAxes, "ha": "right", "va": "center"}
        row[0].text(-0.1, 0.5, name, fontsize=10, **place)
    return finish(figure)


def augmented_images(images) -> Figure:
    """An image of each class of a `batches.Batches`: plain above, and changed thrice below."""
    names = images.preprocessing.class_names
    table = images.table.groupby("class").sample(1, random_state=images.seed)
    table = table.set_index("class", drop=False)
    table = table.loc[[name for name in names if name in table.index]]
    plain = type(images)(table, images.preprocessing, len(table))
    changed = type(images)(
        table, images.preprocessing, len(table), augmentation=images.augmentation
    )
    figure, places = image_grid(4, len(table), 1.1 * len(table), 4.8)
    for epoch, row in enumerate(places):
        changed.start_epoch(epoch)
        shown = changed[0][0] if epoch else plain[0][0]
        for axes, image, name in zip(row, shown, table["class"], strict=True):
            show_image(axes, image[..., ::-1].squeeze())
            axes.set_title("" if epoch else name, fontsize=9)
    return finish(figure)


def learning_curves(log: pd.DataFrame, best_epoch: int | None = None) -> Figure:
    """Loss and accuracy per epoch, on training and validation images, and on each domain's."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), facecolor="white")
    for axes, measure in ((left, "loss"), (right, "accuracy")):
        axes.plot(log["epoch"], log[measure], label="training")
        axes.plot(log["epoch"], log[f"val_{measure}"], label="validation")
        each = f"val_{measure}_"
        for column in log.columns[log.columns.str.startswith(each)]:
            label = f"validation, {column.removeprefix(each)}"
            axes.plot(log["epoch"], log[column], "--", linewidth=1.2, label=label)
        axes.set(xlabel="epoch", title=measure)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        if best_epoch is not None:
            axes.axvline(best_epoch, color="grey", linestyle=":", label=f"best: {best_epoch}")
    right.yaxis.set_major_formatter(PercentFormatter(1))
    left.legend(frameon=False, fontsize=8)
    return finish(figure)


def ways_compared(table: pd.DataFrame) -> Figure:
    """Accuracy by person beside that at random, for each domain, with 95 % intervals.

    Args:
        table: as `cross_validation.compare_ways` gives it.
    """
    figure, axes = _figure(6, 3.4)
    domains = list(dict.fromkeys(table["domain"]))
    for number, (way, rows) in enumerate(table.groupby("way", sort=False)):
        places = np.array([domains.index(one) for one in rows["domain"]]) + 0.4 * number - 0.2
        reach = [rows["accuracy"] - rows["low"], rows["high"] - rows["accuracy"]]
        colour = ("#0072b2", "#e69f00")[number % 2]
        axes.bar(places, rows["accuracy"], 0.38, yerr=reach, capsize=4, label=way, color=colour)
        for place, value in zip(places, rows["accuracy"], strict=True):
            axes.text(place, 0.03, f"{value:.1%}", ha="center", color="white")
    axes.set_xticks(range(len(domains)), domains)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set(ylim=(0, 1.3), ylabel="answered rightly", title="Each image held out once")
    axes.legend(frameon=False, loc="upper right", ncols=2)
    return finish(figure)


def reliability(labels: np.ndarray, probabilities: np.ndarray) -> Figure:
    """Accuracy against confidence; on the diagonal both are equal.

    Bins of confidence with fewer than 20 images are pale.
    """
    bins, confidence = 10, probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(bin_of, minlength=bins)
    accuracy = np.bincount(bin_of, correct, bins) / np.maximum(count, 1)
    middles = (np.arange(bins) + 0.5) / bins
    figure, axes = _figure(5.5, 4.5)
    for enough, alpha in ((count >= 20, 1), ((count > 0) & (count < 20), 0.3)):
        axes.bar(middles[enough], accuracy[enough], 0.9 / bins, color="#0072b2", alpha=alpha)
    for middle, height, number in zip(middles, accuracy, count, strict=True):
        if number:
            axes.text(middle, height + 0.01, f"{number}", ha="center", fontsize=8)
    axes.plot([0, 1], [0, 1], color="#d55e00", linewidth=1.5, label="as sure as right")
    error = evaluation.expected_calibration_error(labels, probabilities)
    axes.set(
        xlim=(0, 1), ylim=(0, 1.08), xlabel="confidence", ylabel="share that is right",
        title=f"Calibration: expected error {error:.3f}",
    )  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    axes.legend(frameon=False, loc="upper left")
    return finish(figure)


def mistakes(
    files: Iterable[str], labels: np.ndarray, probabilities: np.ndarray, class_names, count=12
) -> Figure:
    """The wrong answers of highest confidence, as images.

    Args:
        files: the image of each row.
        class_names, count: the classes, and how many images to show.
    """
    files = list(files)  # a column's own index may be that of a larger table
    chosen = evaluation.most_confident_mistakes(labels, probabilities, count)
    rows = max(-(-len(chosen) // 6), 1)
    figure, places = image_grid(rows, 6, 10, 2.2 * rows)
    if not len(chosen):
        figure.text(0.5, 0.5, "None of these was named wrongly.", ha="center", va="center")
    for axes, index in zip(places.flat, chosen, strict=False):
        answer = probabilities[index].argmax()
        show_image(axes, read_image(files[index]))
        axes.set_title(
            f"{class_names[answer]} {probabilities[index, answer]:.0%}\n"
            f"labelled {class_names[labels[index]]}",
            fontsize=8,
        )
    return finish(figure)


def risk_coverage(labels: np.ndarray, probabilities: np.ndarray, threshold: float) -> Figure:
    """Mistakes among the answers against the share answered, as the threshold rises.

    Args:
        threshold: least confidence of an answer; marked on the curve.
    """
    curve = evaluation.risk_coverage(labels, probabilities)
    chosen = evaluation.threshold_table(labels, probabilities, [threshold]).iloc[0]
    figure, axes = _figure(7, 4)
    axes.plot(curve["coverage"], curve["risk"], color="#0072b2")
    unselective = curve["risk"].iloc[-1]
    axes.axhline(unselective, color="grey", linestyle=":", linewidth=1)
    axes.text(0, unselective, "answering everything", va="bottom", color="#555555")
    if chosen["answered"]:
        wrong, coverage = 1 - chosen["accuracy"], chosen["coverage"]
        axes.plot(coverage, wrong, "o", color="#d55e00")
        axes.annotate(
            f"threshold {threshold:g}: {coverage:.0%} answered,\n{wrong:.0%} of those wrong",
            (coverage, wrong),
            (0.97, 0.08),
            textcoords="axes fraction",
            ha="right",
            arrowprops={"arrowstyle": "-", "color": "#d55e00"},
        )
    axes.set(
        xlabel="share of faces answered, the surest first",
        ylabel="share of answers that are wrong",
        title="What “unsure” buys: fewer answers, fewer mistakes",
        ylim=(0, 1.2 * unselective or 1),
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    axes.grid(alpha=0.3)
    return finish(figure)


def _figure(width, height):
    return plt.subplots(figsize=(width, height), facecolor="white")
