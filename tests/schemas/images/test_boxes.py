"""Formats of boxes, and what edges leave of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pixelbeam.schemas.images.boxes import (
    FORMATS,
    count_beyond,
    cut_boxes,
    from_corners,
    to_corners,
)

CORNERS = np.array([[10.0, 20.0, 40.0, 80.0]])
EDGES = (0.0, 0.0, 100.0, 50.0)


@pytest.mark.parametrize(
    ("of", "box"),
    [
        ("xyxy", [10, 20, 40, 80]),
        ("yxyx", [20, 10, 80, 40]),
        ("xywh", [10, 20, 30, 60]),
        ("cxcywh", [25, 50, 30, 60]),
    ],
)
def test_formats(of, box):
    np.testing.assert_array_equal(to_corners(np.array([box]), of), CORNERS)
    np.testing.assert_array_equal(from_corners(CORNERS, of), [box])


@given(arrays.arrays(float, (5, 4), elements=st.integers(0, 1000).map(float)))
def test_formats_there_and_back(boxes):
    for of in FORMATS:
        np.testing.assert_allclose(from_corners(to_corners(boxes, of), of), boxes)


def test_no_boxes():
    for of in FORMATS:
        assert to_corners(np.empty((0, 4)), of).shape == from_corners(np.empty((0, 4)), of).shape
    for cut in ("clip", "drop", "keep"):
        assert cut_boxes(np.empty((0, 4)), EDGES, cut, 0.5).corners.shape == (0, 4)
    assert count_beyond(np.empty((0, 4)), EDGES) == 0


# Whole; cut to a half; cut to a tenth; outside; without area; beside the edge by rounding.
BOXES = np.array(
    [
        [10.0, 10, 20, 20],
        [30, 40, 40, 60],
        [50, 49, 60, 59],
        [10, 60, 20, 70],
        [5, 5, 5, 9],
        [90, 0, 100.2, 10],
    ]
)


def test_clip_leaves_what_is_shown():
    cut = cut_boxes(BOXES, EDGES, "clip")
    assert cut.indices.tolist() == [0, 1, 2, 5]
    assert cut.corners[1].tolist() == [30, 40, 40, 50]
    assert cut.corners[3].tolist() == [90, 0, 100, 10]
    assert (cut.clipped, cut.outside, cut.small, cut.empty) == (2, 1, 0, 1)


def test_drop_leaves_those_that_are_shown_enough():
    cut = cut_boxes(BOXES, EDGES, "drop", 0.5)
    assert cut.indices.tolist() == [0, 1, 5]
    assert cut.corners[1].tolist() == [30, 40, 40, 50]
    assert (cut.clipped, cut.outside, cut.small, cut.empty) == (1, 1, 1, 1)


def test_keep_leaves_all_as_they_are():
    cut = cut_boxes(BOXES, EDGES, "keep")
    np.testing.assert_array_equal(cut.corners, BOXES)
    assert cut.indices.tolist() == [0, 1, 2, 3, 4, 5]
    assert (cut.clipped, cut.outside, cut.small, cut.empty) == (0, 0, 0, 1)


def test_boxes_that_touch_an_edge_from_outside_are_outside():
    cut = cut_boxes(np.array([[-10.0, 0, 0, 10]]), EDGES, "clip")
    assert (cut.indices.tolist(), cut.outside) == ([], 1)


def test_beyond_is_by_more_than_half_a_pixel():
    boxes = np.array([[0, 0, 100.5, 50], [0, 0, 100.6, 50], [-0.6, 0, 5, 5], [1, 1, 2, 60]])
    assert count_beyond(boxes, EDGES) == 3
    edges = (10.0, 20.0, 100.0, 50.0)
    boxes = np.array([[9.5, 19.5, 100.5, 50.5], [10, 19.4, 20, 30], [9.4, 20, 20, 30]])
    assert [count_beyond(boxes[[row]], edges) for row in range(3)] == [0, 1, 1]
