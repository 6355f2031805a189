"""Items at random of features that have any number of them, in TensorFlow; others in each batch and epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from ..draws import explain_fewer
from .keys import KEY

__all__ = ["draw_features", "draw_items", "zip_seeds"]

_SHOWN = 3


def zip_seeds(batches: Any, seed: int | None) -> Any:
    """Gives each batch random numbers of its own, int64 [2], which do not depend on threads.

    Args:
        batches: any ``tf.data.Dataset``.
        seed: makes them the same in each run; in each epoch they are others.
    """
    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
    return tf.data.Dataset.zip((batches, seeds.batch(2)))


def draw_features(
    features: Mapping[str, Any], draw: Mapping[str, int], fewer: str | None, seed: Any
) -> dict[str, Any]:
    """Draws from features of a decoded batch; the others stay.

    Args:
        features: by name; those that are drawn from are ragged [batch, (n), …], steps of clips
            [batch, (steps), (n), …]. With the records' keys among them, errors name those.
        draw: how many items, by feature.
        fewer: see ``draw_items``.
        seed: int64 [2]. It is the same for all features, so that those which have equally many items in every
            record, one beside the other, are drawn alike.
    """
    drawn, keys = dict(features), features.get(KEY)
    for name, count in draw.items():
        items = features[name]
        if items.ragged_rank > 1:
            of_steps = None if keys is None else tf.gather(keys, items.value_rowids())
            values = draw_items(name, items.values, count, fewer, seed, of_steps)
            drawn[name] = items.with_values(values)
        else:
            drawn[name] = draw_items(name, items, count, fewer, seed, keys)
    return drawn


def draw_items(
    name: str, items: Any, count: int, fewer: str | None, seed: Any, keys: Any = None
) -> Any:
    """Items at random [rows, count, …] of ragged ones [rows, (n), …], none twice while there are others.

    Args:
        name: the feature's, for what is said.
        items: ragged in their first axis alone.
        count: how many of each row.
        fewer: what becomes of rows that have fewer: ``zeros`` fills up behind them, ``repeat`` takes each
            about equally often; ``None`` makes them an error (``InvalidArgumentError``).
        seed: int64 [2], what the choice is made of.
        keys: of the rows' records, [rows], for what is said.
    """
    items = items.with_row_splits_dtype(tf.int64)
    rows, counts, starts = items.value_rowids(), items.row_lengths(), items.row_starts()
    chance = tf.random.stateless_uniform([tf.size(rows)], seed, dtype=tf.float64)
    # The items of a row stay together: what is sorted by is the row's number, and chance behind the point.
    order = tf.argsort(tf.cast(rows, tf.float64) + chance, stable=True)
    least = {None: count, "repeat": 1, "zeros": 0}[fewer]
    short = tf.reshape(tf.where(counts < least), [-1])
    named = ["keys=True names it"] if keys is None else ["by key:", tf.gather(keys, short)]
    said = [explain_fewer(name, count, fewer), *named]
    enough = tf.debugging.Assert(tf.equal(tf.size(short), 0), said, summarize=_SHOWN)
    with tf.control_dependencies([] if enough is None else [enough]):
        counts = tf.identity(counts)
    if fewer == "repeat":
        positions = tf.range(count, dtype=tf.int64)[tf.newaxis] % counts[:, tf.newaxis]
        return tf.gather(items.values, tf.gather(order, starts[:, tf.newaxis] + positions))
    taken = tf.ragged.range(starts, starts + tf.minimum(counts, tf.constant(count, tf.int64)))
    chosen = tf.gather(items.values, tf.gather(order, taken.values))
    shape = [None, count, *items.shape[2:]]
    dense = tf.RaggedTensor.from_row_splits(chosen, taken.row_splits).to_tensor(shape=shape)
    return tf.ensure_shape(dense, [items.shape[0], *shape[1:]])
