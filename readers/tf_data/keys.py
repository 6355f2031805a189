"""The keys of records beside them: the index's, put into what is read as one more feature.

A key is no part of a record. Messages of protobuf that stand one after the other are one message with the values
of both, so a serialized key behind a serialized record is a record with a key, be it an example or a clip. From
there on it goes the way of any other text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ...schemas import Schema, String
from ...schemas.dataset.file_names import index_file
from ...schemas.errors import DatasetError
from ..published import Published, read_index_file
from ..record_table import RecordTable, Values

__all__ = ["KEY", "IndexedFile", "Keys", "find_keys", "keyed_records", "keyed_table", "with_key"]

KEY = "pixelbeam/key"
"""The name of the feature; no element has it."""

_KEPT = 4


@dataclass(frozen=True)
class IndexedFile:
    """A file that is read.

    Attributes:
        path: its path.
        index: the name of its index in the dataset's directory.
        sha256: of the index, in hex.
    """

    path: str
    index: str
    sha256: str


@dataclass(frozen=True)
class Keys:
    """The keys of the records of some files.

    Attributes:
        directory: the dataset's.
        files: the files, in order.
    """

    directory: str
    files: tuple[IndexedFile, ...]

    @cached_property
    def _by_path(self) -> dict[str, IndexedFile]:
        return {file.path: file for file in self.files}

    def read(self, path: str) -> list[bytes]:
        """The keys of a file's records, in order.

        Raises:
            DatasetError: its index is missing or damaged.
        """
        file = self._by_path[path]
        table = read_index_file(self.directory, file.index, file.sha256, ["key"])
        column = table.column("key")
        return [key.encode() for key in column.to_pylist()]


def find_keys(dataset: Published, split: str, source: str, paths: Sequence[str]) -> Keys:
    """The keys of the records that are read.

    Args:
        dataset: the dataset.
        split: the split that is read.
        source: the format of its files.
        paths: those of the files, in order.

    Raises:
        DatasetError: the dataset has no index.
    """
    found = {}
    for shard in dataset.shards(split):
        name = shard.files[source].path
        index = index_file(name.rpartition(".")[0])
        if index not in dataset.info.files:
            raise DatasetError(f"{dataset.directory}: has no index, since it was built without")
        path, sha256 = dataset.path(name), dataset.info.files[index].sha256
        found[path] = IndexedFile(path, index, sha256)
    files = tuple(found[path] for path in paths)
    return Keys(dataset.directory, files)


def with_key(schema: Schema) -> Schema:
    """A schema whose records have their key too."""
    part = "context" if schema.record == "sequence_example" else "declared"
    return schema.model_copy(update={part: {**getattr(schema, part), KEY: String(source="key")}})


def keyed_records(path: Any, keys: Keys) -> Any:
    """A ``tf.data.Dataset`` of the serialized records of a TFRecord file, each with its key.

    Args:
        path: string, scalar.
        keys: those of the file's records.
    """

    def serialize(path: Any) -> Any:
        return np.array([_serialize(key) for key in keys.read(path.decode())], object)

    behind = tf.ensure_shape(tf.numpy_function(serialize, [path], tf.string), [None])
    both = tf.data.Dataset.zip(
        tf.data.TFRecordDataset(path), tf.data.Dataset.from_tensor_slices(behind)
    )
    return both.map(_join)


@tf.autograph.experimental.do_not_convert
def _join(record: Any, key: Any) -> Any:
    return tf.strings.join([record, key])


def _serialize(key: bytes) -> bytes:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[key]))
    example = tf.train.Example(features=tf.train.Features(feature={KEY: feature}))
    return bytes(example.SerializeToString())


def keyed_table(open_table: Callable[[], RecordTable], keys: Keys) -> RecordTable:
    """A table whose records have their key too."""
    return _KeyedTable(open_table(), keys)


class _KeyedTable:
    def __init__(self, table: RecordTable, keys: Keys) -> None:
        self._table, self._keys = table, keys

    def __len__(self) -> int:
        return len(self._table)

    def read(self, rows: NDArray[Any] | Sequence[int]) -> Mapping[str, Values]:
        return {**self._table.read(rows), KEY: _all_keys(self._keys)[np.asarray(rows, np.int64)]}


@lru_cache(_KEPT)
def _all_keys(keys: Keys) -> NDArray[Any]:
    every = [key for file in keys.files for key in keys.read(file.path)]
    array = np.empty(len(every), object)
    array[:] = every
    return array
