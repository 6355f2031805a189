"""Where a feature's value comes from: a manifest column, or a pattern that columns fill in.

A pattern is a path, of a file or of an array inside of a file, in which ``{column}`` stands for a cell:
``videos.h5::/{clip}/frames``, ``faces.npy::[{index}]``, ``frames/{clip}/*.jpg``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import Reject

__all__ = ["ARRAY_MARK", "check_source", "fill_source", "is_column", "source_columns"]

ARRAY_MARK = "::"
"""What stands between a file and the name of an array in it."""

_COLUMN = re.compile(r"\{([^{}]+)\}")


def is_column(source: str) -> bool:
    """Whether a source is the name of a column, rather than a pattern, or empty, for what has no source."""
    return bool(source) and ARRAY_MARK not in source and _COLUMN.search(source) is None


def source_columns(source: str) -> tuple[str, ...]:
    """The columns that a source names, each once."""
    return (source,) if is_column(source) else tuple(dict.fromkeys(_COLUMN.findall(source)))


def check_source(source: str) -> str:
    """The source itself.

    Raises:
        ValueError: it is a pattern with a brace too many.
    """
    if not is_column(source) and set("{}") & set(_COLUMN.sub("", source)):
        raise ValueError(f"got {source!r}, expected each column's name in one pair of braces")
    return source


def fill_source(source: str, cells: Mapping[str, Any]) -> Any:
    """The value of a source in a row: the column's cell, or the pattern with the cells filled in.

    Args:
        source: a column or a pattern.
        cells: the row's cells by column.

    Raises:
        Reject: stage ``load``: ``missing_value`` or ``bad_path``, a cell that a pattern needs is empty,
            or is neither text nor a number.
    """
    if is_column(source):
        return cells[source]
    return _COLUMN.sub(lambda match: _text(cells[match[1]], match[1], source), source)


def _text(value: Any, column: str, source: str) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # tables write integers with gaps as floats
    if value is None or value == "":
        message = f"column {column!r} is empty, expected a value for {source!r}"
        raise Reject("load", "missing_value", message)
    if not isinstance(value, str | int):
        message = f"column {column!r}: got {value!r:.80}, expected text or a number for {source!r}"
        raise Reject("load", "bad_path", message)
    return str(value)
