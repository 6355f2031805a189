"""Kinds that belong to others, as boxes do to their image: points on an image, and a name for each point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pixelbeam.schemas.dataset.statistics import Sum
from pixelbeam.schemas.features.base import Encoded, OwnedFeature, ValueSpec
from pixelbeam.schemas.images.geometry import ImageGeometry


@dataclass(frozen=True)
class Kept:
    """What points hand on: which of them are still on the image."""

    indices: tuple[int, ...]


class Points(OwnedFeature):
    """Points of the displayed image, ``[[x, y], …]``; those that the record's image does not show are dropped."""

    takes = ImageGeometry
    becomes = Kept
    summary_types = {"count": Sum()}  # noqa: RUF012 - a ClassVar of the base

    type: Literal["points"] = "points"

    def encode(self, name: str, value: Any, owner: Any = None) -> Encoded:
        points = owner.map_displayed(np.array(value, float).reshape(-1, 2))
        shown = ((points >= 0) & (points <= owner.record_size)).all(axis=1)
        kept = Kept(tuple(np.flatnonzero(shown).tolist()))
        return Encoded({name: points[shown].astype(np.float32)}, {"count": int(shown.sum())}, kept)

    def specs(self, name: str) -> dict[str, ValueSpec]:
        return {name: ValueSpec("float32", (None, 2), ("point", "xy"))}


class PointIds(OwnedFeature):
    """A number for each point; those of dropped points are dropped too."""

    takes = Kept
    becomes = Kept

    type: Literal["point_ids"] = "point_ids"

    def encode(self, name: str, value: Any, owner: Any = None) -> Encoded:
        return Encoded({name: np.array(value, np.int64)[list(owner.indices)]}, {}, owner)

    def specs(self, name: str) -> dict[str, ValueSpec]:
        return {name: ValueSpec("int64", (None,), ("point",))}
