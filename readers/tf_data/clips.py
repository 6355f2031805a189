"""Reading clips: which of their frames are decoded, and how clips of different lengths make a batch.

Frames are chosen while they are still encoded, so that 8 frames of a clip of 300 cost 8 decodings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from ...schemas import Schema
from ..options import MASK, ReadOptions, even_steps
from .description import make_description
from .draws import draw_features, zip_seeds
from .inputs_targets import Elements
from .sources import RecordSource

__all__ = ["ClipReader", "bucket", "choose_steps"]


class ClipReader:
    """Decodes batches of clips.

    Args:
        source: gives the clips.
        schema: the dataset's.
        elements: scales and lays out what is decoded.
        options: which frames, and how they are batched.
    """

    unbatched = 8
    """Clips are decoded in batches of this many where none are asked for."""

    decodes = True
    """Whether there is more to do than to copy values."""

    def __init__(
        self, source: RecordSource, schema: Schema, elements: Elements, options: ReadOptions
    ):
        self._source, self._schema, self._elements = source, schema, elements
        self._options, self._description = options, make_description(schema)
        self._even = even_steps(schema)

    def decode(self, batches: Any, finish: Callable[[Any], Any], parallel: dict[str, Any]) -> Any:
        """Decoded batches; each is given random numbers of its own, which do not depend on threads.

        Args:
            batches: elements of ``RecordSource.batches``.
            finish: what is done with the features of each batch in the end.
            parallel: the arguments of ``Dataset.map``.
        """

        @tf.autograph.experimental.do_not_convert
        def decode(batch: Any, seed: Any) -> Any:
            return finish(self._decode(batch, seed))

        return zip_seeds(batches, self._options.seed).map(decode, **parallel)

    def decode_single(
        self, batches: Any, finish: Callable[[Any], Any], parallel: dict[str, Any]
    ) -> Any:
        """The same, clip by clip."""
        return self.decode(batches, dict, parallel).unbatch().map(finish)

    def _decode(self, batch: Any, seed: Any) -> dict[str, Any]:
        features = self._source.parse(batch)
        if self._options.length is not None and self._even:
            sampling = self._options.sampling or ("uniform" if self._options.frames else "head")
            keys = self._even_keys()
            features = choose_steps(features, keys, self._options.length, sampling, seed)
        decoded = self._description.decode(features)
        if self._options.draw:
            decoded = draw_features(decoded, self._options.draw, self._options.fewer, seed)
        decoded = self._elements.convert(decoded)
        dense = {name: self._densify(name, value) for name, value in decoded.items()}
        if self._options.mask:
            counts = features[self._even[0]].row_lengths()
            length = self._options.length or tf.reduce_max(counts)
            dense[MASK] = tf.sequence_mask(counts, length)
        return dense

    def _even_keys(self) -> list[str]:
        """The keys that are stored for each step; a feature may be stored under several."""
        return [key for name in self._even for key in self._schema.specs[name]]

    def _densify(self, name: str, value: Any) -> Any:
        if name not in self._schema.steps or not self._options.is_dense:
            return value
        feature = self._schema.features[name]
        if feature.is_image and feature.decoded.is_ragged:
            return value  # frames of different sizes have no dense batch
        length = None if feature.ragged else self._options.length
        inner = value.shape[2:]
        if value.ragged_rank > 1:
            return value.to_tensor(shape=[None, length, *inner])
        dense = value.to_tensor(shape=[None, length, *inner])
        return tf.ensure_shape(dense, [None, length, *inner])


def bucket(
    source: RecordSource, schema: Schema, options: ReadOptions, parallel: dict[str, Any]
) -> Any:
    """Batches of clips of similar lengths (``options.buckets``), with fewer in a batch at an epoch's end."""
    name = even_steps(schema)[0]
    bounds = list(options.buckets or ())

    @tf.autograph.experimental.do_not_convert
    def count(batch: Any) -> Any:
        return source.parse(batch)[name].row_lengths(), batch

    counted = source.batches(ClipReader.unbatched, False).map(count, **parallel).unbatch()
    batches = counted.bucket_by_sequence_length(
        lambda count, _: tf.cast(count, tf.int32),
        bucket_boundaries=bounds,
        bucket_batch_sizes=[options.batch_size] * (len(bounds) + 1),
        drop_remainder=options.drop_remainder,
    )
    return batches.map(lambda _, batch: batch)


def choose_steps(
    features: dict[str, Any], keys: Sequence[str], frames: int, sampling: str, seed: Any
) -> dict[str, Any]:
    """Chooses among the steps of parsed records, all keys alike.

    Args:
        features: what ``parse_sequence_example`` gives; steps [batch, (steps), …].
        keys: the keys whose steps are chosen among; the others stay.
        frames: how many of each record.
        sampling: ``uniform``: the middles of as many equal parts of the clip; ``random``: a random
            frame of each part; both repeat frames of a clip that has too few. ``head``: the first
            frames; ``window``: as many in a row from a random one on; both take less where there
            are less.
        seed: int64 [2], what the random choices are made of.
    """
    # Row splits of lists are parsed as int32, all others as int64.
    features = {**features, **{key: features[key].with_row_splits_dtype(tf.int64) for key in keys}}
    first = features[keys[0]]
    counts, starts = first.row_lengths(), first.row_starts()
    indices = _indices(counts, frames, sampling, seed)
    # Adding starts[:, tf.newaxis] would do, but to trace a ragged broadcast takes a second.
    flat = indices.values + tf.gather(starts, indices.value_rowids())
    chosen = dict(features)
    for key in keys:
        values = tf.gather(features[key].values, flat)
        chosen[key] = tf.RaggedTensor.from_row_splits(values, indices.row_splits, validate=False)
    return chosen


def _indices(counts: Any, frames: int, sampling: str, seed: Any) -> Any:
    """The chosen steps of each record, ragged int64 [batch, (frames)]."""
    if sampling in ("uniform", "random"):
        part = tf.range(frames + 1, dtype=tf.int64) * counts[:, tf.newaxis]
        if sampling == "uniform":
            chosen = (part[:, :-1] + part[:, 1:]) // (2 * frames)
        else:
            bounds = part // frames
            chance = tf.random.stateless_uniform([tf.size(counts), frames], seed, dtype=tf.float64)
            room = bounds[:, 1:] - bounds[:, :-1]
            chosen = bounds[:, :-1] + tf.cast(chance * tf.cast(room, tf.float64), tf.int64)
        return tf.RaggedTensor.from_tensor(chosen, ragged_rank=1)
    taken = tf.minimum(counts, frames)
    starts = tf.zeros_like(counts)
    if sampling == "window":
        chance = tf.random.stateless_uniform(tf.shape(counts), seed, dtype=tf.float64)
        room = tf.cast(counts - taken + 1, tf.float64)
        starts = tf.minimum(tf.cast(chance * room, tf.int64), counts - taken)
    return tf.ragged.range(starts, starts + taken)
