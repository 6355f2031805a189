"""Chunks of HDF5 datasets, read from where they lie in the file, by several threads at once.

HDF5 does all its work under one lock, filters too, and reads a few rows of a chunk value by value. zlib inflates
outside of any lock, and NumPy copies rows of an image at once. So chunks are found in the file, and the two common
filters are undone here: ``deflate`` (RFC 1950), and ``shuffle``, which stores the first bytes of all values, then
the second ones, and so on. A chunk with other filters is read by HDF5, as a whole.
"""

from __future__ import annotations

import itertools
import math
import os
import weakref
import zlib
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from h5py._objects import phil
from numpy.typing import NDArray

from .filters import filters_of

__all__ = ["HDF5_LOCK", "Chunks", "has_chunks"]

# Not public, but there is no other. h5py takes it in nearly all functions; where it reads values of any
# length it does not hold it all the way (https://github.com/h5py/h5py/issues/2920), and without it two
# threads that read crash the process.
HDF5_LOCK: Any = phil
"""The lock that h5py calls HDF5 under; a thread may take it again."""

_SHUFFLE, _DEFLATE = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE
_UNDONE = ((), (_SHUFFLE, _DEFLATE), (_DEFLATE,))


def has_chunks(dataset: h5py.Dataset) -> bool:
    """Whether ``Chunks`` can read a dataset faster than HDF5 does.

    It can unless HDF5 has to read chunks that hold whole rows, for it then reads just these.
    """
    chunks = dataset.chunks
    return (
        chunks is not None
        and (tuple(filters_of(dataset)) in _UNDONE or chunks[1:] != dataset.shape[1:])
        and hasattr(dataset.id, "chunk_iter")  # HDF5 from 1.12.3 on
        and not dataset.file.userblock_size  # versions differ in what offsets then count from
    )


class Chunks:
    """The chunks of a dataset, a grid over all its axes; for any number of threads.

    Args:
        dataset: one that ``has_chunks``.
        path: its file.

    Attributes:
        rows: how many rows a chunk has.
        needs_hdf5: whether HDF5 reads the chunks, which it does one after the other.

    Raises:
        OSError: the file is shorter than its chunks.
    """

    def __init__(self, dataset: h5py.Dataset, path: str) -> None:
        self._dataset = dataset
        self._shape, self._dtype = dataset.chunks, dataset.dtype
        filters = tuple(filters_of(dataset))
        self.rows: int = self._shape[0]
        self.needs_hdf5 = filters not in _UNDONE
        self._deflated, self._shuffled = _DEFLATE in filters, _SHUFFLE in filters
        self._grid = [
            -(-size // chunk) for size, chunk in zip(dataset.shape, self._shape, strict=True)
        ]
        self._locations = _find_chunks(dataset, self._grid)
        self._mapped: Any = None
        if self._deflated:
            self._file = os.open(path, os.O_RDONLY)
            weakref.finalize(self, os.close, self._file)
        elif not self.needs_hdf5:
            self._mapped = np.asarray(np.memmap(path, np.uint8, "r"))
            if (self._locations[..., 0] + self._locations[..., 1]).max(initial=0) > len(
                self._mapped
            ):
                raise OSError(f"a chunk of {dataset.name!r} lies beyond the end of the file")

    def tiles(self) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
        """Where the chunks lie that hold one row: in the grid, and in the row."""
        for tile in itertools.product(*map(range, self._grid[1:])):
            yield (
                tile,
                tuple(
                    slice(index * chunk, min((index + 1) * chunk, size))
                    for index, chunk, size in zip(
                        tile, self._shape[1:], self._dataset.shape[1:], strict=True
                    )
                ),
            )

    def read(self, number: int, tile: tuple[int, ...], part: tuple[slice, ...]) -> NDArray[Any]:
        """One chunk ``[rows, …]``; of the last one, more rows than the dataset has.

        Args:
            number: which, along the first axis.
            tile: which, along the others; see ``tiles``.
            part: the part of a row that it holds.

        Raises:
            OSError: the chunk is damaged.
        """
        index = (number, *tile)
        offset, size, skipped = self._locations[index].tolist()
        if self.needs_hdf5 or not size or skipped:  # never written, or not filtered as the others
            block = (slice(number * self.rows, (number + 1) * self.rows), *part)
            with HDF5_LOCK:
                rows: NDArray[Any] = self._dataset[block]
            return rows
        if self._mapped is not None:
            data = self._mapped[offset : offset + size]
        else:
            data = np.frombuffer(self._inflate(os.pread(self._file, size, offset)), np.uint8)
        if self._shuffled:
            data = np.ascontiguousarray(data.reshape(self._dtype.itemsize, -1).T)
        whole = data.reshape(-1).view(self._dtype).reshape(self._shape)
        inside = (slice(None), *(slice(one.stop - one.start) for one in part))
        return whole[inside]

    def _inflate(self, stored: bytes) -> bytes:
        """A chunk's bytes, whose size is known: a file from a stranger cannot make it larger."""
        size = math.prod(self._shape) * self._dtype.itemsize
        stream = zlib.decompressobj()
        try:
            data = stream.decompress(stored, size)
            more = stream.decompress(stream.unconsumed_tail, 1)  # compares the checksum at the end
        except zlib.error as error:
            raise OSError(f"a chunk of {self._dataset.name!r} is damaged: {error}") from None
        if len(data) != size or more or not stream.eof:
            got = f"got {len(data) + len(more)} bytes, expected {size}"
            raise OSError(f"a chunk of {self._dataset.name!r} is damaged: {got}")
        return data


def _find_chunks(dataset: h5py.Dataset, grid: list[int]) -> NDArray[np.int64]:
    """Offset and size in the file, and the filters that were left out ``[*grid, 3]``."""
    locations = np.zeros((*grid, 3), np.int64)

    def note(chunk: Any) -> None:
        number = tuple(o // n for o, n in zip(chunk.chunk_offset, dataset.chunks, strict=True))
        locations[number] = chunk.byte_offset, chunk.size, chunk.filter_mask

    dataset.id.chunk_iter(note)
    return locations
