"""Chunks of deflated HDF5 datasets, inflated by several threads at once.

HDF5 runs its filters under a global lock, one thread at a time. zlib inflates outside of any lock, so
chunks are taken as they are stored, and the two filters are undone here: ``deflate`` (RFC 1950), and
``shuffle``, which stores the first bytes of all values, then the second ones, and so on.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from h5py._objects import phil
from numpy.typing import NDArray

__all__ = ["HDF5_LOCK", "StoredChunk", "can_inflate", "read_chunk"]

# Not public, but there is no other. h5py takes it in most functions, though not where chunks are read
# directly (before 3.16), nor all the way where values of any length are (https://github.com/h5py/h5py/issues/2920);
# without it, two threads that read crash the process.
HDF5_LOCK: Any = phil
"""The lock that h5py calls HDF5 under; a thread may take it again."""

_SHUFFLE, _DEFLATE = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE
_UNDONE = ((_SHUFFLE, _DEFLATE), (_DEFLATE,))


def can_inflate(dataset: h5py.Dataset) -> bool:
    """Whether ``read_chunk`` can read a dataset: it is deflated, and a chunk holds whole rows."""
    chunks = dataset.chunks
    return chunks is not None and chunks[1:] == dataset.shape[1:] and _filters(dataset) in _UNDONE


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """One chunk as the file has it, taken under HDF5's lock, to be inflated outside of it.

    Attributes:
        data: deflated bytes; ``None`` where the rows are there already.
        rows: the rows ``[rows, …]``, where HDF5 itself had to read them.
        dataset: where it is from.
    """

    data: bytes | None
    rows: NDArray[Any] | None
    dataset: h5py.Dataset

    def inflate(self) -> NDArray[Any]:
        """The rows ``[rows, …]``; the last chunk may have more of them than the dataset.

        Raises:
            OSError: the chunk is damaged.
        """
        if self.rows is not None:
            return self.rows
        dtype, chunks = self.dataset.dtype, self.dataset.chunks
        data = np.frombuffer(_inflate(self.data or b"", self.dataset), np.uint8)
        if _SHUFFLE in _filters(self.dataset):
            data = np.ascontiguousarray(data.reshape(dtype.itemsize, -1).T)
        return data.reshape(-1).view(dtype).reshape(chunks)


def read_chunk(dataset: h5py.Dataset, number: int) -> StoredChunk:
    """Reads one chunk.

    Args:
        dataset: one that ``can_inflate``.
        number: of the chunk, counted along the first axis.
    """
    start = number * dataset.chunks[0]
    with HDF5_LOCK:
        info = dataset.id.get_chunk_info_by_coord((start, *(0 for _ in dataset.shape[1:])))
        if info.byte_offset is None or info.filter_mask:  # never written, or not deflated
            return StoredChunk(None, dataset[start : start + dataset.chunks[0]], dataset)
        return StoredChunk(dataset.id.read_direct_chunk(info.chunk_offset)[1], None, dataset)


def _inflate(stored: bytes, dataset: h5py.Dataset) -> bytes:
    """The bytes of a chunk, whose size is known: a file from a stranger cannot make it larger."""
    size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(stored, size)
    except zlib.error as error:
        raise OSError(f"a chunk of {dataset.name!r} is damaged: {error}") from None
    if len(data) != size:
        raise OSError(f"a chunk of {dataset.name!r} is damaged: got {len(data)} bytes of {size}")
    return data


def _filters(dataset: h5py.Dataset) -> tuple[int, ...]:
    creation = dataset.id.get_create_plist()
    return tuple(creation.get_filter(index)[0] for index in range(creation.get_nfilters()))
