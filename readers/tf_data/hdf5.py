"""``load(…, source="hdf5")``: HDF5 files as a ``tf.data.Dataset`` of batches of decoded features.

A batch is one call out of TensorFlow's graph. Record by record, as ``from_generator`` over h5py does it,
each would cost the way through the interpreter.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ...schemas import Image, Schema
from ...schemas.dataset.hdf5_layout import Column, columns
from ..hdf5.arrays import Ragged, Values
from ..hdf5.table import Table, open_table
from ..published import make_description

__all__ = ["HDF5Source"]

_ORDERS_KEPT = 4  # the end of one epoch is read while the next one begins, by several iterators


class HDF5Source:
    """Batches of a split's decoded features, as those of TFRecord files are.

    Args:
        files: local HDF5 shards of one dataset, in order.
        schema: what they hold.
        part: ``(count, index)`` to take one record in every ``count``; ``None`` for all.
        batch_size: records a batch.
        shuffle: draws a new order of all records each epoch.
        drop_remainder: leaves out the last batch where it is smaller.

    Raises:
        DatasetError: a file is missing or not whole.
    """

    def __init__(
        self,
        files: Sequence[str],
        schema: Schema,
        part: tuple[int, int] | None,
        batch_size: int,
        *,
        shuffle: bool,
        drop_remainder: bool,
    ) -> None:
        self._columns = columns(schema)
        self._schema = schema
        self._files, self._keys = tuple(files), tuple(column.key for column in self._columns)
        count, index = part or (1, 0)
        # Not the numbers themselves, nor the table: TensorFlow never lets go of a function that it calls.
        self._rows = range(index, len(self._table), count)
        self._module = _module_of_stored(schema)
        self._batch_size, self._is_even = batch_size, drop_remainder
        whole, rest = divmod(len(self._rows), batch_size)
        self._steps = whole if drop_remainder or not rest else whole + 1
        self._shuffle = shuffle

    @property
    def _table(self) -> Table:
        return open_table(self._files, self._keys)

    @property
    def decodes(self) -> bool:
        """Whether there are images to be decoded, rather than values as they are."""
        images = (f for f in self._schema.features.values() if isinstance(f, Image))
        return any(image.encoding != "raw" for image in images)

    def numbers(self, seed: int | None) -> Any:
        """A ``tf.data.Dataset`` of one epoch's ``(drawn, step)``, for ``read``.

        Each time that it is iterated, it draws the seed of another order.

        Args:
            seed: makes the orders the same in each run.
        """

        @tf.autograph.experimental.do_not_convert
        def epoch(drawn: Any) -> Any:
            return tf.data.Dataset.range(self._steps).map(lambda step: (drawn, step))

        return tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1).flat_map(epoch)

    def read(self, drawn: Any, step: Any) -> dict[str, Any]:
        """The decoded features of a batch by name, dense or ragged tensors."""
        types = [dtype for column in self._columns for dtype in _part_types(column)]
        size = self._batch_size if self._is_even else None
        shapes = [shape for column in self._columns for shape in _part_shapes(column, size)]
        parts = tf.numpy_function(self._read_parts, [drawn, step], types)
        return self._decode([tf.ensure_shape(p, s) for p, s in zip(parts, shapes, strict=True)])

    def _read_parts(self, drawn: Any, step: Any) -> list[Any]:
        batch = slice(int(step) * self._batch_size, (int(step) + 1) * self._batch_size)
        rows = _draw_order(int(drawn), self._rows)[batch] if self._shuffle else self._rows[batch]
        values = self._table.read(np.asarray(rows, np.int64))
        return [part for c in self._columns for part in _to_parts(c, values[c.key])]

    def _decode(self, parts: Sequence[Any]) -> dict[str, Any]:
        tensors = iter(parts)
        stored = {column.key: _to_tensor(column, tensors) for column in self._columns}
        decoded = self._module.decode(stored) if self._module is not None else {}
        for name, feature in self._schema.features.items():
            if isinstance(feature, Image) and _is_raw(feature):
                decoded[name] = _to_pixels(feature, stored[name], stored.get(f"{name}/shape"))
        return {name: decoded[name] for name in self._schema.features}


@lru_cache(_ORDERS_KEPT)
def _draw_order(drawn: int, rows: range) -> NDArray[np.int64]:
    return np.random.default_rng(drawn).permutation(np.arange(rows.start, rows.stop, rows.step))


def _is_raw(feature: Any) -> bool:
    return isinstance(feature, Image) and feature.encoding == "raw"


def _module_of_stored(schema: Schema) -> ModuleType | None:
    """The generated module for the features that HDF5 stores as Examples do: all but raw pixels."""
    features = {name: f for name, f in schema.features.items() if not _is_raw(f)}
    return make_description(schema.model_copy(update={"features": features})) if features else None


def _to_parts(column: Column, values: Values) -> list[Any]:
    if isinstance(values, Ragged):
        return [values.values, values.lengths]
    if column.spec.dtype == "bytes":
        values = np.array([item.tobytes() for item in values], object)
    return [values]


def _part_types(column: Column) -> list[Any]:
    types = [tf.as_dtype(column.spec.dtype) if column.spec.is_numeric else tf.string]
    return [*types, tf.int64] if column.spec.is_ragged else types


def _part_shapes(column: Column, rows: int | None) -> list[Any]:
    if column.spec.is_ragged:
        return [[None, *(size for size in column.spec.shape if size is not None)], [rows]]
    return [[rows, *column.spec.shape]]


def _to_tensor(column: Column, parts: Any) -> Any:
    values = next(parts)
    if not column.spec.is_ragged:
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
