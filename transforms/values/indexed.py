"""What the index says of a value: where it comes from, and what its kind has found out about it."""

from __future__ import annotations

from typing import Any

from ...schemas.dataset.index import FILE_COLUMNS
from ...schemas.features.base import Encoded, Feature
from .resolve import Origin

__all__ = ["index_value"]


def index_value(feature: Feature, encoded: Encoded, origin: Origin | None) -> dict[str, Any]:
    """What the index says of a value, by the part of a column's name that comes after the feature's.

    Args:
        feature: its kind.
        encoded: what it became.
        origin: what it was read from.

    Returns:
        Something for all columns that the feature has; ``None`` where nothing is known.
    """
    said: dict[str, Any] = {}
    if feature.reads_files:
        said = dict(zip(FILE_COLUMNS, origin or (None, None, None), strict=True))
        said["source"] = said["source"] or None
    if feature.index_columns:
        found = encoded.indexed()
        said |= {what: found.get(what) for what in feature.index_columns}
    return said
