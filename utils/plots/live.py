"""Figures of what was read from images and videos."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from utils.live.overlay import class_colour
from utils.plots.figures import finish, grid, image_grid, show_image
from utils.vision.images import ImageSource, open_image

_MOST_BARS = 6  # charts beside an image that can still be read
_ABSENCE = 0.5  # seconds without a face after which its line is cut


def still(image: ImageSource, faces: pd.DataFrame) -> Figure:
    """An image with its faces boxed and numbered, and every probability as a bar.

    Of more than six faces the first six, the largest, have bars, below an image as wide as the
    figure.

    Args:
        image: as `stills.read_stills` takes it; arrays are grey or BGR.
        faces: the image's rows of `stills.read_stills`.
    """
    image = open_image(image)
    class_names = faces.loc[:, "height":"label"].columns[1:-1]
    found = faces[faces["face"] > 0]
    count = min(max(len(found), 1), _MOST_BARS)
    rows, columns = -(-count // 3), min(count, 3)
    crowd = len(found) > count
    inches = 10 * image.shape[0] / image.shape[1] if crowd else 0  # of the image above the bars
    across = 10 if crowd else min(4 + 2.6 * columns, 10)
    figure = plt.figure(figsize=(across, 3.4 * rows + inches), facecolor="white")
    if crowd:
        cells = figure.add_gridspec(rows + 1, columns, height_ratios=[inches] + [3.4] * rows)
    else:
        cells = figure.add_gridspec(rows, columns + 1, width_ratios=[1.5] + [1] * columns)
    left = figure.add_subplot(cells[0, :] if crowd else cells[:, 0])
    places = [(place // 3 + crowd, place % 3 + (not crowd)) for place in range(count)]
    bars = [figure.add_subplot(cells[place]) for place in places]
    show_image(left, image)
    left.axis("off")
    if found.empty:
        bars[0].axis("off")
        bars[0].text(0.5, 0.5, "no face found", ha="center", va="center")
    if crowd:
        left.set_title(f"{count} faces, and {len(found) - count} more", fontsize=10)
    for face in found.to_dict("records"):
        corner = face["x"], face["y"]
        left.add_patch(
            plt.Rectangle(corner, face["width"], face["height"], fill=False, ec="#e69f00", lw=2)
        )
        tag = {"facecolor": "#e69f00", "edgecolor": "none", "pad": 1}
        left.text(*corner, face["face"], color="black", fontsize=8, va="bottom", bbox=tag)
    for axes, face in zip(bars, found.to_dict("records"), strict=False):
        values = [face[name] for name in class_names]
        _show_bars(axes, values, class_names)
        axes.set_title(f"{face['face']}: {face['label']}")
    return finish(figure)


def explanation(
    faces: np.ndarray,
    probabilities: np.ndarray,
    maps: Sequence[np.ndarray],
    class_names: Sequence[str],
) -> Figure:
    """For each face what the network saw, what it answered, and which pixels spoke for that.

    Args:
        faces: uint8, (n, size, size, channels), grey or RGB, as
            `preprocessing.prepare_faces` makes them; six fit a screen.
        probabilities: (n, classes).
        maps: of each face, as `saliency.occlusion_map` makes them of its most probable class.
        class_names: the classes, in the order of the probabilities.
    """
    height = 0.5 + 2.1 * len(faces)
    figure, places = grid(len(faces), 3, 9, height, width_ratios=(1, 1.4, 1.3))
    rows = zip(places, faces, probabilities, maps, strict=True)
    for (left, middle, right), face, answer, importance in rows:
        show_image(left, face[..., ::-1].squeeze())
        left.axis("off")
        _show_bars(middle, answer, class_names)
        _show_map(right, face, importance, class_names[answer.argmax()])
    titles = "what it sees", "what it answers", "what spoke for it"
    for axes, title in zip(places[0], titles, strict=True):
        axes.set_title(title, fontsize=10)
    return finish(figure)


def timeline(table: pd.DataFrame, class_names, truth: pd.DataFrame | None = None) -> Figure:
    """The probabilities over time of the eight faces seen longest, from the table of a video.

    While a face was away for more than half a second, nothing is painted.

    Args:
        table: as `loop.read_live` returns it.
        class_names: the classes, in the order of their columns.
        truth: start, end (seconds) and label of what is shown, where that is known.
    """
    tracks = sorted(table["track"].value_counts().index[:8]) or [None]
    figure, places = grid(len(tracks), 1, 10, 0.8 + 2.2 * len(tracks), sharex=True)
    for axes, track in zip(places[:, 0], tracks, strict=True):
        rows = _with_absences(table[table["track"] == track])
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
    places[-1, 0].set_xlabel("seconds" + ("" if truth is None else "   (above: what is shown)"))
    figure.legend(*places[0, 0].get_legend_handles_labels(), loc="center right", fontsize=8)
    return finish(figure, right=0.88)


def frame_strip(frames: list[np.ndarray], columns: int = 2) -> Figure:
    """Frames of a video side by side; each uint8 (height, width, 3) BGR.

    Two columns leave the overlay's text readable; a single frame has its own size.
    """
    rows = -(-len(frames) // columns)
    height, width = frames[0].shape[:2]
    across = 10 if columns > 1 else min(width / 100, 10)  # inches; a figure has 100 pixels each
    figure, places = image_grid(rows, columns, across, across / columns * height / width * rows)
    for axes, frame in zip(places.flat, frames, strict=False):
        show_image(axes, frame)
    return finish(figure)


def _show_bars(axes, probabilities, class_names) -> None:
    axes.barh(class_names, probabilities, color=_class_colours(class_names))
    axes.bar_label(axes.containers[0], [f"{value:.0%}" for value in probabilities], padding=2)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.25), xticks=[])
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def _with_absences(rows: pd.DataFrame) -> pd.DataFrame:
    """A track's rows, with one of NaN in each absence, which cuts what is drawn."""
    away = (rows["seconds"].diff() > _ABSENCE) & (rows["frame"].diff() > 1)  # or frames are rare
    absences = pd.DataFrame({"seconds": rows["seconds"].shift()[away]})
    return pd.concat([rows, absences]).sort_values("seconds", kind="stable")


def _show_map(axes, face, importance, name) -> None:
    limit = max(float(np.abs(importance).max()), 0.01)  # below one point lies only noise
    scale = plt.cm.ScalarMappable(plt.Normalize(-limit, limit), "RdBu_r")
    colours = scale.to_rgba(importance)
    colours[..., 3] = 0.75 * np.abs(importance) / limit  # what says nothing hides nothing
    axes.imshow(face.mean(axis=2), cmap="gray", vmin=0, vmax=255)
    axes.imshow(colours, interpolation="bilinear")
    axes.axis("off")
    bar = axes.figure.colorbar(scale, ax=axes, ticks=[-limit, 0, limit])
    bar.set_ticklabels([f"−{100 * limit:.0f}", "0", f"+{100 * limit:.0f}"])
    bar.set_label(f"“{name}” falls when covered\n(percentage points)", fontsize=8)


def _class_colours(class_names) -> list[tuple[float, ...]]:
    """The overlay's colours, as matplotlib's RGB from 0 to 1."""
    return [tuple(v / 255 for v in class_colour(i)[::-1]) for i in range(len(class_names))]
