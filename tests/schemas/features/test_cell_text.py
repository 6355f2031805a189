"""What manifests write as numbers and lists, value by value."""

from __future__ import annotations

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas.features.cell_text import (
    is_missing,
    parse_float,
    parse_int,
    parse_list,
    split_values,
)


@pytest.mark.parametrize("value", [None, "", " ", "\t\n", "\u00a0"])
def test_what_holds_nothing(value):
    assert is_missing(value)


@pytest.mark.parametrize("value", ["0", " x ", 0, 0.0, False, [], b"", math.nan])
def test_what_holds_something(value):
    assert not is_missing(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7),
        (True, 1),
        (3.0, 3),
        (-0.0, 0),
        (2.0**53 - 1, 2**53 - 1),
        (1 - 2.0**53, 1 - 2**53),
        (" +12 ", 12),
        ("-007", -7),
        ("TRUE", 1),
        ("false", 0),
        ("9007199254740993.0", 2**53 + 1),
        ("1e3", 1000),
        ("1.5e1", 15),
        ("-2.50E+2", -250),
        ("0.000", 0),
        (".0", 0),
        ("1.", 1),
        ("1e1000", 10**1000),
        ("9" * 1000, 10**1000 - 1),
        ("1." + "0" * 1998, 1),
        (Decimal("12.00"), 12),
    ],
)
def test_whole_numbers(value, expected):
    assert parse_int(value) == expected
    assert type(parse_int(value)) is int


@pytest.mark.parametrize(
    "value",
    [
        3.5,
        2.0**53,
        -(2.0**53),
        math.nan,
        math.inf,
        "",
        "x",
        "1_000",
        "1,5",
        "0x10",
        "1.5",
        "1e-1",
        "1e1001",
        "1e-999999999",
        "1e99999999999999999999",
        "0e99999999999999999999",
        "9" * 1001 + ".5",
        "1." + "0" * 1999,
        "٣",
        "nan",
        "yes",
        b"1",
        [1],
        {"a": 1},
        None,
    ],
)
def test_no_whole_numbers(value):
    with pytest.raises(ValueError, match=r"^(not a|more digits than any integer here has)"):
        parse_int(value)


@given(st.integers(-(10**30), 10**30))
def test_integers_come_back_whatever_spells_them(number):
    spellings = [number, str(number), f" {number:+d}", f"{number}.0", f"{number}e0"]
    assert [parse_int(spelling) for spelling in spellings] == [number] * 5


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0),
        (True, 1.0),
        (0.25, 0.25),
        (" 1.5 ", 1.5),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("1E-3", 0.001),
        ("+7", 7.0),
        ("True", 1.0),
        ("FALSE", 0.0),
        ("-Inf", -math.inf),
        ("infinity", math.inf),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        (Decimal("0.1"), 0.1),
    ],
)
def test_floats(value, expected):
    assert parse_float(value) == expected
    assert type(parse_float(value)) is float


@pytest.mark.parametrize("text", ["nan", "+NaN", "-nan"])
def test_nan(text):
    assert math.isnan(parse_float(text))


@pytest.mark.parametrize("value", ["", "x", "1_0", "1,5", "1 2", "١", "in", b"1", [1.0], {}, None])
def test_no_floats(value):
    with pytest.raises(ValueError, match=r"^not a number$"):
        parse_float(value)


@pytest.mark.parametrize("value", ["1e309", "-1e400"])
def test_beyond_the_range_of_a_double(value):
    with pytest.raises(OverflowError, match=r"^beyond the range of a double$"):
        parse_float(value)


@given(st.floats(allow_nan=False))
def test_floats_come_back(number):
    assert parse_float(repr(number)) == number


@pytest.mark.parametrize(
    ("value", "separator", "expected"),
    [
        ([1, [2]], None, [1, [2]]),
        ((1, 2), None, [1, 2]),
        (5, None, [5]),
        (None, None, [None]),
        ("1, 2;3 4", None, ["1", "2", "3", "4"]),
        (" 1 ", None, ["1"]),
        ("", None, []),
        ("[]", None, []),
        ("( )", None, []),
        ("[1 2]", None, ["1", "2"]),
        ("(1;2)", None, ["1", "2"]),
        ("[1, [2, 3]]", None, [1, [2, 3]]),
        ("['a', 'b']", None, ["a", "b"]),
        ('["it\'s"]', None, ["it's"]),
        ("a b|c", "|", ["a b", "c"]),
        (" a | b ", "|", ["a", "b"]),
        ("a,b  c", " ", ["a,b", "c"]),
        ("a\tb", "\t", ["a", "b"]),
        ("(1", None, ["(1"]),
        ("1)", None, ["1)"]),
        ("[a", None, ["[a"]),
    ],
)
def test_lists(value, separator, expected):
    assert split_values(value, separator) == expected


def test_a_list_is_copied():
    given_list = [1, 2]
    assert split_values(given_list, None) is not given_list


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 2]", [1, 2]),
        ("['a']", ["a"]),
        ("[a]", None),
        ("[1", None),
        ("1, 2", None),
        ("", None),
        (' [1, "x"]', None),
        ("[" * 100_000, None),
    ],
)
def test_json_lists(text, expected):
    assert parse_list(text) == expected


@given(st.lists(st.recursive(st.integers() | st.text(), st.lists, max_leaves=5)))
def test_json_lists_come_back(values):
    text = json.dumps(values)
    if "'" not in text or '"' in text:
        assert parse_list(text) == values
