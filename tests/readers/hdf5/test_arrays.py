"""However a dataset is stored, its rows are read in any order, and written to any places."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from pixelbeam.readers.hdf5 import arrays
from pixelbeam.readers.hdf5.arrays import open_array, open_ragged
from pixelbeam.readers.record_table import Ragged

MIB = 1 << 20
ORDERS = [[], [0], [9], [3, 3, 0], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], [1, 2, 3], [0, 9, 4, 9, 5]]
# How datasets are stored, and by what each is read where a small one is not held in memory.
STORED = {
    "contiguous": ({}, "_Mapped"),
    "chunked": ({"chunks": (3, 2, 2)}, "_Chunked"),
    "gzip": ({"chunks": (3, 4, 3), "compression": "gzip", "shuffle": True}, "_Chunked"),
    "lzf": ({"chunks": (3, 2, 2), "compression": "lzf"}, "_Chunked"),
    "slabs": ({"chunks": (3, 4, 3), "compression": "lzf"}, "_Slabs"),
}
VALUES = np.arange(120).reshape(10, 4, 3)


def run(jobs):
    for job in jobs:
        job()


def store(folder, values, **settings):
    path = folder / "f.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=values, **settings)
    return h5py.File(path)["data"], str(path)


@pytest.fixture
def nothing_held(monkeypatch):
    """Small datasets are read as large ones are."""
    monkeypatch.setattr(arrays, "_SMALL_BYTES", -1)


def check(array, values, orders=ORDERS):
    assert (array.length, array.row_shape) == (len(values), values.shape[1:])
    assert array.dtype == values.dtype.newbyteorder("=")
    for order in orders:
        rows = np.array(order, np.int64)
        read = array.read(rows, run)
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, values[rows])
        # Rows go to every second place from behind; the others stay as they are.
        out = np.zeros((2 * len(rows) + 1, *values.shape[1:]), array.dtype)
        places = np.arange(len(rows))[::-1] * 2 + 1
        run(array.fill(rows, out, places))
        np.testing.assert_array_equal(out[places], values[rows])
        assert not out[::2].any()


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("dtype", ["<i4", ">i4", "u1", "<f8"])
@pytest.mark.usefixtures("nothing_held")
def test_rows_in_any_order(tmp_path, name, dtype):
    settings, expected = STORED[name]
    values = VALUES.astype(dtype) + 1
    array = open_array(*store(tmp_path, values, **settings))
    assert type(array).__name__ == expected
    check(array, values.astype(np.dtype(dtype)))


@pytest.mark.parametrize("name", STORED)
@pytest.mark.usefixtures("nothing_held")
def test_numbers(tmp_path, name):
    values = np.arange(1, 11, dtype=np.float32)
    settings = {**STORED[name][0]}
    if "chunks" in settings:
        settings["chunks"] = (3,)
    check(open_array(*store(tmp_path, values, **settings)), values)


def test_small_datasets_in_chunks_are_held(tmp_path):
    at_most = store(tmp_path, np.ones(8 * MIB, np.uint8), chunks=(MIB,))
    assert type(open_array(*at_most)).__name__ == "_Held"
    (tmp_path / "more").mkdir()
    more = store(tmp_path / "more", np.ones(8 * MIB + 1, np.uint8), chunks=(MIB,))
    assert type(open_array(*more)).__name__ == "_Chunked"
    values = VALUES.astype(">i2") + 1
    (tmp_path / "held").mkdir()
    held = open_array(*store(tmp_path / "held", values, chunks=(3, 4, 3)))
    assert type(held).__name__ == "_Held"
    check(held, values)


def test_no_rows_are_held_for_there_is_nothing_to_map(tmp_path):
    array = open_array(*store(tmp_path, np.zeros((0, 3), np.int32)))
    check(array, np.zeros((0, 3), np.int32), orders=[[]])


@pytest.mark.parametrize("width", [4095, 4096])
def test_rows_around_the_size_from_which_they_are_copied_one_by_one(tmp_path, width):
    values = np.random.default_rng(0).integers(1, 256, (10, width), np.uint8)
    check(open_array(*store(tmp_path, values)), values)


@pytest.mark.usefixtures("nothing_held")
def test_types_that_are_not_stored_as_numpy_has_them_are_left_to_hdf5(tmp_path):
    """HDF5 may store integers of fewer bits than their bytes have, which it shifts into place."""
    path = str(tmp_path / "f.h5")
    with h5py.File(path, "w") as file:
        kind = h5py.h5t.STD_I16LE.copy()
        kind.set_precision(12)
        kind.set_offset(4)
        space = h5py.h5s.create_simple((10,))
        h5py.h5d.create(file.id, b"data", kind, space)
        file["data"][:] = np.arange(-5, 5)
    dataset = h5py.File(path)["data"]
    array = open_array(dataset, path)
    assert type(array).__name__ == "_Slabs"
    check(array, np.arange(-5, 5, dtype=dataset.dtype))


@pytest.mark.usefixtures("nothing_held")
def test_rows_in_more_chunks_than_one_job_takes(tmp_path):
    values = np.random.default_rng(1).integers(1, 256, (4, 5, 7), np.uint8)
    array = open_array(*store(tmp_path, values, chunks=(2, 1, 1)))
    jobs = list(array.fill(np.array([3, 0]), np.zeros((2, 5, 7), np.uint8), np.array([0, 1])))
    assert len(jobs) == 6  # of 35 chunks each 16, 16 and 3, in both rows of chunks
    check(array, values, [[0, 1, 2, 3], [3], [2, 2]])


@pytest.mark.parametrize("name", ["lzf", "slabs"])
@pytest.mark.usefixtures("nothing_held")
def test_what_hdf5_has_to_read_is_one_job(tmp_path, name):
    array = open_array(*store(tmp_path, VALUES, **STORED[name][0]))
    jobs = list(array.fill(np.arange(10), np.zeros((10, 4, 3), int), np.arange(10)))
    assert len(jobs) == 1


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([0, 2, 3, 5], [(0, 4)]),  # chunks beside each other
        ([0, 2, 6, 8], [(0, 2), (2, 4)]),  # one left out
        ([0, 1, 9, 9, 29], [(0, 2), (2, 4), (4, 5)]),
        ([0, 3, 6, 9, 12], [(0, 4), (4, 5)]),  # from 0 on, no more than 12 rows
        ([0, 3, 6, 9, 11], [(0, 5)]),
        ([1, 4, 7, 10, 12], [(0, 5)]),
    ],
)
@pytest.mark.usefixtures("nothing_held")
def test_ranges_that_are_read_at_once(tmp_path, monkeypatch, rows, expected):
    monkeypatch.setattr(arrays, "_SLAB_BYTES", 12 * 8)
    array = open_array(*store(tmp_path, np.arange(30), chunks=(3,), compression="lzf"))
    assert type(array).__name__ == "_Slabs"
    assert list(array._runs(np.array(rows, np.int64))) == expected
    check(array, np.arange(30), [rows])


@pytest.mark.usefixtures("nothing_held")
def test_chunks_of_more_rows_than_are_read_at_once_are_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "_SLAB_BYTES", 1)
    array = open_array(*store(tmp_path, np.arange(30), chunks=(10,), compression="lzf"))
    assert list(array._runs(np.array([0, 9, 10, 19]))) == [(0, 2), (2, 4)]


def test_values_of_any_length(tmp_path):
    texts = np.array(["a", "bé", "", "dd"], object)
    array = open_array(*store(tmp_path, texts, dtype=h5py.string_dtype()))
    assert (array.length, array.row_shape, array.dtype) == (4, (), np.dtype(object))
    assert array.read(np.array([1, 1, 3, 2]), run).tolist() == ["bé".encode()] * 2 + [b"dd", b""]
    assert array.read(np.array([], np.int64), run).tolist() == []
    out = np.array([b"x"] * 3, object)
    assert list(array.fill(np.array([0, 3]), out, np.array([2, 0]))) == []
    assert out.tolist() == [b"dd", b"x", b"a"]


def test_rows_of_texts(tmp_path):
    texts = np.array([["a", "b"], ["c", "d"], ["e", "f"]], object)
    array = open_array(*store(tmp_path, texts, dtype=h5py.string_dtype()))
    assert (array.length, array.row_shape) == (3, (2,))
    assert array.read(np.array([2, 0]), run).tolist() == [[b"e", b"f"], [b"a", b"b"]]


def lists(values):
    if not isinstance(values, Ragged):
        return values.tolist()
    return [lists(one) for one in values.split()]


def store_ragged(tmp_path, values, offsets, **settings):
    with h5py.File(tmp_path / "r.h5", "w") as file:
        file.create_dataset("values", data=values, **settings)
        file["offsets"] = np.array(offsets, np.int64)
    file = h5py.File(tmp_path / "r.h5")
    return open_ragged(open_array(file["values"], str(tmp_path / "r.h5")), file["offsets"])


@pytest.mark.parametrize("held", [True, False])
def test_ragged_rows(tmp_path, monkeypatch, held):
    if not held:
        monkeypatch.setattr(arrays, "_SMALL_BYTES", -1)
    values, settings = np.arange(14).reshape(7, 2), {"chunks": (3, 1)}
    array = store_ragged(tmp_path, values, [0, 2, 2, 3, 7], **({} if held else settings))
    assert (array.length, array.row_shape, array.dtype) == (4, None, np.dtype(int))
    expected = [values[0:2], values[2:2], values[2:3], values[3:7]]
    for order in ([], [3], [1], [1, 1], [3, 0, 1, 2, 0]):
        read = array.read(np.array(order, np.int64), run)
        assert read.lengths.tolist() == [len(expected[row]) for row in order]
        assert lists(read) == [expected[row].tolist() for row in order]
        assert read.values.shape[1:] == (2,)


def test_ragged_rows_of_steps(tmp_path):
    values = store_ragged(tmp_path, np.arange(6), [0, 1, 1, 4, 6])
    with h5py.File(tmp_path / "o.h5", "w") as file:
        file["offsets"] = np.array([0, 3, 3, 4])
    array = open_ragged(values, h5py.File(tmp_path / "o.h5")["offsets"])
    assert array.length == 3
    assert lists(array.read(np.array([2, 0, 1]), run)) == [[[4, 5]], [[0], [], [1, 2, 3]], []]


def test_ragged_rows_go_into_no_array(tmp_path):
    array = store_ragged(tmp_path, np.arange(3), [0, 1, 3])
    message = "^got rows of different shapes, expected rows of one shape$"
    with pytest.raises(TypeError, match=message):
        array.fill(np.array([0]), np.zeros(1), np.array([0]))
