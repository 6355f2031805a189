"""Reading HDF5 shards back, record by record, as ``parse_record`` gives those of TFRecord files."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np

from ....schemas.dataset.hdf5_layout import OFFSETS, STEP_OFFSETS, VALUES, Column, columns
from ....schemas.features.base import RecordValue, Steps
from ....schemas.schema import Schema
from .files import load_plugins, needs_plugins

__all__ = ["read_hdf5_records"]

_BLOCK_RECORDS = 64

_ReadBlock: TypeAlias = Callable[[int, int], list[Any]]


def read_hdf5_records(path: Path, schema: Schema) -> Iterator[dict[str, RecordValue]]:
    """The records of a shard's file, in order, some at a time in memory.

    Args:
        path: a local file.
        schema: the schema, its vocabularies filled in.

    Yields:
        By key: lists of bytes, int64 arrays [n] or float32 arrays [n]; ``Steps`` of these. Raw pixels
        are one little-endian string, as TFRecord files hold them.

    Raises:
        ValueError: the file is not HDF5, is damaged, or lacks a column.
    """
    for feature in schema.features.values():
        if needs_plugins({"": feature}):
            load_plugins(feature.storage)
    try:
        with h5py.File(path, "r") as file:
            readers = {column.key: _reader(file, column) for column in columns(schema)}
            lengths = {_length(file, column) for column in columns(schema)}
            if len(lengths) > 1:
                raise ValueError(
                    f"got columns of {sorted(lengths)} records, expected equal numbers"
                )
            for start in range(0, max(lengths), _BLOCK_RECORDS):
                stop = min(start + _BLOCK_RECORDS, max(lengths))
                blocks = {key: read(start, stop) for key, read in readers.items()}
                for index in range(stop - start):
                    yield {key: block[index] for key, block in blocks.items()}
    except (OSError, KeyError, RuntimeError) as error:
        raise ValueError(f"not readable as HDF5: {error}") from None


def _length(file: h5py.File, column: Column) -> int:
    if column.is_group:
        return len(file[column.key][OFFSETS]) - 1
    return len(file[column.key])


def _reader(file: h5py.File, column: Column) -> _ReadBlock:
    """Reads a column's values of the records from ``start`` to ``stop``."""
    place = file[column.key]
    if not column.is_group:
        return lambda start, stop: [_flat(value) for value in place[start:stop]]
    values, offsets = place[VALUES], place[OFFSETS]
    if not column.is_steps:
        return lambda start, stop: _cut(values, offsets[start : stop + 1])
    if column.spec.is_ragged:
        steps = place[STEP_OFFSETS]
        return lambda start, stop: [
            Steps(tuple(_cut(values, steps[a : b + 1])))
            for a, b in _pairs(offsets[start : stop + 1])
        ]
    return lambda start, stop: [
        Steps(tuple(_flat(value) for value in values[a:b]))
        for a, b in _pairs(offsets[start : stop + 1])
    ]


def _cut(values: h5py.Dataset, offsets: Any) -> list[Any]:
    return [_flat(values[a:b]) for a, b in _pairs(offsets)]


def _pairs(offsets: Any) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in itertools.pairwise(offsets)]


def _flat(value: Any) -> Any:
    """A value as a record of TFRecord files has it."""
    if isinstance(value, bytes):
        return [value]
    array = np.asarray(value)
    if array.dtype in (np.uint8, np.uint16):  # encoded images and raw pixels alike
        return [array.tobytes()]
    return array.ravel()
