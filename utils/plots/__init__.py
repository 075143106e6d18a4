"""Figures for notebooks: `training` draws data, curves and matrices, `live` what was read.

Each function returns the matplotlib figure and shows nothing itself. Every figure has an
opaque white ground and is at most ten inches wide, the width of a notebook cell.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "live",
        "training",
    ],
    submod_attrs={
        "training": [
            "augmented_images",
            "class_counts",
            "confusion_matrix",
            "example_images",
            "learning_curves",
            "mistakes",
            "precision_matrix",
            "recall_matrix",
            "reliability",
            "risk_coverage",
        ],
        "live": [
            "explanation",
            "frame_strip",
            "still",
            "timeline",
        ],
    },
)
