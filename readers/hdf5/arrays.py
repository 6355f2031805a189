"""Datasets of an HDF5 file, read by rows in any order as fast as their storage allows.

Contiguous data is memory-mapped at its offset in the file, which leaves HDF5 out, and so do chunks where that is
possible. What only HDF5 can read is read in sorted blocks, values of any length by one selection of points; both
take HDF5's global lock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any, Protocol, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

from ..record_table import Ragged, Rows, Values
from .buffers import empty
from .chunks import HDF5_LOCK, Chunks, has_chunks

__all__ = ["Array", "Job", "open_array", "open_ragged"]

_SMALL_BYTES = 8 << 20
_SLAB_BYTES = 32 << 20
_ROW_BYTES = 4096
_TILES_AT_ONCE = 16  # chunks that are one job: some milliseconds


Job: TypeAlias = Callable[[], None]


class Array(Protocol):
    """One dataset, or one group of values and offsets.

    Attributes:
        length: how many rows it has.
        row_shape: the shape of a row; ``None`` where it differs from row to row.
        dtype: of what is read.
        block_rows: how many rows lie in chunks together, so that one costs as much as all of them.
    """

    length: int
    row_shape: tuple[int, ...] | None
    dtype: np.dtype[Any]
    block_rows: int

    def read(self, rows: Rows, run: Callable[[Iterable[Job]], None]) -> Values:
        """The rows, numbered from 0, in the order asked for, each as often as it is asked for.

        ``run`` does jobs that may be done at the same time.
        """

    def fill(self, rows: Rows, out: NDArray[Any], positions: Rows) -> Iterable[Job]:
        """The jobs that write row ``rows[i]`` to ``out[places[i]]``; not where rows differ in shape."""


def open_array(dataset: h5py.Dataset, path: str) -> Array:
    """The fastest way to read a dataset that is open, of the file at a path."""
    if dataset.dtype.hasobject:
        return _Points(dataset)
    offset = dataset.id.get_offset()
    if offset is not None and dataset.size and _is_plain(dataset):
        return _Mapped(dataset, path, offset)
    if dataset.nbytes <= _SMALL_BYTES:
        return _Held(dataset[()])
    if has_chunks(dataset) and _is_plain(dataset):
        return _Chunked(dataset, path)
    return _Slabs(dataset)


def open_ragged(values: Array, offsets: h5py.Dataset) -> Array:
    """The array whose row ``i`` is ``values[offsets[i]:offsets[i + 1]]``."""
    return _RaggedArray(values, offsets[()])


class _Fixed:
    """What arrays share whose rows have one shape."""

    length: int
    row_shape: tuple[int, ...] | None
    dtype: np.dtype[Any]
    block_rows = 1

    def read(self, rows: Rows, run: Callable[[Iterable[Job]], None]) -> Values:
        out = empty((len(rows), *(self.row_shape or ())), self.dtype)
        run(self.fill(rows, out, np.arange(len(rows))))
        return out

    def fill(self, rows: Rows, out: NDArray[Any], positions: Rows) -> Iterable[Job]:
        raise NotImplementedError

    @property
    def row_bytes(self) -> int:
        """The size of a row in memory."""
        return max(1, math.prod(self.row_shape or ()) * self.dtype.itemsize)


class _Held(_Fixed):
    """A dataset in memory."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._values = values
        self.length, self.row_shape = values.shape[0], values.shape[1:]
        self.dtype = values.dtype.newbyteorder("=")

    def read(self, rows: Rows, run: Callable[[Iterable[Job]], None]) -> Values:
        if not self._values.dtype.isnative:
            return super().read(rows, run)
        out = empty((len(rows), *(self.row_shape or ())), self.dtype)
        # The rows are known to be in range, and any other mode makes a second copy.
        return np.take(self._values, rows, axis=0, out=out, mode="clip")

    def fill(self, rows: Rows, out: NDArray[Any], positions: Rows) -> Iterable[Job]:
        yield lambda: self._copy(rows, out, positions)

    def _copy(self, rows: Rows, out: NDArray[Any], positions: Rows) -> None:
        if self.row_bytes < _ROW_BYTES:
            out[positions] = self._values[rows]
            return
        for row, position in zip(rows.tolist(), positions.tolist(), strict=True):
            out[position] = self._values[row]

    def read_ranges(self, starts: Rows, stops: Rows) -> NDArray[Any]:
        """The rows from each start to its stop, one range after the other."""
        parts = [self._values[a:b] for a, b in zip(starts.tolist(), stops.tolist(), strict=True)]
        out = empty((int((stops - starts).sum()), *(self.row_shape or ())), self.dtype)
        return np.concatenate(parts, out=out) if parts else out


class _Mapped(_Held):
    """A contiguous dataset, straight from the page cache."""

    def __init__(self, dataset: h5py.Dataset, path: str, offset: int) -> None:
        mapped = np.memmap(path, dataset.dtype, "r", offset, dataset.shape)
        super().__init__(np.asarray(mapped))


class _Slabs(_Fixed):
    """A dataset that only HDF5 can read: in sorted blocks, each chunk once."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self._chunk = self.block_rows = dataset.chunks[0] if dataset.chunks else 1
        self.length, self.row_shape = dataset.shape[0], dataset.shape[1:]
        self.dtype = dataset.dtype.newbyteorder("=")

    def fill(self, rows: Rows, out: NDArray[Any], positions: Rows) -> Iterable[Job]:
        # One job, since HDF5 does one thing at a time: several would only wait for each other.
        copies = list(self._copies(rows, out, positions))
        yield lambda: self._copy_all(copies)

    def _copies(self, rows: Rows, out: NDArray[Any], positions: Rows) -> Iterator[Job]:
        order = np.argsort(rows, kind="stable")
        rows, positions = rows[order], positions[order]
        for first, last in self._runs(rows):
            yield partial(self._copy, rows[first:last], out, positions[first:last])

    def _copy_all(self, copies: Iterable[Job]) -> None:
        with HDF5_LOCK:
            _run_here(copies)

    def _copy(self, rows: Rows, out: NDArray[Any], positions: Rows) -> None:
        start, stop = int(rows[0]), int(rows[-1]) + 1
        block = self._dataset[start:stop]
        out[positions] = block[rows - start]

    def _runs(self, rows: Rows) -> Iterator[tuple[int, int]]:
        """Ranges of positions whose rows lie in the same chunks, or in chunks beside each other."""
        chunks = rows // self._chunk
        most = max(self._chunk, _SLAB_BYTES // self.row_bytes)
        first = 0
        for position in range(1, len(rows)):
            apart = chunks[position] - chunks[position - 1] > 1
            if apart or rows[position] - rows[first] >= most:
                yield first, position
                first = position
        if len(rows):
            yield first, len(rows)


class _Chunked(_Fixed):
    """A dataset in chunks, of which a row may lie in many.

    Each chunk is read once for a batch, however few of its rows are wanted, and those alone are copied.
    """

    def __init__(self, dataset: h5py.Dataset, path: str) -> None:
        self._chunks = Chunks(dataset, path)
        self.block_rows = self._chunks.rows
        self._tiles = list(self._chunks.tiles())
        self.length, self.row_shape = dataset.shape[0], dataset.shape[1:]
        self.dtype = dataset.dtype.newbyteorder("=")

    def fill(self, rows: Rows, out: NDArray[Any], positions: Rows) -> Iterable[Job]:
        copies = self._copies(rows, out, positions)
        if not self._chunks.needs_hdf5:
            return copies
        return [partial(_run_here, list(copies))]  # HDF5 does one thing at a time

    def _copies(self, rows: Rows, out: NDArray[Any], positions: Rows) -> Iterator[Job]:
        order = np.argsort(rows, kind="stable")
        rows, positions = rows[order], positions[order]
        numbers = rows // self._chunks.rows
        limits = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(rows)]
        for first, last in pairwise(limits) if len(rows) else ():
            number = int(numbers[first])
            own = rows[first:last] - number * self._chunks.rows
            for start in range(0, len(self._tiles), _TILES_AT_ONCE):
                tiles = self._tiles[start : start + _TILES_AT_ONCE]
                yield partial(self._copy, number, tiles, own, out, positions[first:last])

    def _copy(
        self, number: int, tiles: Any, rows: Rows, out: NDArray[Any], positions: Rows
    ) -> None:
        # A plain copy of rows that lie side by side, where an index list takes three times as long.
        source: Any = _side_by_side(rows)
        target: Any = _side_by_side(positions)
        if source is None or target is None:
            source, target = rows, positions
        for tile, part in tiles:
            goal: tuple[Any, ...] = (target, *part)
            out[goal] = self._chunks.read(number, tile, part)[source]


class _Points:
    """A dataset of text or bytes of any length, or of other objects."""

    block_rows = 1

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self._type = h5py.h5t.py_create(dataset.dtype)
        self.length, self.row_shape, self.dtype = len(dataset), dataset.shape[1:], dataset.dtype

    def read(self, rows: Rows, run: Callable[[Iterable[Job]], None]) -> Values:
        out = np.empty((len(rows), *self.row_shape), object)
        with HDF5_LOCK:
            if self.row_shape:
                for position, row in enumerate(rows.tolist()):
                    out[position] = self._dataset[row]
            elif len(rows):
                space = self._dataset.id.get_space()
                space.select_elements(rows.astype(np.uint64).reshape(-1, 1))
                self._dataset.id.read(h5py.h5s.create_simple(out.shape), space, out, self._type)
        return out

    def fill(self, rows: Rows, out: NDArray[Any], positions: Rows) -> Iterable[Job]:
        out[positions] = self.read(rows, _run_here)
        return ()


class _RaggedArray:
    """Values, and offsets that say which of them are a row's."""

    row_shape: tuple[int, ...] | None = None
    block_rows = 1

    def __init__(self, values: Array, offsets: Rows) -> None:
        self._values, self._offsets = values, offsets
        self.length, self.dtype = len(offsets) - 1, values.dtype

    def read(self, rows: Rows, run: Callable[[Iterable[Job]], None]) -> Values:
        starts, stops = self._offsets[rows], self._offsets[rows + 1]
        lengths = stops - starts
        if isinstance(self._values, _Held):
            return Ragged(self._values.read_ranges(starts, stops), lengths)
        before = np.repeat(np.cumsum(lengths) - lengths, lengths)
        every = np.repeat(starts, lengths) + np.arange(int(lengths.sum())) - before
        return Ragged(self._values.read(every, run), lengths)

    def fill(self, rows: Rows, out: NDArray[Any], positions: Rows) -> Iterable[Job]:
        raise TypeError("got rows of different shapes, expected rows of one shape")


def _side_by_side(rows: Rows) -> slice | None:
    """The slice that rows are, where they are one."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 != len(rows) or (np.diff(rows) != 1).any():
        return None
    return slice(first, last + 1)


def _run_here(jobs: Iterable[Job]) -> None:
    for job in jobs:
        job()


def _is_plain(dataset: h5py.Dataset) -> bool:
    """Whether the bytes in the file are those of the NumPy type, with nothing to convert."""
    return bool(dataset.id.get_type().equal(h5py.h5t.py_create(dataset.dtype, logical=True)))
