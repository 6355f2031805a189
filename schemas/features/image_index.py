"""What the index says of images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import PIL.Image

from ..images.geometry import ImageGeometry
from ..images.perceptual_hash import dhash
from ..images.resizing import pad_offset
from .base import IndexType

__all__ = ["INDEX_COLUMNS", "index_image"]

INDEX_COLUMNS: Mapping[str, IndexType] = {
    **dict.fromkeys(("source_width", "source_height", "width", "height"), "int32"),
    "dhash": "uint64",
}
"""Sizes are those of the upright image, in pixels; the hash is of the record's, without padding."""


def index_image(image: PIL.Image.Image, became: ImageGeometry) -> dict[str, Any]:
    """What the index says of an image, by ``INDEX_COLUMNS``.

    Args:
        image: as the record has it.
        became: how it came to be that.
    """
    plan = became.plan
    left, top = pad_offset(plan)
    padded = plan.canvas != plan.size
    seen = image.crop((left, top, left + plan.size[0], top + plan.size[1])) if padded else image
    sizes = (*became.displayed_size, *became.record_size)
    names = ("source_width", "source_height", "width", "height")
    return {**dict(zip(names, sizes, strict=True)), "dhash": dhash(seen)}
