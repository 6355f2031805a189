from __future__ import annotations

import pytest
from pixelbeam.readers.tf_data.selection import Selection


@pytest.mark.parametrize(
    ("shuffle", "seed", "expected"),
    [
        (False, None, True),
        (False, 0, True),
        (True, None, False),
        (True, 0, True),
        (10, None, False),
        (10, 5, True),
        (1, None, False),
        (0, None, False),  # a number, though it equals False
    ],
)
def test_only_an_unseeded_shuffle_is_not_deterministic(shuffle, seed, expected):
    assert Selection([], 0, 1.0, None, shuffle, seed).deterministic is expected


def test_all_records_in_stored_order_are_what_is_read_where_nothing_is_said():
    expected = Selection(["f"], 3, 1.5, part=None, shuffle=False, seed=None)
    assert Selection(["f"], 3, 1.5) == expected
