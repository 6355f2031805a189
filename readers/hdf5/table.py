"""Several HDF5 files as one table: rows of all files, one after the other, by column."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ...schemas import Schema
from ...schemas.dataset.hdf5_layout import OFFSETS, STEP_OFFSETS, VALUES
from ...schemas.errors import DatasetError, SchemaError
from ..record_table import Identity, Ragged, Rows, Values, identify
from .arrays import Array, Job, open_array, open_ragged
from .buffers import empty
from .files import check_virtual, open_file
from .filters import check_filters
from .open_files import OpenFiles, count_open

__all__ = ["Table", "open_table", "read_schema"]

_THREADS = max(2, os.cpu_count() or 1)
_READERS = 4  # threads that may read batches at the same time
_TABLES_KEPT = 16


@dataclass
class _Opened:
    """What one process knows of the files.

    Attributes:
        process: its number; its threads are of no use to its children.
        identities: of each file, which it is.
        rows: shape and type of a row by column.
        blocks: of each file, how many rows lie in chunks together by column.
        open_files: those that were read last.
        starts: the number of the first row of each file, and of the end ``[files + 1]``.
        pool: threads for jobs.
    """

    process: int
    identities: list[Identity | None]
    rows: dict[str, tuple[tuple[int, ...] | None, Any]]
    blocks: list[dict[str, int]]
    open_files: OpenFiles
    starts: Rows
    pool: ThreadPoolExecutor


class Table:
    """Columns of several HDF5 files.

    Files are opened by the process that reads them, when it first does; those read last stay open. A table
    may be pickled, and read by threads at the same time.

    Args:
        files: paths of local files; every column is in each.
        columns: paths inside the files, of datasets or of groups with values and offsets.

    Raises:
        DatasetError: a file is missing or not whole, lacks a column, or its columns differ in length
            or, from file to file, in shape or type.
    """

    def __init__(self, files: Sequence[str], columns: Sequence[str]) -> None:
        self._files, self._columns = list(files), tuple(columns)
        self._lock = threading.Lock()
        self._open: _Opened | None = None
        self._length = int(self._opened.starts[-1])

    def __len__(self) -> int:
        return self._length

    def __getstate__(self) -> dict[str, Any]:
        return {"_files": self._files, "_columns": self._columns, "_length": self._length}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock(), _open=None)

    def arrays(self) -> Mapping[str, Array]:
        """The arrays of the first file by column, for what they say of shapes and types."""
        return self._arrays(self._opened, 0)

    def blocks(self) -> tuple[Rows, dict[str, int]] | None:
        """Where rows are read in blocks, several as dear as one; ``None`` where each is read by itself.

        Returns:
            The number of the first row of each block, rising; and the bytes of a row in each column that
            lies in blocks. Where columns have blocks of different sizes, those of the column with the most
            bytes count.
        """
        opened = self._opened
        row_bytes = {
            column: math.prod(shape or ()) * dtype.itemsize
            for column, (shape, dtype) in opened.rows.items()
            if any(of_file[column] > 1 for of_file in opened.blocks)
        }
        if not row_bytes:
            return None
        largest = max(row_bytes, key=lambda column: row_bytes[column])
        starts = [
            np.arange(start, stop, of_file[largest])
            for of_file, (start, stop) in zip(
                opened.blocks, pairwise(opened.starts.tolist()), strict=True
            )
        ]
        return np.concatenate(starts), row_bytes

    def read(
        self, rows: NDArray[Any] | Sequence[int], columns: Sequence[str] | None = None
    ) -> dict[str, Values]:
        """Rows in the order asked for, by column.

        Args:
            rows: their numbers.
            columns: these alone; ``None`` for all.

        Raises:
            IndexError: a number is not from 0 to the number of rows - 1.
            DatasetError: a file does not let itself be read.
        """
        numbers = np.asarray(rows, np.int64)
        if numbers.size and (numbers.min() < 0 or numbers.max() >= len(self)):
            raise IndexError(f"got rows {numbers.min()} to {numbers.max()} of {len(self)}")
        opened = self._opened
        try:
            wanted = self._columns if columns is None else columns
            return {column: self._read(opened, column, numbers) for column in wanted}
        except OSError as error:
            raise DatasetError(f"{', '.join(self._files[:3])}: cannot read: {error}") from error

    @property
    def _opened(self) -> _Opened:
        opened = self._open
        if opened is None or opened.process != os.getpid():
            if opened is not None:  # in a forked child, the lock may have been taken in the parent
                self._lock = threading.Lock()
            with self._lock:
                if self._open is None or self._open.process != os.getpid():
                    self._open = self._open_all()
                opened = self._open
        return opened

    def _open_all(self) -> _Opened:
        identities = [identify(path) for path in self._files]
        open_files = OpenFiles(_open_columns)
        lengths: list[int] = []
        rows: dict[str, tuple[tuple[int, ...] | None, Any]] = {}
        blocks: list[dict[str, int]] = []
        for path, identity in zip(self._files, identities, strict=True):
            arrays = open_files.arrays(path, self._columns, identity)
            found = {column: (array.row_shape, array.dtype) for column, array in arrays.items()}
            rows = rows or found
            _check_alike(rows, found, self._files[0], path)
            blocks.append({column: array.block_rows for column, array in arrays.items()})
            lengths.append(next(iter(arrays.values())).length)
        starts = np.cumsum([0, *lengths])
        pool = ThreadPoolExecutor(_THREADS)
        return _Opened(os.getpid(), identities, rows, blocks, open_files, starts, pool)

    def _arrays(self, opened: _Opened, index: int) -> Mapping[str, Array]:
        return opened.open_files.arrays(self._files[index], self._columns, opened.identities[index])

    def _read(self, opened: _Opened, column: str, rows: Rows) -> Values:
        def run(jobs: Iterable[Job]) -> None:
            _run(opened.pool, jobs)

        if len(self._files) == 1 or not len(rows):
            return self._arrays(opened, 0)[column].read(rows, run)
        owners = np.searchsorted(opened.starts, rows, side="right") - 1
        order = np.argsort(owners, kind="stable")
        parts = []
        for owner in np.unique(owners).tolist():
            positions = order[owners[order] == owner]
            parts.append((owner, rows[positions] - opened.starts[owner], positions))
        row_shape, dtype = opened.rows[column]
        if row_shape is None:
            return _join(
                [
                    (self._arrays(opened, f)[column].read(own, run), positions)
                    for f, own, positions in parts
                ]
            )
        shape = (len(rows), *row_shape)
        out = np.empty(shape, object) if dtype.hasobject else empty(shape, dtype)
        # Jobs keep their files open until they are done, so not those of all files at once.
        together = max(1, count_open(len(self._columns)) // _READERS)
        for start in range(0, len(parts), together):
            run(
                job
                for file, own, positions in parts[start : start + together]
                for job in self._arrays(opened, file)[column].fill(own, out, positions)
            )
        return out


def open_table(files: Sequence[str], columns: Sequence[str]) -> Table:
    """A table that is shared with all who ask for the same one, while the files are the same.

    TensorFlow keeps the Python functions of its graphs for ever. They ask here for the table instead of
    holding one, so that datasets that are gone take no memory.

    Raises:
        DatasetError: see ``Table``.
    """
    return _keep_table(tuple(files), tuple(columns), tuple(identify(path) for path in files))


@lru_cache(_TABLES_KEPT)
def _keep_table(files: tuple[str, ...], columns: tuple[str, ...], identities: Any) -> Table:
    return Table(files, columns)


def read_schema(path: str) -> Schema | None:
    """The schema that a file of ours was written with; ``None`` in any other file.

    Raises:
        DatasetError: it is not a schema that this version knows.
    """
    with open_file(path) as file:
        text = file.attrs.get("schema")
        if text is None or "format" not in file.attrs:
            return None
    try:
        return Schema.from_dict(json.loads(text))
    except (SchemaError, ValueError) as error:
        raise DatasetError(f"{path}: has a schema that is not: {error}") from None


def _open_columns(path: str, columns: tuple[str, ...]) -> dict[str, Array]:
    file = open_file(path)
    arrays = {column: _open_column(file, column, path) for column in columns}
    lengths = {column: array.length for column, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{column!r} has {length}" for column, length in lengths.items())
        raise DatasetError(f"{path}: got columns of different lengths: {shown}")
    return arrays


def _open_column(file: h5py.File, column: str, path: str) -> Array:
    found = file.get(column)
    if isinstance(found, h5py.Group) and {VALUES, OFFSETS} <= set(found):
        values = _open_dataset(found[VALUES], path)
        if STEP_OFFSETS in found:
            values = open_ragged(values, _check(found[STEP_OFFSETS], path))
        return open_ragged(values, _check(found[OFFSETS], path))
    if not isinstance(found, h5py.Dataset):
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
        raise DatasetError(
            f"{path}: no dataset {column!r}; its datasets are: {', '.join(map(repr, names))}"
        )
    return _open_dataset(found, path)


def _open_dataset(dataset: h5py.Dataset, path: str) -> Array:
    if not dataset.shape:
        raise DatasetError(f"{path}: {dataset.name!r} has no rows, got shape {dataset.shape}")
    try:
        return open_array(_check(dataset, path), path)
    except (OSError, ValueError) as error:  # memory-mapping beyond the end of the file
        raise DatasetError(f"{path}: cannot read {dataset.name!r}: {error}") from error


def _check(dataset: h5py.Dataset, path: str) -> h5py.Dataset:
    check_filters(dataset, path)
    check_virtual(dataset, path)
    return dataset


def _check_alike(
    first: Mapping[str, Any], other: Mapping[str, Any], first_path: str, path: str
) -> None:
    for column, got in other.items():
        expected = first[column]
        if got != expected:
            raise DatasetError(
                f"{path}: {column!r} has rows of {got[1]} {got[0]}, expected {expected[1]} "
                f"{expected[0]} as in {first_path}"
            )


def _run(pool: ThreadPoolExecutor, jobs: Iterable[Job]) -> None:
    last, started = None, []
    for job in jobs:  # the last one is done here, and with it those that are alone
        if last is not None:
            started.append(pool.submit(last))
        last = job
    if last is not None:
        last()
    for done in started:
        done.result()


def _join(parts: Sequence[tuple[Any, Rows]]) -> Ragged:
    """Ragged rows of several files, each with the places where its rows go."""
    rows: dict[int, Any] = {}
    for ragged, positions in parts:
        rows.update(zip(positions.tolist(), ragged.split(), strict=True))
    return _stack([rows[place] for place in range(len(rows))])


def _stack(rows: Sequence[Any]) -> Ragged:
    if isinstance(rows[0], Ragged):
        lengths = np.array([len(row.lengths) for row in rows], np.int64)
        steps = [step for row in rows for step in row.split()]
        if not steps:
            return Ragged(rows[0], lengths)
        return Ragged(_stack(steps), lengths)
    lengths = np.array([len(row) for row in rows], np.int64)
    return Ragged(np.concatenate(rows), lengths)
