"""The masks of objects as manifests write them: polygons, run lengths, what has an id in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Reject
from ..images.annotation_space import AnnotationSpace
from ..images.geometry import ImageGeometry
from ..images.masks import (
    MAX_PIXELS,
    draw_polygons,
    draw_runs,
    place_mask,
    read_ids,
    read_polygon,
    read_runs,
)
from .base import shorten
from .objects import AnnotationCell

__all__ = ["MaskReader"]


class MaskReader:
    """Reads the masks of one image, each file once.

    Args:
        geometry: of the image.
        cell: lists the masks.

    Attributes:
        missing: how many of those that were read are null.
        is_scaled: whether one of them is of another size than its image.
    """

    def __init__(self, geometry: ImageGeometry, cell: AnnotationCell) -> None:
        self._geometry, self._cell = geometry, cell
        self._files: dict[str, NDArray[Any]] = {}
        self.missing = 0
        self.is_scaled = False

    def read(self, item: Any) -> NDArray[np.uint8]:
        """Zeros and ones ``[height, width]`` of the record's image.

        Raises:
            Reject: see ``Masks.encode``.
        """
        width, height = self._geometry.record_size
        if item is None:
            self.missing += 1
            return np.zeros((height, width), np.uint8)
        mask = self._of_source(item)
        space = AnnotationSpace.find(self._geometry, (mask.shape[1], mask.shape[0]))
        self.is_scaled |= space.is_scaled
        return place_mask(mask, space)

    def _of_source(self, item: Any) -> NDArray[np.uint8]:
        match item:
            case {"polygons": list() | tuple() as polygons}:
                space = self._cell.space(self._geometry)
                width, height = _bounded(space.size)
                if self._cell.normalization(None):
                    polygons = [(read_polygon(p) * space.size).ravel().tolist() for p in polygons]
                return draw_polygons(polygons, height, width)
            case {"counts": counts, "size": [int(height), int(width)]} if min(height, width) > 0:
                _bounded((width, height))
                return draw_runs(read_runs(counts, height * width), height, width)
            case {"path": str(path), "data": bytes(data)}:
                if path not in self._files:
                    self._files[path] = read_ids(data)
                ids, wanted = self._files[path], item.get("id")
                if wanted is not None and (not isinstance(wanted, int) or isinstance(wanted, bool)):
                    raise _bad_mask(wanted, "a number under 'id'")
                found = ids != 0 if wanted is None else ids == wanted
                return np.asarray(found, np.uint8)
        expected = "polygons, counts and size [height, width], path, or null"
        shown = (
            {k: v for k, v in item.items() if k != "data"} if isinstance(item, Mapping) else item
        )
        raise _bad_mask(shown, expected)


def _bounded(size: tuple[int, int]) -> tuple[int, int]:
    if size[0] * size[1] > MAX_PIXELS:
        raise _bad_mask(list(size), f"at most {MAX_PIXELS} pixels")
    return size


def _bad_mask(value: Any, expected: str) -> Reject:
    return Reject("encode", "bad_mask", f"got the mask {shorten(value)}, expected {expected}")
