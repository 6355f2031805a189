import json
import math

import numpy as np
import pytest
from feature_cases import Case, as_plain, check, round_trip
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas import Float32, Int64, Schema
from pixelbeam.schemas.dataset.statistics import merge_all
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.features.base import Domain

INT = Int64(source="n")
FLOAT = Float32(source="n")
LIMITED = Int64(source="n", min=1, max=6)
TRIPLE = Int64(source="n", shape=[3])
MATRIX = Float32(source="n", shape=[2, 2])
ANY_LENGTH = Int64(source="n", shape=[None])
BOXES = Float32(source="n", shape=[None, 2])
CUBES = Int64(source="n", shape=[None, 2, 1])
FLOAT32_MAX = float(np.finfo(np.float32).max)
ROUNDED_TO_MAX = 3.4028235677973362e38  # half a step of float32 above it, less one of float64
WITH_NAN = Float32(source="n", allow_nan=True, min=0)


def rejected(reason, message):
    return {"rejected": (reason, message)}


INEXACT = "expected an integer written without a point: floats from 2**53 on are not exact"
NO_INTEGER = "got '{}', expected an integer"

INTEGERS = [
    Case(INT, 7, 7),
    Case(INT, " -7 ", -7),
    Case(INT, "+7", 7),
    Case(INT, "007", 7),
    Case(INT, 3.0, 3),
    Case(INT, "3.0", 3),
    Case(INT, "1e3", 1000),
    Case(INT, True, 1),
    Case(INT, "False", 0),
    Case(INT, 2**63 - 1, 2**63 - 1),
    Case(INT, str(-(2**63)), -(2**63)),
    Case(INT, 3.5, **rejected("not_a_number", "got 3.5, expected an integer")),
    Case(INT, "3.5", **rejected("not_a_number", "got '3.5', expected an integer")),
    Case(INT, "three", **rejected("not_a_number", "got 'three', expected an integer")),
    Case(INT, "1_000", **rejected("not_a_number", "got '1_000', expected an integer")),
    Case(INT, "١", **rejected("not_a_number", "got '١', expected an integer")),
    Case(INT, "nan", **rejected("not_a_number", "got 'nan', expected an integer")),
    Case(INT, float("inf"), **rejected("not_a_number", "got inf, expected an integer")),
    Case(INT, "9007199254740993.0", 9007199254740993),
    Case(INT, "-9007199254740993.", -9007199254740993),
    Case(INT, "9223372036854775807.00", 2**63 - 1),
    Case(INT, "9.007199254740993e15", 9007199254740993),
    Case(INT, "90071992547409930e-1", 9007199254740993),
    Case(INT, "0e-999999999", 0),
    Case(INT, "0.1e-999999999", **rejected("not_a_number", NO_INTEGER.format("0.1e-999999999"))),
    Case(INT, "1e999999999", **rejected("not_a_number", NO_INTEGER.format("1e999999999"))),
    Case(INT, f"1e{9**30}", **rejected("not_a_number", NO_INTEGER.format(f"1e{9**30}"))),
    Case(
        INT,
        "9007199254740993.5",
        **rejected("not_a_number", NO_INTEGER.format("9007199254740993.5")),
    ),
    Case(INT, 2.0**53 - 1, 2**53 - 1),
    Case(INT, 2.0**53, **rejected("not_a_number", f"got {2.0**53}, {INEXACT}")),
    Case(INT, -(2.0**60), **rejected("not_a_number", f"got {-(2.0**60)}, {INEXACT}")),
    Case(INT, np.array(2.0**53), **rejected("not_a_number", f"got {2.0**53}, {INEXACT}")),
    Case(INT, np.array(2**63 - 1, np.uint64), 2**63 - 1),
    Case(INT, [1], **rejected("not_a_number", "got [1], expected an integer")),
    Case(INT, {"a": 1}, **rejected("not_a_number", "got {'a': 1}, expected an integer")),
    Case(INT, None, **rejected("missing_value", "got an empty cell, expected an integer")),
    Case(INT, "  ", **rejected("missing_value", "got an empty cell, expected an integer")),
    Case(
        INT,
        2**63,
        **rejected(
            "out_of_range",
            "got 9223372036854775808, expected at least -9223372036854775808 "
            "and at most 9223372036854775807",
        ),
    ),
    Case(
        INT,
        "x" * 5000,
        **rejected("not_a_number", f"got '{'x' * 78}…, expected an integer"),
    ),
    Case(INT, "9" * 5000, **rejected("not_a_number", f"got '{'9' * 78}…, expected an integer")),
    Case(
        INT,
        -(2**63) - 1,
        **rejected(
            "out_of_range",
            "got -9223372036854775809, expected at least -9223372036854775808 "
            "and at most 9223372036854775807",
        ),
    ),
    Case(LIMITED, 6, 6),
    Case(LIMITED, 1, 1),
    Case(LIMITED, 7, **rejected("out_of_range", "got 7, expected at least 1 and at most 6")),
    Case(LIMITED, "0", **rejected("out_of_range", "got 0, expected at least 1 and at most 6")),
    Case(Int64(source="n", min=1), 0, **rejected("out_of_range", "got 0, expected at least 1")),
    Case(Int64(source="n", default=-1), None, -1),
    Case(Int64(source="n", default=-1), "4", 4),
]
FLOATS = [
    Case(FLOAT, 0.5, 0.5),
    Case(FLOAT, "-.5e1", -5.0),
    Case(FLOAT, 3, 3.0),
    Case(FLOAT, True, 1.0),
    Case(FLOAT, "3.4028234663852886e38", FLOAT32_MAX),
    Case(FLOAT, -FLOAT32_MAX, -FLOAT32_MAX),
    Case(FLOAT, "3.4028235e+38", FLOAT32_MAX),
    Case(FLOAT, "-3.4028235e+38", -FLOAT32_MAX),
    Case(FLOAT, ROUNDED_TO_MAX, FLOAT32_MAX),
    Case(
        FLOAT,
        math.nextafter(ROUNDED_TO_MAX, math.inf),
        **rejected(
            "out_of_range",
            "got 3.4028235677973366e+38, expected at least -3.4028234663852886e+38 "
            "and at most 3.4028234663852886e+38",
        ),
    ),
    Case(FLOAT, "1,5", **rejected("not_a_number", "got '1,5', expected a number")),
    Case(FLOAT, "0x10", **rejected("not_a_number", "got '0x10', expected a number")),
    Case(FLOAT, b"1", **rejected("not_a_number", "got b'1', expected a number")),
    Case(FLOAT, "NaN", **rejected("nan", "got 'NaN', expected a finite number")),
    Case(FLOAT, "-inf", **rejected("nan", "got '-inf', expected a finite number")),
    Case(
        FLOAT,
        1e39,
        **rejected(
            "out_of_range",
            "got 1e+39, expected at least -3.4028234663852886e+38 "
            "and at most 3.4028234663852886e+38",
        ),
    ),
    Case(
        WITH_NAN,
        "1e400",
        **rejected(
            "out_of_range",
            "got '1e400', expected at least -3.4028234663852886e+38 "
            "and at most 3.4028234663852886e+38",
        ),
    ),
    Case(
        FLOAT,
        10**400,
        **rejected(
            "out_of_range",
            f"got 1{'0' * 78}…, expected at least -3.4028234663852886e+38 "
            "and at most 3.4028234663852886e+38",
        ),
    ),
    Case(WITH_NAN, "nan", math.nan),
    Case(WITH_NAN, math.inf, math.inf),
    Case(WITH_NAN, -math.inf, **rejected("out_of_range", "got -inf, expected at least 0.0")),
    Case(Float32(source="n", allow_nan=True, default=math.nan), None, math.nan),
]
LISTS = [
    Case(TRIPLE, [1, 2, 3], [1, 2, 3]),
    Case(TRIPLE, "1 2 3", [1, 2, 3]),
    Case(TRIPLE, "1, 2 ; 3", [1, 2, 3]),
    Case(TRIPLE, "[1, 2, 3]", [1, 2, 3]),
    Case(TRIPLE, "[1 2\n 3]", [1, 2, 3]),
    Case(TRIPLE, "(1, 2, 3)", [1, 2, 3]),
    Case(Int64(source="n", shape=[3], separator="|"), "1| 2|3", [1, 2, 3]),
    Case(Int64(source="n", shape=[3], separator=" "), "1  2\t3", [1, 2, 3]),
    Case(Int64(source="n", shape=[3], default=[0, 0, 1]), None, [0, 0, 1]),
    Case(MATRIX, [[1, 2], [3, 4]], [[1.0, 2.0], [3.0, 4.0]]),
    Case(MATRIX, "[[1, 2], [3, 4]]", [[1.0, 2.0], [3.0, 4.0]]),
    Case(MATRIX, "[[1. 2.]\n [3. 4.]]", [[1.0, 2.0], [3.0, 4.0]]),
    Case(MATRIX, "1 2 3 4", [[1.0, 2.0], [3.0, 4.0]]),
    Case(MATRIX, [1, 2, 3, 4], [[1.0, 2.0], [3.0, 4.0]]),
    Case(ANY_LENGTH, [], []),
    Case(ANY_LENGTH, "[]", []),
    Case(ANY_LENGTH, "5", [5]),
    Case(ANY_LENGTH, 5, [5]),
    Case(ANY_LENGTH, "1;2;3;4", [1, 2, 3, 4]),
    Case(BOXES, [[1, 2], [3, 4], [5, 6]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
    Case(BOXES, "[[1, 2], [3, 4]]", [[1.0, 2.0], [3.0, 4.0]]),
    Case(BOXES, "1 2 3 4", [[1.0, 2.0], [3.0, 4.0]]),
    Case(BOXES, [], []),
    Case(CUBES, [[[1], [2]]], [[[1], [2]]]),
    Case(Float32(source="n", shape=[None, 2], default=[[0, 1]]), None, [[0.0, 1.0]]),
    Case(Float32(source="n", shape=[None, 2], default=[]), "", []),
    Case(
        BOXES,
        "1 2 3",
        **rejected(
            "wrong_length",
            "got 3 values: ['1', '2', '3'], expected a multiple of 2 values for shape [None, 2]",
        ),
    ),
    Case(
        BOXES,
        [[1, 2], [3]],
        **rejected("wrong_length", "got 1 values: [3], expected 2 values for shape [None, 2]"),
    ),
    Case(BOXES, [[1, "x"]], **rejected("not_a_number", "got 'x', expected a number")),
    Case(
        TRIPLE,
        "1 2",
        **rejected("wrong_length", "got 2 values: ['1', '2'], expected 3 values for shape [3]"),
    ),
    Case(
        MATRIX,
        [[1, 2], [3]],
        **rejected("wrong_length", "got 1 values: [3], expected 2 values for shape [2, 2]"),
    ),
    Case(
        MATRIX,
        [[1, 2], 3],
        **rejected("wrong_length", "got 3, expected 2 values for shape [2, 2]"),
    ),
    Case(
        Float32(source="n", shape=[2, 3]),
        [[1, 2, 3]],
        **rejected("wrong_length", "got 1 values: [[1, 2, 3]], expected 2 values for shape [2, 3]"),
    ),
    Case(
        Float32(source="n", shape=[2, 3]),
        [1, 2, 3],
        **rejected("wrong_length", "got 3 values: [1, 2, 3], expected 6 values for shape [2, 3]"),
    ),
    Case(TRIPLE, "1 9007199254740993.0 3", [1, 9007199254740993, 3]),
    Case(
        TRIPLE,
        "[1, 9007199254740993.0, 3]",
        **rejected("not_a_number", f"got {2.0**53}, {INEXACT}"),
    ),
    Case(TRIPLE, "1,,2", **rejected("not_a_number", "got '', expected an integer")),
    Case(TRIPLE, "1 2 x", **rejected("not_a_number", "got 'x', expected an integer")),
    Case(TRIPLE, [1, None, 3], **rejected("not_a_number", "got None, expected an integer")),
    Case(
        ANY_LENGTH, "[" * 9999, **rejected("not_a_number", f"got '{'[' * 78}…, expected an integer")
    ),
    Case(
        TRIPLE, "", **rejected("missing_value", "got an empty cell, expected numbers of shape [3]")
    ),
]


@pytest.mark.parametrize("case", INTEGERS + FLOATS + LISTS, ids=str)
def test_cases(case):
    check(case)


def test_lists_of_any_length_are_ragged():
    schema = Schema(features={"n": Float32(source="n", shape=[None])})
    batch = round_trip(schema, [{"n": "1 2"}, {"n": []}, {"n": [0.5]}])["n"]
    assert as_plain(batch) == [[1.0, 2.0], [], [0.5]]
    assert batch.dtype.name == "float32"


def test_lists_of_items_are_ragged_with_the_items_inside():
    schema = Schema(features={"n": CUBES})
    batch = round_trip(schema, [{"n": [1, 2, 3, 4]}, {"n": []}, {"n": [[[5], [6]]]}])["n"]
    assert (batch.shape.as_list(), batch.ragged_rank) == ([3, None, 2, 1], 1)
    assert as_plain(batch) == [[[[1], [2]], [[3], [4]]], [], [[[5], [6]]]]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=9))
def test_integers_survive_every_spelling(numbers):
    spaced = f"[{' '.join(map(str, numbers))}]"
    for value in (numbers, json.dumps(numbers), spaced):
        encoded = ANY_LENGTH.encode("n", value).values["n"]
        np.testing.assert_array_equal(encoded, np.array(numbers, np.int64), strict=True)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_survive_text(number):
    assert FLOAT.encode("n", repr(number)).values["n"] == np.float32(number)


def test_statistics_are_those_of_the_values():
    summaries = [ANY_LENGTH.encode("n", value).summary for value in ([1, 2], [], [6])]
    assert ANY_LENGTH.statistics(merge_all(summaries, INT.summary_types)) == {
        "count": 3,
        "min": 1,
        "max": 6,
        "mean": 3.0,
        "std": math.sqrt(14 / 3),
    }


def test_statistics_leave_out_what_is_not_finite():
    feature = Float32(source="n", allow_nan=True)
    summaries = [feature.encode("n", value).summary for value in (math.nan, 2, math.inf)]
    assert feature.statistics(merge_all(summaries, INT.summary_types)) == {
        "count": 1,
        "nan": 2,
        "min": 2.0,
        "max": 2.0,
        "mean": 2.0,
        "std": 0.0,
    }


def test_statistics_of_nothing():
    assert FLOAT.statistics({}) == {}
    assert FLOAT.statistics({"count": 0, "nan": 4}) == {"count": 0, "nan": 4}


def test_large_integers_add_up_exactly():
    summaries = [INT.encode("n", 2**62 + step).summary for step in (-1, 1)]
    assert INT.statistics(merge_all(summaries, INT.summary_types))["std"] == 1.0


def plain_summary(numbers):
    """The summary of a step by plain Python, one number after the other."""
    finite = [n for n in numbers if math.isfinite(n)]
    total = squares = 0
    for number in finite:
        total, squares = total + number, squares + number * number
    missing = {"nan": len(numbers) - len(finite)} if len(finite) < len(numbers) else {}
    if not finite:
        return {"count": 0} | missing
    known = {"min": min(finite), "max": max(finite), "sum": total, "sumsq": squares}
    return {"count": len(finite)} | known | missing


FLOATS = st.floats(width=32, allow_infinity=True).filter(lambda n: n != 0 or str(n) == "0.0")
INTEGERS64 = st.integers(-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    ("feature", "numbers"),
    [
        (Float32(source="n", shape=[3], allow_nan=True), FLOATS),
        (Float32(source="n", shape=[None], allow_nan=True), FLOATS),
        (Int64(source="n", shape=[3]), INTEGERS64),
        (Int64(source="n", shape=[3]), st.integers(-9, 9)),
    ],
)
@given(st.data())
def test_steps_at_once_are_the_steps_one_by_one(feature, numbers, data):
    rows = data.draw(st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=40))
    steps = np.array(rows, np.int64 if feature.type == "int64" else np.float64)
    encoded = feature.encode_steps("n", steps)
    one_by_one = [feature.encode("n", row) for row in rows]
    np.testing.assert_array_equal(
        encoded.values["n"], np.stack([each.values["n"] for each in one_by_one]), strict=True
    )
    oracle = merge_all(
        (plain_summary(each.values["n"].ravel().tolist()) for each in one_by_one),
        INT.summary_types,
    )
    assert (
        encoded.summary
        == oracle
        == merge_all((each.summary for each in one_by_one), INT.summary_types)
    )


def test_sums_over_several_blocks_are_those_of_one_number_after_the_other():
    steps = np.random.default_rng(0).normal(size=(5000, 300)).astype(np.float32)
    encoded = Float32(source="n", shape=[300]).encode_steps("n", steps)
    assert encoded.summary == merge_all(
        (plain_summary(row) for row in steps.tolist()), INT.summary_types
    )


@pytest.mark.parametrize(
    ("feature", "steps"),
    [
        (FLOAT, np.zeros((2, 2))),
        (TRIPLE, np.zeros((2, 2))),
        (TRIPLE, np.array([[1.0, 2.5, 3.0]])),
        (TRIPLE, np.array([[1.0, 2.0**53, 3.0]])),  # it may have been 2**53 + 1
        (LIMITED, np.array([1, 7])),
        (FLOAT, np.array([1.0, np.nan])),
        (FLOAT, np.array([1e39])),
        (FLOAT, np.array(["1"])),
        (MATRIX, np.zeros((3, 4, 1))),
        (ANY_LENGTH, np.zeros((3, 4, 1), np.int64)),
        (BOXES, np.zeros((3, 4))),
        (BOXES, np.zeros((3, 2, 4))),
        (CUBES, np.zeros((3, 2, 2), np.int64)),
        (INT, np.zeros((3, 1), np.int64)),
        (TRIPLE, np.zeros(3)),
        (LIMITED, np.array([0, 1])),
        (LIMITED, np.array([1.0, 7.0])),
        (LIMITED, np.array([0.0, 1.0])),
        (WITH_NAN, np.array([0.0, -0.5])),
    ],
)
def test_what_has_to_be_looked_at_one_by_one(feature, steps):
    assert feature.encode_steps("n", steps) is None


@pytest.mark.parametrize(
    ("feature", "shape", "expected"),
    [
        (BOXES, (3, 5, 2), (3, 5, 2)),
        (BOXES, (3, 0, 2), (3, 0, 2)),
        (BOXES, (3, 2), (3, 1, 2)),
        (Float32(source="n", shape=[None, 1]), (3, 4), (3, 4, 1)),
        (Float32(source="n", shape=[None, 1]), (3,), (3, 1, 1)),
        (ANY_LENGTH, (3,), (3, 1)),
        (Int64(source="n", shape=[1]), (3,), (3, 1)),
        (Int64(source="n", shape=[1, 1]), (3, 1), (3, 1, 1)),
    ],
)
def test_steps_of_items_at_once_are_the_steps_one_by_one(feature, shape, expected):
    steps = np.arange(math.prod(shape), dtype=feature.dtype).reshape(shape)
    array = feature.encode_steps("n", steps).values["n"]
    assert array.shape == expected
    for value in (steps, steps.tolist()):
        one_by_one = [feature.encode("n", step).values["n"] for step in value]
        np.testing.assert_array_equal(array, np.stack(one_by_one), strict=True)


@pytest.mark.parametrize(
    ("feature", "steps"),
    [
        (LIMITED, np.array([1, 6])),
        (LIMITED, np.array([1.0, 6.0])),
        (INT, np.array([-(2**63), 2**63 - 1])),
        (INT, np.array([1 - 2.0**53, 2.0**53 - 1])),
        (Float32(source="n", min=-1, max=6), np.array([-1.0, 6.0])),
        (FLOAT, np.array([-FLOAT32_MAX, FLOAT32_MAX])),
        (FLOAT, np.array([-ROUNDED_TO_MAX, ROUNDED_TO_MAX])),
        (WITH_NAN, np.array([0.0, math.nan, math.inf])),
    ],
)
def test_numbers_up_to_the_limits_are_taken_at_once(feature, steps):
    values = feature.encode_steps("n", steps).values["n"]
    np.testing.assert_array_equal(values, steps.astype(feature.dtype), strict=True)


def test_a_flat_step_fills_its_shape():
    steps = np.arange(8.0).reshape(2, 4)
    encoded = MATRIX.encode_steps("n", steps)
    expected = steps.astype(np.float32).reshape(2, 2, 2)
    np.testing.assert_array_equal(encoded.values["n"], expected, strict=True)


@pytest.mark.parametrize("kind", [Int64, Float32])
def test_limits_in_the_wrong_order(kind):
    """Equal ones leave one number; ``Feature`` objects are checked as YAML is."""
    assert kind(source="n", min=3, max=3).encode("n", 3).values["n"] == 3
    with pytest.raises(ValueError, match=r"got 3(\.0)?, expected at most max, which is 2(\.0)?"):
        kind(source="n", min=3, max=2)


@pytest.mark.parametrize(
    ("limits", "domain"),
    [
        ({}, None),
        ({"min": 1}, Domain(1, None)),
        ({"max": 6}, Domain(None, 6)),
        ({"min": 0, "max": 0}, Domain(0, 0)),
    ],
)
def test_limits_are_the_domain(limits, domain):
    for kind in (Int64, Float32):
        assert kind(source="n", **limits).specs("n")["n"].domain == domain


def test_rows_of_an_array_that_are_no_items_are_rejects():
    feature = Int64(source="n", shape=[None, 3])
    for rows in ([np.arange(3), np.arange(4)], [np.arange(4)], [np.arange(6).reshape(2, 3)]):
        with pytest.raises(Reject) as caught:
            feature.encode("n", rows)
        assert caught.value.reason == "wrong_length"
        assert caught.value.message.startswith(f"got {len(rows)} rows, one of shape [")


@pytest.mark.parametrize(
    ("feature", "value", "expected"),
    [
        (Int64(source="n", shape=[3]), np.array([1, 2, 3], np.uint8), [1, 2, 3]),
        (Int64(source="n", shape=[3]), np.array([[1.0], [2], [3]]), [1, 2, 3]),
        (Int64(source="n", shape=[2, 2]), np.arange(4, dtype=">i2"), [[0, 1], [2, 3]]),
        (Int64(source="n", shape=[None]), np.array([[True, False]]), [1, 0]),
        (Int64(source="n", shape=[None]), np.zeros(0, np.int32), []),
        (Int64(source="n"), np.array([[7]]), 7),
        (Float32(source="n", shape=[2, 1]), np.array([1, 2], np.float16), [[1], [2]]),
        (Float32(source="n", shape=[None], allow_nan=True), np.array([np.inf, -1]), [np.inf, -1]),
        (Float32(source="n", shape=[1]), np.array([5]), [5]),
        (Int64(source="n", shape=[None, 3]), np.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
        (Int64(source="n", shape=[None, 3]), np.arange(3).reshape(3, 1), [[0, 1, 2]]),
        (Int64(source="n", shape=[None, 3]), np.arange(3), [[0, 1, 2]]),
        (Int64(source="n", shape=[None, 2, 2]), np.arange(4).reshape(1, 4), [[[0, 1], [2, 3]]]),
        (Int64(source="n", shape=[None, 1]), np.arange(2), [[0], [1]]),
        (Int64(source="n", shape=[None, 3]), np.ones((2, 1, 3)), [[1, 1, 1], [1, 1, 1]]),
        (Int64(source="n", shape=[None, 3]), np.ones((0, 3)), np.ones((0, 3))),
        (Int64(source="n", shape=[None, 3]), np.ones((0, 1)), np.ones((0, 3))),
        (Int64(source="n", shape=[None]), np.array([[5]]), [5]),
        (Int64(source="n", shape=[2], min=-1, max=6), np.array([-1, 6]), [-1, 6]),
        (Int64(source="n", shape=[2], min=-1, max=6), np.array([-1.0, 6]), [-1, 6]),
        (
            Int64(source="n", shape=[2]),
            np.array([1 - 2.0**53, 2.0**53 - 1]),
            [1 - 2**53, 2**53 - 1],
        ),
        (Float32(source="n", shape=[2], min=-1, max=6), np.array([-1.0, 6]), [-1, 6]),
        (
            Float32(source="n", shape=[2]),
            np.array([-FLOAT32_MAX, FLOAT32_MAX]),
            [-FLOAT32_MAX, FLOAT32_MAX],
        ),
        (Float32(source="n", shape=[None]), [np.array(1.5), np.array(2)], [1.5, 2]),
        (Int64(source="n", shape=[None, 3]), [np.arange(3)], [[0, 1, 2]]),
        (Float32(source="n", shape=[None]), [np.array([1.5]), np.array([2])], [1.5, 2]),
        (Int64(source="n", shape=[None, 3]), [np.arange(3), np.arange(3)], [[0, 1, 2], [0, 1, 2]]),
        (Int64(source="n", shape=[None, 2]), [np.array([[1], [2]])] * 2, [[1, 2], [1, 2]]),
        (Int64(source="n", shape=[None, 2, 1]), [np.arange(2)] * 2, [[[0], [1]], [[0], [1]]]),
    ],
)
def test_arrays_of_numbers(feature, value, expected):
    array = feature.encode("x", value).values["x"]
    assert array.shape == np.shape(expected)
    np.testing.assert_array_equal(array, expected)
    assert (array.dtype, array.shape) == (feature.dtype, np.shape(expected))


@pytest.mark.parametrize(
    ("feature", "value", "reason", "message"),
    [
        (
            Int64(source="n", shape=[3]),
            np.zeros((2, 3)),
            "wrong_length",
            "got an array of shape [2, 3], expected numbers of shape [3]",
        ),
        (
            Int64(source="n", shape=[None]),
            np.zeros((2, 3)),
            "wrong_length",
            "got an array of shape [2, 3], expected numbers of shape [None]",
        ),
        (
            Int64(source="n", shape=[None, 3]),
            np.zeros(6),
            "wrong_length",
            "got an array of shape [6], expected numbers of shape [None, 3]",
        ),
        (
            Int64(source="n", shape=[None, 4]),
            [np.array(1)] * 4,
            "wrong_length",
            "got 4 rows, one of shape [], expected numbers of shape [None, 4]",
        ),
        (
            Int64(source="n", shape=[None]),
            [np.zeros(3), np.zeros(2)],
            "wrong_length",
            "got 2 rows, one of shape [3], expected numbers of shape [None]",
        ),
        (
            Int64(source="n", shape=[None]),
            [np.array(b"1"), np.array(b"2")],
            "not_a_number",
            "got an array of |S1, expected numbers of shape [None]",
        ),
        (
            Int64(source="n", shape=[None, 2], max=3),
            [np.array([1, 2]), np.array([3, 4])],
            "out_of_range",
            "got 4, expected at most 3",
        ),
        (
            Int64(source="n"),
            np.zeros(2),
            "wrong_length",
            "got an array of shape [2], expected an integer",
        ),
        (
            Float32(source="n", shape=[2]),
            np.array(["a", "b"]),
            "not_a_number",
            "got an array of <U1, expected numbers of shape [2]",
        ),
        (
            Int64(source="n", shape=[2]),
            np.array([1, 1.5]),
            "not_a_number",
            "got 1.5, expected an integer",
        ),
        (
            Int64(source="n", shape=[2]),
            np.array([1, np.nan]),
            "not_a_number",
            "got nan, expected an integer",
        ),
        (
            Int64(source="n", shape=[1]),
            np.array([2**63], np.uint64),
            "out_of_range",
            "got 9223372036854775808, expected at least -9223372036854775808 and at most "
            "9223372036854775807",
        ),
        (
            Int64(source="n", shape=[2], max=3),
            np.array([1, 4]),
            "out_of_range",
            "got 4, expected at most 3",
        ),
        (
            Float32(source="n", shape=[2]),
            np.array([1, np.inf]),
            "nan",
            "got inf, expected a finite number",
        ),
        (
            Int64(source="n", shape=[2], min=0, max=3),
            np.array([1, -1.0]),
            "out_of_range",
            "got -1, expected at least 0 and at most 3",
        ),
        (
            Int64(source="n", shape=[2], max=3),
            np.array([1, 4.0]),
            "out_of_range",
            "got 4, expected at most 3",
        ),
        (
            Int64(source="n", shape=[2]),
            np.array([1, -(2.0**53)]),
            "not_a_number",
            f"got {-(2.0**53)}, {INEXACT}",
        ),
        (
            Float32(source="n", shape=[2], max=0),
            np.array([-1, 0.5]),
            "out_of_range",
            "got 0.5, expected at most 0.0",
        ),
        (
            Int64(source="n", shape=[None]),
            np.zeros((1, 2, 2)),
            "wrong_length",
            "got an array of shape [1, 2, 2], expected numbers of shape [None]",
        ),
        (
            Int64(source="n", shape=[None, 3]),
            np.zeros((2, 2)),
            "wrong_length",
            "got an array of shape [2, 2], expected numbers of shape [None, 3]",
        ),
        (
            Float32(source="n", shape=[2], min=0),
            np.array([1, -0.5]),
            "out_of_range",
            "got -0.5, expected at least 0.0",
        ),
    ],
)
def test_arrays_that_cannot_be(feature, value, reason, message):
    with pytest.raises(Reject) as caught:
        feature.encode("x", value)
    assert (caught.value.reason, caught.value.message) == (reason, message)


def test_an_array_beyond_float32():
    with pytest.raises(Reject) as caught:
        Float32(source="n", shape=[1]).encode("x", np.array([1e39]))
    assert caught.value.reason == "out_of_range"


@pytest.mark.parametrize(
    "shape", [3, "3", [0], [-1], [True], [2.0], [None, 0], [None, None], [3, None]]
)
def test_shapes_that_cannot_be(shape):
    with pytest.raises(ValueError, match=r"expected \[\] for one number, sizes like \[3\]"):
        Int64(source="n", shape=shape)


@pytest.mark.parametrize("shape", [[], [1], (2, 1), [None], [None, 1]])
def test_shapes_that_can_be(shape):
    assert Int64(source="n", shape=shape).shape == tuple(shape)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"separator": ""}, "at least 1 character"),
        ({"min": math.nan}, "finite number"),
        ({"max": math.inf}, "finite number"),
        ({"shape": [2], "default": [1]}, r"default: got 1 values: \[1\], expected 2 values"),
    ],
)
def test_settings_that_cannot_be(settings, said):
    with pytest.raises(ValueError, match=said):
        Float32(source="n", **settings)
    assert Float32(source="n", shape=[2], separator="|", default=[1, 2]).separator == "|"


def test_where_rows_have_a_place():
    """And that arrays, and the steps of clips, are taken whole."""
    assert not any(feature.takes_rows for feature in (INT, TRIPLE, MATRIX))
    assert all(feature.takes_rows for feature in (ANY_LENGTH, BOXES))
    assert [feature.rows_advice for feature in (INT, TRIPLE, MATRIX, BOXES)] == [
        "declare shape: [null] to take them all",
        "declare shape: [null, 3] to take them all",
        "declare shape: [null, 2, 2] to take them all",
        "",
    ]
    assert (INT.reads_arrays, INT.encodes_steps, INT.reads_files) == (True, True, False)


def test_numbers_that_were_read_back_are_checked():
    for numbers in (np.array([1, 6]), np.array([], np.int64)):
        LIMITED.check(numbers)
    for number in (0, 7):
        with pytest.raises(ValueError, match=f"^got {number}, expected at least 1 and at most 6$"):
            LIMITED.check(np.array([3, number]))


def test_a_variance_that_rounds_below_zero_is_none():
    summary = {
        "count": 3,
        "sum": 0.1 + 0.1 + 0.1,
        "sumsq": 3 * 0.1**2 - 1e-17,
        "min": 0.1,
        "max": 0.1,
    }
    assert 3 * summary["sumsq"] < summary["sum"] ** 2
    assert FLOAT.statistics(summary)["std"] == 0.0
