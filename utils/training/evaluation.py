"""What a model reached: arrays in, numbers out.

Throughout, ``labels`` is an integer array (n,) of class indices and
``probabilities`` a float array (n, classes) whose rows sum to one.
"""

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support


def evaluate(labels: np.ndarray, probabilities: np.ndarray, class_names) -> dict:
    """Every number of a report, ready for JSON.

    Returns:
        classes, n, accuracy, macro_f1, macro_f1_present, absent, log_loss, ece
        (`expected_calibration_error`), per_class {name: {precision, recall, f1, support}} and
        confusion (rows true, columns predicted, counts). macro_f1 is the mean over the classes
        among the labels or the predictions: one that no image has counts as 0 as soon as it is
        answered. macro_f1_present leaves those out; absent names them.
    """
    labels, probabilities = _check(labels, probabilities, class_names)
    indices = np.arange(len(class_names))
    predicted = probabilities.argmax(axis=1)
    measured = precision_recall_fscore_support(labels, predicted, labels=indices, zero_division=0)
    columns = dict(zip(("precision", "recall", "f1", "support"), measured, strict=True))
    per_class = pd.DataFrame(columns, index=list(class_names)).to_dict("index")
    occurs = np.isin(indices, labels) | np.isin(indices, predicted)
    present = np.isin(indices, labels)
    return {
        "classes": list(class_names),
        "n": len(labels),
        "accuracy": float(np.mean(predicted == labels)),
        "macro_f1": float(columns["f1"][occurs].mean()),
        "macro_f1_present": float(columns["f1"][present].mean()),
        "absent": [name for name, there in zip(class_names, present, strict=True) if not there],
        "log_loss": float(log_loss(labels, probabilities, labels=indices)),
        "ece": expected_calibration_error(labels, probabilities),
        "per_class": per_class,
        "confusion": confusion(labels, predicted, len(class_names)).tolist(),
    }


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts, int (classes, classes): rows are true classes, columns predicted ones."""
    return confusion_matrix(labels, predicted, labels=np.arange(classes))


def precision_matrix(confusion: np.ndarray) -> np.ndarray:
    """Of what was called a class, the share that each class really was: columns sum to one.

    A class that was never predicted has zeros. The diagonal is each class's precision.
    """
    return _normalized(confusion, "pred")


def recall_matrix(confusion: np.ndarray) -> np.ndarray:
    """Of each true class, the share that was called each class: rows sum to one.

    A class without images has zeros. The diagonal is each class's recall.
    """
    return _normalized(confusion, "true")


def _normalized(confusion, by: str) -> np.ndarray:
    counts = np.asarray(confusion)
    true, predicted = np.indices(counts.shape).reshape(2, -1)
    return confusion_matrix(true, predicted, sample_weight=counts.ravel(), normalize=by)


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """How far confidence and accuracy lie apart, from 0 (calibrated) to 1.

    The mean gap between the top probability and the accuracy over bins of that probability (Guo et
    al., "On Calibration of Modern Neural Networks", 2017); see `calibration_gap`.
    """
    return calibration_gap(*_confidence(labels, probabilities))


def calibration_gap(confidence: np.ndarray, right: np.ndarray) -> float:
    """The mean gap between confidence and how right the answers are, over 15 bins of confidence.

    Args:
        confidence: (n,), 0–1; the bins are equally wide, and count by their size.
        right: bool, (n,), or the share, 0–1, of people for whom the answer is right.
    """
    # A confidence of exactly k / bins belongs to the bin below, as in the paper.
    bin_of = np.clip(np.ceil(15 * confidence).astype(int) - 1, 0, 14)
    gaps = np.bincount(bin_of, right - confidence)
    return float(np.abs(gaps).sum() / len(confidence))


def bootstrap_intervals(
    labels: np.ndarray, probabilities: np.ndarray, draws: int = 1000
) -> pd.DataFrame:
    """95 % percentile intervals of the headline numbers, by resampling the images.

    Returns:
        Rows accuracy, macro_f1 and log_loss; columns value, low and high (Efron & Tibshirani, "An
        Introduction to the Bootstrap", 1993).
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, float)
    predicted = probabilities.argmax(axis=1)
    classes = probabilities.shape[1]
    losses = -np.log(np.clip(probabilities[np.arange(len(labels)), labels], 1e-15, 1))

    def headline(chosen):
        counts = np.bincount(
            labels[chosen] * classes + predicted[chosen], minlength=classes * classes
        ).reshape(classes, classes)
        true, called = counts.sum(axis=1), counts.sum(axis=0)
        occurs = (true + called) > 0
        f1 = 2 * np.diag(counts)[occurs] / (true + called)[occurs]
        return np.diag(counts).sum() / len(chosen), f1.mean(), losses[chosen].mean()

    random = np.random.default_rng(0)
    samples = [headline(random.integers(0, len(labels), len(labels))) for _ in range(draws)]
    low, high = np.percentile(samples, [2.5, 97.5], axis=0)
    return pd.DataFrame(
        {"value": headline(np.arange(len(labels))), "low": low, "high": high},
        index=["accuracy", "macro_f1", "log_loss"],
    )


def interval_by_subject(values: np.ndarray, subjects) -> tuple[float, float]:
    """95 % percentile interval of a mean, by resampling people instead of images.

    One person's images resemble each other, so hundreds of them say less than their number.

    Args:
        values: (n,), such as whether each answer is right.
        subjects: (n,), who is on each image; "" for unknown, an image that stands for itself.
    """
    names = pd.Series(np.asarray(subjects, object))
    names = names.where(names != "", names.index.map("{}".format))
    each = pd.Series(np.asarray(values, float)).groupby(names.to_numpy()).agg(["sum", "size"])
    random = np.random.default_rng(0)
    drawn = random.multinomial(len(each), np.full(len(each), 1 / len(each)), size=2000)
    sums, sizes = (drawn @ each.to_numpy()).T
    low, high = np.percentile(sums / sizes, [2.5, 97.5])
    return float(low), float(high)


def threshold_table(
    labels: np.ndarray, probabilities: np.ndarray, thresholds=(0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
) -> pd.DataFrame:
    """What answering "unsure" below a confidence gains and costs.

    Args:
        thresholds: least confidences of an answer, each from 0 to 1.

    Returns:
        A row a threshold: threshold, answered (count), coverage (share answered), accuracy of the
        answered with low and high (`wilson_interval`), mistakes_avoided and right_answers_lost
        (counts of what became "unsure").
    """
    confidence, correct = _confidence(labels, probabilities)
    rows = []
    for threshold in thresholds:
        answered = confidence >= threshold
        right, count = int(correct[answered].sum()), int(answered.sum())
        low, high = wilson_interval(right, count)
        rows.append(
            {
                "threshold": threshold,
                "answered": count,
                "coverage": count / len(correct),
                "accuracy": right / count if count else np.nan,
                "low": low,
                "high": high,
                "mistakes_avoided": int((~correct & ~answered).sum()),
                "right_answers_lost": int((correct & ~answered).sum()),
            }
        )
    return pd.DataFrame(rows)


def risk_coverage(labels: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """The share of mistakes among the answers, for every threshold that there is.

    The curve of Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS
    2017.

    Returns:
        A row a confidence that occurs, falling: threshold, coverage (share answered) and risk
        (share of the answered that is wrong).
    """
    confidence, correct = _confidence(labels, probabilities)
    order = np.argsort(-confidence, kind="stable")
    last = np.flatnonzero(np.diff(confidence[order], append=-1))  # equal ones are answered together
    answered = last + 1
    return pd.DataFrame(
        {
            "threshold": confidence[order][last],
            "coverage": answered / len(correct),
            "risk": np.cumsum(~correct[order])[last] / answered,
        }
    )


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927); NaN where nothing was counted."""
    if not count:
        return np.nan, np.nan
    interval = binomtest(int(right), int(count)).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def per_class_table(metrics: dict) -> pd.DataFrame:
    """The ``per_class`` part of `evaluate`, one row a class."""
    return pd.DataFrame(metrics["per_class"]).T.astype({"support": int})


def most_confident_mistakes(
    labels: np.ndarray, probabilities: np.ndarray, count: int = 12
) -> np.ndarray:
    """Indices of the wrong answers, the surest first."""
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    return wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:count]


def _confidence(labels, probabilities) -> tuple[np.ndarray, np.ndarray]:
    """Each answer's probability, and whether it is right."""
    probabilities = np.asarray(probabilities)
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == np.asarray(labels)


def _check(labels, probabilities, class_names):
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, float)
    expected = (len(labels), len(class_names))
    if labels.ndim != 1 or not len(labels) or probabilities.shape != expected:
        raise ValueError(
            f"Expected labels (n,) with n ≥ 1 and probabilities (n, {len(class_names)}). "
            f"Received: {labels.shape} and {probabilities.shape}."
        )
    if labels.min() < 0 or labels.max() >= len(class_names):
        raise ValueError(
            f"Labels are indices from 0 to {len(class_names) - 1}. "
            f"Received: {labels.min()} to {labels.max()}."
        )
    sums = probabilities.sum(axis=1, keepdims=True)
    if not np.allclose(sums, 1, atol=1e-3):
        raise ValueError(
            "Each row of probabilities must sum to 1. "
            f"Received rows that sum to between {sums.min():.3f} and {sums.max():.3f}."
        )
    return labels, probabilities / sums  # float32 rows are off by a rounding error
