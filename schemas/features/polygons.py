"""``polygons``: the outlines of objects as points, which move with their image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..dataset.statistics import Statistic, Sum
from ..errors import Reject
from ..images.annotation_space import AnnotationSpace
from ..images.masks import read_polygon
from ..images.polygons import clip_polygon
from .base import Encoded, FeatureValue, OwnedFeature, ValueSpec, shorten
from .objects import Kept, parse_annotations
from .python_source import DecodeSource, literal

__all__ = ["Polygons"]

_NEST_POLYGONS = '''
def _nest_polygons(points, lengths, parts):
    """The points of a batch as [batch, (objects), (polygons), (points), 2]."""
    splits = parts.row_splits.dtype
    nested = [parts.row_lengths(), parts.flat_values, lengths.flat_values]
    flat = tf.reshape(points.flat_values, [-1, 2])
    return tf.RaggedTensor.from_nested_row_lengths(flat, [tf.cast(n, splits) for n in nested])
'''


class Polygons(OwnedFeature):
    """``type: polygons``: the outline of each object, as the points of its polygons; ``of`` its boxes.

    A cell is one of ``type: masks``. Of the masks in it, those that are polygons are taken; an object whose
    mask is something else, or that has none, has no polygon, which is counted. To have all of them, take
    ``type: masks``.

    A record holds all points one after the other, float32 ``[points, 2]``; under ``/lengths`` how many each
    polygon has, and under ``/parts`` how many polygons each object has. Readers give them nested, ``[objects,
    polygons, points, 2]``.

    Attributes:
        normalized: whether points in a record are shares of the image's width and height, rather than pixels.
        normalized_input: whether those of a plain list are.
        cut: ``clip`` leaves of each polygon what the record shows of the image, and drops polygons of which
            nothing is; ``keep`` leaves them as they are.
    """

    takes: ClassVar[type | None] = Kept
    target_by_default: ClassVar[bool] = True
    summary_types: ClassVar[Mapping[str, Statistic]] = dict.fromkeys(
        ("objects", "polygons", "points", "dropped", "without_polygons", "size_mismatch"), Sum()
    )

    type: Literal["polygons"] = "polygons"
    normalized: bool = False
    normalized_input: bool | None = None
    cut: Literal["clip", "keep"] = "clip"

    def encode(self, name: str, value: Any, owner: Any = None) -> Encoded:
        """The polygons of the objects that are kept; see ``OwnedFeature.encode``.

        Raises:
            Reject: ``missing_value``, ``bad_annotation``, ``misaligned``, ``bad_mask``, ``bad_polygon``,
                ``contradiction`` or ``annotation_size``.
        """
        kept: Kept = owner
        cell = parse_annotations(value, "masks")
        normalized = cell.normalization(self.normalized_input)
        space = cell.space(kept.geometry)
        found = [_polygons_of(item) for item in kept.choose(cell.items, "masks")]
        placed = [[self._place(p, space, normalized) for p in each] for each in found]
        left = [[points for points in each if len(points)] for each in placed]
        polygons = [points for each in left for points in each]
        points = np.concatenate([np.empty((0, 2)), *polygons])
        if self.normalized:
            points = points / kept.geometry.record_size
        summary = {
            "objects": len(found),
            "polygons": len(polygons),
            "points": len(points),
            "dropped": sum(map(len, found)) - len(polygons),
            "without_polygons": sum(not each for each in found),
            "size_mismatch": int(space.is_scaled),
        }
        values: dict[str, FeatureValue] = {
            name: points.astype(np.float32),
            f"{name}/lengths": np.array([len(each) for each in polygons], np.int64),
            f"{name}/parts": np.array([len(each) for each in left], np.int64),
        }
        return Encoded(values, summary)

    def statistics(self, summary: dict[str, Any]) -> dict[str, Any]:
        """How many objects, polygons and points there are, and what else there was to count, where it was."""
        always = ("objects", "polygons", "points")
        return {key: summary[key] for key in summary if key in always or summary[key]}

    def check(self, value: FeatureValue) -> None:
        """See ``Feature.check``: finite numbers."""
        if not np.isfinite(np.asarray(value, np.float32)).all():
            raise ValueError("got points that are not finite, expected finite ones")

    def decode_source(self, name: str) -> DecodeSource:
        """Ragged points ``[batch, (objects), (polygons), (points), 2]``."""
        columns = (f"features[{literal(key)}]" for key in self.specs(name))
        return DecodeSource(
            f"_nest_polygons({', '.join(columns)})", {"_nest_polygons": _NEST_POLYGONS}
        )

    def decode_value(self, name: str, values: Mapping[str, Any]) -> list[list[NDArray[np.float32]]]:
        """A list an object of its polygons, points ``[n, 2]`` each."""
        points = np.asarray(values[name], np.float32).reshape(-1, 2)
        each = np.split(points, np.cumsum(values[f"{name}/lengths"])[:-1])
        stops = np.cumsum(values[f"{name}/parts"])
        starts = stops - values[f"{name}/parts"]
        return [each[a:b] for a, b in zip(starts, stops, strict=True)]

    def specs(self, name: str) -> dict[str, ValueSpec]:
        """All points, and how many make a polygon, and how many of these an object."""
        return {
            name: ValueSpec("float32", (None, 2), ("point", "xy")),
            f"{name}/lengths": ValueSpec("int64", (None,), ("polygon",)),
            f"{name}/parts": ValueSpec("int64", (None,), ("object",)),
        }

    @property
    def decoded(self) -> ValueSpec:
        """Points, nested."""
        return ValueSpec("float32", (None, None, None, 2), ("object", "polygon", "point", "xy"))

    def _place(
        self, points: NDArray[np.float64], space: AnnotationSpace, normalized: bool
    ) -> NDArray[np.float64]:
        mapped = space.map(points, normalized)
        return clip_polygon(mapped, space.geometry.shown) if self.cut == "clip" else mapped


def _polygons_of(item: Any) -> list[NDArray[np.float64]]:
    """The polygons of a mask; none where it is another kind of mask, or there is none."""
    match item:
        case {"polygons": list() | tuple() as polygons}:
            return [read_polygon(polygon) for polygon in polygons]
        case None | {"counts": _} | {"path": _}:
            return []
    message = f"got the mask {shorten(item)}, expected polygons, counts, path, or null"
    raise Reject("encode", "bad_mask", message)
