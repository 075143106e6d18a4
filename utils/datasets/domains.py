"""People and animated characters: trained together, weighed, and measured apart."""

import numpy as np
import pandas as pd

from utils.models.backend import keras
from utils.training.batches import Pictures


def rows_by_domain(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Which rows of a table show people and which animated characters.

    Args:
        table: with a column ``domain`` where its data set's manifest tells it.

    Returns:
        int positions of each domain's rows; all of them as "all" without the column.
    """
    if "domain" not in table:
        return {"all": np.arange(len(table))}
    return {
        str(domain): np.asarray(rows)
        for domain, rows in sorted(table.groupby("domain").indices.items())
    }


def balancing_weights(table: pd.DataFrame, classes: bool, domains: bool) -> np.ndarray | None:
    """A weight for each picture, so that the frequent does not drown the rare.

    Args:
        table: with columns ``class`` and, for ``domains``, ``domain``.
        classes: every class weighs the same in total.
        domains: every domain weighs the same in total; with ``classes`` too, every
            class of every domain does.

    Returns:
        float32, (rows,), of mean 1; None where nothing is to be balanced.

    Raises:
        ValueError: domains are to be balanced, but the table does not tell them.
    """
    if domains and "domain" not in table:
        raise ValueError(
            "The domains cannot be balanced, for the table has no column 'domain'. "
            f"Received: {', '.join(table.columns)}. Import the data sets with "
            "`python -m utils import`, which keeps it in their manifest.csv."
        )
    columns = ["class"] * classes + ["domain"] * domains
    if not columns:
        return None
    weights = 1 / table.groupby(columns)["class"].transform("size").to_numpy(np.float32)
    return weights / weights.mean()


class Weighted(keras.utils.PyDataset):
    """Pictures with a weight for each, which Keras takes as a third item of every batch.

    Args:
        pictures: as training takes them.
        weights: float32, one for each row of ``pictures.table``.
    """

    def __init__(self, pictures: Pictures, weights: np.ndarray):
        super().__init__()
        self.pictures = pictures
        self.weights = weights

    def on_epoch_end(self) -> None:
        self.pictures.on_epoch_end()

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int):
        return *self.pictures[index], self.weights[self.pictures.rows(index)]


def evaluate_apart(model: keras.Model, parts: dict[str, keras.utils.PyDataset]) -> dict:
    """A compiled model's loss and accuracy on each domain.

    Args:
        model: compiled with the metric "accuracy".
        parts: the validation pictures, or their features, of each domain.

    Returns:
        ``val_accuracy`` and ``val_loss``, the means over the domains, so that the
        largest one does not choose the epoch alone; and, where there are several,
        those of each, such as ``val_accuracy_people``.
    """
    apart = {
        domain: model.evaluate(part, verbose=0, return_dict=True) for domain, part in parts.items()
    }
    row = {
        f"val_{measure}": float(np.mean([values[measure] for values in apart.values()]))
        for measure in ("accuracy", "loss")
    }
    if len(apart) > 1:
        for domain, values in apart.items():
            row |= {f"val_{name}_{domain}": float(values[name]) for name in ("accuracy", "loss")}
    return row
