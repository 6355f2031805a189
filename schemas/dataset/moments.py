"""Counts, extremes, sums and sums of squares of numbers: what statistics are made of.

Sums go from the first number to the last, steps one after the other, so that they are the same to the
last bit whether numbers come alone, in steps or as one array, and with any version of Python or NumPy
(Python 3.12 made ``sum`` of floats another sum; NumPy's adds in pairs).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["float_moments", "int_moments", "row_blocks"]

_BLOCK_BYTES = 1 << 20
_FEW = 64  # below which plain Python is faster than NumPy


def row_blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """An array in pieces along its first axis, so small that what is made of them stays in the cache."""
    rows = max(1, _BLOCK_BYTES // max(1, array.nbytes // max(1, len(array))))
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def float_moments(steps: NDArray[np.float32]) -> dict[str, Any]:
    """The summary of floats ``[steps, …]``; ``nan`` counts those that are not finite, where there are any."""
    finite = np.isfinite(steps)
    count = int(np.count_nonzero(finite))
    missing = {"nan": steps.size - count} if count < steps.size else {}
    if not count:
        return {"count": 0} | missing
    sums, squares = [], []
    for block, taken in zip(row_blocks(steps), _like(finite, steps), strict=True):
        flat = np.where(taken, block, 0.0).reshape(len(block), -1).astype(np.float64)
        sums.append(_last_of_cumsum(flat, 1))
        squares.append(_last_of_cumsum(np.square(flat), 1))
    return {
        "count": count,
        # Which of 0.0 and -0.0 is the smaller is the machine's choice; adding 0.0 leaves only 0.0.
        "min": float(np.min(steps, where=finite, initial=np.inf)) + 0.0,
        "max": float(np.max(steps, where=finite, initial=-np.inf)) + 0.0,
        "sum": float(_last_of_cumsum(np.concatenate(sums), 0)),
        "sumsq": float(_last_of_cumsum(np.concatenate(squares), 0)),
    } | missing


def int_moments(steps: NDArray[np.int64]) -> dict[str, Any]:
    """The summary of integers ``[steps, …]``, exact: sums of any size."""
    if not steps.size:
        return {"count": 0}
    low, high = int(steps.min()), int(steps.max())
    largest = max(-low, high)
    if steps.size < _FEW or steps.size * largest * largest >= 2**63:
        numbers = steps.ravel().tolist()  # Python's integers never overflow
        total, squares = sum(numbers), sum(n * n for n in numbers)
    else:
        total, squares = int(steps.sum()), int(np.square(steps).sum())
    return {"count": steps.size, "min": low, "max": high, "sum": total, "sumsq": squares}


def _like(array: NDArray[Any], model: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """An array in the pieces that ``row_blocks`` makes of another of as many rows."""
    start = 0
    for block in row_blocks(model):
        yield array[start : start + len(block)]
        start += len(block)


def _last_of_cumsum(values: NDArray[np.float64], axis: int) -> Any:
    """Sums from the first to the last; ``np.sum`` adds in pairs, in an order of its own."""
    if not values.shape[axis]:
        return np.zeros(values.shape[:axis])
    return np.add.accumulate(values, axis=axis).take(-1, axis=axis) + 0.0
