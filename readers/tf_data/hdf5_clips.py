"""``load(…, source="hdf5")`` of clips: their rows in place of serialized records.

What ``ClipReader`` does with records, it does with the numbers of rows; to parse a batch of them is to read
them. Frames are still encoded then, so only those that are chosen are decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from ...schemas import Schema
from ...schemas.dataset.hdf5_layout import Column, columns
from ..hdf5.arrays import Ragged, Values
from ..hdf5.table import open_table

__all__ = ["HDF5Clips"]


class HDF5Clips:
    """The clips of a split, with the functions of the generated module that read them.

    Args:
        files: local HDF5 shards of one dataset, in order.
        schema: what they hold.
        part: ``(count, index)`` to take one record in every ``count``; ``None`` for all.
        description: the generated module, which decodes.

    Raises:
        DatasetError: a file is missing or not whole.
    """

    def __init__(
        self, files: Sequence[str], schema: Schema, part: tuple[int, int] | None, description: Any
    ) -> None:
        self._columns = columns(schema)
        keys = [column.key for column in self._columns]
        # TensorFlow never lets go of a function that it calls, so what it calls holds no table.
        self._table = partial(open_table, tuple(files), tuple(keys))
        count, index = part or (1, 0)
        self._rows = range(index, len(self._table()), count)
        self.decode = description.decode
        self.SEQUENCE_FEATURES = description.SEQUENCE_FEATURES

    def rows(self, *, shuffle: bool, seed: int | None) -> Any:
        """A ``tf.data.Dataset`` of the numbers of the rows; with ``shuffle`` in a new order each epoch."""
        if not shuffle:
            return tf.data.Dataset.range(self._rows.start, self._rows.stop, self._rows.step)

        def order(drawn: Any) -> Any:
            numbers = np.arange(self._rows.start, self._rows.stop, self._rows.step)
            return np.random.default_rng(int(drawn)).permutation(numbers)

        @tf.autograph.experimental.do_not_convert
        def epoch(drawn: Any) -> Any:
            numbers = tf.numpy_function(order, [drawn], tf.int64)
            return tf.data.Dataset.from_tensor_slices(tf.ensure_shape(numbers, [len(self._rows)]))

        return tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1).flat_map(epoch)

    def parse_sequence_example(self, rows: Any) -> dict[str, Any]:
        """What the generated function of this name gives for the records, from the numbers of rows."""

        def read(numbers: Any) -> list[Any]:
            values = self._table().read(numbers)
            return [part for c in self._columns for part in _to_parts(c, values[c.key])]

        types = [dtype for column in self._columns for dtype in _part_types(column)]
        parts = iter(tf.numpy_function(read, [rows], types))
        return {c.key: _to_tensor(c, parts, rows.shape[0]) for c in self._columns}


def _is_string(column: Column) -> bool:
    """Whether records hold strings: text and bytes, and raw pixels too."""
    return not column.spec.is_numeric or column.spec.encoding == "raw"


def _is_nested(column: Column) -> bool:
    """Whether a record, or a step, holds a list."""
    return column.spec.is_ragged and not _is_string(column)


def _to_parts(column: Column, values: Values) -> list[Any]:
    """The values without their structure, and then the lengths of each level, the innermost first."""
    outer: list[Any] = []
    if column.is_steps and isinstance(values, Ragged):
        outer = [values.lengths]
        values = values.values
    if _is_string(column):
        return [_to_strings(values), *outer]
    if isinstance(values, Ragged):
        return [values.values, values.lengths, *outer]
    return [values, *outer]


def _to_strings(values: Values) -> Any:
    items: Any = values.split() if isinstance(values, Ragged) else values
    strings = np.empty(len(items), object)
    for index, item in enumerate(items):
        strings[index] = item if isinstance(item, bytes) else item.tobytes()
    return strings


def _part_types(column: Column) -> list[Any]:
    first = tf.string if _is_string(column) else tf.as_dtype(column.spec.dtype)
    return [first, *[tf.int64] * (_is_nested(column) + column.is_steps)]


def _to_tensor(column: Column, parts: Iterator[Any], rows: int | None) -> Any:
    shape = [] if _is_string(column) else [n for n in column.spec.shape if n is not None]
    dense = not _is_nested(column) and not column.is_steps
    value = tf.ensure_shape(next(parts), [rows if dense else None, *shape])
    if _is_nested(column):
        # The types of row splits are those that parsing gives.
        lengths = tf.ensure_shape(next(parts), [None if column.is_steps else rows])
        value = tf.RaggedTensor.from_row_lengths(value, tf.cast(lengths, tf.int32))
    if column.is_steps:
        splits = tf.int32 if _is_nested(column) else tf.int64
        lengths = tf.ensure_shape(next(parts), [rows])
        value = tf.RaggedTensor.from_row_lengths(value, tf.cast(lengths, splits))
    return value
