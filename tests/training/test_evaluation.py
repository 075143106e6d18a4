"""Against examples worked out by hand."""

import math

import numpy as np
import pytest

from utils.training import evaluation

# Six images of three classes. Answers: a→a, a→b, b→b, b→b, c→a, c→c.
LABELS = np.array([0, 0, 1, 1, 2, 2])
PROBABILITIES = np.array(
    [
        [0.8, 0.1, 0.1],
        [0.3, 0.6, 0.1],
        [0.2, 0.7, 0.1],
        [0.0, 1.0, 0.0],
        [0.5, 0.1, 0.4],
        [0.2, 0.2, 0.6],
    ]
)
CONFUSION = [[1, 1, 0], [0, 2, 0], [1, 0, 1]]


def test_report_by_hand():
    report = evaluation.evaluate(LABELS, PROBABILITIES, ("a", "b", "c"))
    assert report["n"] == 6
    assert report["confusion"] == CONFUSION
    assert report["accuracy"] == pytest.approx(4 / 6)
    # a: precision 1/2, recall 1/2; b: 2/3 and 1; c: 1 and 1/2.
    assert report["per_class"]["a"] == pytest.approx(
        {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    )
    assert report["per_class"]["b"]["precision"] == pytest.approx(2 / 3)
    assert report["per_class"]["b"]["f1"] == pytest.approx(0.8)
    assert report["per_class"]["c"]["f1"] == pytest.approx(2 / 3)
    assert report["macro_f1"] == pytest.approx((0.5 + 0.8 + 2 / 3) / 3)
    log_loss = -sum(map(math.log, (0.8, 0.3, 0.7, 1.0, 0.4, 0.6))) / 6
    assert report["log_loss"] == pytest.approx(log_loss)


def test_a_class_that_no_image_has_is_named_and_has_a_mean_without_it():
    here = LABELS < 2  # a→a, a→b, b→b, b→b, of three classes
    answers = PROBABILITIES[here].copy()
    answers[1] = [0.3, 0.1, 0.6]  # a→c
    report = evaluation.evaluate(LABELS[here], answers, ("a", "b", "c"))
    assert report["absent"] == ["c"]
    assert report["macro_f1_present"] == pytest.approx((2 / 3 + 1) / 2)
    assert report["macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_few_people_tell_less_than_their_images():
    right = np.repeat([1, 1, 1, 0], 25)
    by_person = evaluation.interval_by_subject(right, np.repeat(list("abcd"), 25))
    each_its_own = evaluation.interval_by_subject(right, [""] * 100)
    assert by_person[0] < 0.5 < each_its_own[0] < 0.75 < each_its_own[1] < by_person[1]
    assert evaluation.interval_by_subject([1, 0], ["a", "a"]) == (0.5, 0.5)


def test_precision_columns_and_recall_rows_sum_to_one():
    precision = evaluation.precision_matrix(CONFUSION)
    recall = evaluation.recall_matrix(CONFUSION)
    assert precision == pytest.approx(np.array([[1 / 2, 1 / 3, 0], [0, 2 / 3, 0], [1 / 2, 0, 1]]))
    assert recall == pytest.approx(np.array([[1 / 2, 1 / 2, 0], [0, 1, 0], [1 / 2, 0, 1 / 2]]))


def test_class_never_answered_has_a_column_of_zeros():
    assert evaluation.precision_matrix([[2, 0], [3, 0]]).tolist() == [[0.4, 0], [0.6, 0]]
    assert evaluation.recall_matrix([[0, 0], [1, 3]]).tolist() == [[0, 0], [0.25, 0.75]]


def test_calibration_error_by_hand():
    # Two answers at 0.9, one right; two at 0.6, both right: (|.5-.9| + |1-.6|) / 2.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    labels = np.array([0, 1, 0, 0])
    assert evaluation.expected_calibration_error(labels, probabilities) == pytest.approx(0.4)


def test_calibration_error_of_a_calibrated_answer_is_nothing():
    probabilities = np.tile([0.75, 0.25], (4, 1))
    labels = np.array([0, 0, 0, 1])
    assert evaluation.expected_calibration_error(labels, probabilities) == pytest.approx(0)


def test_interval_holds_the_value_and_narrows_with_more_images():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 2000)
    probabilities = random.dirichlet((1, 1, 1), 2000)
    wide = evaluation.bootstrap_intervals(labels[:100], probabilities[:100])
    narrow = evaluation.bootstrap_intervals(labels, probabilities)
    assert ((wide["low"] < wide["value"]) & (wide["value"] < wide["high"])).all()
    assert ((narrow["high"] - narrow["low"]) < (wide["high"] - wide["low"]) / 2).all()
    # A share's standard error is √(p(1-p)/n); the interval is about four of them wide.
    share = narrow.loc["accuracy", "value"]
    expected = 2 * 1.96 * math.sqrt(share * (1 - share) / 2000)
    assert narrow.loc["accuracy", "high"] - narrow.loc["accuracy", "low"] == pytest.approx(
        expected, rel=0.15
    )


def test_bootstrap_and_report_agree_on_the_value():
    report = evaluation.evaluate(LABELS, PROBABILITIES, ("a", "b", "c"))
    values = evaluation.bootstrap_intervals(LABELS, PROBABILITIES, draws=10)["value"]
    for name in ("accuracy", "macro_f1", "log_loss"):
        assert values[name] == pytest.approx(report[name])


def test_surest_mistakes_come_first():
    assert evaluation.most_confident_mistakes(LABELS, PROBABILITIES).tolist() == [1, 4]


def test_thresholds_by_hand():
    # Confidences 0.8 0.6 0.7 1.0 0.5 0.6; right, wrong, right, right, wrong, right.
    table = evaluation.threshold_table(LABELS, PROBABILITIES, [0, 0.6, 0.65, 1.01])
    assert table["answered"].tolist() == [6, 5, 3, 0]  # a confidence of 0.6 is enough for 0.6
    assert table["coverage"].tolist() == pytest.approx([1, 5 / 6, 1 / 2, 0])
    assert table["accuracy"].tolist()[:3] == pytest.approx([4 / 6, 4 / 5, 1])
    assert table["mistakes_avoided"].tolist() == [0, 1, 2, 2]
    assert table["right_answers_lost"].tolist() == [0, 0, 1, 4]
    assert table.loc[3, ["accuracy", "low", "high"]].isna().all()
    answered = table.loc[:2]
    assert ((answered["low"] < answered["accuracy"]) & (answered["low"] > 0)).all()
    assert (answered["high"] <= 1).all()


def test_wilson_interval_is_where_a_binomial_test_turns():
    # It holds the shares p that lie within 1.96 standard errors √(p(1−p)/n) of what was seen.
    for right, count in ((8, 10), (0, 20), (1500, 3589)):
        low, high = evaluation.wilson_interval(right, count)
        for edge in (low, high):
            reach = 1.959963985 * math.sqrt(edge * (1 - edge) / count)
            assert abs(right / count - edge) == pytest.approx(reach, abs=1e-9)
        assert low <= right / count <= high


def test_risk_coverage_by_hand():
    curve = evaluation.risk_coverage(LABELS, PROBABILITIES)
    assert curve["threshold"].tolist() == [1.0, 0.8, 0.7, 0.6, 0.5]
    assert curve["coverage"].tolist() == pytest.approx([1 / 6, 2 / 6, 3 / 6, 5 / 6, 1])
    assert curve["risk"].tolist() == pytest.approx([0, 0, 0, 1 / 5, 2 / 6])


def test_curve_and_table_agree():
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 200)
    probabilities = random.dirichlet((1, 1, 1), 200).round(1)  # with many ties
    curve = evaluation.risk_coverage(labels, probabilities)
    table = evaluation.threshold_table(labels, probabilities, curve["threshold"])
    assert table["coverage"].tolist() == curve["coverage"].tolist()
    assert (1 - table["accuracy"]).tolist() == pytest.approx(curve["risk"].tolist())


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [
        ([0, 1], np.full((2, 3), 1 / 3)),
        ([0, 2], np.full((2, 2), 0.5)),
        ([], np.empty((0, 2))),
        ([0, 1], np.full((2, 2), 0.7)),
    ],
)
def test_unfitting_arrays_are_refused(labels, probabilities):
    with pytest.raises(ValueError, match="Received"):
        evaluation.evaluate(np.array(labels, int), probabilities, ("a", "b"))
