"""Polygons as arrays of points, cut at the edges of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .resizing import Box

__all__ = ["clip_polygon"]


def clip_polygon(points: NDArray[np.float64], edges: Box) -> NDArray[np.float64]:
    """What edges leave of a polygon, by Sutherland and Hodgman's algorithm.

    Where several parts are left of a polygon that is not convex, they are joined along the edges.

    Args:
        points: x and y ``[n, 2]``.
        edges: left, top, right and bottom.

    Returns:
        The points of what is left ``[m, 2]``; none where nothing with an area is.
    """
    low, high = np.array(edges[:2]), np.array(edges[2:])
    if (points >= low).all() and (points <= high).all():
        return points
    for axis in (0, 1):
        points = _cut(points, axis, low[axis], 1)
        points = _cut(points, axis, high[axis], -1)
    # Cut along an edge, what was outside comes to lie on it.

    return points if len(points) > 2 and _area(points) > 0 else np.empty((0, 2))


def _cut(points: NDArray[np.float64], axis: int, edge: float, sign: int) -> NDArray[np.float64]:
    """What lies on one side of an edge: beyond it with the sign 1, before it with -1."""
    if not len(points):
        return points
    before = np.roll(points, 1, axis=0)
    inside, was_inside = ((p[:, axis] - edge) * sign >= 0 for p in (points, before))
    crosses = inside != was_inside
    rise = np.where(crosses, points[:, axis] - before[:, axis], 1.0)
    share = (edge - before[:, axis]) / rise
    crossing = before + share[:, np.newaxis] * (points - before)
    crossing[:, axis] = edge
    # Of each side of the polygon, first where it crosses the edge, then where it ends.
    both = np.stack([crossing, points], axis=1).reshape(-1, 2)
    left: NDArray[np.float64] = both[np.stack([crosses, inside], axis=1).ravel()]
    return left


def _area(points: NDArray[np.float64]) -> float:
    x, y = points.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
