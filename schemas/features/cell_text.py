"""Numbers as manifests write them: as JSON and Arrow scalars, lists, or text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

__all__ = ["is_missing", "parse_float", "parse_int", "parse_list", "split_values"]

_DIGITS = re.compile(r"[+-]?[0-9]{1,1000}")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SPECIAL = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_BOOLEANS = {"true": 1, "false": 0}
_SEPARATORS = re.compile(r"\s*[,;]\s*|\s+")
_BRACKETS = str.maketrans("[]()", "    ")
_INEXACT = 2.0**53  # from here on doubles skip integers: 2**53 + 1 is read as 2**53
_MAX_DIGITS = 1000  # of whole numbers that are written out: far beyond any type's


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: ``None``, or text without a character that is not white."""
    return value is None or (isinstance(value, str) and not value.strip())


def parse_int(value: Any) -> int:
    """An integer of any size.

    Takes integers, booleans as 0 and 1, and what is whole though written with a point or an exponent
    (tables write integers with gaps as floats: ``3.0``). Text is read digit by digit and always
    exact; a float is taken below 2**53 alone, since a larger one may have been another integer.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not value.is_integer() or abs(value) >= _INEXACT:
            raise ValueError("not a whole number, or not an exact one")
        return int(value)
    text = _number_text(value)
    if _DIGITS.fullmatch(text):
        return int(text)
    if text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if not _DECIMAL.fullmatch(text):
        raise ValueError("not a whole number")
    return _whole_number(text)


def _whole_number(text: str) -> int:
    """The integer that decimal text with a point or an exponent spells, however many digits."""
    if len(text) > 2 * _MAX_DIGITS:
        raise ValueError("more digits than any integer here has")
    try:
        number = Decimal(text)
    except ArithmeticError:  # an exponent of twenty digits
        raise ValueError("not a whole number that can be written out") from None
    if not number:
        return 0
    # Asked before it is written out: 1e-999999999 would take all memory.
    written_out = 0 <= number.adjusted() <= _MAX_DIGITS
    if not written_out or number.as_integer_ratio()[1] != 1:
        raise ValueError("not a whole number")
    return int(number)


def parse_float(value: Any) -> float:
    """A double, NaN and infinities among them.

    Takes numbers, booleans as 0 and 1, and decimal text with a point; never ``1_000`` or ``1,5``.

    Raises:
        ValueError: it is none of these.
        OverflowError: it is a finite number beyond the range of a double.
    """
    if isinstance(value, int | float):
        return float(value)
    text = _number_text(value)
    if text.lower() in _BOOLEANS:
        return float(_BOOLEANS[text.lower()])
    if _SPECIAL.fullmatch(text):
        return float(text)
    if not _DECIMAL.fullmatch(text):
        raise ValueError("not a number")
    number = float(text)
    if math.isinf(number):  # not what the text says
        raise OverflowError("beyond the range of a double")
    return number


def _number_text(value: Any) -> str:
    if isinstance(value, bytes | list | dict):
        raise ValueError("not a number")
    return str(value).strip()  # Arrow's decimals are written out by str too


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
