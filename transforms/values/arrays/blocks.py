"""Blocks of rows of HDF5 datasets in compressed chunks: one is inflated once, not once for each row.

HDF5 keeps a dataset's last chunks only where they are small (1 MiB), and only while it is open.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from .stored import ARRAY_ERRORS

__all__ = ["BlockCache", "BlockedDataset", "ChunkedRows", "chunked_rows"]

_CACHED_BYTES = 1 << 20  # what order does not matter for: the whole dataset is one block
_BLOCK_BYTES = 128 << 20
_KEPT_BYTES = 256 << 20  # two of the largest, since threads stand on both sides of a border


@dataclass(frozen=True, slots=True)
class ChunkedRows:
    """How the rows of a dataset lie in chunks.

    Attributes:
        axis: the axis of the dataset that its rows lie along.
        count: all rows.
        chunk: the rows of a chunk; all rows of a dataset that is small.
        batch: of these, the rows that are read at once: a chunk may be larger than memory allows.
        row_bytes: of one row.
    """

    axis: int
    count: int
    chunk: int
    batch: int
    row_bytes: int

    @property
    def is_small(self) -> bool:
        """Whether the whole is so small that it is kept, in whatever order its rows are asked for."""
        return self.count * self.row_bytes <= _CACHED_BYTES

    def find_batch(self, row: int) -> tuple[int, int]:
        """The chunk that a row lies in, and the batch of it."""
        return row // self.chunk, row % self.chunk // self.batch

    def block(self, row: int) -> range:
        """The rows that are read with a row."""
        chunk, batch = self.find_batch(row)
        start = chunk * self.chunk + batch * self.batch
        stop = min(start + self.batch, (chunk + 1) * self.chunk, self.count)
        return range(start, stop)


def chunked_rows(dataset: Any, axis: int) -> ChunkedRows | None:
    """How rows lie in the compressed chunks of a dataset; ``None`` where each is read by itself.

    That is where a chunk is a row, where nothing has to be inflated, and where values are of any length,
    which HDF5 keeps outside of the chunks.
    """
    if not isinstance(dataset, h5py.Dataset) or not dataset.chunks or dataset.dtype.hasobject:
        return None
    if not dataset.id.get_create_plist().get_nfilters() or not dataset.size:
        return None
    count, chunk = dataset.shape[axis], dataset.chunks[axis]
    row_bytes = dataset.nbytes // count
    if count * row_bytes <= _CACHED_BYTES:
        chunk = count
    if chunk == 1:
        return None
    batch = min(chunk, max(1, _BLOCK_BYTES // row_bytes))
    return ChunkedRows(axis, count, chunk, batch, row_bytes)


@dataclass(slots=True)
class BlockCache:
    """The blocks that were read last, as many as fit into a few hundred megabytes; for one thread."""

    _blocks: OrderedDict[Any, NDArray[Any]] = field(default_factory=OrderedDict, init=False)
    _bytes: int = field(default=0, init=False)

    def get(self, key: Any, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """A block, read where it is not there."""
        if key not in self._blocks:
            block = read()
            self._blocks[key] = block
            self._bytes += block.nbytes
            while self._bytes > _KEPT_BYTES and len(self._blocks) > 1:
                self._bytes -= self._blocks.popitem(last=False)[1].nbytes
        self._blocks.move_to_end(key)
        return self._blocks[key]

    def clear(self) -> None:
        """Lets go of all blocks."""
        self._blocks.clear()
        self._bytes = 0


class BlockedDataset:
    """A dataset whose rows are read by blocks; indexed like the dataset itself.

    Args:
        dataset: the dataset.
        rows: how its rows lie.
        cache: keeps blocks.
        key: names the dataset in the cache.
        lock: held while a block is read, so that threads that want the same one wait for it.
    """

    def __init__(
        self, dataset: h5py.Dataset, rows: ChunkedRows, cache: BlockCache, key: Any, lock: Any
    ):
        self._dataset, self.rows, self._cache = dataset, rows, cache
        self._key, self._lock = key, lock
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype = dataset.dtype

    def __getitem__(self, index: Any) -> Any:
        """As the dataset gives it; what is read by blocks must not be written to."""
        whole = index if isinstance(index, tuple) else (index,)
        axis = self.rows.axis
        rows = whole[axis] if axis < len(whole) else slice(None)
        if isinstance(rows, int):
            wanted = range(rows, rows + 1)
        elif isinstance(rows, slice):
            wanted = range(self.shape[axis])[rows]
        else:
            return self._dataset[index]
        if not wanted or wanted[0] < 0 or len(wanted) > self.rows.batch or wanted.step != 1:
            return self._dataset[index]
        before, behind = whole[:axis], whole[axis + 1 :]
        try:
            parts = self._parts(wanted, isinstance(rows, int))
            pieces = [self._read(block, (*before, part, *behind)) for block, part in parts]
        except ARRAY_ERRORS:  # a chunk is damaged, perhaps not one that these rows need
            return self._dataset[index]
        if len(pieces) == 1:
            return pieces[0].copy()  # a view would keep the block
        fixed = sum(isinstance(at, int) for at in before)
        return np.concatenate(pieces, axis - fixed)

    def _parts(self, wanted: range, is_row: bool) -> list[tuple[range, Any]]:
        """The blocks that rows lie in, and where they lie in each; two at most."""
        parts: list[tuple[range, Any]] = []
        row = wanted.start
        while row < wanted.stop:
            block = self.rows.block(row)
            stop = min(wanted.stop, block.stop)
            part = slice(row - block.start, stop - block.start)
            parts.append((block, row - block.start if is_row else part))
            row = stop
        return parts

    def _read(self, block: range, index: tuple[Any, ...]) -> NDArray[Any]:
        whole = [slice(None)] * self.rows.axis + [slice(block.start, block.stop)]
        with self._lock:
            values = self._cache.get(
                (self._key, block.start), lambda: np.asarray(self._dataset[tuple(whole)])
            )
        return values[index]
