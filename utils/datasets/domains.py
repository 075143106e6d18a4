"""People and animated characters: told apart, and weighed against each other."""

import numpy as np
import pandas as pd


def rows_by_domain(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Which rows of a table show people and which animated characters.

    Returns:
        int positions of each ``domain``'s rows; all of them as "all" without that column.
    """
    if "domain" not in table:
        return {"all": np.arange(len(table))}
    return {
        str(domain): np.asarray(rows)
        for domain, rows in sorted(table.groupby("domain").indices.items())
    }


def balancing_weights(table: pd.DataFrame, classes: bool, domains: bool) -> np.ndarray | None:
    """A weight for each image, so that the frequent does not drown the rare.

    Args:
        table: with columns ``class`` and, for ``domains``, ``domain``.
        classes: every class weighs the same in total.
        domains: every domain does; with ``classes`` too, every class of every domain.

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
