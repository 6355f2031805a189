"""Reading HDF5 shards back, record by record, as ``parse_record`` gives those of TFRecord files."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import h5py

from ....schemas.dataset.hdf5_layout import OFFSETS, STEP_OFFSETS, VALUES, Column, columns
from ....schemas.dataset.sink import CorruptShard, flatten_value
from ....schemas.features.base import FeatureValue, RecordValue, Steps
from ....schemas.schema import Schema
from .files import load_plugins, needs_plugins

__all__ = ["HDF5Records", "read_records"]

_BLOCK_RECORDS = 64

_ReadBlock: TypeAlias = Callable[[int, int], list[Any]]


class HDF5Records(Sequence[dict[str, RecordValue]]):
    """The records of a local shard's file by their number; it stays open as long as the object lives.

    Args:
        path: a local file.
        schema: the schema, its vocabularies filled in.

    Raises:
        CorruptShard: the file is not HDF5, is damaged, or lacks a column; of a record's values, when it is
            asked for.
    """

    def __init__(self, path: Path, schema: Schema):
        for feature in schema.features.values():
            if needs_plugins({"": feature}):
                load_plugins(feature.storage)
        with _damage_named():
            file = h5py.File(path, "r")
            self._columns = {column.key: _reader(file, column) for column in columns(schema)}
            lengths = {_length(file, column) for column in columns(schema)}
            if len(lengths) > 1:
                raise ValueError(
                    f"got columns of {sorted(lengths)} records, expected equal numbers"
                )
            (self._length,) = lengths
        self._file = file

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        """The values of a record, or of a slice of them, which is read at once.

        By key: lists of bytes, int64 arrays [n] or float32 arrays [n]; ``Steps`` of these. Raw pixels are one
        little-endian string, as TFRecord files hold them.
        """
        if isinstance(index, slice):
            start, stop, step = index.indices(self._length)
            if step != 1:
                return [self[number] for number in range(start, stop, step)]
            return self._read(start, max(start, stop))
        if not -self._length <= index < self._length:
            raise IndexError(f"got record {index}, expected one of {self._length}")
        index %= self._length
        return self._read(index, index + 1)[0]

    def _read(self, start: int, stop: int) -> list[dict[str, RecordValue]]:
        with _damage_named():
            blocks = {key: read(start, stop) for key, read in self._columns.items()}
        return [{key: block[n] for key, block in blocks.items()} for n in range(stop - start)]

    def close(self) -> None:
        """Closes the file; no record can be read from then on."""
        self._file.close()


def read_records(path: Path, schema: Schema) -> Iterator[dict[str, RecordValue]]:
    """The records of a shard's file, in order, some at a time in memory; see ``HDF5Records``."""
    records = HDF5Records(path, schema)
    try:
        for start in range(0, len(records), _BLOCK_RECORDS):
            yield from records[start : start + _BLOCK_RECORDS]
    finally:
        records.close()


@contextmanager
def _damage_named() -> Iterator[None]:
    """What h5py raises for damaged files, in whichever of its layers it is found."""
    try:
        yield
    except ValueError as error:
        raise CorruptShard(None, str(error)) from None
    except (OSError, KeyError, RuntimeError) as error:
        raise CorruptShard(None, f"not readable as HDF5: {error}") from None


def _length(file: h5py.File, column: Column) -> int:
    if column.is_group:
        return len(file[column.key][OFFSETS]) - 1
    return len(file[column.key])


def _reader(file: h5py.File, column: Column) -> _ReadBlock:
    """Reads a column's values of the records from ``start`` to ``stop``."""
    at_key = file[column.key]
    if not column.is_group:
        return lambda start, stop: [flatten_value(value) for value in at_key[start:stop]]
    values, offsets = at_key[VALUES], at_key[OFFSETS]
    if not column.is_steps:
        return lambda start, stop: _cut(values, offsets[start : stop + 1])
    if column.spec.is_ragged:
        steps = at_key[STEP_OFFSETS]
        return lambda start, stop: [
            Steps(tuple(_cut(values, steps[a : b + 1])))
            for a, b in _pairs(offsets[start : stop + 1])
        ]
    return lambda start, stop: [
        Steps(tuple(flatten_value(value) for value in values[a:b]))
        for a, b in _pairs(offsets[start : stop + 1])
    ]


def _cut(values: h5py.Dataset, offsets: Any) -> list[Any]:
    return [_flatten(values[a:b]) for a, b in _pairs(offsets)]


def _flatten(values: Any) -> FeatureValue:
    if values.dtype.hasobject:  # strings
        return [value if isinstance(value, bytes) else value.tobytes() for value in values]
    return flatten_value(values)


def _pairs(offsets: Any) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in itertools.pairwise(offsets)]
