"""Reading clips: which of their frames are decoded, and how clips of different lengths make a batch.

Frames are chosen while they are still encoded, so that 8 frames of a clip of 300 cost 8 decodings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import tensorflow as tf

from ...schemas import Image, Schema
from ..clip_options import MASK, ClipOptions, even_steps
from .hdf5_clips import HDF5Clips
from .inputs_targets import Elements

__all__ = ["ClipReader", "choose_steps"]

_UNBATCHED = 8  # clips are decoded in batches of this many where none are asked for


class ClipReader:
    """Turns serialized clips into the elements that ``load`` yields.

    Args:
        schema: the dataset's.
        description: its generated module, or what does the same for HDF5 files.
        elements: scales and lays out what is decoded.
        options: which frames, and how they are batched.
        seed: of the choice of frames; ``None`` for another choice in each run.
        parallel: the arguments of ``Dataset.map``.
    """

    def __init__(
        self,
        schema: Schema,
        description: ModuleType | HDF5Clips,
        elements: Elements,
        options: ClipOptions,
        seed: int | None,
        parallel: dict[str, Any],
    ):
        self._schema, self._description, self._elements = schema, description, elements
        self._options, self._seed, self._parallel = options, seed, parallel
        self._even = even_steps(schema)

    def read(
        self,
        serialized: Any,
        batch_size: int | None,
        drop_remainder: bool,
        count: Callable[[Any], Any],
        repeat: Callable[[Any], Any],
    ) -> Any:
        """Batches of clips, or single ones.

        Args:
            serialized: a dataset of serialized records.
            batch_size: clips a batch; ``None`` gives single clips.
            drop_remainder: leaves out a last batch that is smaller.
            count: makes the number of elements of an epoch known.
            repeat: repeats an epoch.
        """
        if self._options.buckets is not None:
            batches = repeat(self._bucket(serialized, batch_size, drop_remainder))
        elif batch_size is not None:
            batches = repeat(count(serialized.batch(batch_size, drop_remainder=drop_remainder)))
        else:
            single = self._prepare(serialized.batch(_UNBATCHED)).unbatch()
            return repeat(count(single).map(self._finish_one))
        return self._prepare(batches).map(self._arrange, **self._parallel)

    def _prepare(self, batches: Any) -> Any:
        """Decodes; each batch with random numbers of its own, which do not depend on threads."""
        seeds = tf.data.Dataset.random(self._seed, rerandomize_each_iteration=True).batch(2)
        return tf.data.Dataset.zip((batches, seeds)).map(self._decode, **self._parallel)

    @tf.autograph.experimental.do_not_convert
    def _decode(self, batch: Any, seed: Any) -> Any:
        features = self._description.parse_sequence_example(batch)
        if self._options.length is not None and self._even:
            sampling = self._options.sampling or ("uniform" if self._options.frames else "head")
            keys = self._even_keys()
            features = choose_steps(features, keys, self._options.length, sampling, seed)
        decoded = self._elements.convert(self._description.decode(features))
        return self._with_mask(
            {name: self._densify(name, value) for name, value in decoded.items()}, features
        )

    @tf.autograph.experimental.do_not_convert
    def _arrange(self, features: Any) -> Any:
        return self._elements.arrange(features)

    @tf.autograph.experimental.do_not_convert
    def _finish_one(self, features: Any) -> Any:
        dense = {
            name: value.to_tensor() if isinstance(value, tf.RaggedTensor) else value
            for name, value in features.items()
        }
        return self._elements.arrange(dense)

    def _even_keys(self) -> list[str]:
        """The keys that are stored for each step; a feature may be stored under several."""
        parsed = self._description.SEQUENCE_FEATURES
        ragged = {n for n, f in self._schema.steps.items() if f.ragged}
        other = {key for n in ragged for key in self._schema.steps[n].source_code(n).parse}
        return [key for key in parsed if key not in other]

    def _densify(self, name: str, value: Any) -> Any:
        feature = self._schema.features[name]
        if name not in self._schema.steps or not self._options.is_dense:
            return value
        if isinstance(feature, Image) and feature.fixed_size is None:
            return value  # frames of different sizes have no dense batch
        length = None if feature.ragged else self._options.length
        inner = value.shape[2:]
        if value.ragged_rank > 1:
            return value.to_tensor(shape=[None, length, *inner])
        dense = value.to_tensor(shape=[None, length, *inner])
        return tf.ensure_shape(dense, [None, length, *inner])

    def _with_mask(self, decoded: dict[str, Any], features: dict[str, Any]) -> dict[str, Any]:
        if not self._options.mask:
            return decoded
        counts = features[self._even[0]].row_lengths()
        length = self._options.length or tf.reduce_max(counts)
        return {**decoded, MASK: tf.sequence_mask(counts, length)}

    def _bucket(self, serialized: Any, batch_size: int | None, drop_remainder: bool) -> Any:
        """Batches of clips of similar lengths, with fewer in a batch at an epoch's end."""
        bounds = list(self._options.buckets or ())
        together = tf.data.Dataset.bucket_by_sequence_length
        counted = serialized.batch(_UNBATCHED).map(self._count, **self._parallel).unbatch()
        batches = together(
            counted,
            lambda count, _: tf.cast(count, tf.int32),
            bucket_boundaries=bounds,
            bucket_batch_sizes=[batch_size] * (len(bounds) + 1),
            drop_remainder=drop_remainder,
        )
        return batches.map(lambda _, batch: batch)

    @tf.autograph.experimental.do_not_convert
    def _count(self, batch: Any) -> Any:
        features = self._description.parse_sequence_example(batch)
        return features[self._even[0]].row_lengths(), batch


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
    flat = (indices + starts[:, tf.newaxis]).flat_values
    chosen = dict(features)
    for key in keys:
        values = tf.gather(features[key].values, flat)
        chosen[key] = tf.RaggedTensor.from_row_splits(values, indices.row_splits)
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
