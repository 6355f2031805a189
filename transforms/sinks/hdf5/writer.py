"""Writing a shard as one HDF5 file.

How many records a shard comes to have is known when the last row is encoded, and a contiguous dataset
cannot grow. So values are first spooled, each column to a nameless file beside the shard's, and
``close`` copies them into datasets of the final size, a block at a time.
"""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from ....schemas.dataset.hdf5_layout import OFFSETS, STEP_OFFSETS, VALUES, Column, columns
from ....schemas.dataset.info import FORMAT
from ....schemas.features.base import FeatureValue, RecordValue, Steps
from ....schemas.schema import Schema
from .files import (
    ARRAY_TYPES,
    create_file,
    describe,
    filters,
    label_axes,
    require_group,
)

__all__ = ["HDF5Writer"]

_BLOCK_BYTES = 4 << 20
_BLOCK_RECORDS = 1024


class HDF5Writer:
    """A shard's file while it is written; see ``ShardWriter``.

    Args:
        path: a local file that does not exist yet.
        schema: the schema, its vocabularies filled in.
    """

    def __init__(self, path: Path, schema: Schema):
        self._path = path
        self._schema = schema
        self._columns = {column.key: column for column in columns(schema)}
        # A dataset that grows would have to be chunked, and contiguous ones can be memory-mapped; so values wait
        # in temporary files until their number is known.
        self._spools = {key: _open_spool(c, path.parent) for key, c in self._columns.items()}

    def write(self, values: Mapping[str, RecordValue]) -> None:
        """Appends a record."""
        for key, spool in self._spools.items():
            spool.write(values[key])

    def close(self) -> None:
        """Completes the file."""
        with create_file(self._path) as file:
            # No time and no library's name: the same records give the same bytes.
            file.attrs["format"] = FORMAT
            file.attrs["shard"] = self._path.stem
            for name in ("name", "version"):
                if (value := getattr(self._schema, name)) is not None:
                    file.attrs[name] = value
            file.attrs["schema"] = json.dumps(self._schema.to_dict(), ensure_ascii=False)
            # Groups of other columns' names come first, since a key may lie inside one of them.
            for key, column in sorted(self._columns.items()):
                parent, _, name = key.rpartition("/")
                group = require_group(file, parent) if parent else file
                self._spools[key].finish(group, name)
                describe(file[key], column)


class _Spool(Protocol):
    """One column's values until the number of records is known."""

    def write(self, value: Any) -> None:
        """Appends a record's value."""

    def finish(self, parent: h5py.Group, name: str) -> None:
        """Moves all values into the file."""


def _open_spool(column: Column, folder: Path) -> _Spool:
    spec = column.spec
    spool: _Numbers | _Blobs | _Ragged
    first = "step" if column.is_steps else "record"
    if spec.is_ragged:
        spool = _Ragged(folder, column)
    elif not spec.is_numeric:
        spool = _Blobs(folder, ARRAY_TYPES[spec.dtype], (first,))
    else:
        shape = tuple(size or 0 for size in spec.shape)
        labels = (first, *spec.axes)
        spool = _Numbers(folder, ARRAY_TYPES[spec.dtype], shape, column.feature.storage, labels)
    return _StepSpool(spool) if column.is_steps else spool


class _Numbers:
    """Arrays of one shape."""

    def __init__(
        self,
        folder: Path,
        dtype: Any,
        shape: tuple[int, ...],
        storage: str,
        labels: tuple[str, ...],
    ):
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by finish
        self._dtype, self._shape = dtype, shape
        self._storage, self._labels = storage, labels
        self._count = 0

    def write(self, value: Any) -> None:
        self.extend(value[np.newaxis])

    def extend(self, values: Any) -> None:
        """Appends several values ``[count, *shape]``."""
        if values.shape[1:] != self._shape or values.dtype != self._dtype:
            got = f"got {values.dtype} {values.shape[1:]}"
            raise TypeError(f"{got}, expected {self._dtype} {self._shape}")
        self._file.write(values.astype(self._dtype, copy=False).tobytes())
        self._count += len(values)

    def finish(self, parent: h5py.Group, name: str) -> None:
        shape = (self._count, *self._shape)
        chosen = filters(self._storage, self._dtype, shape)
        dataset = parent.create_dataset(name, shape, self._dtype, track_times=False, **chosen)
        label_axes(dataset, self._labels)
        self._file.seek(0)
        for start, stop in _blocks(shape, self._dtype.itemsize, dataset.chunks):
            block = np.empty((stop - start, *self._shape), self._dtype)
            self._file.readinto(block.data.cast("B") if block.size else b"")
            dataset[start:stop] = block
        self._file.close()


def _blocks(
    shape: tuple[int, ...], itemsize: int, chunks: tuple[int, ...] | None
) -> Iterator[tuple[int, int]]:
    """Ranges of records of a few megabytes, whole chunks each, so that none is compressed twice."""
    count, record = shape[0], max(1, int(np.prod(shape[1:])) * itemsize)
    step = max(1, _BLOCK_BYTES // record)
    if chunks:
        step = max(1, step // chunks[0]) * chunks[0]
    for start in range(0, count, step):
        yield start, min(start + step, count)


class _Blobs:
    """Text or bytes of any length."""

    def __init__(self, folder: Path, dtype: Any, labels: tuple[str, ...]):
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by finish
        # 8 bytes a value, where a list of ints takes 36.
        self._lengths = array("q")
        self._dtype, self._labels = dtype, labels

    def write(self, value: FeatureValue) -> None:
        if not isinstance(value, bytes):
            raise TypeError(f"got {type(value).__name__}, expected bytes")
        self._file.write(value)
        self._lengths.append(len(value))

    def extend(self, values: Iterable[bytes]) -> None:
        """Appends several values."""
        for value in values:
            self.write(value)

    def finish(self, parent: h5py.Group, name: str) -> None:
        shape = (len(self._lengths),)
        dataset = parent.create_dataset(name, shape, self._dtype, track_times=False)
        label_axes(dataset, self._labels)
        self._file.seek(0)
        start = 0
        for lengths in _batch_lengths(self._lengths):
            # Of a list of values of one length, NumPy would make fixed-size strings, or a second axis.
            block = np.empty(len(lengths), object)
            for index, length in enumerate(lengths):
                block[index] = self._convert(self._file.read(length))
            _write_objects(dataset, start, block)
            start += len(block)
        self._file.close()

    def _convert(self, data: bytes) -> Any:
        return data if h5py.check_string_dtype(self._dtype) else np.frombuffer(data, np.uint8)


def _write_objects(dataset: h5py.Dataset, start: int, block: Any) -> None:
    """``dataset[start:…] = block``, where h5py would take values of one length for another axis."""
    space = dataset.id.get_space()
    space.select_hyperslab((start,), block.shape)
    kind = h5py.h5t.py_create(dataset.dtype)
    dataset.id.write(h5py.h5s.create_simple(block.shape), space, block, kind)


def _batch_lengths(lengths: array[int]) -> Iterator[list[int]]:
    """Successive lengths of a few megabytes in all."""
    start = size = 0
    for stop, length in enumerate(lengths, start=1):
        size += length
        if stop - start == _BLOCK_RECORDS or size > _BLOCK_BYTES:
            yield lengths[start:stop].tolist()
            start, size = stop, 0
    if start < len(lengths):
        yield lengths[start:].tolist()


class _Ragged:
    """Arrays and lists of strings whose first axis has a size of its own in each record, or step."""

    def __init__(self, folder: Path, column: Column):
        spec = column.spec
        tail = tuple(size for size in spec.shape if size is not None)
        labels = ("value", *spec.axes[len(spec.shape) - len(tail) :])
        dtype, storage = ARRAY_TYPES[spec.dtype], column.feature.storage
        self._tail = tail
        self._values: _Numbers | _Blobs
        if spec.is_numeric:
            self._values = _Numbers(folder, dtype, tail, storage, labels)
        else:
            self._values = _Blobs(folder, dtype, labels)
        self._offsets = array("q", [0])

    def write(self, value: Any) -> None:
        values = value if isinstance(value, list) else value.reshape(-1, *self._tail)
        self._values.extend(values)
        self._offsets.append(self._offsets[-1] + len(values))

    def extend(self, values: Any) -> None:
        """Appends several values of one length, ``[count, length, *tail]``."""
        start, (count, length) = self._offsets[-1], values.shape[:2]
        self._values.extend(values.reshape(-1, *self._tail))
        self._offsets.extend(start + length * n for n in range(1, count + 1))

    def finish(self, parent: h5py.Group, name: str) -> None:
        self.finish_in(require_group(parent, name), OFFSETS)

    def finish_in(self, group: h5py.Group, offsets: str) -> None:
        """Moves values and offsets into a group that is there."""
        self._values.finish(group, VALUES)
        _write_offsets(group, offsets, self._offsets)


class _StepSpool:
    """Any number of values a record, in a spool of their own."""

    def __init__(self, steps: _Numbers | _Blobs | _Ragged):
        self._steps = steps
        self._offsets = array("q", [0])

    def write(self, value: RecordValue) -> None:
        if not isinstance(value, Steps):
            raise TypeError(f"got {type(value).__name__}, expected Steps")
        if isinstance(value.values, np.ndarray) and not isinstance(self._steps, _Blobs):
            self._steps.extend(value.values)
        else:
            for step in value.values:
                self._steps.write(step)
        self._offsets.append(self._offsets[-1] + len(value.values))

    def finish(self, parent: h5py.Group, name: str) -> None:
        group = require_group(parent, name)
        if isinstance(self._steps, _Ragged):
            self._steps.finish_in(group, STEP_OFFSETS)
        else:
            self._steps.finish(group, VALUES)
        _write_offsets(group, OFFSETS, self._offsets)


def _write_offsets(group: h5py.Group, name: str, offsets: array[int]) -> None:
    group.create_dataset(name, data=np.frombuffer(offsets, np.dtype("<i8")), track_times=False)
