"""The smallest and largest number that a feature takes."""

from __future__ import annotations

from typing import Any

from ..errors import Reject
from .base import Domain, SettingError, shorten

__all__ = ["check_order", "check_range", "limits_of", "out_of_range"]


def check_order(low: float | None, high: float | None) -> None:
    """Checks that a smallest value is not above the largest.

    Raises:
        SettingError: it is; of the setting ``min``.
    """
    if low is not None and high is not None and low > high:
        raise SettingError("min", f"got {low}, expected at most max, which is {high}")


def limits_of(low: float | None, high: float | None) -> Domain | None:
    """What numbers may be; ``None`` for anything."""
    return None if low is None and high is None else Domain(low, high)


def check_range(number: float, low: float | None, high: float | None) -> None:
    """Checks a number against the limits that there are.

    Raises:
        Reject: ``out_of_range``.
    """
    if (low is not None and number < low) or (high is not None and number > high):
        raise out_of_range(number, low, high)


def out_of_range(value: Any, low: float | None, high: float | None) -> Reject:
    """The reject of a value that is beyond the limits."""
    limits = [
        f"at least {low}" if low is not None else "",
        f"at most {high}" if high is not None else "",
    ]
    expected = " and ".join(filter(None, limits))
    return Reject("encode", "out_of_range", f"got {shorten(value)}, expected {expected}")
