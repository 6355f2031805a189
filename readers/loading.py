"""``load``: a published dataset as a ``tf.data.Dataset`` of inputs and targets."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import tensorflow as tf
from typing_extensions import Unpack

from ..schemas import Schema
from .formats import choose_source
from .options import LoadOptions, ReadOptions
from .published import Published, open_dataset
from .selection import choose_features, warn_of_packages, warn_of_text
from .tf_data.batching import count_batches, read_elements
from .tf_data.inputs_targets import Elements
from .tf_data.keys import find_keys, with_key
from .tf_data.selection import Selection
from .tf_data.sources import open_source, select_records

__all__ = ["input_fn", "load", "steps_per_epoch"]


def load(
    directory: str | os.PathLike[str],
    split: str,
    *,
    batch_size: int | None = None,
    shuffle: bool | int = False,
    seed: int | None = None,
    repeat: bool | int = False,
    drop_remainder: bool = False,
    features: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    one_hot: bool = False,
    image_dtype: Any = None,
    scaling: str | None = None,
    channels_first: bool = False,
    source: str | None = None,
    draw: Mapping[str, int] | None = None,
    fewer: str | None = None,
    frames: int | None = None,
    sampling: str | None = None,
    pad_to: int | str | None = None,
    buckets: Sequence[int] | None = None,
    mask: bool = False,
    max_boxes: int | None = None,
    keras_boxes: bool = False,
    keys: bool = False,
    input_context: Any = None,
) -> Any:
    """A split of a published dataset as a ``tf.data.Dataset`` of ``(inputs, targets)``.

    Class labels, and features with ``target: true``, are targets; the others are inputs. A single
    input or target is a tensor, several are a dict by feature name. Without any target, the elements
    are the inputs alone. The number of batches is known at once (``Dataset.cardinality``).

    Images of one size are [batch, height, width, channels]. Where sizes differ, a batch is a
    ``tf.RaggedTensor``, which Keras layers do not take: pad it (``to_tensor``), or read with
    ``batch_size=None``, resize, and batch. Lists of any length are ragged too.

    Of clips, the steps are ragged, [batch, (steps), …], unless ``frames`` or ``pad_to`` makes them dense.

    Args:
        directory: where ``pixelbeam build`` has put the dataset: local, or on any filesystem that
            TensorFlow knows (``gs://``).
        split: ``train``, ``val``, …
        batch_size: records a batch; ``None`` gives single records. On several replicas it is the size
            of the batch that each of them gets.
        shuffle: ``False`` reads the records in their stored order. ``True`` reads several files at once
            in a new order each epoch, through a buffer of at most 10,000 records and 128 MiB; an integer
            is the buffer's size in records, at most as many as there are. Since records lie in the files
            in random order, the buffer need not be large.
        seed: makes the shuffled order the same in each run, at some cost in speed.
        repeat: ``True`` for ever, or a number of epochs. No batch goes over the end of an epoch.
        drop_remainder: leaves out the last batch where it is smaller.
        features: reads and decodes these alone. By default all, but of the inputs no text and bytes, which
            make ``fit`` fail, where there are other inputs; a warning then says which were left out.
        targets: the features that are targets, instead of those that the schema says; ``[]`` gives one
            dict of everything.
        one_hot: gives class labels as float32 [num_classes] instead of int64 numbers.
        image_dtype: ``uint8``, ``uint16``, ``float16``, ``bfloat16`` or ``float32``; by default the
            one stored, or float32 with a ``scaling``. Without a scaling, values are 0 to 255 (65535).
        scaling: ``[0,1]``; or ``standardize``: (x - mean) / std by channel, with the mean and standard
            deviation that the build computed over ``train`` (over this split where there is no train).
        channels_first: [channels, height, width] instead of [height, width, channels].
        source: the files to read: ``tfrecord``, or ``hdf5``, which has to be in a local directory; by
            default those that are there, TFRecords where both are. With HDF5, ``shuffle`` draws the order
            from all records, whatever the buffer's size, and ``seed`` costs no speed; elements are
            otherwise the same. Files of another package's sink, by its name, are read as HDF5 files are.
        draw: of each record, so many items at random of features whose shape begins with null, such as
            ``{"poses": 3}``: [batch, 3, …] instead of a ``tf.RaggedTensor``; others each epoch, in random
            order, and none twice. Features that have equally many items in every record are drawn alike:
            what stands at one place of both stays together. Of step features, so many of each step.
        fewer: what becomes of records that have fewer items than are drawn: ``zeros`` fills up behind those
            that there are, ``repeat`` takes them several times, each about equally often. By default they
            are an error, at the batch that has one.
        frames: of each clip, decodes so many frames, and takes as many of its other steps: [batch, frames,
            …]. Step features that are ragged stay whole, filled up to the longest of the batch.
        sampling: which frames; ``uniform``, the default: the middles of as many equal parts of the clip;
            ``random``: one at random of each part, new ones each epoch; both take frames of a clip that
            has too few several times. ``head``: the first ones; ``window``: as many in a row, from a
            random one on; both fill up with zeros.
        pad_to: decodes all frames, and fills up with zeros to so many, or to the ``longest`` of the
            batch; what is longer is cut off.
        buckets: rising numbers of steps; batches are then of clips between two of them, so that little
            is filled up. The number of batches is not known then.
        mask: adds the input ``mask``, bool [batch, steps]: which frames are real. With ``max_boxes``, adds beside
            boxes ``objects/bbox`` the feature ``objects/bbox/mask``, bool [batch, max_boxes]: which boxes are.
        max_boxes: so many objects of each image, instead of ragged tensors: boxes [batch, max_boxes, 4], and
            likewise all lists with an item for each box. Where there are fewer, they are filled up with boxes of
            zeros, classes -1, other numbers 0 and empty text; where there are more, the first ones are taken.
        keras_boxes: gives the objects of an image as Keras has them, ``{"boxes": [batch, boxes, 4], "labels":
            [batch, boxes]}``, in the format that the schema declares; further lists by the last part of their
            name, and with ``mask`` under ``real`` which are. Goes with ``max_boxes``, or ragged.
        keys: yields ``(element, keys)``, with the key of each record, strings [batch]: what names its row in the
            index, in rejects and for ``pixelbeam show``. The dataset needs an index.
        input_context: a ``tf.distribute.InputContext``: each input pipeline reads files of its own, or
            records of its own where there are fewer files than pipelines. The pipelines' epochs then
            differ in length by some batches, so train with ``repeat=True`` and ``steps_per_epoch``.

    Raises:
        DatasetError: the directory is not a published dataset, has no such split, or is not whole.
        ValueError: an argument has a value that it cannot have.
    """
    # First, while these are the arguments alone: named once, they cannot be passed on under a wrong name.
    arguments = locals()
    options = ReadOptions(**{field.name: arguments[field.name] for field in fields(ReadOptions)})
    reading = _open(directory, split, options, input_context)
    schema = reading.dataset.schema
    found = None
    if keys:
        found = find_keys(reading.dataset, split, reading.source, reading.selection.files)
    records = open_source(reading.source, reading.selection, schema, reading.published, found)
    read = schema if found is None else with_key(schema)
    dataset = read_elements(records, reading.selection.count, read, reading.elements, options)
    warn_of_text(reading.published, schema, options.features)
    warn_of_packages(reading.dataset.info, schema)
    return dataset.with_options(_distribution(input_context))


def input_fn(
    directory: str | os.PathLike[str], split: str, **options: Unpack[LoadOptions]
) -> Callable[..., Any]:
    """``fn(input_context=None) -> tf.data.Dataset``, as ``tf.distribute`` asks for.

    ::

        strategy.distribute_datasets_from_function(input_fn("OUT", "train", batch_size=64))

    Args:
        directory: see ``load``.
        split: see ``load``.
        **options: see ``load``. ``batch_size`` is the size of the batch that each replica gets.

    Raises:
        DatasetError: see ``load``; said here, not when the function is called.
        ValueError: see ``load``.
    """
    checked = ReadOptions(**options)
    reading = _open(directory, split, checked, None)
    warn_of_text(reading.published, reading.dataset.schema, checked.features)
    # Chosen for all pipelines at once; without it each of them would choose, and warn, again.
    options["features"] = list(reading.dataset.schema.features)  # what is left out is said once

    def fn(input_context: Any = None) -> Any:
        return load(directory, split, **options, input_context=input_context)

    return fn


def steps_per_epoch(
    directory: str | os.PathLike[str], split: str, batch_size: int, drop_remainder: bool = False
) -> int:
    """The number of batches in an epoch of a split, as ``dataset.json`` tells without scanning.

    Raises:
        DatasetError: the directory is not a published dataset, or has no such split.
        ValueError: ``batch_size`` is not at least 1.
    """
    options = ReadOptions(batch_size=batch_size, drop_remainder=drop_remainder)
    return count_batches(open_dataset(directory).split(split).num_records, options)


@dataclass(frozen=True)
class _Reading:
    """What is to be read, checked.

    Attributes:
        published: the whole schema of the dataset.
        dataset: the dataset, with the schema of what is read.
        source: the format of the files.
        selection: the records.
        elements: what becomes of their features.
    """

    published: Schema
    dataset: Published
    source: str
    selection: Selection
    elements: Elements


def _open(
    directory: str | os.PathLike[str], split: str, options: ReadOptions, context: Any
) -> _Reading:
    published = open_dataset(directory)
    dataset = published.select(choose_features(published.schema, options.features, options.targets))
    source = choose_source(dataset, split, options.source)
    selection = select_records(dataset, split, source, options, context)
    dataset.check_description()
    elements = Elements(dataset, split, options)
    return _Reading(published.schema, dataset, source, selection, elements)


def _distribution(context: Any) -> Any:
    """What ``tf.distribute`` may do: never drop files behind the back of the known cardinality."""
    policy = tf.data.experimental.AutoShardPolicy
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        policy.DATA if context is None else policy.OFF
    )
    return options
