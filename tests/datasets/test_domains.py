import numpy as np
import pandas as pd
import pytest

from utils.datasets.domains import balancing_weights, rows_by_domain


@pytest.fixture
def mixed():
    """Two images of people among six animated ones; happy is twice as frequent as sad."""
    return pd.DataFrame(
        {
            "class": ["happy", "sad", *["happy"] * 3, "happy", "sad", "sad"],
            "domain": ["people"] * 2 + ["animated"] * 6,
        }
    )


def test_rows_by_domain(mixed):
    rows = rows_by_domain(mixed)
    assert {name: found.tolist() for name, found in rows.items()} == {
        "animated": [2, 3, 4, 5, 6, 7],
        "people": [0, 1],
    }
    assert rows_by_domain(mixed.drop(columns="domain"))["all"].tolist() == list(range(8))


@pytest.mark.parametrize(
    "classes, domains, columns",
    [(True, False, ["class"]), (False, True, ["domain"]), (True, True, ["class", "domain"])],
)
def test_balanced_parts_weigh_the_same_in_total(mixed, classes, domains, columns):
    weights = balancing_weights(mixed, classes, domains)
    assert weights.mean() == pytest.approx(1)
    totals = mixed.assign(weight=weights).groupby(columns)["weight"].sum()
    assert np.allclose(totals, totals.iloc[0])


def test_nothing_to_balance(mixed):
    assert balancing_weights(mixed, False, False) is None
    with pytest.raises(ValueError, match="no column 'domain'"):
        balancing_weights(mixed.drop(columns="domain"), False, True)
