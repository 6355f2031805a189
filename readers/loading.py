"""``load``: a published dataset as a ``tf.data.Dataset`` of inputs and targets."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from typing_extensions import Unpack

from ..schemas import DatasetInfo
from .options import LoadOptions, ReadOptions
from .published import Published, open_dataset
from .selection import choose_features, warn_of_text
from .tf_data.clips import ClipReader
from .tf_data.hdf5 import HDF5Source
from .tf_data.hdf5_clips import HDF5Clips
from .tf_data.inputs_targets import Elements

__all__ = ["dataset_info", "input_fn", "load", "steps_per_epoch"]

_FILES_AT_ONCE = 16  # fixed, not AUTOTUNE: with a seed the order must not depend on the machine
_SHUFFLE_BYTES = 128 << 20
_SHUFFLE_RECORDS = 10_000
_READS_AHEAD = 4  # batches of values that are only copied: more do not make it faster
_UNBATCHED = 32  # records are decoded in batches of this many where none are asked for


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
    frames: int | None = None,
    sampling: str | None = None,
    pad_to: int | str | None = None,
    buckets: Sequence[int] | None = None,
    mask: bool = False,
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
            otherwise the same.
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
        mask: adds the input ``mask``, bool [batch, steps]: which frames are real.
        input_context: a ``tf.distribute.InputContext``: each input pipeline reads files of its own, or
            records of its own where there are fewer files than pipelines. The pipelines' epochs then
            differ in length by some batches, so train with ``repeat=True`` and ``steps_per_epoch``.

    Raises:
        DatasetError: the directory is not a published dataset, has no such split, or is not whole.
        ValueError: an argument has a value that it cannot have.
    """
    options = ReadOptions(
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed,
        repeat=repeat,
        drop_remainder=drop_remainder,
        features=features,
        targets=targets,
        one_hot=one_hot,
        image_dtype=image_dtype,
        scaling=scaling,
        channels_first=channels_first,
        source=source,
        frames=frames,
        sampling=sampling,
        pad_to=pad_to,
        buckets=buckets,
        mask=mask,
    )
    published = open_dataset(directory)
    chosen = choose_features(published.schema, options.features, options.targets)
    dataset = published.select(chosen)
    records = _select_records(dataset, split, options.source, input_context)
    description = dataset.description()
    elements = Elements(dataset, split, options)
    if records.source == "hdf5":
        batches = _read_hdf5(records, dataset, description, elements, options)
    else:
        batches = _build(records, description, elements, options)
    warn_of_text(published.schema, chosen, options.features)
    return batches.with_options(_distribution(input_context))


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
    published = open_dataset(directory)
    checked = ReadOptions(**options)
    chosen = choose_features(published.schema, checked.features, checked.targets)
    dataset = published.select(chosen)
    options["features"] = list(chosen.features)  # what is left out is said once
    _select_records(dataset, split, checked.source, None)
    dataset.description()
    Elements(dataset, split, checked)
    warn_of_text(published.schema, chosen, checked.features)

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
    return _count_batches(open_dataset(directory).split(split).num_records, options)


def dataset_info(directory: str | os.PathLike[str]) -> DatasetInfo:
    """What a dataset says of itself: splits, shards, statistics, rejects.

    Raises:
        DatasetError: the directory is not a published dataset.
    """
    return open_dataset(directory).info


@dataclass(frozen=True)
class _Records:
    """The records that one input pipeline reads.

    Attributes:
        files: the paths of the files that they are in.
        count: how many they are.
        size: the size of one of them in bytes, on average.
        source: the format of the files.
        part: ``(count, index)`` where it reads one record in every ``count``; otherwise ``None``.
    """

    files: list[str]
    count: int
    size: float
    source: str
    part: tuple[int, int] | None


def _select_records(dataset: Published, split: str, source: str | None, context: Any) -> _Records:
    source = dataset.source(split, source)
    shards = dataset.shard_files(split, source)
    total = sum(shard.num_records for shard, _ in shards)
    size = sum(file.bytes for _, file in shards) / max(total, 1)
    count = context.num_input_pipelines if context is not None else 1
    index = context.input_pipeline_id if context is not None else 0
    if len(shards) < count:
        paths = [dataset.path(file.path) for _, file in shards]
        return _Records(paths, len(range(index, total, count)), size, source, (count, index))
    own = shards[index::count]
    paths = [dataset.path(file.path) for _, file in own]
    return _Records(paths, sum(shard.num_records for shard, _ in own), size, source, None)


def _count_batches(records: int, options: ReadOptions) -> int:
    if options.batch_size is None:
        return records
    whole, rest = divmod(records, options.batch_size)
    return whole if options.drop_remainder else whole + bool(rest)


def _build(records: _Records, description: Any, elements: Elements, options: ReadOptions) -> Any:
    # What is traced are plain TensorFlow calls; AutoGraph would only look for their source.
    @tf.autograph.experimental.do_not_convert
    def prepare(batch: Any) -> Any:
        return elements.convert(description.decode(description.parse_example(batch)))

    @tf.autograph.experimental.do_not_convert
    def prepare_batch(batch: Any) -> Any:
        return elements.arrange(prepare(batch))

    @tf.autograph.experimental.do_not_convert
    def finish_one(features: Any) -> Any:
        return elements.arrange({name: _densify(value) for name, value in features.items()})

    steps = _check_batches(records, options)
    serialized = _read_records(records, options)
    if elements.schema.record == "sequence_example":
        return _read_clips(serialized, steps, description, elements, options)
    parallel = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": options.deterministic}
    if options.batch_size is not None:
        batches = serialized.batch(options.batch_size, drop_remainder=options.drop_remainder)
        batches = _repeat(_expect(batches, steps), options)
        return batches.map(prepare_batch, **parallel).prefetch(tf.data.AUTOTUNE)
    batches = serialized.batch(_UNBATCHED).map(prepare, **parallel)
    single = _expect(batches.unbatch(), steps).map(finish_one)
    return _repeat(single, options).prefetch(tf.data.AUTOTUNE)


def _read_clips(
    serialized: Any, steps: int, description: Any, elements: Elements, options: ReadOptions
) -> Any:
    parallel = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": options.deterministic}
    reader = ClipReader(
        elements.schema, description, elements, options.clips, options.seed, parallel
    )
    clips = reader.read(
        serialized,
        options.batch_size,
        options.drop_remainder,
        count=lambda dataset: _expect(dataset, steps),
        repeat=lambda dataset: _repeat(dataset, options),
    )
    return clips.prefetch(tf.data.AUTOTUNE)


def _read_hdf5(
    records: _Records,
    dataset: Published,
    description: Any,
    elements: Elements,
    options: ReadOptions,
) -> Any:
    steps = _check_batches(records, options)
    shuffle = options.shuffle is not False
    if dataset.schema.record == "sequence_example":
        clips = HDF5Clips(records.files, dataset.schema, records.part, description)
        rows = clips.rows(shuffle=shuffle, seed=options.seed)
        return _read_clips(rows, steps, clips, elements, options)
    source = HDF5Source(
        records.files,
        dataset.schema,
        records.part,
        options.batch_size or _UNBATCHED,
        shuffle=shuffle,
        drop_remainder=options.drop_remainder,
    )

    @tf.autograph.experimental.do_not_convert
    def prepare(drawn: Any, step: Any) -> Any:
        return elements.convert(source.read(drawn, step))

    @tf.autograph.experimental.do_not_convert
    def prepare_batch(drawn: Any, step: Any) -> Any:
        return elements.arrange(prepare(drawn, step))

    @tf.autograph.experimental.do_not_convert
    def finish_one(features: Any) -> Any:
        return elements.arrange({name: _densify(value) for name, value in features.items()})

    numbers = source.numbers(options.seed)
    parallel = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": options.deterministic}
    if options.batch_size is None:
        single = _expect(numbers.map(prepare, **parallel).unbatch(), steps).map(finish_one)
        return _repeat(single, options).prefetch(tf.data.AUTOTUNE)
    numbers = _repeat(_expect(numbers, steps), options)
    if source.decodes or options.dtype is not None:
        return numbers.map(prepare_batch, **parallel).prefetch(tf.data.AUTOTUNE)
    parallel["num_parallel_calls"] = _READS_AHEAD
    return numbers.map(prepare_batch, **parallel).with_options(_untuned())


def _check_batches(records: _Records, options: ReadOptions) -> int:
    """The number of elements of an epoch, which is not to be without any for want of records."""
    steps = _count_batches(records.count, options)
    if records.count and not steps:
        raise ValueError(
            f"batch_size: got {options.batch_size} with drop_remainder, which leaves nothing of "
            f"{records.count} records"
        )
    return steps


def _read_records(records: _Records, options: ReadOptions) -> Any:
    """Serialized records: in stored order, or shuffled in files and in a buffer."""
    files = tf.constant(records.files, tf.string)
    if options.shuffle is False:
        return _take_part(tf.data.TFRecordDataset(files), records)
    if records.part is not None:  # every pipeline has to see the same order to take its part of it
        serialized = _take_part(tf.data.TFRecordDataset(files), records)
    else:
        shuffled = tf.data.Dataset.from_tensor_slices(files)
        serialized = shuffled.shuffle(max(len(records.files), 1), options.seed).interleave(
            tf.data.TFRecordDataset,
            cycle_length=_FILES_AT_ONCE,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=options.deterministic,
        )
    return serialized.shuffle(_buffer_size(records, options), options.seed)


def _take_part(serialized: Any, records: _Records) -> Any:
    return serialized if records.part is None else serialized.shard(*records.part)


def _buffer_size(records: _Records, options: ReadOptions) -> int:
    if options.shuffle is not True:  # TensorFlow takes memory for all of a buffer at once
        return max(1, min(records.count, int(options.shuffle)))
    fitting = int(_SHUFFLE_BYTES / max(records.size, 1))
    return max(1, min(records.count, fitting, _SHUFFLE_RECORDS))


def _expect(dataset: Any, count: int) -> Any:
    """Makes the number of elements known, and an epoch of any other number an error."""
    return dataset.apply(tf.data.experimental.assert_cardinality(count))


def _repeat(dataset: Any, options: ReadOptions) -> Any:
    if options.repeat is False:
        return dataset
    return dataset.repeat(None if options.repeat is True else options.repeat)


def _densify(value: Any) -> Any:
    return value.to_tensor() if isinstance(value, tf.RaggedTensor) else value


def _untuned() -> Any:
    """For pipelines without anything to tune: stopping the tuner may take 50 ms at an epoch's end."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def _distribution(context: Any) -> Any:
    """What ``tf.distribute`` may do: never drop files behind the back of the known cardinality."""
    policy = tf.data.experimental.AutoShardPolicy
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        policy.DATA if context is None else policy.OFF
    )
    return options
