"""TFRecord files as a ``RecordSource``: read in order, shuffled in files and in a buffer."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from ...schemas import Schema
from .description import make_description
from .keys import Keys, keyed_records, with_key
from .selection import Selection

__all__ = ["TFRecordSource", "open_source"]

_FILES_AT_ONCE = 16  # fixed, not AUTOTUNE: with a seed the order must not depend on the machine
_SHUFFLE_BYTES = 128 << 20
_SHUFFLE_RECORDS = 10_000


class TFRecordSource:
    """Serialized records; see ``RecordSource``."""

    decoded: frozenset[str] = frozenset()
    most_parses: int | None = None

    def __init__(self, selection: Selection, schema: Schema, keys: Keys | None = None) -> None:
        self._selection, self._keys = selection, keys
        module = make_description(schema if keys is None else with_key(schema))
        is_clips = schema.record == "sequence_example"
        self._parse = module.parse_sequence_example if is_clips else module.parse_example

    def batches(self, size: int, drop_remainder: bool) -> Any:
        """Strings ``[batch]``."""
        return self._serialized().batch(size, drop_remainder=drop_remainder)

    def parse(self, records: Any) -> dict[str, Any]:
        """What the generated module gives."""
        parsed: dict[str, Any] = self._parse(records)
        return parsed

    def _serialized(self) -> Any:
        selection = self._selection
        files = tf.constant(selection.files, tf.string)
        if selection.part is not None:
            # Where it is shuffled, every pipeline has to see the same order to take its part of it.
            serialized = self._in_order(files).shard(*selection.part)
        elif selection.shuffle is False:
            serialized = self._in_order(files)
        else:
            shuffled = tf.data.Dataset.from_tensor_slices(files)
            shuffled = shuffled.shuffle(max(len(selection.files), 1), selection.seed)
            serialized = shuffled.interleave(
                self._open,
                cycle_length=_FILES_AT_ONCE,
                num_parallel_calls=tf.data.AUTOTUNE,
                deterministic=selection.deterministic,
            )
        if selection.shuffle is False:
            return serialized
        return serialized.shuffle(_buffer_size(selection), selection.seed)

    def _in_order(self, files: Any) -> Any:
        if self._keys is None:
            return tf.data.TFRecordDataset(files)
        return tf.data.Dataset.from_tensor_slices(files).flat_map(self._open)

    @tf.autograph.experimental.do_not_convert
    def _open(self, file: Any) -> Any:
        return (
            tf.data.TFRecordDataset(file) if self._keys is None else keyed_records(file, self._keys)
        )


def open_source(selection: Selection, schema: Schema, keys: Keys | None = None) -> TFRecordSource:
    """The records of TFRecord files, on any filesystem that TensorFlow knows."""
    return TFRecordSource(selection, schema, keys)


def _buffer_size(selection: Selection) -> int:
    if selection.shuffle is not True:  # TensorFlow takes memory for all of a buffer at once
        return max(1, min(selection.count, int(selection.shuffle)))
    fitting = int(_SHUFFLE_BYTES / max(selection.record_bytes, 1))
    return max(1, min(selection.count, fitting, _SHUFFLE_RECORDS))
