"""Polygons cut at edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixelbeam.schemas.images.polygons import clip_polygon

EDGES = (10.0, 20.0, 50.0, 40.0)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([[20, 25], [30, 25], [30, 35]], [[20, 25], [30, 25], [30, 35]]),
        ([[0, 0], [100, 0], [100, 100], [0, 100]], [[10, 40], [10, 20], [50, 20], [50, 40]]),
        ([[40, 30], [60, 30], [60, 50]], [[40, 30], [50, 30], [50, 40]]),
        ([[0, 0], [5, 0], [5, 100]], []),
        ([[0, 30], [10, 30], [10, 35]], []),  # it touches the edge from outside
    ],
)
def test_what_edges_leave(points, expected):
    found = clip_polygon(np.array(points, float), EDGES).tolist()
    assert sorted(found) == sorted(expected)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=3, max_size=3))
def test_what_is_left_of_a_triangle_is_what_is_seen_of_it(points):
    triangle = np.array(points, float)
    x, y = clip_polygon(triangle, EDGES).T
    area = abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    # By points on a fine grid, each on one side of all three lines.
    grid_y, grid_x = np.mgrid[20:40:0.1, 10:50:0.1] + 0.05
    sides = [
        (b[0] - a[0]) * (grid_y - a[1]) - (b[1] - a[1]) * (grid_x - a[0])
        for a, b in zip(triangle, np.roll(triangle, -1, axis=0), strict=True)
    ]
    inside = np.all([side > 0 for side in sides], axis=0) | np.all([s < 0 for s in sides], axis=0)
    assert abs(inside.sum() * 0.01 - area) < 10
