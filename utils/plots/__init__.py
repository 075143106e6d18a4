"""Figures for notebooks: `training` draws data and curves, `matrices` the three matrices, `labels`
what people see in images, `live` what was read.

Each function returns the matplotlib figure and shows nothing itself. Every figure has an
opaque white ground, so it reads the same in light and dark themes, and is at most ten
inches wide, the width of a notebook cell.
"""

import lazy_loader

_DATA = ["augmented_images", "class_counts", "example_images"]
_RUN = ["learning_curves", "mistakes", "reliability", "risk_coverage", "ways_compared"]
_MATRICES = ["confusion_matrix", "precision_matrix", "recall_matrix"]
_LABELS = ["against_people", "doubtful_labels"]
_LIVE = ["explanation", "frame_strip", "still", "timeline"]

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "training": _DATA + _RUN,
        "matrices": _MATRICES,
        "labels": _LABELS,
        "live": _LIVE,
    },
)
