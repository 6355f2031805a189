"""Whether what a kind's ``encode`` gives is what its ``specs`` promise to everybody who reads it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from .base import ValueSpec, shorten

__all__ = ["check_fit"]


@cache
def _name(dtype: np.dtype[Any]) -> str:
    """NumPy puts a dtype's name together each time that it is asked for."""
    return str(dtype.name)


def check_fit(
    name: str, kind: str, values: Mapping[str, Any], specs: Mapping[str, ValueSpec], steps: int = 0
) -> None:
    """Checks a feature's record values before any sink has them.

    A record that does not fit could be written, and would fail where it is read: days later, on another machine.

    Args:
        name: the feature's name.
        kind: its ``type``.
        values: by key, of one record or of one step.
        specs: what they are to be.
        steps: how many steps each value holds along a first axis of its own; 0 where it is one value.

    Raises:
        TypeError: a key is missing or not declared, or a value is of another dtype or shape.
    """
    if values.keys() != specs.keys():
        got, expected = ", ".join(map(repr, values)), ", ".join(map(repr, specs))
        raise TypeError(
            f"{name}: type {kind} encoded the keys {got}, but its specs declare {expected}"
        )
    for key, spec in specs.items():
        value = values[key]
        if not spec.is_numeric and isinstance(value, list if spec.is_ragged else (bytes, list)):
            continue  # bytes, and several strings, are of any length
        # NumPy's scalars are values without axes.
        if not isinstance(value, np.ndarray | np.generic):
            got = f"{type(value).__name__} {shorten(value)}"
        else:
            shape = (steps, *spec.shape) if steps else spec.shape
            fits = len(value.shape) == len(shape) and all(
                size in (None, found) for size, found in zip(shape, value.shape, strict=True)
            )
            if fits and _name(value.dtype) == spec.dtype:
                continue
            got = f"{value.dtype.name} {list(value.shape)}"
        sizes = [*([steps] if steps else []), *spec.shape]
        raise TypeError(
            f"{name}: type {kind} encoded {key!r} as {got}, but its specs declare {spec.dtype} {sizes}"
        )
