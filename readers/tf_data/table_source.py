"""A ``RecordSource`` over records that can be read by their number: HDF5 files, and those of any other sink.

A batch is one call out of TensorFlow's graph. Record by record, as ``from_generator`` does it, each would cost the
way through the interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from ...schemas import Schema
from ...schemas.features.base import ValueSpec
from ..record_table import Ragged, RecordTable, Values
from .keys import Keys, keyed_table, with_key
from .selection import Selection

__all__ = ["TableSource", "open_table_source"]

_READS_AHEAD = 4  # batches of values that are only copied: more do not make it faster


@dataclass(frozen=True, slots=True)
class _Value:
    """What lies under one key.

    Attributes:
        key: the Example key.
        spec: what one value is; of a step feature, one step's.
        is_steps: whether a record holds any number of them.
        is_decoded: whether pixels are given as they are, rather than as strings.
    """

    key: str
    spec: ValueSpec
    is_steps: bool
    is_decoded: bool

    @property
    def is_string(self) -> bool:
        """Whether parsing gives a string: of text and bytes, and of raw pixels too."""
        return self.spec.is_string and not (self.spec.is_numeric and self.is_decoded)

    @property
    def is_list(self) -> bool:
        """Whether a value is of any number of items, which are not the pixels of one string."""
        return self.spec.is_ragged and not (self.is_string and self.spec.is_numeric)

    @property
    def levels(self) -> int:
        """How many levels of lists there are in a batch of the values."""
        return self.is_list + self.is_steps


class TableSource:
    """Numbers of records; see ``RecordSource``.

    Args:
        open_table: gives the table, which holds every key of the schema. It is called for each batch:
            TensorFlow never lets go of a function that it calls, so what it calls may not hold a table.
        schema: what the records hold.
        selection: which of the table's records, in which order.

    Raises:
        DatasetError: the table does not let itself be opened.
    """

    most_parses: int | None = _READS_AHEAD

    def __init__(
        self, open_table: Callable[[], RecordTable], schema: Schema, selection: Selection
    ) -> None:
        self._open_table, self._selection = open_table, selection
        pipelines, index = selection.part or (1, 0)
        self._rows = range(index, len(open_table()), pipelines)
        specs = schema.specs
        raw = {
            name for name in specs if name in specs[name] and specs[name][name].encoding == "raw"
        }
        # Of the steps of clips, some are chosen while they are still encoded.
        self.decoded = frozenset(raw if schema.record == "example" else ())
        self._values = [
            _Value(key, spec, name in schema.steps, name in self.decoded)
            for name, keys in specs.items()
            for key, spec in keys.items()
        ]
        self._shapes = {
            name: key
            for name in self.decoded
            if specs[name][name].is_ragged
            for key in specs[name]
            if key != name
        }

    def batches(self, size: int, drop_remainder: bool) -> Any:
        """Numbers ``[batch]``, int64: slices of a permutation of all, or of the stored order."""
        rows, static = self._rows, size if drop_remainder else None
        whole, rest = divmod(len(rows), size)
        numbers = tf.data.Dataset.range(whole if drop_remainder or not rest else whole + 1)

        @tf.autograph.experimental.do_not_convert
        def in_stored_order(number: Any) -> Any:
            stop = tf.minimum((number + 1) * size, len(rows))
            positions = tf.range(number * size, stop)
            return tf.ensure_shape(rows.start + rows.step * positions, [static])

        if self._selection.shuffle is False:
            return numbers.map(in_stored_order)

        @tf.autograph.experimental.do_not_convert
        def epoch(drawn: Any) -> Any:
            order = tf.ensure_shape(tf.numpy_function(self._draw, [drawn], tf.int64), [len(rows)])

            @tf.autograph.experimental.do_not_convert
            def take(number: Any) -> Any:
                return tf.ensure_shape(order[number * size : (number + 1) * size], [static])

            return numbers.map(take)

        # One number an epoch, which is what its order is made of.
        drawn = tf.data.Dataset.random(self._selection.seed, rerandomize_each_iteration=True)
        return drawn.take(1).flat_map(epoch)

    def parse(self, records: Any) -> dict[str, Any]:
        """What is read of the numbered records."""
        types = [dtype for value in self._values for dtype in _part_types(value)]
        parts = iter(tf.numpy_function(self._read, [records], types))
        size = records.shape[0]
        parsed = {value.key: _to_tensor(value, parts, size) for value in self._values}
        for name, key in self._shapes.items():
            parsed[name] = _to_images(parsed[name].values, parsed.pop(key))
        return parsed

    def _draw(self, drawn: Any) -> Any:
        rows = np.arange(self._rows.start, self._rows.stop, self._rows.step)
        return np.random.default_rng(int(drawn)).permutation(rows)

    def _read(self, records: Any) -> list[Any]:
        values = self._open_table().read(records)
        return [part for value in self._values for part in _to_parts(value, values[value.key])]


def open_table_source(
    open_table: Callable[[], RecordTable], schema: Schema, selection: Selection, keys: Keys | None
) -> TableSource:
    """A source of a table's records, or of these with their keys."""
    if keys is None:
        return TableSource(open_table, schema, selection)
    return TableSource(partial(keyed_table, open_table, keys), with_key(schema), selection)


def _to_parts(value: _Value, values: Values) -> list[Any]:
    """The values without their structure, and then the lengths of each level, the innermost first."""
    outer: list[Any] = []
    if value.is_steps and isinstance(values, Ragged):
        outer = [values.lengths]
        values = values.values
    if value.is_list and isinstance(values, Ragged):
        inner = _to_strings(values.values) if value.is_string else values.values
        return [inner, values.lengths, *outer]
    return [_to_strings(values) if value.is_string else values, *outer]


def _to_strings(values: Values) -> Any:
    items: Any = values.split() if isinstance(values, Ragged) else values
    strings = np.empty(len(items), object)
    for index, item in enumerate(items):
        strings[index] = item if isinstance(item, bytes) else item.tobytes()
    return strings


def _part_types(value: _Value) -> list[Any]:
    first = tf.string if value.is_string else tf.as_dtype(value.spec.dtype)
    return [first, *[tf.int64] * value.levels]


def _to_tensor(value: _Value, parts: Iterator[Any], size: int | None) -> Any:
    """The tensor of one key, from what ``_to_parts`` gives; ``size`` is the batch's, where it is known."""
    shape = [] if value.is_string else [n for n in value.spec.shape if n is not None]
    tensor = tf.ensure_shape(next(parts), [None if value.levels else size, *shape])
    # The types of row splits are those that parsing gives: int32 for lists, int64 for steps of anything else.
    splits = tf.int32 if value.levels > value.is_steps else tf.int64
    for level in reversed(range(value.levels)):
        lengths = tf.ensure_shape(next(parts), [None if level else size])
        tensor = tf.RaggedTensor.from_row_lengths(tensor, tf.cast(lengths, splits))
    return tensor


def _to_images(pixels: Any, shapes: Any) -> Any:
    """Images ``[batch, (height), (width), channels]`` of pixels ``[pixels, channels]``."""
    heights, widths = shapes[:, 0], shapes[:, 1]
    return tf.RaggedTensor.from_nested_row_lengths(pixels, [heights, tf.repeat(widths, heights)])
