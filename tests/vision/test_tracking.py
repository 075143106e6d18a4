"""Ids across frames, smoothing in seconds, and median flow."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from utils.vision.opencv import cv2
from utils.vision.tracking import FaceTracker, Track, cheapest_pairs, follow_boxes


def run(tracker, boxes_at, times):
    """Ids of the visible tracks after each detection, as {id: left edge}."""
    seen = []
    for seconds in times:
        tracker.update(boxes_at(seconds), seconds)
        seen.append({track.id: track.box[0] for track in tracker.visible(seconds)})
    return seen


def test_two_faces_that_cross_keep_their_ids():
    jitter = np.random.default_rng(3)

    def boxes_at(seconds):
        lefts = 50 + 200 * seconds, 450 - 200 * seconds  # they meet after one second
        boxes = [(x + jitter.normal(0, 2), 100 + jitter.normal(0, 2), 80, 80) for x in lefts]
        if abs(lefts[0] - lefts[1]) < 40:
            boxes = boxes[:1]  # the one in front hides the other
        return boxes[::-1] if jitter.random() < 0.5 else boxes  # detectors keep no order

    seen = run(FaceTracker(), boxes_at, np.arange(0, 2, 1 / 15))
    first_left = min(seen[0], key=seen[0].get)
    assert set(seen[-1]) == set(seen[0]) and len(seen[0]) == 2
    assert max(seen[-1], key=seen[-1].get) == first_left


def test_a_face_keeps_its_id_through_a_gap_and_gets_a_new_one_after_a_longer():
    tracker = FaceTracker(linger=0.2, patience=1.0)
    box = (100, 100, 60, 60)
    tracker.update([box], 0.0)
    tracker.update([], 0.1)
    assert [track.id for track in tracker.visible(0.1)] == [1]
    tracker.update([], 0.5)
    assert tracker.visible(0.5) == []
    tracker.update([box], 0.9)
    assert [track.id for track in tracker.visible(0.9)] == [1]
    tracker.update([box], 5.0)
    assert [track.id for track in tracker.visible(5.0)] == [2]


def test_faces_far_apart_or_of_another_size_are_other_faces():
    tracker = FaceTracker()
    tracker.update([(0, 0, 50, 50)], 0.0)
    tracker.update([(300, 0, 50, 50)], 0.1)
    assert [track.id for track in tracker.tracks] == [1, 2]
    tracker.update([(290, 0, 200, 200)], 0.2)
    assert [track.id for track in tracker.tracks] == [1, 2, 3]


def test_a_face_that_can_no_longer_be_followed_is_hidden_at_once():
    tracker = FaceTracker()
    tracker.update([(0, 0, 50, 50)], 0.0)
    tracker.follow([None], 0.1)
    assert tracker.visible(0.1) == []
    tracker.update([(0, 0, 50, 50)], 0.2)
    assert [track.id for track in tracker.visible(0.2)] == [1]


def test_a_face_behind_another_is_hidden_and_comes_back_with_its_id():
    tracker = FaceTracker()
    near, far = (100, 100, 80, 80), (200, 100, 80, 80)
    tracker.update([near, far], 0.0)
    tracker.update([near, (130, 100, 80, 80)], 0.1)
    tracker.update([near], 0.2)  # the other one comes nearer, but nothing is seen of it
    assert [track.id for track in tracker.visible(0.2)] == [1]
    tracker.update([near, (40, 100, 80, 80)], 0.4)
    assert {track.id: track.box[0] < 60 for track in tracker.visible(0.4)} == {1: False, 2: True}


@pytest.mark.parametrize("frames_a_second", [5, 10, 40])
def test_smoothing_depends_on_seconds_and_not_on_frames(frames_a_second):
    track = Track(1, np.array([0.0, 0, 10, 10]), 0.0, 0.0)
    track.smooth([1, 0], 0.0, time_constant=0.5)
    for count in range(1, frames_a_second + 1):
        track.smooth([0, 1], count / frames_a_second, time_constant=0.5)
    # The old answer fades as e^(-t / 0.5 s): after one second e^-2 is left.
    assert track.probabilities == pytest.approx([np.exp(-2), 1 - np.exp(-2)])


def test_without_a_time_constant_the_newest_reading_stands():
    track = Track(1, np.array([0.0, 0, 10, 10]), 0.0, 0.0)
    track.smooth([1, 0], 0.0, time_constant=0)
    track.smooth([0.25, 0.75], 0.1, time_constant=0)
    assert track.probabilities.tolist() == [0.25, 0.75]


def textured(seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (60, 80), dtype=np.uint8)
    return cv2.GaussianBlur(cv2.resize(noise, (320, 240)), (5, 5), 0)


def test_flow_follows_a_shift_and_a_growth():
    before = textured()
    grow, across, down = 1.04, 5.0, -3.0
    centre = np.array([160.0, 120.0])
    matrix = cv2.getRotationMatrix2D(tuple(centre), 0, grow)
    matrix[:, 2] += across, down
    now = cv2.warpAffine(before, matrix, (320, 240), borderMode=cv2.BORDER_REFLECT)
    box = np.array([110.0, 70, 100, 100])  # centred where the growth is
    (moved,) = follow_boxes(before, now, [box])
    expected = [165 - 52, 117 - 52, 104, 104]
    assert moved == pytest.approx(expected, abs=1.0)


def test_flow_gives_up_where_the_scene_has_changed():
    assert follow_boxes(textured(0), textured(1), [np.array([110.0, 70, 100, 100])]) == [None]
    assert follow_boxes(textured(0), textured(1), []) == []


def test_times_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="patience"):
        FaceTracker(linger=2, patience=1)


@pytest.mark.parametrize("forbidden", [0.0, 0.6, 0.95, 1.0])
def test_pairs_have_the_least_total_cost(forbidden):
    random = np.random.default_rng(5)
    for rows, columns in random.integers(0, 12, (300, 2)):
        costs = random.random((rows, columns))
        costs[random.random(costs.shape) < forbidden] = 1e6  # as of faces that cannot be the same
        best = costs[linear_sum_assignment(costs)].sum()
        pairs = cheapest_pairs(costs)
        assert len(pairs) == min(rows, columns)
        assert all(len(set(side)) == len(pairs) for side in zip(*pairs, strict=True))
        assert sum(costs[pair] for pair in pairs) == pytest.approx(best, abs=1e-6)
