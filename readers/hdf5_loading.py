"""``load(…, source="hdf5")``: HDF5 files as a ``tf.data.Dataset`` of batches of decoded features.

A batch is one call out of TensorFlow's graph. Record by record, as ``from_generator`` over h5py does it,
each would cost the way through the interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ..schemas import Image, Schema
from ..schemas.hdf5_columns import Column, columns
from .hdf5_arrays import Ragged, Values
from .hdf5_table import Table
from .published import make_description

__all__ = ["HDF5Source"]

_READS_AHEAD = 4


class HDF5Source:
    """Batches of a split's decoded features, as those of TFRecord files are.

    Args:
        files: local HDF5 shards of one dataset, in order.
        schema: what they hold.
        part: ``(count, index)`` to take one record in every ``count``; ``None`` for all.

    Raises:
        DatasetError: a file is missing or not whole.
    """

    def __init__(self, files: Sequence[str], schema: Schema, part: tuple[int, int] | None) -> None:
        self._columns = columns(schema)
        self._schema = schema
        self._table = Table(files, [column.key for column in self._columns])
        count, index = part or (1, 0)
        self._rows = np.arange(index, len(self._table), count)
        self._module = _module_of_stored(schema)

    def batches(
        self, batch_size: int, *, shuffle: bool, seed: int | None, drop_remainder: bool
    ) -> Any:
        """A ``tf.data.Dataset`` of what was read, to be given to ``decode``; one epoch.

        Args:
            batch_size: records a batch.
            shuffle: draws a new order of all records each epoch.
            seed: makes the orders the same in each run.
            drop_remainder: leaves out the last batch where it is smaller.
        """
        whole, rest = divmod(len(self._rows), batch_size)
        steps = whole if drop_remainder or not rest else whole + 1
        read = self._reader(batch_size, shuffle, whole=drop_remainder)

        @tf.autograph.experimental.do_not_convert
        def epoch(drawn: Any) -> Any:
            numbers = tf.data.Dataset.range(steps).map(lambda step: (drawn, step))
            return numbers.map(read, num_parallel_calls=_READS_AHEAD, deterministic=True)

        # Each time that the dataset is iterated, it draws the seed of another order.
        drawn = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1)
        return drawn.flat_map(epoch)

    def decode(self, read: Sequence[Any]) -> dict[str, Any]:
        """Decoded features by name, from a batch that was read; dense or ragged tensors."""
        tensors = iter(read)
        stored = {column.key: _to_tensor(column, tensors) for column in self._columns}
        decoded = self._module.decode(stored) if self._module is not None else {}
        for name, feature in self._schema.features.items():
            if isinstance(feature, Image) and _is_raw(feature):
                decoded[name] = _to_pixels(feature, stored[name], stored.get(f"{name}/shape"))
        return {name: decoded[name] for name in self._schema.features}

    def _reader(self, batch_size: int, shuffle: bool, *, whole: bool) -> Callable[..., Any]:
        orders: dict[int, NDArray[np.int64]] = {}

        def read(drawn: Any, step: Any) -> list[Any]:
            rows = self._order(orders, int(drawn)) if shuffle else self._rows
            start = int(step) * batch_size
            values = self._table.read(rows[start : start + batch_size])
            return [part for c in self._columns for part in _to_parts(c, values[c.key])]

        size = batch_size if whole else None
        types = [dtype for column in self._columns for dtype in _part_types(column)]

        @tf.autograph.experimental.do_not_convert
        def call(drawn: Any, step: Any) -> Any:
            parts = tf.numpy_function(read, [drawn, step], types, stateful=True)
            shapes = [shape for column in self._columns for shape in _part_shapes(column, size)]
            return tuple(tf.ensure_shape(p, s) for p, s in zip(parts, shapes, strict=True))

        return call

    def _order(self, orders: dict[int, NDArray[np.int64]], drawn: int) -> NDArray[np.int64]:
        """The order that a seed stands for, drawn once an epoch."""
        order = orders.get(drawn)
        if order is None:
            order = np.random.default_rng(drawn).permutation(self._rows)
            while len(orders) > 1:  # the end of one epoch is read while the next one begins
                orders.pop(next(iter(orders)), None)
            orders[drawn] = order
        return order


def _is_raw(feature: Any) -> bool:
    return isinstance(feature, Image) and feature.encoding == "raw"


def _module_of_stored(schema: Schema) -> ModuleType | None:
    """The generated module for the features that HDF5 stores as Examples do: all but raw pixels."""
    features = {name: f for name, f in schema.features.items() if not _is_raw(f)}
    return make_description(schema.model_copy(update={"features": features})) if features else None


def _to_parts(column: Column, values: Values) -> list[Any]:
    if isinstance(values, Ragged):
        return [values.values, values.lengths]
    if column.layout.dtype == "bytes":
        values = np.array([item.tobytes() for item in values], object)
    return [values]


def _part_types(column: Column) -> list[Any]:
    types = [tf.as_dtype(column.layout.dtype) if column.layout.is_numeric else tf.string]
    return [*types, tf.int64] if column.layout.is_ragged else types


def _part_shapes(column: Column, rows: int | None) -> list[Any]:
    if column.layout.is_ragged:
        return [[None, *(size for size in column.layout.shape if size is not None)], [rows]]
    return [[rows, *column.layout.shape]]


def _to_tensor(column: Column, parts: Any) -> Any:
    values = next(parts)
    if not column.layout.is_ragged:
        return values
    # The types of row splits are those that the same features have when they are parsed.
    splits = tf.int64 if _is_raw(column.feature) else tf.int32
    return tf.RaggedTensor.from_row_lengths(values, tf.cast(next(parts), splits))


def _to_pixels(feature: Image, pixels: Any, shapes: Any) -> Any:
    if shapes is None:
        return pixels
    heights, widths = shapes[:, 0], shapes[:, 1]
    lengths = [heights, tf.repeat(widths, heights)]
    return tf.RaggedTensor.from_nested_row_lengths(pixels.values, lengths)
