from __future__ import annotations

import pytest
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.features.base import Domain, SettingError
from pixelbeam.schemas.features.limits import check_order, check_range, limits_of, out_of_range


@pytest.mark.parametrize(("low", "high"), [(None, None), (3, None), (None, -3), (2, 2), (0, 1)])
def test_limits_in_order(low, high):
    check_order(low, high)


@pytest.mark.parametrize(("low", "high"), [(2, 1), (0, -1), (0.5, 0)])
def test_a_smallest_above_the_largest(low, high):
    with pytest.raises(SettingError) as caught:
        check_order(low, high)
    assert caught.value.setting == "min"
    assert caught.value.message == f"got {low}, expected at most max, which is {high}"


def test_a_domain_is_of_what_is_limited():
    assert limits_of(None, None) is None
    assert limits_of(0, None) == Domain(0, None)
    assert limits_of(None, 0) == Domain(None, 0)
    assert limits_of(1, 2) == Domain(1, 2)


@pytest.mark.parametrize(
    ("low", "high", "inside", "outside", "expected"),
    [
        (2, None, [2, 3, 10**9], [1, -5], "at least 2"),
        (None, 2, [2, 1, -(10**9)], [3], "at most 2"),
        (0, 0, [0], [-1, 1], "at least 0 and at most 0"),
        (-1, 1.5, [-1, 0, 1.5], [-2, 1.75], "at least -1 and at most 1.5"),
        (None, None, [-1, 0, 1], [], ""),
    ],
)
def test_numbers_within_the_limits(low, high, inside, outside, expected):
    for number in inside:
        check_range(number, low, high)
    for number in outside:
        with pytest.raises(Reject) as caught:
            check_range(number, low, high)
        said = f"encode: out_of_range: got {number}, expected {expected}"
        assert str(caught.value) == said


def test_the_reject_shortens_what_was_got():
    reject = out_of_range("9" * 100, 0, None)
    said = f"got '{'9' * 78}…, expected at least 0"
    assert (reject.stage, reject.reason, reject.message) == ("encode", "out_of_range", said)
