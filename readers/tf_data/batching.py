"""From a source to the elements that ``load`` yields: batched, decoded, repeated, with a known number of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from ...schemas import Schema
from ..options import ReadOptions
from ..selection import select
from .clips import ClipReader, bucket
from .description import describe_single, make_description
from .draws import draw_features, zip_seeds
from .inputs_targets import Elements
from .sources import RecordSource

__all__ = ["count_batches", "read_elements"]


def read_elements(
    source: RecordSource, count: int, schema: Schema, elements: Elements, options: ReadOptions
) -> Any:
    """A ``tf.data.Dataset`` of the elements that ``load`` yields.

    Args:
        source: gives the records.
        count: how many there are.
        schema: what they hold.
        elements: scales and lays out what is decoded.
        options: how they are batched.

    Raises:
        ValueError: the options leave no batch of them.
    """
    steps = count_batches(count, options)
    if count and not steps:
        raise ValueError(
            f"batch_size: got {options.batch_size} with drop_remainder, which leaves nothing of "
            f"{count} records"
        )
    is_clips = schema.record == "sequence_example"
    reader = (ClipReader if is_clips else _ExampleReader)(source, schema, elements, options)
    parallel = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": options.deterministic}
    if options.batch_size is None:
        batches = source.batches(reader.unbatched, drop_remainder=False)
        single = reader.decode_single(
            batches, lambda features: elements.arrange(_densify(features)), parallel
        )
        return _repeat(_expect(single, steps), options).prefetch(tf.data.AUTOTUNE)
    if options.buckets is not None:
        batches = bucket(source, schema, options, parallel)  # how many, the clips' lengths tell
    else:
        batches = _expect(source.batches(options.batch_size, options.drop_remainder), steps)
    batches = _repeat(batches, options)
    # Where values are but copied, more threads than read make it slower, and so does tuning them.
    if source.most_parses is None or reader.decodes or not elements.only_copies:
        return reader.decode(batches, elements.arrange, parallel).prefetch(tf.data.AUTOTUNE)
    parallel["num_parallel_calls"] = source.most_parses
    return reader.decode(batches, elements.arrange, parallel).with_options(_untuned())


def count_batches(records: int, options: ReadOptions) -> int:
    """The number of elements of an epoch of so many records."""
    if options.batch_size is None:
        return records
    whole, rest = divmod(records, options.batch_size)
    return whole if options.drop_remainder else whole + bool(rest)


class _ExampleReader:
    """Decodes examples; see ``ClipReader``, which does the same with clips."""

    unbatched = 32

    def __init__(
        self, source: RecordSource, schema: Schema, elements: Elements, options: ReadOptions
    ) -> None:
        self._source, self._names, self._elements = source, list(schema.features), elements
        self._options, self._draw = options, options.draw or {}
        names = [name for name in schema.features if name not in source.decoded]
        self._encoded = select(schema, names)
        self.decodes = any(feature.is_image for feature in self._encoded.features.values())

    def decode(self, batches: Any, finish: Callable[[Any], Any], parallel: dict[str, Any]) -> Any:
        description = make_description(self._encoded)

        # What is traced are plain TensorFlow calls; AutoGraph would only look for their source.
        @tf.autograph.experimental.do_not_convert
        def decode(batch: Any, *seed: Any) -> Any:
            return finish(self._decode(description, self._source.parse(batch), *seed))

        return self._with_seeds(batches).map(decode, **parallel)

    def decode_single(
        self, batches: Any, finish: Callable[[Any], Any], parallel: dict[str, Any]
    ) -> Any:
        """Decoded records one by one, for which images are decoded one by one too.

        To put images together in a batch and take them out again takes as long as decoding them.
        """
        if not self.decodes:
            return self.decode(batches, dict, parallel).unbatch().map(finish)
        description = describe_single(self._encoded)

        @tf.autograph.experimental.do_not_convert
        def parse(batch: Any) -> Any:
            return self._source.parse(batch)

        @tf.autograph.experimental.do_not_convert
        def decode(parsed: Any, *seed: Any) -> Any:
            decoded = self._decode(description, parsed, *seed)
            return finish(
                {
                    name: value[0] if isinstance(value, tf.RaggedTensor) else tf.squeeze(value, 0)
                    for name, value in decoded.items()
                }
            )

        singles = batches.map(parse, **parallel).rebatch(1)
        return self._with_seeds(singles).map(decode, **parallel)

    def _with_seeds(self, batches: Any) -> Any:
        """Batches with random numbers beside them, where those are drawn by."""
        return zip_seeds(batches, self._options.seed) if self._draw else batches

    def _decode(self, description: Any, parsed: dict[str, Any], seed: Any = None) -> dict[str, Any]:
        decoded = {**parsed, **description.decode(parsed)}
        features = {name: decoded[name] for name in self._names}
        if self._draw:
            features = draw_features(features, self._draw, self._options.fewer, seed)
        return self._elements.convert(features)


def _expect(dataset: Any, count: int) -> Any:
    """Makes the number of elements known, and an epoch of any other number an error."""
    return dataset.apply(tf.data.experimental.assert_cardinality(count))


def _repeat(dataset: Any, options: ReadOptions) -> Any:
    if options.repeat is False:
        return dataset
    return dataset.repeat(None if options.repeat is True else options.repeat)


def _densify(features: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.to_tensor() if isinstance(value, tf.RaggedTensor) else value
        for name, value in features.items()
    }


def _untuned() -> Any:
    """For pipelines without anything to tune: stopping the tuner may take 50 ms at an epoch's end."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return options
