"""Saying what is wrong with a schema: one line a fault, with its place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from .features.base import SettingError, shorten

__all__ = ["explain", "fault"]


def fault(lines: Iterable[str]) -> PydanticCustomError:
    """The error for a validator to raise whose lines, each with its place, are messages already."""
    return PydanticCustomError("feature", "{lines}", {"lines": "\n".join(lines)})


def explain(error: ValidationError, place: str = "") -> Iterable[str]:
    """One line for each fault: ``features.image.resize: got 'crop2', expected one of …``."""
    for found in error.errors(include_url=False):
        if found["type"] == "feature":
            yield from filter(None, found["msg"].split("\n"))
            continue
        reason = found.get("ctx", {}).get("error")
        setting = [reason.setting] if isinstance(reason, SettingError) else []
        where = ".".join([*filter(None, [place]), *map(str, found["loc"]), *setting])
        yield f"{where}: {_describe(dict(found))}".removeprefix(": ")


_EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "int_from_float": "an integer",
    "int_parsing": "an integer",
    "int_type": "an integer",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "one of {expected}",
    "model_type": "a mapping with 'features'",
    "string_pattern_mismatch": "text on one line, without control characters",
    "string_too_short": "at least one character",
    "string_type": "text",
    "too_short": "at least one feature",
    "tuple_type": "a list",
}
"""What was expected, by pydantic's name of the fault."""


def _describe(fault: dict[str, Any]) -> str:
    context = fault.get("ctx", {})
    match fault["type"]:
        case "missing":
            return "missing, expected a value"
        case "extra_forbidden":
            return f"got {shorten(fault['input'])}, expected nothing: there is no such setting"
        case "value_error":
            error = context["error"]
            return error.message if isinstance(error, SettingError) else str(error)
        case kind:
            message = fault["msg"][:1].lower() + fault["msg"][1:]
            expected = _EXPECTED.get(kind, message).format(**context)
            return f"got {shorten(fault['input'])}, expected {expected}"
