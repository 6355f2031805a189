"""Datasets that are read by blocks, against h5py's own indexing."""

from __future__ import annotations

from threading import RLock

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.transforms.values.arrays import blocks
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
    assert layout("column", (3 * MIB,), chunks=(8,), compression="gzip").row_bytes == 1
    texts = file.create_dataset("texts", 999, h5py.string_dtype(), chunks=(9,), compression="gzip")
    assert chunked_rows(texts, 0) is None


@pytest.mark.parametrize(
    ("count", "row_bytes", "chunk", "expected"),
    [
        (2, 1 << 19, 1, (2, 2)),  # a whole of 1 MiB is kept
        (2, (1 << 19) + 1, 2, (2, 2)),
        (3, 1 << 19, 2, (2, 2)),
        (256, MIB, 200, (200, 128)),  # of others at most 128 MiB are read at once
        (256, MIB + 1, 200, (200, 127)),
        (4, 129 * MIB, 3, (3, 1)),
    ],
)
def test_how_many_rows_are_read_at_once(file, count, row_bytes, chunk, expected):
    dataset = file.create_dataset(
        "x", (count, row_bytes), "u1", chunks=(chunk, 64), compression="lzf"
    )
    rows = chunked_rows(dataset, 0)
    assert (rows.chunk, rows.batch) == expected
    assert rows.is_small == (count * row_bytes <= MIB)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    "at", [-1, -7, slice(-3, None), slice(1, 6, 2), slice(5, 2), [1, 3], slice(3, 8)]
)
def test_rows_from_the_end_and_with_steps_are_indexed_like_the_dataset(file, axis, at):
    dataset = file.create_dataset("x", data=np.arange(18 * 17).reshape(18, 17), chunks=(7, 7))
    rows = ChunkedRows(axis, dataset.shape[axis], 7, 5, 1)
    blocked = BlockedDataset(dataset, rows, BlockCache(), "x", RLock())
    index = (slice(None), at)[1 - axis :]
    np.testing.assert_array_equal(blocked[index], dataset[index], strict=True)


def test_only_blocks_that_rows_lie_in_are_read(file):
    dataset = file.create_dataset("x", data=np.arange(20), chunks=(8,), compression="gzip")
    reads = {0: [0], 12: [8], -1: []}
    slices = {(2, 5): [0], (2, 6): [0, 5], (6, 10): [5, 8], (4, 9): [0, 5, 8], (3, 9): []}
    for index, starts in [*reads.items(), *((slice(*ends), at) for ends, at in slices.items())]:
        cache = BlockCache()
        blocked = BlockedDataset(dataset, ChunkedRows(0, 20, 8, 5, 1), cache, "x", RLock())
        np.testing.assert_array_equal(blocked[index], dataset[index])
        assert [start for _, start in cache._blocks] == starts, index


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
            return np.broadcast_to(np.uint8(number), size)  # takes a byte

        return cache.get(number, make)

    for number in (1, 2, 1, 2, 1):
        assert block(number, 128 * MIB)[0] == number
    assert read == [1, 2]
    block(3, 128 * MIB)  # 2 was used longest ago
    block(1, 128 * MIB)
    block(2, 128 * MIB)
    assert read == [1, 2, 3, 2]
    block(4, 300 * MIB)  # one that is larger than all is still kept
    block(4, 300 * MIB)
    assert read == [1, 2, 3, 2, 4]
    block(5, 128 * MIB)
    block(6, 128 * MIB + 1)  # a byte too many for both
    block(5, 128 * MIB)
    assert read == [1, 2, 3, 2, 4, 5, 6, 5]


def test_blocks_are_forgotten_where_they_are_too_many_bytes(monkeypatch):
    monkeypatch.setattr(blocks, "_KEPT_BYTES", 20)
    cache = BlockCache()
    for _ in range(2):
        for key, size in (("a", 12), ("b", 8)):
            cache.get(key, lambda size=size: np.zeros(size, np.uint8))
        assert list(cache._blocks) == ["a", "b"]
        cache.get("c", lambda: np.zeros(9, np.uint8))
        assert list(cache._blocks) == ["b", "c"]
        cache.get("d", lambda: np.zeros(4, np.uint8))
        assert list(cache._blocks) == ["c", "d"]
        cache.clear()
        assert list(cache._blocks) == []
