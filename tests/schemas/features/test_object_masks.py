"""Masks of objects, whatever they are written as."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import save
from PIL import Image as Pillow
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.features.object_masks import MaskReader
from pixelbeam.schemas.features.objects import AnnotationCell
from pixelbeam.schemas.images.geometry import ImageGeometry
from pixelbeam.schemas.images.resizing import plan_resizing

IDS = np.array([[0, 1, 2, 3], [4, 5, 6, 255]], np.uint8)
GEOMETRY = ImageGeometry((4, 2), 1, plan_resizing((4, 2), "crop", 2, 2, True))  # its middle


def png(ids: np.ndarray) -> bytes:
    return save(Pillow.fromarray(ids), "PNG")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"polygons": [[1, 0, 3, 0, 3, 2, 1, 2]]}, [[1, 1], [1, 1]]),
        ({"polygons": []}, [[0, 0], [0, 0]]),
        ({"counts": [3, 1, 4], "size": [2, 4]}, [[0, 0], [1, 0]]),
        ({"path": "a", "data": png(IDS), "id": 6}, [[0, 0], [0, 1]]),
        ({"path": "a", "data": png(IDS)}, [[1, 1], [1, 1]]),
        (None, [[0, 0], [0, 0]]),
    ],
)
def test_masks(item, expected):
    reader = MaskReader(GEOMETRY, AnnotationCell([item]))
    assert reader.read(item).tolist() == expected
    assert (reader.missing, reader.is_scaled) == (int(item is None), False)


def test_a_mask_of_another_size():
    reader = MaskReader(GEOMETRY, AnnotationCell([]))
    reader.read({"counts": [0, 32], "size": [4, 8]})
    assert reader.is_scaled
    polygons = AnnotationCell([], size=(8, 4))
    reader = MaskReader(GEOMETRY, polygons)
    assert reader.read({"polygons": [[2, 0, 4, 0, 4, 4, 2, 4]]}).tolist() == [[1, 0], [1, 0]]
    assert reader.is_scaled


@pytest.mark.parametrize(
    ("item", "reason", "message"),
    [
        (
            {"polygons": [[1, 2]]},
            "bad_polygon",
            "got the polygon [1, 2], expected x and y of at least three points, as in [x, y, x, y, x, y]",
        ),
        (
            {"counts": [9], "size": [2, 4]},
            "bad_mask",
            "got run lengths of 9 pixels, the smallest of 0, expected 8, height times width, and none below 0",
        ),
        (
            {"counts": [2], "size": [2, 1]},
            "annotation_size",
            "got annotations of an image of 1x2 (width x height); expected 4x2 (width x height), which the image "
            "has, or the same shape",
        ),
        (
            {"counts": [1], "size": [1 << 20, 1 << 20]},
            "bad_mask",
            "got the mask [1048576, 1048576], expected at most 178956970 pixels",
        ),
        (
            "a.png",
            "bad_mask",
            "got the mask 'a.png', expected polygons, counts and size [height, width], path, or null",
        ),
        (
            {"counts": [1]},
            "bad_mask",
            "got the mask {'counts': [1]}, expected polygons, counts and size [height, width], path, or null",
        ),
        (
            {"path": "a", "data": png(IDS), "id": "x"},
            "bad_mask",
            "got the mask 'x', expected a number under 'id'",
        ),
    ],
)  # fmt: skip
def test_masks_that_are_none(item, reason, message):
    with pytest.raises(Reject) as caught:
        MaskReader(GEOMETRY, AnnotationCell([item])).read(item)
    assert (caught.value.reason, caught.value.message) == (reason, message)
