"""Datasets that are read by blocks, against h5py's own indexing."""

from __future__ import annotations

from threading import RLock

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.transforms.values.arrays.blocks import (
    BlockCache,
    BlockedDataset,
    ChunkedRows,
    chunked_rows,
)

MIB = 1 << 20


def test_where_rows_lie():
    rows = ChunkedRows(axis=0, count=25, chunk=10, batch=4, row_bytes=1)
    places = [rows.find_batch(row) for row in (0, 3, 4, 9, 10, 24)]
    assert places == [(0, 0), (0, 0), (0, 1), (0, 2), (1, 0), (2, 1)]
    blocks = [rows.block(row) for row in (0, 3, 4, 9, 10, 24)]
    assert blocks == [range(4), range(4), range(4, 8), range(8, 10), range(10, 14), range(24, 25)]


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        yield file


def test_which_datasets_are_read_by_blocks(file):
    def layout(name, shape, axis=0, **options):
        return chunked_rows(file.create_dataset(name, shape, "u1", **options), axis)

    large = (40, 1 << 16)
    assert layout("plain", large) is None
    assert layout("uncompressed", large, chunks=(8, 1 << 16)) is None
    assert layout("single", large, chunks=(1, 1 << 16), compression="gzip") is None
    gzip = {"chunks": (8, 1 << 10), "compression": "gzip"}
    assert layout("a", large, **gzip) == ChunkedRows(0, 40, 8, 8, 1 << 16)
    assert layout("b", large[::-1], 1, chunks=(99, 8), compression="lzf") == ChunkedRows(
        1, 40, 8, 8, 1 << 16
    )
    huge = layout("huge", (64, 16 * MIB), chunks=(32, 64), compression="gzip")
    assert huge == ChunkedRows(0, 64, 32, 8, 16 * MIB)
    small = layout("small", (40, 9), chunks=(8, 9), compression="gzip")
    assert small == ChunkedRows(0, 40, 40, 40, 9)
    assert (small.is_small, huge.is_small) == (True, False)
    assert layout("empty", (0, 9), chunks=(8, 9), maxshape=(None, 9), compression="gzip") is None
    assert chunked_rows(np.zeros(large), 0) is None
    texts = file.create_dataset("texts", 999, h5py.string_dtype(), chunks=(9,), compression="gzip")
    assert chunked_rows(texts, 0) is None


@given(st.data())
def test_it_is_indexed_like_the_dataset(tmp_path_factory, data):
    axis = data.draw(st.integers(0, 1))
    values = np.arange(23 * 23 * 2, dtype=np.int32).reshape(23, 23, 2)
    with h5py.File(tmp_path_factory.mktemp("blocks") / "a.h5", "w") as file:
        dataset = file.create_dataset("x", data=values, chunks=(7, 7, 1), compression="gzip")
        rows = ChunkedRows(axis, 23, 7, data.draw(st.integers(1, 7)), 184)
        blocked = BlockedDataset(dataset, rows, BlockCache(), "x", RLock())
        ends = st.none() | st.integers(0, 22)
        at = st.integers(0, 22) | st.builds(slice, ends, ends)
        for _ in range(4):
            index = data.draw(st.tuples(at, at, st.just(slice(None))) | at)
            np.testing.assert_array_equal(blocked[index], dataset[index], strict=True)


def test_a_block_is_read_once_and_memory_is_bounded():
    cache, read = BlockCache(), []

    def block(number, size):
        def make():
            read.append(number)
            return np.full(size, number, np.uint8)

        return cache.get(number, make)

    for number in (1, 2, 1, 2, 1):
        assert block(number, 120 * MIB)[0] == number
    assert read == [1, 2]
    block(3, 120 * MIB)  # 2 was used longest ago
    block(1, 120 * MIB)
    block(2, 120 * MIB)
    assert read == [1, 2, 3, 2]
    block(4, 300 * MIB)  # one that is larger than all is still kept
    block(4, 300 * MIB)
    assert read == [1, 2, 3, 2, 4]
