"""What the index says of images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import PIL.Image

from ..images.geometry import ImageGeometry
from ..images.perceptual_hash import dhash
from ..images.resizing import pad_offset
from .base import IndexType

__all__ = ["INDEX_COLUMNS", "index_image"]

INDEX_COLUMNS: Mapping[str, IndexType] = {
    **dict.fromkeys(("source_width", "source_height", "orientation", "width", "height"), "int32"),
    "dhash": "uint64",
    "statistics": "text",
}
"""Sizes are those of the upright image, in pixels; the orientation is that of the file's pixels, 1 to 8 as EXIF
counts them; the hash is of the record's image, without padding; the statistics are ``Encoded.summary`` as JSON."""


_to_json = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps would make an encoder a call


def index_image(
    image: PIL.Image.Image,
    sampled: PIL.Image.Image,
    became: ImageGeometry,
    summary: Mapping[str, Any],
) -> dict[str, Any]:
    """What the index says of an image, by ``INDEX_COLUMNS``.

    Args:
        image: as the record has it.
        sampled: its ``sample``.
        became: how it came to be that.
        summary: its share of the statistics.
    """
    plan = became.plan
    left, top = pad_offset(plan)
    padded = plan.canvas != plan.size
    seen = image.crop((left, top, left + plan.size[0], top + plan.size[1])) if padded else sampled
    said = (
        *became.displayed_size,
        became.orientation,
        *became.record_size,
        dhash(seen),
        _to_json(summary),
    )
    return dict(zip(INDEX_COLUMNS, said, strict=True))
