import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from utils import datasets, evaluation, plots
from utils.augmentation import Augmentation
from utils.preprocessing import Preprocessing
from utils.streaming import Pictures


@pytest.fixture(scope="module")
def answers(table):
    random = np.random.default_rng(0)
    classes = datasets.class_order(table)
    labels = pd.Categorical(table["class"], classes).codes
    return table, classes, labels, random.dirichlet(np.ones(len(classes)), len(labels))


@pytest.fixture(scope="module")
def figures(answers):
    table, classes, labels, probabilities = answers
    metrics = evaluation.evaluate(labels, probabilities, classes)
    log = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3, 2, 1.5], "accuracy": [0.1, 0.4, 0.6]})
    log = log.assign(val_loss=log["loss"], val_accuracy=log["accuracy"])
    stream = Pictures(table, Preprocessing(classes), augmentation=Augmentation())
    return {
        "counts": plots.class_counts(datasets.count_classes(table)),
        "examples": plots.example_pictures(table, classes),
        "augmented": plots.augmented_pictures(stream),
        "curves": plots.learning_curves(log, 3),
        "confusion": plots.confusion_matrix(metrics),
        "precision": plots.precision_matrix(metrics),
        "recall": plots.recall_matrix(metrics),
        "mistakes": plots.mistakes(table["file"], labels, probabilities, classes),
    }


NAMES = (
    "counts", "examples", "augmented", "curves", "confusion", "precision", "recall", "mistakes",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_figure_fits_a_notebook_and_clips_no_text(name, figures):
    figure = figures[name]
    assert figure.get_figwidth() <= 10
    assert to_hex(figure.get_facecolor(), keep_alpha=True) == "#ffffffff"
    figure.savefig(io.BytesIO())  # places the texts
    edges = figure.bbox
    for axes in figure.axes:
        texts = [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        if axes.axison:
            for axis in (axes.xaxis, axes.yaxis):
                low, high = sorted(axis.get_view_interval())
                ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
                texts += [label for place, label in ticks if low <= place <= high]
        for text in texts:
            if text.get_text().strip() and text.get_visible():
                box = text.get_window_extent()
                assert box.x0 >= 0 and box.y0 >= 0, text
                assert box.x1 <= edges.x1 and box.y1 <= edges.y1, text


@pytest.mark.parametrize("name", ["confusion", "precision", "recall"])
def test_matrix_shows_every_number_and_name(name, figures, answers):
    _, classes, labels, probabilities = answers
    axes = figures[name].axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == list(classes)
    assert [text.get_text() for text in axes.get_yticklabels()] == list(classes)
    counts = evaluation.confusion(labels, probabilities.argmax(axis=1), len(classes))
    shown = np.array([float(text.get_text()) for text in axes.texts]).reshape(counts.shape)
    divisor = {
        "confusion": np.ones((1, 1)),
        "precision": counts.sum(axis=0, keepdims=True),
        "recall": counts.sum(axis=1, keepdims=True),
    }[name]
    assert shown == pytest.approx(counts / np.maximum(divisor, 1), abs=0.0051)
