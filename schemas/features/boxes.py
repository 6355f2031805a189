"""``boxes``: the boxes around the objects of an image, which move with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from typing_extensions import Self

from ..dataset.statistics import Max, Statistic, Sum
from ..errors import Reject
from ..images.boxes import (
    FORMATS,
    BoxFormat,
    Cut,
    count_beyond,
    cut_boxes,
    from_corners,
    to_corners,
)
from ..images.geometry import ImageGeometry
from .base import (
    Encoded,
    FeatureValue,
    IndexType,
    OwnedFeature,
    SettingError,
    ValueSpec,
    shorten,
)
from .objects import Kept, parse_annotations
from .python_source import DecodeSource, literal

__all__ = ["Boxes"]

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "xyxy": ("xmin", "ymin", "xmax", "ymax"),
    "yxyx": ("ymin", "xmin", "ymax", "xmax"),
    "xywh": ("xmin", "ymin", "width", "height"),
    "cxcywh": ("xcenter", "ycenter", "width", "height"),
}
_MOST = 2.0  # shares of an image that are still ones

_JOIN_COLUMNS = '''
def _join_columns(columns):
    """Ragged lists [batch, (boxes)] as the columns of boxes [batch, (boxes), columns]."""
    joined = tf.stack([column.flat_values for column in columns], axis=-1)
    return columns[0].with_flat_values(joined)
'''


class Boxes(OwnedFeature):
    """``type: boxes``: the boxes around an image's objects, float32 ``[boxes, 4]``, moved with the image.

    A cell is a dict, ``{"boxes": [[…], …], "format": "xywh", "normalized": false, "size": [640, 480]}``, or a
    plain list of boxes, whose numbers ``input`` and ``normalized_input`` explain. Coordinates are those of
    the edges of pixels, counted from 0. They are of the image as viewers show it, unless ``size`` (width and
    height) shows that they are of the image as it is stored, without EXIF's turn. A ``size`` of the same
    shape is scaled, and counted; any other one is a reject.

    Attributes:
        input: what the four numbers of a plain list are: corners (``xyxy``, ``yxyx``), left top corner and size
            (``xywh``), or centre and size (``cxcywh``). A dict that says something else is a reject.
        normalized_input: whether those numbers are shares of width and height, rather than pixels.
        format: what the four numbers in a record are.
        normalized: whether those are shares of the record's width and height, rather than pixels.
        cut: what becomes of boxes that reach beyond what the record shows of the image: ``clip`` leaves what
            is shown, and drops boxes of which nothing is; ``drop`` also drops those of which less than
            ``min_visible`` is; ``keep`` leaves all of them as they are. Whatever is dropped, is so from all
            features ``of`` the boxes. Without ``keep``, boxes without area in the source are dropped too. All
            of it is counted.
        min_visible: the share of a box's area that has to be shown, with ``cut: drop``.
        layout: ``list`` is one list of boxes; ``columns`` a list for each of the four numbers, under the
            feature's name and ``/xmin``, ``/ymin``, ``/xmax``, ``/ymax`` (``/width``, ``/height``,
            ``/xcenter``, ``/ycenter``).
    """

    takes: ClassVar[type | None] = ImageGeometry
    becomes: ClassVar[type | None] = Kept
    target_by_default: ClassVar[bool] = True
    index_columns: ClassVar[Mapping[str, IndexType]] = {"count": "int32"}
    summary_types: ClassVar[Mapping[str, Statistic]] = {
        **dict.fromkeys(
            (
                "count", "records", "without_boxes", "clipped", "dropped_outside", "dropped_small",
                "without_area", "beyond_image", "within_a_pixel", "size_mismatch",
            ),
            Sum(),
        ),
        "max_count": Max(),
    }  # fmt: skip

    type: Literal["boxes"] = "boxes"
    input: BoxFormat | None = None
    normalized_input: bool | None = None
    format: BoxFormat = "xyxy"
    normalized: bool = False
    cut: Cut = "clip"
    min_visible: float | None = Field(default=None, gt=0, le=1)
    layout: Literal["list", "columns"] = "list"

    @model_validator(mode="after")
    def _check_min_visible(self) -> Self:
        if (self.min_visible is None) == (self.cut == "drop"):
            got = "missing" if self.min_visible is None else f"got it with cut: {self.cut}"
            expected = "a share such as 0.3" if self.min_visible is None else "cut: drop"
            raise SettingError("min_visible", f"{got}, expected {expected}")
        return self

    def encode(self, name: str, value: Any, owner: Any = None) -> Encoded:
        """The boxes in the record's image; see ``OwnedFeature.encode``.

        Raises:
            Reject: ``missing_value``, ``bad_annotation``, ``bad_box``, ``unknown_format``, ``contradiction`` or
                ``annotation_size``.
        """
        geometry: ImageGeometry = owner
        cell = parse_annotations(value, "boxes")
        normalized = cell.normalization(self.normalized_input)
        corners = _read_corners(cell.items, cell.box_format(self.input) if cell.items else "xyxy")
        if normalized:
            _check_shares(corners)
        space = cell.space(geometry)
        mapped = space.map_boxes(corners, normalized)
        found = cut_boxes(mapped, geometry.shown, self.cut, self.min_visible or 0.0)
        width, height = geometry.record_size
        scale = (width, height, width, height) if self.normalized else 1
        boxes = from_corners(found.corners / scale, self.format).astype(np.float32)
        pixels = corners * ((*space.size, *space.size) if normalized else 1)
        # Of pixels, such boxes are hardly meant: their numbers are shares that nobody has called so.
        tiny = 0 if normalized else int((np.abs(corners).max(axis=1, initial=0) <= 1).sum())
        summary = {
            "count": len(boxes),
            "records": 1,
            "max_count": len(boxes),
            "without_boxes": int(not len(boxes)),
            "clipped": found.clipped,
            "dropped_outside": found.outside,
            "dropped_small": found.small,
            "without_area": found.empty,
            "beyond_image": count_beyond(pixels, (0, 0, *space.size)),
            "within_a_pixel": tiny,
            "size_mismatch": int(space.is_scaled),
        }
        kept = Kept(len(corners), tuple(found.indices.tolist()), geometry)
        said = {"count": len(boxes)}
        return Encoded(self._store(name, boxes), summary, kept, lambda: said)

    def statistics(self, summary: dict[str, Any]) -> dict[str, Any]:
        """How many boxes there are, the most in a record, and what else there was to count, where it was."""
        always = ("count", "records", "max_count")
        return {key: summary[key] for key in summary if key in always or summary[key]}

    def warnings(self, name: str, summary: Mapping[str, Any]) -> Iterator[str]:
        """Boxes that were dropped or look wrong, and annotations that are of another size than their image."""
        dropped = sum(summary.get(k, 0) for k in ("dropped_outside", "dropped_small"))
        of = dropped + summary.get("count", 0) + summary.get("without_area", 0)
        if dropped:
            yield (
                f"{name}: {dropped:,} of {of:,} boxes were dropped, since the record shows too little of what is "
                "in them"
            )
        tiny = summary.get("within_a_pixel", 0)
        if 2 * tiny > of:
            yield (
                f"{name}: {tiny:,} of {of:,} boxes lie within the first pixel of their image; shares of width and "
                "height need normalized: true in the manifest's cell, or normalized_input: true in the schema"
            )
        records, without = summary.get("records", 0), summary.get("without_boxes", 0)
        if 2 * without > records:
            yield f"{name}: {without:,} of {records:,} images have no boxes"
        if self.cut != "keep" and (empty := summary.get("without_area", 0)):
            boxes = "box without area was" if empty == 1 else "boxes without area were"
            yield f"{name}: {empty:,} {boxes} dropped"
        if beyond := summary.get("beyond_image", 0):
            boxes = "box reaches" if beyond == 1 else "boxes reach"
            yield f"{name}: {beyond:,} {boxes} beyond the image in the manifest"
        if scaled := summary.get("size_mismatch", 0):
            images = "image is" if scaled == 1 else "images are"
            yield f"{name}: {scaled:,} {images} of another size than the annotations say, which were scaled"

    def check(self, value: FeatureValue) -> None:
        """See ``Feature.check``: finite numbers, and corners in their order."""
        if isinstance(value, list | tuple):  # in columns, which no value stands for
            return
        boxes = np.asarray(value, np.float64).reshape(-1, 4)
        corners = to_corners(boxes, self.format)
        bad = ~np.isfinite(boxes).all(axis=1) | (corners[:, 2:] < corners[:, :2]).any(axis=1)
        if bad.any():
            raise ValueError(f"got the box {boxes[bad][0].tolist()}, expected one of {self.format}")

    def decode_source(self, name: str) -> DecodeSource:
        """Ragged boxes ``[batch, (boxes), 4]``."""
        if self.layout == "list":
            return DecodeSource()
        columns = ", ".join(f"features[{literal(key)}]" for key in self.specs(name))
        return DecodeSource(f"_join_columns([{columns}])", {"_join_columns": _JOIN_COLUMNS})

    def decode_value(self, name: str, values: Mapping[str, Any]) -> NDArray[np.float32]:
        """The boxes ``[boxes, 4]``."""
        if self.layout == "list":
            return np.asarray(values[name], np.float32).reshape(-1, 4)
        return np.stack([np.asarray(values[key], np.float32) for key in self.specs(name)], axis=-1)

    def specs(self, name: str) -> dict[str, ValueSpec]:
        """A list of boxes, or four lists."""
        if self.layout == "list":
            return {name: self.decoded}
        column = ValueSpec("float32", (None,), ("object",))
        return {f"{name}/{each}": column for each in _COLUMNS[self.format]}

    @property
    def decoded(self) -> ValueSpec:
        """Boxes, as many as there are."""
        return ValueSpec("float32", (None, 4), ("object", self.format))

    def _store(self, name: str, boxes: NDArray[np.float32]) -> dict[str, FeatureValue]:
        if self.layout == "list":
            return {name: boxes}
        return dict(zip(self.specs(name), np.ascontiguousarray(boxes.T), strict=True))


def _read_corners(items: list[Any], of: str) -> NDArray[np.float64]:
    """The corners ``[n, 4]`` of boxes as a manifest lists them."""
    if of not in FORMATS:
        got = f"got boxes of the format {of!r}"
        raise Reject("encode", "unknown_format", f"{got}, expected one of {', '.join(FORMATS)}")
    for item in items:
        if not isinstance(item, list | tuple) or len(item) != 4 or not all(map(_is_number, item)):
            raise _bad_box(item, f"four numbers, {of}")
    try:
        boxes = np.array(items, np.float64).reshape(-1, 4)
    except OverflowError:
        raise _bad_box(items, "numbers that a float64 can hold") from None
    corners = to_corners(boxes, of)  # one of FORMATS
    bad = ~np.isfinite(corners).all(axis=1)
    if bad.any():
        raise _bad_box(items[int(bad.argmax())], "finite numbers")
    bad = (corners[:, 2:] < corners[:, :2]).any(axis=1)
    if bad.any():
        sides = "a right bottom corner that is not before the left top one"
        expected = sides if of in ("xyxy", "yxyx") else "a width and height of at least 0"
        raise _bad_box(items[int(bad.argmax())], f"{expected} ({of})")
    return corners


def _check_shares(corners: NDArray[np.float64]) -> None:
    """Pixels that are taken for shares would all lie far outside of their image."""
    beyond = np.abs(corners).max(axis=1, initial=0) > _MOST
    if beyond.any():
        box = corners[int(beyond.argmax())].tolist()
        raise _bad_box(box, "shares of width and height, from 0 to 1, for normalized boxes")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bad_box(value: Any, expected: str) -> Reject:
    return Reject("encode", "bad_box", f"got the box {shorten(value)}, expected {expected}")
