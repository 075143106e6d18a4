import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from utils import datasets, plots
from utils.training import evaluation
from utils.training.augmentation import Augmentation
from utils.training.batches import Batches
from utils.vision.preprocessing import Preprocessing


@pytest.fixture(scope="module")
def answers(table):
    random = np.random.default_rng(0)
    classes = datasets.class_order(table)
    labels = pd.Categorical(table["class"], classes).codes
    return table, classes, labels, random.dirichlet(np.ones(len(classes)), len(labels))


def explain(count, classes, channels=1):
    random = np.random.default_rng(count)
    faces = random.integers(0, 256, (count, 48, 48, channels), dtype=np.uint8)
    probabilities = random.dirichlet(np.ones(len(classes)), count)
    maps = random.normal(0, 0.2, (count, 48, 48))
    maps[-1] = 0  # nothing spoke
    return plots.explanation(faces, probabilities, maps, classes)


@pytest.fixture(scope="module")
def figures(answers):
    table, classes, labels, probabilities = answers
    metrics = evaluation.evaluate(labels, probabilities, classes)
    log = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3, 2, 1.5], "accuracy": [0.1, 0.4, 0.6]})
    log = log.assign(val_loss=log["loss"], val_accuracy=log["accuracy"])
    stream = Batches(table, Preprocessing(classes), augmentation=Augmentation())
    return {
        "counts": plots.class_counts(datasets.count_classes(table)),
        "examples": plots.example_images(table, classes),
        "augmented": plots.augmented_images(stream),
        "curves": plots.learning_curves(log, 3),
        "confusion": plots.confusion_matrix(metrics),
        "precision": plots.precision_matrix(metrics),
        "recall": plots.recall_matrix(metrics),
        "mistakes": plots.mistakes(
            table["file"].rename(lambda row: row + 9), labels, probabilities, classes
        ),
        "risk": plots.risk_coverage(labels, probabilities, 0.4),
        "risk of few": plots.risk_coverage(labels, probabilities, 0.99),
        "explanation": explain(1, classes),
        "explanations": explain(6, classes),
        "explained in colour": explain(2, classes, channels=3),
        "still": still(1, classes),
        "crowd": still(40, classes),
    }


def still(count, classes):
    places = np.arange(count)
    faces = pd.DataFrame(
        {"face": places + 1, "x": 60 * (places % 10) + 5, "y": 60 * (places // 10)}
    )
    faces[["width", "height"]] = 40
    faces[list(classes)] = np.random.default_rng(count).dirichlet(np.ones(len(classes)), count)
    faces["label"] = classes[0]
    return plots.still(np.full((480, 640, 3), 90, np.uint8), faces)


NAMES = (
    "counts", "examples", "augmented", "curves", "confusion", "precision", "recall", "mistakes",
    "risk", "risk of few", "explanation", "explanations", "explained in colour",
    "still", "crowd",
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


def test_explanation_names_every_class_and_what_its_colours_mean(answers):
    _, classes, _, probabilities = answers
    faces = np.zeros((2, 48, 48, 1), np.uint8)
    maps = np.zeros((2, 48, 48), np.float32)
    maps[0, 10:20, 10:20], maps[1, 30:40, 30:40] = 0.25, -0.1
    figure = plots.explanation(faces, probabilities[:2], maps, classes)
    _, bars_of, heats = np.reshape(figure.axes[:6], (2, 3)).T
    rows = zip(bars_of, heats, figure.axes[6:], probabilities[:2], maps, strict=True)
    for (bars, heat, bar, answer, importance), points in zip(rows, (25, 10), strict=True):
        assert [text.get_text() for text in bars.get_yticklabels()] == list(classes)
        assert [one.get_width() for one in bars.patches] == pytest.approx(answer)
        assert [text.get_text() for text in bars.texts] == [f"{value:.0%}" for value in answer]
        assert f"“{classes[answer.argmax()]}” falls when covered" in bar.get_ylabel()
        ticks = [text.get_text() for text in bar.get_yticklabels()]
        assert ticks == [f"−{points}", "0", f"+{points}"]
        red, _, blue, alpha = np.moveaxis(heat.images[1].get_array(), -1, 0)
        assert ((alpha > 0) == (importance != 0)).all()  # what says nothing hides nothing
        assert (red > blue)[importance > 0].all() and (blue > red)[importance < 0].all()


def test_a_crowd_has_six_charts_and_every_face_its_box():
    image, *charts = still(40, list("abc")).axes
    assert len(charts) == 6 and len(image.patches) == 40
    assert all(len(chart.patches) == 3 for chart in charts)
    assert "34 more" in image.get_title()
    assert not still(6, list("abc")).axes[0].get_title()


def test_a_face_that_was_away_has_a_gap_in_its_line():
    seconds = np.array([0.0, 0.1, 0.2, 2.0, 2.1, 2.2])
    away = pd.DataFrame({"seconds": seconds, "frame": [0, 1, 2, 20, 21, 22], "track": 1})
    rare = away.assign(frame=range(6), track=2)  # the frames are as far apart
    table = pd.concat([away, rare]).assign(a=0.4, b=0.6)
    for axes, gap in zip(plots.timeline(table, ["a", "b"]).axes, (True, False), strict=False):
        for area in axes.collections:
            parts = [polygon[:, 0] for path in area.get_paths() for polygon in path.to_polygons()]
            bridged = any(part.min() <= 0.2 and part.max() >= 2.0 for part in parts)
            assert bridged != gap
            assert min(map(np.min, parts)) == 0 and max(map(np.max, parts)) == 2.2


def test_risk_coverage_marks_the_chosen_threshold(answers):
    _, _, labels, probabilities = answers
    axes = plots.risk_coverage(labels, probabilities, 0.5).axes[0]
    answered = probabilities.max(axis=1) >= 0.5
    wrong = np.mean(probabilities.argmax(axis=1)[answered] != labels[answered])
    mark = axes.lines[-1]
    assert (*mark.get_xdata(), *mark.get_ydata()) == pytest.approx((answered.mean(), wrong))
    assert f"{answered.mean():.0%} answered" in axes.texts[-1].get_text()


def test_reliability_bars_are_the_accuracy_of_each_bin():
    confidence = np.repeat([0.55, 0.95], 40)
    probabilities = np.column_stack([confidence, 1 - confidence])
    labels = np.array([0] * 30 + [1] * 10 + [0] * 38 + [1] * 2)
    (axes,) = plots.reliability(labels, probabilities).axes
    heights = sorted(bar.get_height() for bar in axes.patches)
    assert heights == pytest.approx([30 / 40, 38 / 40])
    assert "0.100" in axes.get_title()  # (40 · |0.75 − 0.55| + 40 · |0.95 − 0.95|) / 80


def test_augmentation_is_shown_on_one_face_of_each_class(figures, answers):
    _, classes, *_ = answers
    axes = figures["augmented"].axes
    assert len(axes) == 4 * len(classes)
    assert [one.get_title() for one in axes[: len(classes)]] == list(classes)


def test_no_mistakes_are_told(table, figures):
    labels = np.zeros(len(table), int)
    figure = plots.mistakes(table["file"], labels, np.eye(7)[labels], list("abcdefg"))
    assert [text.get_text() for text in figure.texts] == ["None of these was named wrongly."]
    assert not figures["mistakes"].texts
