"""Figures. Each function returns the matplotlib figure and shows nothing itself.

Every figure has an opaque white ground, so it reads the same in light and dark
notebook themes, and is at most ten inches wide, the width of a notebook cell.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from utils import evaluation
from utils.overlay import class_colour
from utils.pictures import read_picture


def class_counts(counts: pd.DataFrame) -> Figure:
    """Bars of pictures per class and split, from `datasets.count_classes`."""
    counts = counts.drop(index="total", columns="total")
    figure, axes = _figure(8, 3.4)
    counts.plot.bar(ax=axes, rot=0, width=0.8, color=sns.color_palette("colorblind"))
    for bars in axes.containers:
        axes.bar_label(bars, fontsize=7, padding=2, rotation=0 if len(counts.columns) < 3 else 90)
    axes.margins(y=0.25)
    axes.set(xlabel="", ylabel="pictures", title="Pictures per class")
    axes.legend(title="", frameon=False, loc="upper center", ncols=len(counts.columns))
    return _finish(figure)


def example_pictures(table: pd.DataFrame, class_names, each: int = 8, seed: int = 0) -> Figure:
    """A row of random pictures for every class."""
    figure, grid = plt.subplots(
        len(class_names), each, figsize=(each, len(class_names) * 1.02), facecolor="white"
    )
    for row, name in zip(np.atleast_2d(grid), class_names, strict=True):
        pictures = table[table["class"] == name]
        files = pictures.sample(min(each, len(pictures)), random_state=seed)["file"]
        for axes in row:
            axes.axis("off")
        for axes, file in zip(row, files, strict=False):
            _show_picture(axes, read_picture(file))
        row[0].text(
            -0.1, 0.5, name, transform=row[0].transAxes, ha="right", va="center", fontsize=10
        )
    return _finish(figure)


def augmented_pictures(pictures, count: int = 8) -> Figure:
    """The first pictures of a `streaming.Pictures`, plain above and augmented below."""
    plain = type(pictures)(pictures.table, pictures.preprocessing, count)
    changed = type(pictures)(
        pictures.table, pictures.preprocessing, count, augmentation=pictures.augmentation
    )
    figure, grid = plt.subplots(2, count, figsize=(count, 2.1), facecolor="white")
    for row, source in zip(grid, (plain, changed), strict=True):
        for axes in row:
            axes.axis("off")
        for axes, picture in zip(row, source[0][0], strict=False):
            _show_picture(axes, picture[..., ::-1].squeeze())
    return _finish(figure)


def learning_curves(log: pd.DataFrame, best_epoch: int | None = None) -> Figure:
    """Loss and accuracy per epoch, on training and validation pictures."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), facecolor="white")
    for axes, measure in ((left, "loss"), (right, "accuracy")):
        axes.plot(log["epoch"], log[measure], label="training (augmented, with dropout)")
        axes.plot(log["epoch"], log[f"val_{measure}"], label="validation")
        axes.set(xlabel="epoch", title=measure)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        if best_epoch is not None:
            axes.axvline(best_epoch, color="grey", linestyle=":", label=f"best: {best_epoch}")
    right.yaxis.set_major_formatter(PercentFormatter(1))
    left.legend(frameon=False, fontsize=8)
    return _finish(figure)


def confusion_matrix(metrics: dict) -> Figure:
    """Counts: rows are the true classes, columns the predicted ones."""
    counts = np.array(metrics["confusion"])
    return _matrix(counts, metrics["classes"], "Confusion matrix (pictures)", "d", counts.max())


def precision_matrix(metrics: dict) -> Figure:
    """Of what was called a class, what it really was. Columns sum to one."""
    shares = evaluation.precision_matrix(metrics["confusion"])
    return _matrix(shares, metrics["classes"], "Precision matrix (columns sum to 1)", ".2f", 1)


def recall_matrix(metrics: dict) -> Figure:
    """Of each true class, what it was called. Rows sum to one."""
    shares = evaluation.recall_matrix(metrics["confusion"])
    return _matrix(shares, metrics["classes"], "Recall matrix (rows sum to 1)", ".2f", 1)


def mistakes(
    files: list[str], labels: np.ndarray, probabilities: np.ndarray, class_names, count: int = 12
) -> Figure:
    """The wrong answers of highest confidence, as pictures.

    Args:
        files: the picture of each row.
        labels: int, (n,).
        probabilities: (n, classes).
        class_names: names of the classes.
        count: how many to show.
    """
    chosen = evaluation.most_confident_mistakes(labels, probabilities, count)
    rows = max(-(-len(chosen) // 6), 1)
    figure, grid = plt.subplots(rows, 6, figsize=(10, 2.2 * rows), facecolor="white")
    for axes in grid.flat:
        axes.axis("off")
    for axes, index in zip(grid.flat, chosen, strict=False):
        answer = probabilities[index].argmax()
        _show_picture(axes, read_picture(files[index]))
        axes.set_title(
            f"{class_names[answer]} {probabilities[index, answer]:.0%}\n"
            f"labelled {class_names[labels[index]]}",
            fontsize=8,
        )
    return _finish(figure)


def still(picture: np.ndarray, faces: pd.DataFrame, class_names) -> Figure:
    """A picture with its faces boxed and numbered, and every probability as a bar.

    Args:
        picture: uint8, (height, width) grey or (height, width, 3) BGR.
        faces: the picture's rows of `stills.read_stills`.
        class_names: the classes, in the order of their columns.
    """
    found = faces[faces["face"] > 0]
    count = max(len(found), 1)
    figure, (left, *bars) = plt.subplots(
        1, count + 1, figsize=(min(4 + 2.6 * count, 10), 3.4), facecolor="white"
    )
    _show_picture(left, picture)
    left.axis("off")
    if found.empty:
        bars[0].axis("off")
        bars[0].text(0.5, 0.5, "no face found", ha="center", va="center")
    for axes, face in zip(bars, found.to_dict("records"), strict=False):
        corner = face["x"], face["y"]
        left.add_patch(
            plt.Rectangle(corner, face["width"], face["height"], fill=False, ec="#e69f00", lw=2)
        )
        left.text(*corner, face["face"], color="black", backgroundcolor="#e69f00", fontsize=8)
        values = [face[name] for name in class_names]
        axes.barh(class_names, values, color=_class_colours(class_names))
        axes.bar_label(axes.containers[0], [f"{value:.0%}" for value in values], padding=2)
        axes.invert_yaxis()
        axes.set(xlim=(0, 1.25), xticks=[], title=f"{face['face']}: {face['label']}")
        axes.spines[["top", "right", "bottom"]].set_visible(False)
    return _finish(figure)


def timeline(table: pd.DataFrame, class_names, truth: pd.DataFrame | None = None) -> Figure:
    """The probabilities of the faces over time, from the table of a video.

    Where there are more than eight faces, those seen longest are shown.

    Args:
        table: as `video.live` returns it.
        class_names: the classes, in the order of their columns.
        truth: start, end (seconds) and label of what is shown, where that is known.
    """
    tracks = sorted(table["track"].value_counts().index[:8]) or [None]
    figure, grid = plt.subplots(
        len(tracks), 1, figsize=(10, 0.8 + 2.2 * len(tracks)), sharex=True, squeeze=False,
        facecolor="white",
    )  # fmt: skip
    for axes, track in zip(grid[:, 0], tracks, strict=True):
        rows = table[table["track"] == track]
        axes.stackplot(
            rows["seconds"],
            *(rows[name] for name in class_names),
            labels=class_names,
            colors=_class_colours(class_names),
        )
        axes.set(ylim=(0, 1), ylabel="no face" if track is None else f"face {track}")
        axes.margins(x=0)
        for start, end, label in () if truth is None else truth[["start", "end", "label"]].values:
            axes.axvline(start, color="black", linewidth=0.8)
            axes.text((start + end) / 2, 1.02, label, ha="center", va="bottom", fontsize=8)
    grid[-1, 0].set_xlabel("seconds" + ("" if truth is None else "   (above: what is shown)"))
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="center right", fontsize=8)
    return _finish(figure, right=0.88)


def frame_strip(frames: list[np.ndarray], columns: int = 4) -> Figure:
    """Frames of a video side by side; each uint8 (height, width, 3) BGR."""
    rows = -(-len(frames) // columns)
    height, width = frames[0].shape[:2]
    figure, grid = plt.subplots(
        rows, columns, figsize=(10, 10 / columns * height / width * rows), squeeze=False,
        facecolor="white",
    )  # fmt: skip
    for axes in grid.flat:
        axes.axis("off")
    for axes, frame in zip(grid.flat, frames, strict=False):
        _show_picture(axes, frame)
    return _finish(figure)


def _class_colours(class_names) -> list[tuple[float, ...]]:
    """The overlay's colours, as matplotlib's RGB from 0 to 1."""
    return [tuple(v / 255 for v in class_colour(i)[::-1]) for i in range(len(class_names))]


def _matrix(values, class_names, title, number_format, highest) -> Figure:
    side = 2.2 + 0.62 * len(class_names)
    figure, axes = _figure(side + 0.8, side)
    sns.heatmap(
        values,
        annot=True,
        fmt=number_format,
        cmap="Blues",
        vmin=0,
        vmax=highest,
        square=True,
        linewidths=0.5,
        xticklabels=class_names,
        yticklabels=class_names,
        cbar_kws={"shrink": 0.8},
        ax=axes,
    )
    axes.set(xlabel="predicted", ylabel="true", title=title)
    axes.tick_params(axis="x", rotation=45)
    axes.tick_params(axis="y", rotation=0)
    return _finish(figure)


def _show_picture(axes, picture) -> None:
    """Grey (height, width) or BGR (height, width, 3), shown in matplotlib's RGB."""
    if picture.ndim == 2:
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
    else:
        axes.imshow(picture[..., ::-1])


def _figure(width, height):
    return plt.subplots(figsize=(width, height), facecolor="white")


def _finish(figure: Figure, right: float = 1) -> Figure:
    figure.tight_layout(rect=(0, 0, right, 1))
    plt.close(figure)  # or the notebook would show it once more at the end of the cell
    return figure
