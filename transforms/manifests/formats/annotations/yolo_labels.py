"""YOLO's label files: a line an object, its numbers fractions of the image's width and height.

The format: https://docs.ultralytics.com/datasets/detect/, …/segment/ and …/pose/.
"""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

from .....schemas.features.base import shorten
from ..base import CELL_TOO_LARGE, MALFORMED_ROW, NOT_UTF8
from .small_files import FILE_BYTES

__all__ = ["LabelError", "YoloObjects", "label_path", "parse_labels"]

NOT_NORMALIZED = "not_normalized"
UNKNOWN_CATEGORY = "unknown_category"

_IMAGES, _LABELS = "/images/", "/labels/"
# Objects that are cut off reach out of the image a little; further than its own size only pixels do.
_LEAST, _MOST = -1.0, 2.0


class LabelError(ValueError):
    """A line is none of a label file's.

    Attributes:
        reason: the reject's code.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass
class YoloObjects:
    """The objects of an image; lists of one length.

    Attributes:
        classes: the number of each one's class.
        boxes: centre, width and height.
        scores: how sure whoever wrote the line was; ``None`` where it does not say.
        masks: a polygon, or ``None``.
        keypoints: x, y and visibility of each point in turn, or ``None``.
    """

    classes: list[int] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)
    scores: list[float | None] = field(default_factory=list)
    masks: list[Any] = field(default_factory=list)
    keypoints: list[list[float] | None] = field(default_factory=list)


def label_path(image: str) -> str:
    """Where the labels of an image lie: the last ``/images/`` of its path swapped for ``/labels/``."""
    before, found, behind = image.rpartition(_IMAGES)
    swapped = f"{before}{_LABELS}{behind}" if found else image
    folder, mark, name = swapped.rpartition("/")
    return f"{folder}{mark}{name.rpartition('.')[0] or name}.txt"


def parse_labels(
    data: bytes | None, classes: Container[int], keypoints: tuple[int, int] | None = None
) -> YoloObjects:
    """The objects of a label file; none where it is empty or not there.

    A line is the class's number and four numbers of a box, with a fifth for a score; or, from six on, the points
    of a polygon, whose box is its extent. Where there are keypoints, these follow the box.

    Args:
        data: what is in the file.
        classes: the numbers that there are.
        keypoints: how many an object has, and the numbers of each: 2, or 3 with the visibility.

    Raises:
        LabelError: a line cannot be read; the message begins with its number.
    """
    found = YoloObjects()
    if data is None:
        return found
    if len(data) > FILE_BYTES:
        raise LabelError(CELL_TOO_LARGE, f"got more than {FILE_BYTES} bytes, expected fewer")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"got byte 0x{error.object[error.start]:02x}, expected UTF-8 text"
        raise LabelError(NOT_UTF8, message) from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                _add(found, line.split(), classes, keypoints)
            except LabelError as error:
                raise LabelError(error.reason, f"line {number}: {error}") from None
    return found


def _add(
    found: YoloObjects, cells: list[str], classes: Container[int], shape: tuple[int, int] | None
) -> None:
    numbers = [_parse(cell) for cell in cells]
    category, values = numbers[0], numbers[1:]
    score = mask = points = None
    if shape is not None:
        expected = 4 + shape[0] * shape[1]
        if len(values) != expected:
            raise _malformed(cells, f"{expected + 1}: a class, a box and {shape[0]} keypoints")
        box, points = values[:4], _keypoints(values[4:], shape[1])
        _check_fractions(box + [v for at in range(0, len(points), 3) for v in points[at : at + 2]])
    elif len(values) in (4, 5):
        box, score = values[:4], values[4] if len(values) == 5 else None
        _check_fractions(box)
    elif len(values) >= 6 and len(values) % 2 == 0:
        _check_fractions(values)
        box, mask = _extent(values), {"polygons": [values]}
    else:
        raise _malformed(cells, "5 (a box), 6 (with a score) or 7, 9, 11, … (a polygon)")
    if not category.is_integer() or int(category) not in classes:
        message = f"got the class {cells[0]:.80}, expected one that the data set's names have"
        raise LabelError(UNKNOWN_CATEGORY, message)
    found.classes.append(int(category))
    found.boxes.append(box)
    found.scores.append(score)
    found.masks.append(mask)
    found.keypoints.append(points)


def _parse(cell: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise LabelError(MALFORMED_ROW, f"got {shorten(cell)}, expected a number")
    return number


def _malformed(cells: list[str], expected: str) -> LabelError:
    return LabelError(MALFORMED_ROW, f"got {len(cells)} numbers, expected {expected}")


def _check_fractions(values: list[float]) -> None:
    for value in values:
        if not _LEAST <= value <= _MOST:
            message = f"got {value:g}, expected a fraction of the image's width or height"
            raise LabelError(NOT_NORMALIZED, message)


def _keypoints(values: list[float], dimensions: int) -> list[float]:
    """Points with COCO's visibility; of those without one, a negative number says that it is not labelled."""
    if dimensions == 3:
        return values
    pairs = zip(values[::2], values[1::2], strict=True)
    return [each for x, y in pairs for each in (x, y, 0.0 if x < 0 or y < 0 else 2.0)]


def _extent(values: list[float]) -> list[float]:
    """Centre, width and height of a polygon's box."""
    left, right = min(values[::2]), max(values[::2])
    top, bottom = min(values[1::2]), max(values[1::2])
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
