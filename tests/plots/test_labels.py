"""Figures of labels are drawn for many and for no images, on white ground."""

import numpy as np
import pytest

from tests.made_up_votes import ten
from utils import plots
from utils.config import CLASS_NAMES


@pytest.mark.parametrize("count", [0, 1, 9])
def test_images_with_votes(table, count):
    votes = [ten(fear=3, sad=2, happy=2, neutral=1, contempt=1, unknown=1), ()] * 5
    shown = table.head(count).assign(votes=votes[:count], people=0.7)
    figure = plots.doubtful_labels(shown)
    assert figure.get_facecolor() == (1, 1, 1, 1)
    assert figure.get_size_inches()[0] <= 10
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert ("3 fear" in texts) == (count > 0)


@pytest.mark.parametrize("count", [0, 1, 9])
def test_doubts(table, count):
    shown = table.head(count).assign(better="sad", model=0.9, for_label=0.05)
    figure = plots.doubtful_labels(shown)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert len(titles) == count
    told = [text.get_text() for text in figure.texts]
    assert told == ([] if count else ["No label here is doubtful."])
    assert all("sad 90%" in title for title in titles)


def test_confusions_with_people():
    counts = np.eye(7, dtype=int) * 3
    figure = plots.against_people({"label": counts, "model": counts * 0}, CLASS_NAMES)
    assert figure.axes[0].get_title() == "label: as people in 100%"
    assert figure.get_size_inches()[0] <= 10
