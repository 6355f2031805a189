"""Chunks of deflated HDF5 datasets, read and inflated by several threads at once.

HDF5 does all its work under one lock, filters too. zlib inflates outside of any lock, so chunks are read
from where they lie in the file, and the two filters are undone here: ``deflate`` (RFC 1950), and
``shuffle``, which stores the first bytes of all values, then the second ones, and so on.
"""

from __future__ import annotations

import math
import os
import weakref
import zlib
from typing import Any

import h5py
import numpy as np
from h5py._objects import phil
from numpy.typing import NDArray

from .filters import filters_of

__all__ = ["HDF5_LOCK", "DeflatedChunks", "can_inflate"]

# Not public, but there is no other. h5py takes it in nearly all functions; where it reads values of any
# length it does not hold it all the way (https://github.com/h5py/h5py/issues/2920), and without it two
# threads that read crash the process.
HDF5_LOCK: Any = phil
"""The lock that h5py calls HDF5 under; a thread may take it again."""

_SHUFFLE, _DEFLATE = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE
_UNDONE = ((_SHUFFLE, _DEFLATE), (_DEFLATE,))


def can_inflate(dataset: h5py.Dataset) -> bool:
    """Whether ``DeflatedChunks`` can read a dataset: it is deflated, and a chunk holds whole rows."""
    chunks = dataset.chunks
    return (
        chunks is not None
        and chunks[1:] == dataset.shape[1:]
        and tuple(filters_of(dataset)) in _UNDONE
        and hasattr(dataset.id, "chunk_iter")  # HDF5 from 1.12.3 on
        and not dataset.file.userblock_size  # versions differ in what offsets then count from
    )


class DeflatedChunks:
    """The chunks of a dataset, numbered along its first axis; for any number of threads.

    Args:
        dataset: one that ``can_inflate``.
        path: its file.
    """

    def __init__(self, dataset: h5py.Dataset, path: str) -> None:
        self._dataset = dataset
        self._shape, self._dtype = dataset.chunks, dataset.dtype
        self._shuffled = _SHUFFLE in filters_of(dataset)
        self._places = _find_chunks(dataset)
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    def rows(self, number: int) -> NDArray[Any]:
        """The rows of a chunk ``[rows, …]``; of the last one, more than the dataset has.

        Raises:
            OSError: the chunk is damaged.
        """
        offset, size, skipped = self._places[number].tolist()
        if not size or skipped:  # never written, or not deflated
            start = number * self._shape[0]
            with HDF5_LOCK:
                rows: NDArray[Any] = self._dataset[start : start + self._shape[0]]
            return rows
        data = np.frombuffer(self._inflate(os.pread(self._file, size, offset)), np.uint8)
        if self._shuffled:
            data = np.ascontiguousarray(data.reshape(self._dtype.itemsize, -1).T)
        return data.reshape(-1).view(self._dtype).reshape(self._shape)

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


def _find_chunks(dataset: h5py.Dataset) -> NDArray[np.int64]:
    """Offset and size in the file, and the filters that were left out ``[chunks, 3]``."""
    places = np.zeros((-(-dataset.shape[0] // dataset.chunks[0]), 3), np.int64)

    def note(chunk: Any) -> None:
        number = chunk.chunk_offset[0] // dataset.chunks[0]
        places[number] = chunk.byte_offset, chunk.size, chunk.filter_mask

    dataset.id.chunk_iter(note)
    return places
