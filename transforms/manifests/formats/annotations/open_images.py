"""Open Images: a table with a row a box, grouped to one record an image.

The format: https://storage.googleapis.com/openimages/web/download_v7.html#dense-labels-format, *Boxes*.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .....schemas.errors import ManifestError
from .....schemas.features.base import shorten
from ....storage.listings import list_folder
from ....storage.paths import absolute
from ....storage.streams import READ_FAILURES, hash_file, is_gzipped, read_chunks, read_head
from ..base import MALFORMED_ROW, Malformed, ManifestFormat, Part, Projection, Record
from ..text import decode_line, read_lines
from .cells import boxes_cell
from .small_files import split_path
from .spilled_groups import SpilledGroups, count_buckets

__all__ = ["OpenImages", "find_descriptions", "read_descriptions"]

UNKNOWN_CATEGORY = "unknown_category"

_IMAGE, _LABEL = "ImageID", "LabelName"
_SIDES = ("XMin", "YMin", "XMax", "YMax")
_NEEDED = frozenset({_IMAGE, _LABEL, *_SIDES})
# Of what has a name in other formats too, that name.
_NUMBERS = {
    "Confidence": "score",
    "IsOccluded": "occluded",
    "IsTruncated": "truncated",
    "IsGroupOf": "group_of",
    "IsDepiction": "depiction",
    "IsInside": "inside",
}
_DESCRIPTIONS = (
    "class-descriptions-boxable.csv",
    "oidv7-class-descriptions-boxable.csv",
    "class-descriptions.csv",
    "oidv7-class-descriptions.csv",
)
_ZIPPED = 6  # how much larger than its gzip such a file is, about


@dataclass(frozen=True)
class OpenImages(ManifestFormat):
    """A row is an image; its number is the line of its first box.

    Columns of the image are ``image_id`` and ``file_name`` (``ImageID`` and ``.jpg``); of its boxes ``bbox``,
    ``category``, ``category_id`` (``LabelName``), ``score``, ``occluded``, ``truncated``, ``group_of``,
    ``depiction``, ``inside``, and any other column of the file by its own name, as text. Where a file of class
    descriptions lies beside the table, ``category`` is a name, and those are the classes in its order; else it
    is ``category_id``.

    Images without a box are not in such a table. A line that cannot be read is malformed, and a row of its own.
    """

    endings = (".csv",)
    compressible = True
    reads_others = True

    def recognizes(self, head: bytes) -> bool:
        """By the header."""
        return _header(head).keys() >= _NEEDED

    def columns(self, path: str) -> tuple[str, ...]:  # noqa: D102 - the interface's
        known = ("image_id", "file_name", "bbox", "category", "category_id")
        others = [name for name in _header(read_head(path)[0]) if name not in _NEEDED]
        return (*known, *(_NUMBERS.get(name, name) for name in others))

    def classes(self, path: str, column: str) -> dict[str | int, str] | None:
        """The class descriptions beside the file, in their order."""
        descriptions = find_descriptions(path)
        if descriptions is None or column not in ("category", "category_id"):
            return None
        names = read_descriptions(descriptions).items()
        return {label: name if column == "category" else label for label, name in names}

    def identity(self, path: str) -> dict[str, Any]:
        """The bytes and SHA-256 of the table, and those of the class descriptions beside it."""
        descriptions = find_descriptions(path)
        beside = {} if descriptions is None else {"classes": hash_file(descriptions)}
        return hash_file(path) | beside

    def parts(self, part: Part, size: int, range_bytes: int) -> list[Part]:
        """The whole file: an image's boxes may stand anywhere in it."""
        return [replace(part, stop=size)]

    def records(self, part: Part, projection: Projection) -> Iterator[Record]:  # noqa: D102
        indices = _header(read_head(part.path)[0])
        descriptions = find_descriptions(part.path)
        names = None if descriptions is None else read_descriptions(descriptions)
        size = part.stop * (_ZIPPED if is_gzipped(part.path) else 1)
        with SpilledGroups(count_buckets(size)) as by_image:
            for number, cells in _read_cells(part.path, len(indices)):
                if isinstance(cells, Malformed):
                    yield number, cells
                elif number > 1:
                    by_image.add(ascii(cells[indices[_IMAGE]]), [number, cells])
            for boxes in by_image.groups():
                yield boxes[0][0], _row(boxes, indices, names, projection.columns)


def find_descriptions(path: str) -> str | None:
    """The file of class descriptions beside a table, if there is one."""
    folder = split_path(absolute(path))[0]
    try:
        beside = set(list_folder(folder))
    except READ_FAILURES as error:
        raise ManifestError(f"{folder}: cannot be read: {error}") from error
    found = next((name for name in _DESCRIPTIONS if name in beside), None)
    return None if found is None else f"{folder}/{found}"


def read_descriptions(path: str) -> dict[str, str]:
    """The names of classes by their labels, in the file's order.

    Raises:
        ManifestError: a line is no label and name.
    """
    found = {}
    for number, cells in _read_cells(path, 2):
        if isinstance(cells, Malformed) or not cells[1].strip():
            said = cells.message if isinstance(cells, Malformed) else "got no name"
            raise ManifestError(f"{path} line {number}: {said}, expected a label and a name")
        if cells[0] != _LABEL:
            found[cells[0]] = cells[1].strip()
    return found


def _header(head: bytes) -> dict[str, int]:
    """Where each column stands."""
    line = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].decode("utf-8", "replace")
    return {name.strip(): index for index, name in enumerate(line.split(","))}


def _read_cells(path: str, width: int) -> Iterator[tuple[int, list[str] | Malformed]]:
    """The cells of each line, the header's among them; blank ones are left out."""
    for number, line in read_lines(read_chunks(path)):
        text = decode_line(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
        if isinstance(text, Malformed):
            yield number, text
        elif text.strip():
            # Few lines have quotes, and what the reader does for them takes its time.
            cells = next(csv.reader([text])) if '"' in text else text.rstrip("\r").split(",")
            if len(cells) == width and cells[0]:
                yield number, cells
            else:
                got = f"{len(cells)} cells" if cells[0] else "no id in the first cell"
                yield number, Malformed(MALFORMED_ROW, f"got {got}, expected {width} cells")


def _row(
    boxes: Sequence[tuple[int, list[str]]],
    indices: Mapping[str, int],
    names: Mapping[str, str] | None,
    columns: Sequence[str],
) -> tuple[Any, ...] | Malformed:
    """The cells of an image, from the lines of its boxes."""
    image_id = boxes[0][1][indices[_IMAGE]]
    known = {"image_id": image_id, "file_name": f"{image_id}.jpg"}
    made: dict[str, Any] = {}
    try:
        for column in columns:
            if column not in known:
                made[column] = _cell(column, boxes, indices, names)
    except _CellError as error:
        values = tuple((column, known[column]) for column in columns if column in known)
        return Malformed(error.reason, str(error), values=values)
    return tuple((known | made)[column] for column in columns)


class _CellError(ValueError):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def _cell(
    column: str,
    boxes: Sequence[tuple[int, list[str]]],
    indices: Mapping[str, int],
    names: Mapping[str, str] | None,
) -> Any:
    if column == "bbox":
        sides = [(side, indices[side]) for side in _SIDES]
        found = [[_number(line, side, cells[at]) for side, at in sides] for line, cells in boxes]
        return boxes_cell(found, "xyxy", normalized=True)
    if column == "category" and names is not None:
        return [_name(line, cells[indices[_LABEL]], names) for line, cells in boxes]
    if column in ("category", "category_id"):
        return [cells[indices[_LABEL]] for _, cells in boxes]
    name = next(name for name in indices if _NUMBERS.get(name, name) == column)
    at = indices[name]
    if name in _NUMBERS:
        return [_number(line, name, cells[at]) for line, cells in boxes]
    return [cells[at] for _, cells in boxes]


def _number(line: int, column: str, text: str) -> float:
    """A number, whole where it is written so."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        message = f"line {line}: column {column!r}: got {shorten(text)}, expected a number"
        raise _CellError(MALFORMED_ROW, message)
    return int(number) if text.strip().lstrip("-").isdecimal() else number


def _name(line: int, label: str, names: Mapping[str, str]) -> str:
    if label not in names:
        message = f"line {line}: got the label {shorten(label)}, expected one of the {len(names)} "
        raise _CellError(UNKNOWN_CATEGORY, f"{message}that the class descriptions have")
    return names[label]
