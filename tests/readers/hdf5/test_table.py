"""Several files are one table, and are refused where they do not go together."""

from __future__ import annotations

import json
import pickle
import re
import shutil

import h5py
import numpy as np
import pytest
from pixelbeam.readers.hdf5.table import Table, open_table, read_schema
from pixelbeam.readers.record_table import Ragged
from pixelbeam.schemas import Int64, Schema
from pixelbeam.schemas.errors import DatasetError

COUNTS = (2, 0, 3)
STEPS = [[[1], []], [], [[2, 3]], [[], [], [4]], []]


def exactly(message):
    return "^" + re.escape(message) + "$"


def lists(values):
    if not isinstance(values, Ragged):
        return values.tolist()
    return [lists(one) for one in values.split()]


def offsets(rows):
    return np.cumsum([0, *map(len, rows)])


def write(path, first, count):
    """Rows ``first`` to ``first + count`` of every kind of column."""
    numbers = np.arange(first, first + count)
    steps = STEPS[first : first + count]
    inner = [step for row in steps for step in row]
    with h5py.File(path, "w") as file:
        file["pair"] = np.stack([numbers, numbers * 10], 1)
        file.create_dataset("text", data=[f"t{n}" for n in numbers], dtype=h5py.string_dtype())
        file["list/values"] = np.repeat(numbers, numbers)  # row n is n times n
        file["list/offsets"] = offsets([[n] * n for n in numbers])
        file["steps/values"] = np.array([value for step in inner for value in step], np.int64)
        file["steps/step_offsets"] = offsets(inner)
        file["steps/offsets"] = offsets(steps)
    return str(path)


COLUMNS = ("pair", "text", "list", "steps")


@pytest.fixture
def files(tmp_path):
    firsts = np.cumsum([0, *COUNTS])
    return [
        write(tmp_path / f"{index}.h5", int(first), count)
        for index, (first, count) in enumerate(zip(firsts, COUNTS, strict=False))
    ]


def check(table, rows):
    got = table.read(rows)
    assert list(got) == list(COLUMNS)
    assert got["pair"].tolist() == [[row, row * 10] for row in rows]
    assert got["text"].tolist() == [f"t{row}".encode() for row in rows]
    assert lists(got["list"]) == [[row] * row for row in rows]
    assert lists(got["steps"]) == [STEPS[row] for row in rows]


@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4], [4, 1, 1, 3], [2], [1], [4, 4], [0, 4]])
def test_rows_of_all_files_in_any_order(files, rows):
    table = Table(files, COLUMNS)
    assert len(table) == 5
    check(table, rows)
    check(pickle.loads(pickle.dumps(table)), rows)


def test_no_rows(files):
    read = Table(files, COLUMNS).read([])
    assert read["pair"].shape == (0, 2)
    assert (read["text"].tolist(), lists(read["list"]), lists(read["steps"])) == ([], [], [])


def test_one_file(files):
    table = Table(files[:1], COLUMNS)
    assert len(table) == 2
    check(table, [1, 0, 1])


@pytest.mark.parametrize("rows", [[-1, 0], [0, 5], [2, -1, 5]])
def test_rows_out_of_range(files, rows):
    message = f"got rows {min(rows)} to {max(rows)} of 5"
    with pytest.raises(IndexError, match=exactly(message)):
        Table(files, COLUMNS).read(rows)


def test_arrays_say_what_rows_are(files):
    arrays = Table(files, COLUMNS).arrays()
    said = {name: (a.length, a.row_shape, a.dtype.kind) for name, a in arrays.items()}
    assert said == {
        "pair": (2, (2,), "i"),
        "text": (2, (), "O"),
        "list": (2, None, "i"),
        "steps": (2, None, "i"),
    }


def test_columns_of_different_lengths(tmp_path):
    path = str(tmp_path / "f.h5")
    with h5py.File(path, "w") as file:
        file["a"], file["b"] = np.zeros(2), np.zeros(3)
    message = f"{path}: got columns of different lengths: 'a' has 2, 'b' has 3"
    with pytest.raises(DatasetError, match=exactly(message)):
        Table([path], ["a", "b"])


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (np.zeros((2, 4), np.int32), "int32 (4,), expected int32 (3,)"),
        (np.zeros((2, 3), np.int64), "int64 (3,), expected int32 (3,)"),
    ],
)
def test_files_that_differ(tmp_path, other, said):
    paths = [str(tmp_path / name) for name in ("a.h5", "b.h5")]
    for path, values in zip(paths, (np.zeros((2, 3), np.int32), other), strict=True):
        with h5py.File(path, "w") as file:
            file["a"] = values
    message = f"{paths[1]}: 'a' has rows of {said} as in {paths[0]}"
    with pytest.raises(DatasetError, match=exactly(message)):
        Table(paths, ["a"])


@pytest.mark.parametrize("column", ["c", "g", "list"])
def test_a_column_that_is_not_there(tmp_path, column):
    path = str(tmp_path / "f.h5")
    with h5py.File(path, "w") as file:
        file["a"], file["g/b"], file["list/values"] = np.zeros(2), np.zeros(2), np.zeros(2)
    message = f"{path}: no dataset {column!r}; its datasets are: 'a', 'g/b', 'list/values'"
    with pytest.raises(DatasetError, match=exactly(message)):
        Table([path], [column])


@pytest.mark.parametrize(("value", "shape"), [(3, "()"), (h5py.Empty("f4"), "None")])
def test_a_dataset_without_rows(tmp_path, value, shape):
    path = str(tmp_path / "f.h5")
    with h5py.File(path, "w") as file:
        file["a"] = value
    message = f"{path}: '/a' has no rows, got shape {shape}"
    with pytest.raises(DatasetError, match=exactly(message)):
        Table([path], ["a"])


def test_a_chunk_that_is_damaged(tmp_path):
    path = str(tmp_path / "f.h5")
    with h5py.File(path, "w") as file:
        shape = (2, 5 << 20)
        data = file.create_dataset("a", shape, "u1", chunks=(1, 5 << 20), compression="gzip")
        data.id.write_direct_chunk((0, 0), b"none")
    table = Table([path], ["a"])
    message = f"^{re.escape(path)}: cannot read: a chunk of '/a' is damaged: Error -3 "
    with pytest.raises(DatasetError, match=message):
        table.read([0])
    assert not table.read([1])["a"].any()


def test_a_table_is_shared_while_the_files_are_the_same(files, tmp_path):
    first = open_table(files, COLUMNS)
    assert open_table(list(files), list(COLUMNS)) is first
    assert open_table(files, COLUMNS[:1]) is not first
    shutil.copy(files[0], tmp_path / "copy.h5")
    (tmp_path / "copy.h5").replace(files[0])
    again = open_table(files, COLUMNS)
    assert again is not first
    check(again, [0, 4])


SCHEMA = Schema(features={"n": Int64(source="n")})


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"schema": json.dumps(SCHEMA.to_dict()), "format": 1}, SCHEMA),
        ({"schema": json.dumps(SCHEMA.to_dict())}, None),
        ({"format": 1}, None),
        ({}, None),
    ],
)
def test_the_schema_of_a_file(tmp_path, attributes, expected):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.attrs.update(attributes)
    assert read_schema(str(tmp_path / "f.h5")) == expected


@pytest.mark.parametrize("text", ["{", '{"features": {"n": {"type": "none"}}}'])
def test_a_schema_that_is_none(tmp_path, text):
    path = str(tmp_path / "f.h5")
    with h5py.File(path, "w") as file:
        file.attrs.update(schema=text, format=1)
    with pytest.raises(DatasetError, match=f"^{re.escape(path)}: has a schema that is not: "):
        read_schema(path)
