"""Memory for batches is aligned, and used again once nothing of a batch is left."""

from __future__ import annotations

import numpy as np
import pytest
from pixelbeam.readers.hdf5 import buffers
from pixelbeam.readers.hdf5.buffers import empty

MIB = 1 << 20


@pytest.fixture(autouse=True)
def free(monkeypatch):
    """The memory that is kept; none at first."""
    kept = []
    monkeypatch.setattr(buffers, "_free", kept)
    return kept


def address(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("size", [1, 63, 64, 65, 1000, MIB - 8, MIB, MIB + 8])
def test_arrays_are_aligned_and_of_the_shape_and_type(size):
    array = empty((size, 1), np.dtype(np.uint8))
    assert (array.shape, array.dtype, address(array) % 64) == ((size, 1), np.uint8, 0)
    array[:] = 5
    assert (array == 5).all()


def test_no_rows():
    assert empty((0, 3), np.dtype(np.float32)).shape == (0, 3)


def test_items_of_several_bytes():
    for rows in (3, MIB):
        array = empty((rows, 2), np.dtype(np.float32))
        assert (array.shape, array.dtype) == ((rows, 2), np.float32)
        array[:] = 1.5
        assert (array == 1.5).all()


def test_memory_comes_back_when_the_last_view_is_gone(free):
    array = empty((MIB,), np.dtype(np.uint8))
    first, view = address(array), array[7:9]
    del array
    assert free == []
    del view
    assert [len(memory) for memory in free] == [MIB]
    again = empty((MIB // 4,), np.dtype(np.int32))
    assert (address(again), free) == (first, [])


def test_memory_of_another_size_is_not_used_again(free):
    array = empty((MIB,), np.dtype(np.uint8))
    del array
    other = empty((MIB + 8,), np.dtype(np.uint8))
    assert [len(memory) for memory in free] == [MIB]
    del other
    assert [len(memory) for memory in free] == [MIB, MIB + 8]


def test_small_arrays_are_not_kept(free):
    array = empty((MIB - 1,), np.dtype(np.uint8))
    del array
    assert free == []


def test_no_more_is_kept_than_256_mib_and_the_oldest_goes_first(free):
    sizes = [100 * MIB, 100 * MIB + 1, 56 * MIB - 1, 2 * MIB]
    arrays = [empty((size,), np.dtype(np.uint8)) for size in sizes]
    for _ in range(3):
        arrays.pop(0)
    assert [len(memory) for memory in free] == sizes[:3]
    arrays.pop()
    assert [len(memory) for memory in free] == sizes[1:]
