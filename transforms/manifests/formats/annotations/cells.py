"""The cells of objects: geometry that says itself how it is written, whichever tool wrote it.

A feature that takes such a cell needs not know of COCO, Pascal VOC, YOLO or Open Images. Coordinates are
continuous and start at 0, at the edge of the first pixel. The lists of a row have an item for each object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

__all__ = ["BoxFormat", "Size", "boxes_cell", "keypoints_cell", "mask_of", "masks_cell"]

BoxFormat: TypeAlias = Literal["xyxy", "xywh", "cxcywh", "yxyx"]
Size: TypeAlias = "list[int | float] | None"
"""Width and height of the image as the annotations say them, in pixels; ``None`` where they do not."""


def boxes_cell(
    boxes: Sequence[Any], box_format: BoxFormat, size: Size = None, *, normalized: bool = False
) -> dict[str, Any]:
    """The boxes of an image, each of four numbers; none of a background.

    Args:
        boxes: as they stand in the file, whatever that is: the feature says what is wrong with one.
        box_format: what the four numbers are.
        size: see ``Size``.
        normalized: whether they are fractions of the image's width and height.
    """
    return {"boxes": list(boxes), "format": box_format, "normalized": normalized, "size": size}


def masks_cell(
    masks: Sequence[Any], size: Size = None, *, normalized: bool = False
) -> dict[str, Any]:
    """The masks of an image's objects, each as ``mask_of`` gives it."""
    return {"masks": list(masks), "normalized": normalized, "size": size}


def keypoints_cell(
    keypoints: Sequence[Any], size: Size = None, *, normalized: bool = False
) -> dict[str, Any]:
    """The keypoints of an image's objects: ``x, y, visibility`` of each point in turn, or ``None``."""
    return {"keypoints": list(keypoints), "normalized": normalized, "size": size}


def mask_of(segmentation: Any) -> Any:
    """An object's mask from COCO's ``segmentation``: polygons, or the counts of a run-length encoding.

    Counts run down the columns, and start with pixels that are not of the object; they are a list or, compressed,
    text: both are passed on. What is neither is passed on as well, for the feature to refuse.
    """
    if not segmentation:
        return None
    return {"polygons": segmentation} if isinstance(segmentation, list) else segmentation
