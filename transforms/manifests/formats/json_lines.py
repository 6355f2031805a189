"""JSON lines: an object a line, or all in one array; the build's own ``rejects.jsonl`` among them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ....schemas.errors import ManifestError
from ....schemas.features.base import shorten
from ...storage.streams import HEAD_BYTES
from .base import (
    MALFORMED_ROW,
    NOT_UTF8,
    Malformed,
    Part,
    Projection,
    Record,
    check_names,
)
from .json_arrays import is_array, read_elements, whole_elements
from .text import Body, Head, TextFormat, decode_line, read_lines

__all__ = ["LEFT_OUT", "JsonLines"]

LEFT_OUT = "left_out"
"""The key of a reject that lists the columns whose cells were too large to be written out."""

CELL_LEFT_OUT = "cell_left_out"
_REJECT_KEYS = frozenset({"stage", "reason", "values"})


@dataclass(frozen=True)
class JsonLines(TextFormat):
    """An object a line, its keys the columns; a key that a line leaves out is ``None`` in it.

    A file that is an array of objects is read as well: its rows are the elements, counted from 1.

    A row that has a key twice, at any depth, is malformed: JSON does not say which one counts.

    The columns are the keys that occur in the head of the file, in the order of their appearance.
    A file whose first row has the keys of a reject (``stage``, ``reason``, ``values``) is a list of
    rejects to be tried again: its rows are then the objects under ``values``.
    """

    optional_columns = True
    endings = (".jsonl", ".ndjson", ".json")

    def recognizes(self, head: bytes) -> bool:  # noqa: D102 - the interface's
        return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")

    def body(self, head: Head, path: str) -> Body:  # noqa: D102
        array = is_array(head.text)
        lines = iter(whole_elements(head.text)) if array else _whole_lines(head)
        rows = list(_parse_objects(lines))
        objects = [row for _, row in rows if isinstance(row, dict)]
        if not objects:
            expected = "an array of objects" if array else "a JSON object a line"
            said = _describe_fault(rows, array)
            if not rows and not head.whole:
                said = f"no end of the first one in its first {HEAD_BYTES >> 20} MiB"
            raise ManifestError(f"{path}: {said}; expected {expected}")
        inside = "values" if objects[0].keys() >= _REJECT_KEYS else ""
        found = [_row_of(row, inside) for row in objects]
        names = dict.fromkeys(name for row in found for name in _names(row))
        columns = check_names(list(names), path)
        return Body(columns, head.start, inside=inside, is_array=array)

    def cut(self, chunks: Iterable[bytes], part: Part, body: Body) -> Iterator[tuple[int, bytes]]:  # noqa: D102
        return (
            read_elements(chunks, part.path) if body.is_array else super().cut(chunks, part, body)
        )

    def parse(  # noqa: D102
        self, lines: Iterator[tuple[int, bytes]], body: Body, projection: Projection, path: str
    ) -> Iterator[Record]:
        columns = projection.columns
        for number, found in _parse_objects(lines):
            row = _row_of(found, body.inside) if body.inside else found
            if isinstance(row, Malformed):
                yield number, row
            else:
                yield number, tuple([row.get(column) for column in columns])


def _whole_lines(head: Head) -> Iterator[tuple[int, bytes]]:
    """The lines of a head but for a last one that goes on behind it."""
    text = head.text if head.whole else head.text[: head.text.rfind(b"\n") + 1]
    return read_lines([text])


def _parse_objects(
    lines: Iterator[tuple[int, bytes]],
) -> Iterator[tuple[int, dict[str, Any] | Malformed]]:
    for number, line in lines:
        if line and not line.isspace():
            yield number, _parse_object(line)


def _parse_object(line: bytes) -> dict[str, Any] | Malformed:
    text = decode_line(line)
    if isinstance(text, Malformed):
        return text
    try:
        value = json.loads(text, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        return Malformed(MALFORMED_ROW, f"not JSON: {error.msg} at character {error.colno}")
    except _TwiceError as error:
        return Malformed(MALFORMED_ROW, str(error))
    except (ValueError, RecursionError) as error:  # a number of too many digits; nested too deep
        return Malformed(MALFORMED_ROW, f"not readable as JSON: {error}")
    if not isinstance(value, dict):
        return Malformed(MALFORMED_ROW, f"got {_describe(value)}, expected an object")
    return _check_escapes(value) if "\\u" in text else value


class _TwiceError(ValueError):
    """An object has a key twice."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise _TwiceError(f"got the key {shorten(twice)} twice in an object, expected it once")
    return found


def _names(row: dict[str, Any] | Malformed) -> Iterable[str]:
    return [name for name, _ in row.values] if isinstance(row, Malformed) else row


def _row_of(found: dict[str, Any] | Malformed, inside: str) -> dict[str, Any] | Malformed:
    if isinstance(found, Malformed) or not inside:
        return found
    row = found.get(inside)
    if isinstance(row, dict) and isinstance(found.get(LEFT_OUT), list):
        listed = ", ".join(map(repr, found[LEFT_OUT]))
        message = f"the list of rejects left {listed} out; expected the row in the manifest itself"
        return Malformed(CELL_LEFT_OUT, message, values=tuple(row.items()))
    if isinstance(row, dict):
        return row
    return Malformed(MALFORMED_ROW, f"got {_describe(row)} under {inside!r}, expected an object")


def _check_escapes(value: dict[str, Any]) -> dict[str, Any] | Malformed:
    r"""Refuses halves of surrogate pairs, such as ``\ud800``, which are no text."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        return Malformed(NOT_UTF8, f"got half of a surrogate pair ({error.object[error.start]!a})")
    return value


def _describe_fault(rows: list[tuple[int, dict[str, Any] | Malformed]], array: bool) -> str:
    for number, row in rows:
        if isinstance(row, Malformed):
            return f"{'element' if array else 'line'} {number}: {row.message}"
    return "an empty array" if array else "nothing but blank lines"


def _describe(value: Any) -> str:
    names = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
