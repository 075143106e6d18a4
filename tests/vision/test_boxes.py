"""Boxes are cut, compared and chosen as their docstrings say."""

import numpy as np
import pytest

from utils.vision.boxes import clip_box, intersection_over_union, merge_boxes, nearest_box


def test_boxes_are_clipped_and_merged():
    assert clip_box((-10, -20, 30, 40), (100, 80)) == (0, 0, 20, 20)
    assert clip_box((70.4, 90.6, 30, 40), (100, 80, 3)) == (70, 91, 10, 9)
    assert clip_box((200, 0, 10, 10), (100, 80)) is None
    large, nested, aside = (0, 0, 100, 100), (40, 40, 30, 30), (90, 0, 60, 60)
    assert merge_boxes([nested, aside, large]) == [large, aside]
    assert merge_boxes([]) == []


def test_intersection_over_union_is_the_share_that_two_boxes_have_in_common():
    box = (10, 20, 30, 40)
    assert intersection_over_union(box, np.array(box, float)) == 1
    assert intersection_over_union(box, (25, 40, 30, 40)) == pytest.approx(300 / 2100)
    assert intersection_over_union(box, (40, 20, 30, 40)) == 0  # they only touch
    assert intersection_over_union(box, (100, 100, 5, 5)) == 0


def test_the_nearest_box_is_that_of_the_nearest_centre():
    wide, small = (0, 0, 100, 20), (60, 0, 10, 10)
    assert nearest_box([wide, small], (40, 5, 20, 10)) == wide
    assert nearest_box([wide, small], (62, 2, 4, 4)) == small
