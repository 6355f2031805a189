"""Numbers as manifests write them: as JSON and Arrow scalars, lists, or text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["is_missing", "parse_float", "parse_int", "parse_list", "split_values"]

_DIGITS = re.compile(r"[+-]?[0-9]{1,1000}")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SPECIAL = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_BOOLEANS = {"true": 1, "false": 0}
_SEPARATORS = re.compile(r"\s*[,;]\s*|\s+")
_BRACKETS = str.maketrans("[]()", "    ")
_EXACT = 2**53  # from here on a double skips integers


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: ``None``, or text without a character that is not white."""
    return value is None or (isinstance(value, str) and not value.strip())


def parse_int(value: Any) -> int:
    """An integer of any size.

    Takes integers, booleans as 0 and 1, and floats that are whole numbers below 2**53 (tables write
    integers with gaps as floats: ``3.0``); as values or as text.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, int):
        return int(value)
    text = str(value).strip()
    if _DIGITS.fullmatch(text):
        return int(text)
    if text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    number = parse_float(value)
    if not number.is_integer() or abs(number) > _EXACT:
        raise ValueError("not a whole number")
    return int(number)


def parse_float(value: Any) -> float:
    """A double, NaN and infinities among them.

    Takes numbers, booleans as 0 and 1, and decimal text with a point; never ``1_000`` or ``1,5``.

    Raises:
        ValueError: it is none of these.
        OverflowError: it is an integer beyond the range of a double.
    """
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, bytes | list | dict):
        raise ValueError("not a number")
    text = str(value).strip()  # Arrow's decimals are written out by str too
    if text.lower() in _BOOLEANS:
        return float(_BOOLEANS[text.lower()])
    if not (_DECIMAL.fullmatch(text) or _SPECIAL.fullmatch(text)):
        raise ValueError("not a number")
    return float(text)


def split_values(value: Any, separator: str | None) -> list[Any]:
    """The values of a list cell, nested as far as the cell nests them.

    Args:
        value: a list; JSON text of one; or text with a separator between the values, with or without
            brackets around (``1, 2``, ``[1 2]``, ``(1;2)``). Anything else is a list of one.
        separator: what stands between the values in text; white space means any white space, ``None``
            a comma, a semicolon or white space.
    """
    if isinstance(value, list | tuple):
        return list(value)
    if not isinstance(value, str):
        return [value]
    text = value.strip()
    if (parsed := parse_list(text)) is not None:
        return parsed
    if text[:1] in ("[", "(") and text[-1:] in ("]", ")"):
        text = text.translate(_BRACKETS).strip()
    return list(_split(text, separator))


def parse_list(text: str) -> list[Any] | None:
    """The list that JSON text holds, or Python's ``['a', 'b']``; ``None`` where it is neither."""
    if not text.startswith("["):
        return None
    try:
        parsed = json.loads(text if '"' in text else text.replace("'", '"'))
    except (ValueError, RecursionError):  # not JSON, or nested too deep to be a value
        return None
    return parsed if isinstance(parsed, list) else None


def _split(text: str, separator: str | None) -> Iterator[str]:
    if not text:
        return
    if separator is None:
        yield from _SEPARATORS.split(text)
    elif separator.isspace():
        yield from text.split()
    else:
        yield from (piece.strip() for piece in text.split(separator))
