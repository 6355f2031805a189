"""What kinds write into the generated module: Python source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["DecodeSource", "literal"]


@dataclass(frozen=True, slots=True)
class DecodeSource:
    """How the generated ``feature_description.py`` decodes a feature that it has parsed.

    Every string is Python source. Names that come from users enter it through ``literal`` only.

    Attributes:
        expression: over the dict ``features`` (a parsed batch), gives the feature's decoded batch; empty
            when the parsed value is already the final one.
        functions: module-level functions that the expression calls, by function name. The same name always
            has the same source: what differs between features is an argument.
    """

    expression: str = ""
    functions: Mapping[str, str] = field(default_factory=dict)


def literal(value: Any) -> str:
    """Python source of a plain value, ASCII only, so that no name can end a line or a string.

    Args:
        value: a ``str``, ``bytes``, ``bool``, ``int``, finite ``float``, ``None``, or lists of these.

    Raises:
        TypeError: the value is of another type, whose ``repr`` could be anything, or not finite.
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    plain = type(value) in (str, bytes, bool, int, float, type(None))
    if not plain or (isinstance(value, float) and not math.isfinite(value)):
        raise TypeError(f"got {value!r} of {type(value).__name__}, expected a plain value")
    source = ascii(value)
    if isinstance(value, str) and '"' not in source:  # then nothing in it escapes a quote
        source = f'"{source[1:-1]}"'
    return source
