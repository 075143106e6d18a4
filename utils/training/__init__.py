"""Teaching a network, and saying what it has reached.

`batches` and `augmentation` feed it, `trainer` trains it whole and `features` its head alone,
`runs` keeps what came out, `calibration` and `evaluation` measure it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "augmentation",
        "batches",
        "calibration",
        "distillation",
        "evaluation",
        "features",
        "optimizer",
        "parameters",
        "runs",
        "trainer",
    ],
    submod_attrs={
        "trainer": [
            "Settings",
            "describe",
            "digest",
            "train",
        ],
    },
)
