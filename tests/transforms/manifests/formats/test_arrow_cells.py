from __future__ import annotations

import datetime
import decimal
import uuid

import pyarrow as pa
import pytest
from pixelbeam.transforms.manifests.formats import arrow_cells
from pixelbeam.transforms.manifests.formats.arrow_cells import (
    INLINE_FROM,
    LARGE,
    is_binary,
    is_inline,
    list_cells,
)
from pixelbeam.transforms.manifests.formats.base import Malformed

LIMIT = 16 << 20
TOO_LARGE = Malformed(
    "cell_too_large",
    f"column 'c': got a value of more than {LIMIT} bytes, expected fewer; "
    "write it to a file, and its path into the manifest",
)
STRUCT = pa.struct([("path", pa.string()), ("bytes", pa.binary())])


@pytest.mark.parametrize(
    ("kind", "binary", "inline"),
    [
        (pa.binary(), True, True),
        (pa.large_binary(), True, True),
        (pa.binary_view(), True, True),
        (pa.binary(3), True, True),
        (pa.dictionary(pa.int8(), pa.binary()), True, True),
        (pa.uuid(), True, True),
        (pa.decimal128(5, 2), False, False),
        (pa.string(), False, False),
        (pa.string_view(), False, False),
        (pa.int64(), False, False),
        (pa.dictionary(pa.int8(), pa.string()), False, False),
        (STRUCT, False, True),
        (pa.struct([("bytes", pa.large_binary())]), False, True),
        (pa.struct([("bytes", pa.string())]), False, False),
        (pa.struct([("data", pa.binary())]), False, False),
        (pa.list_(pa.binary()), False, False),
    ],
)
def test_which_types_are_bytes(kind, binary, inline):
    assert (is_binary(kind), is_inline(kind)) == (binary, inline)


DAY = datetime.date(2024, 2, 29)


@pytest.mark.parametrize(
    ("array", "cells"),
    [
        (pa.array([1, None]), [1, None]),
        (pa.array([0.5]), [0.5]),
        (pa.array(["é", None, ""]), ["é", None, ""]),
        (pa.array([b"\xff"]), [b"\xff"]),
        (pa.array([DAY, None]), ["2024-02-29", None]),
        (pa.array([datetime.time(1, 2, 3)], pa.time32("s")), ["01:02:03"]),
        (pa.array([decimal.Decimal("1.50")]), ["1.50"]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        (pa.array([DAY]).dictionary_encode(), ["2024-02-29"]),
        (pa.array([[DAY], None]), [["2024-02-29"], None]),
        (pa.array([{"a": [decimal.Decimal("1.50")], "b": 2}]), [{"a": ["1.50"], "b": 2}]),
        (
            pa.array([uuid.UUID(int=1).bytes, None], pa.uuid()),
            ["00000000-0000-0000-0000-000000000001", None],
        ),
        (pa.array(["a", "b"], pa.string_view()), ["a", "b"]),
        (pa.array([], pa.string()), []),
    ],
)
def test_cells_are_plain(array, cells):
    found = list_cells(array, "c")
    assert found == cells
    assert list(map(type, found)) == list(map(type, cells))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_text_that_is_not_utf8_is_one_rows_fault(kind):
    array = pa.array([b"a", b"b\xe9", None, b"c"], pa.binary()).cast(kind, safe=False)
    fault = Malformed("not_utf8", "column 'c': got byte 0xe9, expected UTF-8 text")
    assert list_cells(array, "c") == ["a", fault, None, "c"]


KINDS = [
    pa.binary(),
    pa.large_binary(),
    pa.binary_view(),
    pa.dictionary(pa.int32(), pa.binary()),
]


@pytest.mark.parametrize("kind", KINDS)
def test_large_bytes_stay_where_they_may(kind):
    assert INLINE_FROM == 4096
    values = [b"x" * 4096, None, b"y" * 4097, b""]
    array = pa.array(values, kind.value_type if pa.types.is_dictionary(kind) else kind)
    array = array.dictionary_encode() if pa.types.is_dictionary(kind) else array
    assert list_cells(array, "c", keep=True) == [values[0], None, LARGE, b""]
    assert list_cells(array, "c") == values


def test_bytes_of_one_size():
    assert list_cells(pa.array([b"x" * 4097, None], pa.binary(4097)), "c", keep=True) == [
        LARGE,
        None,
    ]
    small = pa.array([b"x" * 4096] * 2, pa.binary(4096))
    assert list_cells(small, "c", keep=True) == [b"x" * 4096] * 2


def test_a_list_may_be_as_large_as_the_limit(monkeypatch):
    array = pa.array([[1, 2], [1, 2, 3]])
    monkeypatch.setattr(arrow_cells, "LINE_BYTES", array.slice(0, 1).nbytes)
    first, second = list_cells(array, "c")
    assert (first, second.reason) == ([1, 2], "cell_too_large")


def test_text_never_stays():
    text = "x" * 4097
    assert list_cells(pa.array([text]), "c", keep=True) == [text]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary()])
@pytest.mark.parametrize("keep", [False, True])
def test_what_is_too_large_is_never_made(kind, keep):
    fill = b"x" if kind == pa.binary() else "x"
    values = [fill * LIMIT, fill * (LIMIT + 1), None]
    expected = [values[0], TOO_LARGE, None]
    if keep and kind == pa.binary():
        expected = [LARGE, LARGE, None]
    found = list_cells(pa.array(values, kind), "c", keep)
    assert found == expected


def test_numbers_are_never_too_large_and_lists_may_be():
    numbers = pa.nulls(LIMIT // 8 + 1, pa.int64())
    assert list_cells(numbers, "c") == [None] * (LIMIT // 8 + 1)
    values = pa.array([b"x" * (LIMIT + 1), b"y"], pa.binary())
    lists = pa.ListArray.from_arrays([0, 0, 1, 2], values)
    assert list_cells(lists, "c") == [[], TOO_LARGE, [b"y"]]
    large = pa.DictionaryArray.from_arrays([1, 0, None, 0], values)
    assert list_cells(large, "c") == [b"y", TOO_LARGE, None, TOO_LARGE]
