"""Boxes as arrays: their formats, and what an image's edges leave of them.

Coordinates are continuous: the left top corner of an image is (0, 0), its right bottom corner (width, height).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .resizing import Box

__all__ = [
    "FORMATS",
    "BoxFormat",
    "Cut",
    "CutBoxes",
    "count_beyond",
    "cut_boxes",
    "from_corners",
    "to_corners",
]

BoxFormat = Literal["xyxy", "xywh", "cxcywh", "yxyx"]
FORMATS: tuple[BoxFormat, ...] = ("xyxy", "xywh", "cxcywh", "yxyx")

Cut = Literal["clip", "drop", "keep"]

Boxes: TypeAlias = NDArray[np.float64]

_TOLERANCE = 0.5
"""By how many pixels a box may reach beyond an edge before it counts: tools write rounded numbers."""


def to_corners(boxes: NDArray[Any], of: BoxFormat) -> Boxes:
    """Boxes ``[n, 4]`` of a format as left, top, right and bottom."""
    a, b, c, d = np.asarray(boxes, np.float64).reshape(-1, 4).T
    corners = {
        "xyxy": (a, b, c, d),
        "xywh": (a, b, a + c, b + d),
        "cxcywh": (a - c / 2, b - d / 2, a + c / 2, b + d / 2),
        "yxyx": (b, a, d, c),
    }[of]
    return np.stack(corners, axis=-1)


def from_corners(corners: NDArray[Any], to: BoxFormat) -> Boxes:
    """Left, top, right and bottom ``[n, 4]`` as boxes of a format."""
    left, top, right, bottom = np.asarray(corners, np.float64).reshape(-1, 4).T
    boxes = {
        "xyxy": (left, top, right, bottom),
        "xywh": (left, top, right - left, bottom - top),
        "cxcywh": ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top),
        "yxyx": (top, left, bottom, right),
    }[to]
    return np.stack(boxes, axis=-1)


@dataclass(frozen=True, slots=True)
class CutBoxes:
    """What the edges of an image leave of boxes.

    Attributes:
        corners: of the boxes that are left ``[kept, 4]``.
        indices: which they are of those that were there ``[kept]``.
        clipped: how many of these were cut.
        outside: how many were dropped since nothing of them is on the image.
        small: how many were dropped since too little of them is.
        empty: how many have no area in the source; with ``keep`` they are left.
    """

    corners: Boxes
    indices: NDArray[np.int64]
    clipped: int
    outside: int
    small: int
    empty: int


def cut_boxes(corners: Boxes, edges: Box, cut: Cut, min_visible: float = 0.0) -> CutBoxes:
    """Cuts boxes at the edges of an image.

    Args:
        corners: left, top, right and bottom ``[n, 4]``.
        edges: of the image, likewise.
        cut: ``clip`` leaves of each box what is on the image, ``drop`` does so too but for boxes of which less
            than ``min_visible`` is, ``keep`` leaves all boxes as they are.
        min_visible: a share of the box's area.
    """
    low, high = np.array(edges[:2]), np.array(edges[2:])
    inside = np.concatenate(
        [corners[:, :2].clip(low, high), corners[:, 2:].clip(low, high)], axis=1
    )
    area, visible = _areas(corners), _areas(inside)
    empty = area <= 0
    if cut == "keep":
        every = np.arange(len(corners))
        return CutBoxes(corners, every, 0, 0, 0, int(empty.sum()))
    outside = ~empty & (visible <= 0)
    small = ~empty & ~outside & (cut == "drop") & (visible < min_visible * area)
    left = ~(empty | outside | small)
    moved = np.abs(inside - corners).max(axis=1, initial=0) > _TOLERANCE
    return CutBoxes(
        inside[left],
        np.flatnonzero(left),
        int((moved & left).sum()),
        int(outside.sum()),
        int(small.sum()),
        int(empty.sum()),
    )


def count_beyond(corners: Boxes, edges: Box) -> int:
    """How many boxes reach beyond edges, by more than half a pixel."""
    low, high = np.array(edges[:2]) - _TOLERANCE, np.array(edges[2:]) + _TOLERANCE
    return int(((corners[:, :2] < low) | (corners[:, 2:] > high)).any(axis=1).sum())


def _areas(corners: Boxes) -> Boxes:
    return np.asarray((corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1]))
