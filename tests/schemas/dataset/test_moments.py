"""Moments are exact, and the same however the numbers come."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pixelbeam.schemas.dataset import moments
from pixelbeam.schemas.dataset.moments import float_moments, int_moments, row_blocks

FLOATS = arrays.arrays(np.float32, st.tuples(st.integers(0, 9), st.integers(0, 5)))
INTS = arrays.arrays(np.int64, st.integers(0, 90))


def in_order(numbers):
    """One after the other, as the sums of a shard's records are taken; never Python's own ``sum``."""
    total = 0.0
    for number in numbers:
        total += number
    return total


@given(FLOATS)
def test_floats_against_a_loop(steps):
    finite = [[float(x) if math.isfinite(x) else 0.0 for x in step] for step in steps]
    numbers = [float(x) for x in steps.ravel() if math.isfinite(x)]
    expected = {"count": len(numbers)}
    if numbers:
        expected |= {
            "min": min(numbers),
            "max": max(numbers),
            "sum": in_order(in_order(step) for step in finite),
            "sumsq": in_order(in_order(x * x for x in step) for step in finite),
        }
    missing = steps.size - len(numbers)
    assert float_moments(steps) == expected | ({"nan": missing} if missing else {})


def test_zero_has_no_sign():
    for zeros in ([-0.0, 0.0], [0.0, -0.0], [-0.0]):
        found = float_moments(np.array(zeros, np.float32))
        assert {name: math.copysign(1, x) for name, x in found.items()} == dict.fromkeys(found, 1.0)


@pytest.mark.parametrize("rows", [1, 3, 10_000])
def test_floats_in_many_blocks(rows, monkeypatch):
    steps = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    steps[13, 2] = np.nan
    whole = float_moments(steps)
    monkeypatch.setattr(moments, "_BLOCK_BYTES", rows * steps[0].nbytes)
    assert float_moments(steps) == whole
    assert (whole["count"], whole["nan"]) == (349, 1)


@given(INTS)
def test_integers_are_exact(steps):
    numbers = steps.tolist()
    expected = {"count": len(numbers)}
    if numbers:
        expected |= {
            "min": min(numbers),
            "max": max(numbers),
            "sum": sum(numbers),
            "sumsq": sum(n * n for n in numbers),
        }
    assert int_moments(steps) == expected


@pytest.mark.parametrize("size", [63, 64, 65])
@pytest.mark.parametrize("sign", [1, -1])
def test_squares_that_just_fit_and_just_do_not(size, sign):
    """Beyond 2**63 NumPy's sums would wrap round."""
    for value in (math.isqrt(2**63 // size), math.isqrt(2**63 // size) + 1):
        found = int_moments(np.full(size, sign * value))
        assert (found["sum"], found["sumsq"]) == (size * sign * value, size * value * value)
    assert all(type(found[name]) is int for name in found)
    assert int_moments(np.full(128, sign * 2**28))["sumsq"] == 2**63


def test_blocks_are_whole_rows_of_at_most_a_mebibyte():
    array = np.arange(3 * 2**17 + 5, dtype=np.int64).reshape(-1, 1)
    blocks = list(row_blocks(array))
    assert [len(block) for block in blocks] == [2**17, 2**17, 2**17, 5]
    assert np.array_equal(np.concatenate(blocks), array)
    wide = np.zeros((2, 2**18), np.float64)
    assert [block.shape for block in row_blocks(wide)] == [(1, 2**18)] * 2
    assert list(row_blocks(np.zeros((0, 4)))) == []
    assert [len(block) for block in row_blocks(np.zeros((5, 0)))] == [5]
