"""The objects of an image: which of them a record keeps, and lists of one item for each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import Reject
from ..images.annotation_space import AnnotationSpace
from ..images.geometry import ImageGeometry
from ..images.resizing import Size
from .base import shorten
from .cell_text import is_missing, parse_list

__all__ = ["AnnotationCell", "Kept", "list_items", "parse_annotations"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What boxes hand on: which objects are left of those that the row lists, on which image.

    Attributes:
        count: how many objects the row lists.
        indices: which of them the record keeps, in order.
        geometry: of the image.
    """

    count: int
    indices: tuple[int, ...]
    geometry: ImageGeometry

    def choose(self, items: Sequence[Any], what: str) -> list[Any]:
        """Of a list with an item for each object, those of the objects that are kept.

        Raises:
            Reject: ``misaligned``, it has more items or fewer.
        """
        if len(items) != self.count:
            got = f"got {len(items)} {what}: {shorten(list(items))}"
            raise Reject("encode", "misaligned", f"{got}, expected {self.count}, one for each box")
        return [items[index] for index in self.indices]


@dataclass(frozen=True, slots=True)
class AnnotationCell:
    """A cell that lists an item for each object, and says what their numbers mean.

    Attributes:
        items: the list; boxes, masks or keypoints.
        format: of boxes, where the cell says it.
        normalized: whether numbers are shares of width and height, where the cell says it.
        size: width and height of the image that they are of, where the cell says it.
    """

    items: list[Any]
    format: str | None = None
    normalized: bool | None = None
    size: Size | None = None

    def space(self, geometry: ImageGeometry) -> AnnotationSpace:
        """Which pixels the numbers count.

        Raises:
            Reject: see ``AnnotationSpace.find``.
        """
        return AnnotationSpace.find(geometry, self.size)

    def normalization(self, declared: bool | None) -> bool:
        """Whether numbers are shares of width and height, as the cell and the schema say.

        Raises:
            Reject: ``contradiction``, they say different things.
        """
        said = _agree("normalized_input", declared, "normalized", self.normalized)
        return bool(said)

    def box_format(self, declared: str | None) -> str:
        """The format of boxes, as the cell and the schema say.

        Raises:
            Reject: ``contradiction``, they say different things; ``unknown_format``, neither says it.
        """
        said = _agree("input", declared, "format", self.format)
        if said is None:
            message = "got boxes without a format, expected a setting input, such as input: xyxy"
            raise Reject("encode", "unknown_format", message)
        return str(said)


def parse_annotations(value: Any, key: str) -> AnnotationCell:
    """A cell with geometry: a dict that describes itself, a plain list, or JSON text of either.

    Args:
        value: the cell.
        key: under which the dict has its list: ``boxes``, ``masks`` or ``keypoints``.

    Raises:
        Reject: ``missing_value``, ``bad_annotation``.
    """
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = _parse_dict(value)
    if not isinstance(value, Mapping):
        return AnnotationCell(list_items(value, key))
    if not isinstance(value.get(key), list | tuple):
        raise _bad(value, f"a list under {key!r}")
    known = (key, "format", "normalized", "size")
    for name in value:
        if name not in known:
            raise _bad(name, f"one of the keys {', '.join(map(repr, known))}")
    normalized, of = value.get("normalized"), value.get("format")
    if not isinstance(normalized, bool | None):
        raise _bad(normalized, "true or false under 'normalized'")
    if not isinstance(of, str | None):
        raise _bad(of, "text under 'format'")
    return AnnotationCell(list(value[key]), of, normalized, _parse_size(value.get("size")))


def list_items(value: Any, what: str) -> list[Any]:
    """The list that a cell holds, an item for each object: a list, an array, or JSON text of a list.

    Raises:
        Reject: ``missing_value`` for an empty cell, ``bad_annotation`` for anything else.
    """
    if is_missing(value):
        message = f"got an empty cell, expected a list of {what}; [] says that there are none"
        raise Reject("encode", "missing_value", message)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, str):
        parsed = parse_list(value.strip())
        value = value if parsed is None else parsed
    if not isinstance(value, list | tuple):
        raise _bad(value, f"a list of {what}, one for each object")
    return list(value)


def _parse_dict(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _parse_size(size: Any) -> Size | None:
    if size is None:
        return None
    try:
        width, height = (int(side) for side in size)
    except (TypeError, ValueError, OverflowError):
        raise _bad(size, "width and height under 'size'") from None
    if width < 1 or height < 1:
        raise _bad(size, "a width and height of at least 1 under 'size'")
    return width, height


def _agree(setting: str, declared: Any, key: str, said: Any) -> Any:
    if declared is not None and said is not None and declared != said:
        got = f"got {key} {said!r} in the manifest's cell"
        message = f"{got}, expected {declared!r}, which the schema declares as {setting}"
        raise Reject("encode", "contradiction", message)
    return declared if said is None else said


def _bad(value: Any, expected: str) -> Reject:
    return Reject("encode", "bad_annotation", f"got {shorten(value)}, expected {expected}")
