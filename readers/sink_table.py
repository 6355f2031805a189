"""The files of any sink as a ``RecordTable``: to be read everywhere, a sink needs ``read`` alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..schemas import Schema
from ..schemas.dataset.sink import CorruptShard, Sink, offered_sinks
from ..schemas.errors import DatasetError
from ..schemas.features.base import FeatureValue, Steps, ValueSpec
from .published import explain_remote, is_remote
from .record_table import Ragged, Values, identify

__all__ = ["SinkTable", "join_records", "open_sink_table"]

_TABLES_KEPT = 4


class SinkTable:
    """Records of several files of one format; see ``RecordTable``.

    What is kept in memory is up to ``Sink.records``: all records, unless the sink knows better.

    Args:
        sink: the format.
        files: paths of local files, in order.
        schema: what the files were written by, as a whole.

    Raises:
        DatasetError: a file is damaged, or not local.
    """

    def __init__(self, sink: Sink, files: Sequence[str], schema: Schema) -> None:
        self._name, self._files, self._schema = sink.name, list(files), schema
        # What a package's sequences do with several threads, nobody knows.
        self._lock = threading.Lock()
        self._shards: list[Sequence[Mapping[str, Any]]] = []
        for path in files:
            if is_remote(path):
                raise DatasetError(explain_remote(path, f"sink {sink.name!r}"))
            try:
                self._shards.append(sink.records(Path(path), schema))
            except CorruptShard as error:
                raise DatasetError(f"{path}: {error}") from error
        self._starts = np.cumsum([0, *map(len, self._shards)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, rows: NDArray[Any] | Sequence[int]) -> dict[str, Values]:
        """Every key of the records; see ``RecordTable.read``."""
        numbers = np.asarray(rows, np.int64)
        if numbers.size and (numbers.min() < 0 or numbers.max() >= len(self)):
            raise IndexError(f"got rows {numbers.min()} to {numbers.max()} of {len(self)}")
        shards = np.searchsorted(self._starts, numbers, side="right") - 1
        located = zip(shards.tolist(), (numbers - self._starts[shards]).tolist(), strict=True)
        with self._lock:
            records = [self._record(shard, number) for shard, number in located]
        return join_records(self._schema, records)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by what it was opened with: no file and no lock goes along."""
        declared = json.dumps(self._schema.to_dict())
        return open_sink_table, (self._name, tuple(self._files), declared)

    def _record(self, shard: int, number: int) -> Mapping[str, Any]:
        try:
            return self._shards[shard][number]
        except CorruptShard as error:
            raise DatasetError(f"{self._files[shard]}: {error}") from error


def open_sink_table(name: str, files: tuple[str, ...], schema: str) -> SinkTable:
    """A table of the files of another package's sink, shared with all who ask for the same one.

    Args:
        name: the sink's.
        files: paths of local files, in order.
        schema: what they were written by, as JSON.

    Raises:
        DatasetError: see ``SinkTable``.
    """
    return _keep_table(name, files, schema, tuple(map(identify, files)))


@lru_cache(_TABLES_KEPT)
def _keep_table(name: str, files: tuple[str, ...], schema: str, identities: Any) -> SinkTable:
    sink, _ = offered_sinks()[name]
    return SinkTable(sink, files, Schema.from_dict(json.loads(schema)))


def join_records(schema: Schema, records: Sequence[Mapping[str, Any]]) -> dict[str, Values]:
    """Records as ``Sink.read`` gives them, by key.

    Args:
        schema: what of them is wanted.
        records: each has at least the keys of the schema.
    """
    return {
        key: _join(spec, [record[key] for record in records], name in schema.steps)
        for name, specs in schema.specs.items()
        for key, spec in specs.items()
    }


def _join(spec: ValueSpec, values: Sequence[Any], is_steps: bool) -> Values:
    """One key of several records."""
    if not is_steps:
        return _stack(spec, values)
    steps = [step for value in values for step in value.values]
    return Ragged(_stack(spec, steps), np.array([len(v.values) for v in values], np.int64))


def _stack(spec: ValueSpec, values: Sequence[FeatureValue | Steps]) -> Values:
    """Values as ``flatten_value`` leaves them, one after the other."""
    if not spec.is_numeric:
        flat = [string for value in values for string in value]  # type: ignore[union-attr]
        strings = np.empty(len(flat), object)
        strings[:] = flat
        counts = np.array([len(value) for value in values], np.int64)  # type: ignore[arg-type]
        return Ragged(strings, counts) if spec.is_ragged else strings
    items = tuple(size for size in spec.shape if size is not None)
    arrays = [np.empty((0, *items), spec.dtype)]
    lengths = []
    for value in values:
        array = _to_array(spec, value).reshape(-1, *items)
        arrays.append(array)
        lengths.append(len(array))
    every = np.concatenate(arrays)
    return Ragged(every, np.array(lengths, np.int64)) if spec.is_ragged else every


def _to_array(spec: ValueSpec, value: Any) -> NDArray[Any]:
    """Numbers without their shape, of which pixels are one little-endian string."""
    if spec.encoding != "raw":
        return np.asarray(value)
    (pixels,) = value
    stored = np.frombuffer(pixels, np.dtype(spec.dtype).newbyteorder("<"))
    return stored.astype(spec.dtype, copy=False)
