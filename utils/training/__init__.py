"""Teaching a network, and saying what it has reached.

`recipe` goes the whole way from a table to a finished model: `batches` and `augmentation`
feed the `trainer` (or `features` its `head` alone), `calibration` and `evaluation` follow.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "augmentation": ["STRONG", "Augmentation"],
        "batches": ["Batches"],
        "calibration": ["calibrate", "views_of"],
        "evaluation": [
            *("bootstrap_intervals", "evaluate", "interval_by_subject"),
            *("per_class_table", "threshold_table", "wilson_interval"),
        ],
        "cross_validation": [
            *("compare_ways", "cross_validate", "fold_numbers", "linear_head", "mlp_head"),
        ],
        "distributed": ["ALONE", "joined"],
        "features": ["trunk_features"],
        "head": ["train_head"],
        "optimizer": ["Muon"],
        "packed": ["pack"],
        "parameters": ["check_parameters"],
        "personalise": ["personalise"],
        "recipe": ["Finished", "finish", "just_edited", "train_model"],
        "label_review": ["doubtful_labels", "out_of_fold", "review_labels", "unlike_people"],
        "people": ["confusion_with_people", "evaluate_people"],
        "runs": ["list_runs", "record_result"],
        "targets": ["soft_targets", "vote_weight"],
        "trainer": ["Settings", "train"],
    },
)
