"""What all figures share."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure


def show_image(axes, image) -> None:
    """Grey (height, width) or BGR (height, width, 3), shown in matplotlib's RGB."""
    if image.ndim == 2:
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
    else:
        axes.imshow(image[..., ::-1])


def grid(rows: int, columns: int, width: float, height: float, **settings):
    """A figure of so many inches with a white ground, and its axes, (rows, columns)."""
    size = {"figsize": (width, height), "facecolor": "white"}
    return plt.subplots(rows, columns, squeeze=False, **size, **settings)


def image_grid(rows: int, columns: int, width: float, height: float):
    """As `grid`, for images, which need no axes."""
    figure, places = grid(rows, columns, width, height)
    for axes in places.flat:
        axes.axis("off")
    return figure, places


def finish(figure: Figure, right: float = 1) -> Figure:
    """The figure with everything in its place; not shown by itself."""
    figure.tight_layout(rect=(0, 0, right, 1))
    plt.close(figure)  # or the notebook would show it once more at the end of the cell
    return figure
