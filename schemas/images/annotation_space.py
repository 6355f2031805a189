"""Which pixels the numbers of an annotation count, and where they lie in the record.

Annotations are of the image as viewers show it, turned upright by EXIF's orientation, unless the width and
height that stand beside them show that they are of the image as it is stored: the image is turned on its
side, and they are the stored ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Reject
from .geometry import ImageGeometry
from .resizing import Size, size_text

__all__ = ["AnnotationSpace"]


@dataclass(frozen=True, slots=True)
class AnnotationSpace:
    """The pixels that annotations of an image count.

    Attributes:
        geometry: of the image that they are of.
        size: width and height of the image as the annotations mean it.
        is_stored: whether they are of the image as it lies in the file, not as it is displayed.
    """

    geometry: ImageGeometry
    size: Size
    is_stored: bool = False

    @classmethod
    def find(cls, geometry: ImageGeometry, size: Size | None) -> AnnotationSpace:
        """The space of annotations that say to be of an image of some size.

        Args:
            geometry: of their image.
            size: the width and height that they say; ``None`` where they say none.

        Raises:
            Reject: ``annotation_size``, no scale makes one size of the other.
        """
        displayed, stored = geometry.displayed_size, geometry.stored_size
        if size is None or size == displayed:
            return cls(geometry, displayed)
        if size == stored:
            return cls(geometry, stored, True)
        if _same_shape(size, displayed):
            return cls(geometry, size)
        if _same_shape(size, stored):
            return cls(geometry, size, True)
        turned = f", stored as {size_text(stored)}" if stored != displayed else ""
        message = f"got annotations of an image of {size_text(size)}"
        expected = (
            f"expected {size_text(displayed)}, which the image has{turned}, or the same shape"
        )
        raise Reject("encode", "annotation_size", f"{message}; {expected}")

    @property
    def is_scaled(self) -> bool:
        """Whether the annotations are of a larger or smaller copy of the image."""
        return self.size != self._own_size

    @property
    def _own_size(self) -> Size:
        return self.geometry.stored_size if self.is_stored else self.geometry.displayed_size

    def map(self, points: NDArray[Any], normalized: bool = False) -> NDArray[np.float64]:
        """Where points lie in the record; see ``ImageGeometry.map_displayed``.

        Args:
            points: x and y ``[n, 2]``, in pixels of ``size``.
            normalized: whether they are shares of width and height instead.
        """
        scale = np.array(self._own_size, np.float64)
        if not normalized:
            scale = scale / self.size
        scaled = points * scale
        return (
            self.geometry.map_stored(scaled)
            if self.is_stored
            else self.geometry.map_displayed(scaled)
        )

    def map_boxes(self, corners: NDArray[Any], normalized: bool = False) -> NDArray[np.float64]:
        """Where boxes lie in the record; an image that is turned turns them too.

        Args:
            corners: left, top, right and bottom ``[n, 4]``, as ``map`` takes points.
            normalized: as in ``map``.
        """
        mapped = self.map(corners.reshape(-1, 2), normalized).reshape(-1, 2, 2)
        return np.concatenate([mapped.min(axis=1), mapped.max(axis=1)], axis=1)


def _same_shape(size: Size, other: Size) -> bool:
    """Whether one is a scaled copy of the other, whose sides were rounded to whole pixels."""
    (width, height), (other_width, other_height) = size, other
    # A side of the smaller one is off by half a pixel at most, which counts as often as the other has pixels.
    off = 0.5 * max(sum(size), sum(other))
    return abs(width * other_height - height * other_width) <= off
