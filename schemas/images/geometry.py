"""Where a point of an image file lies in its record: what was done to an image, without its pixels.

Points are continuous, x before y: the pixel in the left top corner reaches from (0, 0) to (1, 1), its centre is at
(0.5, 0.5), and the right bottom corner of an image is at (width, height). So the edges of boxes are points.

They are in one of two spaces. *Displayed* is the image as viewers show it, turned upright by EXIF's orientation:
people who draw boxes see that, and most tools write it down. *Stored* is the image as the pixels lie in the file,
which is what tools see that ignore the orientation. For most files the two are the same. Where an image is turned
on its side, the width and height that an annotation gives beside its boxes tell which of the two it means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .resizing import Box, ResizingPlan, Size, pad_offset

__all__ = ["SIDEWAYS", "ImageGeometry"]

SIDEWAYS = (5, 6, 7, 8)
"""The orientations that swap width and height."""


@dataclass(frozen=True, slots=True)
class ImageGeometry:
    """How an image came from its file into its record; what it hands on to the features that are ``of`` it.

    A JPEG decoder that scales on the way moves nothing: the plan is made for the whole image.

    Attributes:
        displayed_size: width and height of the image as viewers show it.
        orientation: by which the file's pixels are turned to be displayed: 1 to 8 as EXIF counts them,
            be it said by EXIF, by XMP or by TIFF's own tag. 1 for arrays, and for what has no file.
        plan: what part of the displayed image is scaled to what size, on what canvas.
    """

    displayed_size: Size
    orientation: int
    plan: ResizingPlan

    @property
    def stored_size(self) -> Size:
        """Width and height of the image as its pixels lie in the file."""
        width, height = self.displayed_size
        return (height, width) if self.orientation in SIDEWAYS else (width, height)

    @property
    def record_size(self) -> Size:
        """Width and height of the image in the record, with what it is padded with."""
        return self.plan.canvas

    @property
    def shown(self) -> Box:
        """Left, top, right and bottom of what the record's image shows of the file's, without padding."""
        (left, top), (width, height) = pad_offset(self.plan), self.plan.size
        return (left, top, left + width, top + height)

    def map_displayed(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Where points of the displayed image lie in the record.

        Args:
            points: x and y in pixels ``[n, 2]``.

        Returns:
            x and y in pixels of the record's image ``[n, 2]``. Those of points that were cut off lie outside
            of it: below 0, or beyond ``record_size``.
        """
        left, top, right, bottom = self.plan.box
        scale = np.array(self.plan.size) / (right - left, bottom - top)
        mapped: NDArray[np.float64] = (points - np.array((left, top))) * scale
        return mapped + pad_offset(self.plan)

    def map_stored(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Where points of the image as it is stored lie in the record; see ``map_displayed``."""
        x, y = np.asarray(points, np.float64).T
        width, height = self.stored_size
        # EXIF numbers what has to be done to the stored image: mirrored, turned, or both.
        displayed = {
            1: (x, y),
            2: (width - x, y),
            3: (width - x, height - y),
            4: (x, height - y),
            5: (y, x),
            6: (height - y, x),
            7: (height - y, width - x),
            8: (y, width - x),
        }[self.orientation]
        return self.map_displayed(np.stack(displayed, axis=-1))
