"""Arrow's arrays as the cells of rows: plain values, none of them large."""

from __future__ import annotations

import datetime
import decimal
import uuid
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .base import CELL_TOO_LARGE, NOT_UTF8, Malformed
from .text import LINE_BYTES

__all__ = ["INLINE_FROM", "LARGE", "is_binary", "is_inline", "list_cells"]

INLINE_FROM = 4096
"""Binary values of more bytes stay in the file where they may: a row is a few hundred bytes."""


@dataclass(frozen=True, slots=True)
class _Large:
    """Stands for a binary value that is left where it is."""


LARGE = _Large()

_AS_TEXT = (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID)


def is_binary(arrow_type: Any) -> bool:
    """Whether a type is binary, however it is laid out: views, fixed sizes, dictionaries."""
    kind = _plain_type(arrow_type)
    return any(
        (
            pa.types.is_binary(kind),
            pa.types.is_large_binary(kind),
            pa.types.is_binary_view(kind),
            pa.types.is_fixed_size_binary(kind) and not pa.types.is_decimal(kind),
        )
    )


def is_inline(arrow_type: Any) -> bool:
    """Whether values of a type can be the bytes of files: binary, or structs with ``bytes``."""
    kind = _plain_type(arrow_type)
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and is_binary(kind.field(index).type)
    return is_binary(arrow_type)


def _plain_type(arrow_type: Any) -> Any:
    """What a dictionary's values or an extension's storage are."""
    while True:
        if isinstance(arrow_type, pa.BaseExtensionType):
            arrow_type = arrow_type.storage_type
        elif pa.types.is_dictionary(arrow_type):
            arrow_type = arrow_type.value_type
        else:
            return arrow_type


def list_cells(array: Any, name: str, keep: bool = False) -> list[Any]:
    """The values of an array as the cells of a row.

    Dates, times, decimals and UUIDs are text, lists and structs Python's. ``Malformed`` stands for
    text that is not UTF-8, and for a value of more than ``LINE_BYTES``, which is never made.

    Args:
        array: a column of a batch.
        name: the column's name, for messages.
        keep: whether binary values of more than ``INLINE_FROM`` bytes are ``LARGE`` instead.
    """
    limit = INLINE_FROM if keep and is_binary(array.type) else LINE_BYTES
    large = _find_large(array, limit)
    if large is None:
        return _list_values(array, name)
    message = (
        f"column {name!r}: got a value of more than {limit} bytes, expected fewer; "
        "write it to a file, and its path into the manifest"
    )
    instead = LARGE if limit == INLINE_FROM else Malformed(CELL_TOO_LARGE, message)
    # One by one, so that no large one is made: a dictionary's may stand in every row.
    return [
        instead if is_large else _list_values(array.slice(row, 1), name)[0]
        for row, is_large in enumerate(large)
    ]


def _find_large(array: Any, limit: int) -> list[bool] | None:
    """Which values have more than ``limit`` bytes; none when no value has."""
    if isinstance(array, pa.ExtensionArray):
        return _find_large(array.storage, limit)
    if pa.types.is_dictionary(array.type):
        values = _find_large(array.dictionary, limit)
        if values is None:
            return None
        return [index is not None and values[index] for index in array.indices.to_pylist()]
    if array.nbytes <= limit and not _has_views(array.type):
        return None
    if pa.types.is_nested(array.type):
        large = [array.slice(row, 1).nbytes > limit for row in range(len(array))]
    elif pa.types.is_primitive(array.type) and not is_binary(array.type):
        return None
    else:
        lengths = pc.binary_length(_without_views(array))
        large = pc.fill_null(pc.greater(lengths, limit), False).to_pylist()
    return large if any(large) else None


def _has_views(kind: Any) -> bool:
    # The size of an array of views says nothing of what they look at.
    return bool(pa.types.is_binary_view(kind) or pa.types.is_string_view(kind))


def _without_views(array: Any) -> Any:
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.binary_view())  # which does not ask whether it is UTF-8
    return array.cast(pa.large_binary()) if pa.types.is_binary_view(array.type) else array


def _list_values(array: Any, name: str) -> list[Any]:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_temporal(kind) or pa.types.is_decimal(kind):
        array = array.cast(pa.string())
    try:
        values = array.to_pylist()
    except UnicodeDecodeError:
        values = [_python_value(scalar, name) for scalar in array]
    plain = not pa.types.is_nested(kind) and not isinstance(kind, pa.BaseExtensionType)
    return values if plain else [_as_text(value) for value in values]


def _python_value(scalar: Any, name: str) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        return Malformed(NOT_UTF8, f"column {name!r}: got byte 0x{byte:02x}, expected UTF-8 text")


def _as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    if isinstance(value, dict):
        return {name: _as_text(item) for name, item in value.items()}
    return str(value) if isinstance(value, _AS_TEXT) else value
