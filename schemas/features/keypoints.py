"""``keypoints``: points of objects, such as the joints of people, which move with their image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from typing_extensions import Self

from ..dataset.statistics import Statistic, Sum
from ..errors import Reject
from .base import Encoded, FeatureValue, OwnedFeature, SettingError, ValueSpec, shorten
from .objects import Kept, parse_annotations
from .python_source import DecodeSource, literal

__all__ = ["Keypoints"]

_NOT_LABELED, _VISIBLE = 0, 2

_JOIN_VISIBILITY = '''
def _join_visibility(points, visibility, count):
    """Points [batch, (objects), count, 2] and what is seen of them as [batch, (objects), count, 3]."""
    xy = tf.reshape(points.flat_values, [-1, count, 2])
    seen = tf.cast(tf.reshape(visibility.flat_values, [-1, count, 1]), tf.float32)
    return tf.RaggedTensor.from_row_splits(tf.concat([xy, seen], -1), points.row_splits)
'''


class Keypoints(OwnedFeature):
    """``type: keypoints``: the points of each object, float32 ``[objects, points, 2]``; ``of`` its boxes.

    Beside them, under ``/visibility``, stands what is seen of each, int64 ``[objects, points]``: 0 not
    labelled, 1 labelled and hidden, 2 visible, as COCO counts. Readers give both as ``[objects, points, 3]``.

    A cell is a dict, ``{"keypoints": [[x, y, v, x, y, v, …], null, …], "normalized": false, "size": [640,
    480]}``, or a plain list. Without visibilities, ``[x, y, x, y, …]``, all points are visible; null is an
    object without points. A point that is not labelled is 0, 0, and so is one that the record's image does
    not show any more, which is counted.

    Attributes:
        points: how many an object has; or ``names``.
        names: what the points are called, in their order.
        normalized: whether points in a record are shares of the image's width and height, rather than pixels.
        normalized_input: whether those of a plain list are.
    """

    takes: ClassVar[type | None] = Kept
    target_by_default: ClassVar[bool] = True
    summary_types: ClassVar[Mapping[str, Statistic]] = dict.fromkeys(
        ("objects", "visible", "hidden", "cut_off", "without_points", "size_mismatch"), Sum()
    )

    type: Literal["keypoints"] = "keypoints"
    points: int | None = Field(default=None, ge=1, strict=True)
    names: tuple[str, ...] | None = Field(default=None, min_length=1)
    normalized: bool = False
    normalized_input: bool | None = None

    @model_validator(mode="after")
    def _check_points(self) -> Self:
        if self.points is None and self.names is None:
            raise SettingError("points", "missing, expected how many an object has, or names")
        if self.points is not None and self.names is not None and self.points != len(self.names):
            expected = f"{len(self.names)}, the number of names"
            raise SettingError("points", f"got {self.points}, expected {expected}")
        return self

    @property
    def count(self) -> int:
        """How many points an object has."""
        return self.points or len(self.names or ())

    def encode(self, name: str, value: Any, owner: Any = None) -> Encoded:
        """The points of the objects that are kept, and their visibilities; see ``OwnedFeature.encode``.

        Raises:
            Reject: ``missing_value``, ``bad_annotation``, ``misaligned``, ``bad_keypoints``,
                ``contradiction`` or ``annotation_size``.
        """
        kept: Kept = owner
        cell = parse_annotations(value, "keypoints")
        normalized = cell.normalization(self.normalized_input)
        space = cell.space(kept.geometry)
        items = kept.choose(cell.items, "keypoints")
        read = np.stack([self._read(item) for item in items] or [np.zeros((0, 3))])
        read = read.reshape(-1, self.count, 3)
        seen = read[..., 2].astype(np.int64)
        points = space.map(read[..., :2].reshape(-1, 2), normalized).reshape(-1, self.count, 2)
        edges = np.array(kept.geometry.shown)
        shown = ((points >= edges[:2]) & (points <= edges[2:])).all(axis=-1)
        cut_off = ~shown & (seen != _NOT_LABELED)
        seen[~shown] = _NOT_LABELED
        if self.normalized:
            points = points / kept.geometry.record_size
        points[seen == _NOT_LABELED] = 0
        summary = {
            "objects": len(items),
            "visible": int((seen == _VISIBLE).sum()),
            "hidden": int((seen == 1).sum()),
            "cut_off": int(cut_off.sum()),
            "without_points": sum(item is None for item in items),
            "size_mismatch": int(space.is_scaled),
        }
        values: dict[str, FeatureValue] = {
            name: points.astype(np.float32),
            f"{name}/visibility": seen,
        }
        return Encoded(values, summary)

    def statistics(self, summary: dict[str, Any]) -> dict[str, Any]:
        """How many objects and points there are, and what else there was to count, where it was."""
        always = ("objects", "visible", "hidden")
        return {key: summary[key] for key in summary if key in always or summary[key]}

    def check(self, value: FeatureValue) -> None:
        """See ``Feature.check``: finite numbers."""
        if not np.isfinite(np.asarray(value, np.float32)).all():
            raise ValueError("got points that are not finite, expected finite ones")

    def decode_source(self, name: str) -> DecodeSource:
        """x, y and visibility, ``[batch, (objects), points, 3]``."""
        columns = (f"features[{literal(key)}]" for key in self.specs(name))
        call = f"_join_visibility({', '.join(columns)}, {self.count})"
        return DecodeSource(call, {"_join_visibility": _JOIN_VISIBILITY})

    def decode_value(self, name: str, values: Mapping[str, Any]) -> NDArray[np.float32]:
        """x, y and visibility, ``[objects, points, 3]``."""
        points = np.asarray(values[name], np.float32).reshape(-1, self.count, 2)
        seen = np.asarray(values[f"{name}/visibility"], np.float32).reshape(-1, self.count, 1)
        return np.concatenate([points, seen], axis=-1)

    def specs(self, name: str) -> dict[str, ValueSpec]:
        """The points, and what is seen of them."""
        return {
            name: ValueSpec("float32", (None, self.count, 2), ("object", "point", "xy")),
            f"{name}/visibility": ValueSpec("int64", (None, self.count), ("object", "point")),
        }

    @property
    def decoded(self) -> ValueSpec:
        """x, y and visibility."""
        return ValueSpec("float32", (None, self.count, 3), ("object", "point", "xyv"))

    def _read(self, item: Any) -> NDArray[np.float64]:
        """x, y and visibility of an object's points ``[points, 3]``."""
        if item is None:
            return np.zeros((self.count, 3))
        try:
            numbers = np.array(item, np.float64)
        except (TypeError, ValueError, OverflowError):
            raise self._bad(item, "numbers") from None
        if numbers.size == 2 * self.count:
            # A flat list may as well be fewer points with their visibilities.
            if (
                numbers.ndim == 1
                and not numbers.size % 3
                and np.isin(numbers[2::3], (0, 1, 2)).all()
            ):
                raise self._bad(
                    item, f"x, y and visibility of {self.count} points, or pairs [x, y]"
                )
            numbers = np.insert(numbers.reshape(-1, 2), 2, _VISIBLE, axis=1)
        if numbers.size != 3 * self.count:
            raise self._bad(item, f"x, y and visibility of {self.count} points")
        if not np.isfinite(numbers).all():
            raise self._bad(item, "finite numbers")
        read = numbers.reshape(-1, 3)
        if not np.isin(read[:, 2], (0, 1, 2)).all():
            raise self._bad(item, "a visibility of 0, 1 or 2 for each point")
        return read

    def _bad(self, item: Any, expected: str) -> Reject:
        message = f"got the keypoints {shorten(item)}, expected {expected}"
        return Reject("encode", "bad_keypoints", message)
