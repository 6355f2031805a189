"""``RecordSource``: order in, parsed batches out, whatever format the files have; and which formats there are."""

from __future__ import annotations

import json
from functools import partial
from importlib import import_module
from typing import Any, Protocol

from ...schemas import Schema
from ..options import ReadOptions
from ..published import Published
from ..sink_table import open_sink_table
from .keys import Keys
from .selection import Selection
from .table_source import open_table_source

__all__ = ["RecordSource", "open_source", "select_records"]

# Each is imported when a dataset is read from it: who reads TFRecords needs no h5py. Sinks of other packages are
# read through ``SinkTable``.
_MODULES = {"tfrecord": ".tfrecord", "hdf5": ".hdf5"}


class RecordSource(Protocol):
    """The records of one input pipeline, in one form whatever the file format.

    That form is what the generated module's ``parse_example`` gives, or ``parse_sequence_example`` of clips: a
    dict by Example key. Numbers of one shape are dense ``[batch, *shape]``, text and bytes strings ``[batch]``,
    lists ragged ``[batch, (length), …]`` with int32 row splits. The steps of clips are ragged,
    ``[batch, (steps), …]``, with int64 row splits, or int32 where they are lists. The exception are features in
    ``decoded``.

    Attributes:
        decoded: features that ``parse`` gives as the module's ``decode`` would: raw pixels, where making strings
            of them and pixels of strings would only cost time. Their other keys are not given.
        most_parses: how many batches it is of use to parse at the same time where nothing else is done with
            them; ``None`` leaves it to TensorFlow.
    """

    decoded: frozenset[str]
    most_parses: int | None

    def batches(self, size: int, drop_remainder: bool) -> Any:
        """A ``tf.data.Dataset`` of one epoch, in a new order each time where that is asked for.

        Its elements are opaque: tensors ``[batch]`` with an item a record, such as serialized records or numbers
        of rows, for ``parse`` alone. Items of several may be put together in another batch.
        """

    def parse(self, records: Any) -> dict[str, Any]:
        """The stored values of an element of ``batches``, by Example key."""


def select_records(
    dataset: Published, split: str, source: str, options: ReadOptions, context: Any
) -> Selection:
    """What one input pipeline reads: files of its own, or records of its own where there are too few.

    Args:
        dataset: the dataset.
        split: the name of the split.
        source: the format of the files.
        options: in which order.
        context: a ``tf.distribute.InputContext``; ``None`` where there is one pipeline.

    Raises:
        DatasetError: there is no such split or format, or a file is missing or was changed.
    """
    shards = dataset.shard_files(split, source)
    total = sum(shard.num_records for shard, _ in shards)
    size = sum(file.bytes for _, file in shards) / max(total, 1)
    pipelines, index = 1, 0
    if context is not None:
        pipelines, index = context.num_input_pipelines, context.input_pipeline_id
    part = None
    if len(shards) < pipelines:
        part, total = (pipelines, index), len(range(index, total, pipelines))
    else:
        shards = shards[index::pipelines]
        total = sum(shard.num_records for shard, _ in shards)
    paths = [dataset.path(file.path) for _, file in shards]
    return Selection(paths, total, size, part, options.shuffle, options.seed)


def open_source(
    name: str, selection: Selection, schema: Schema, stored: Schema, keys: Keys | None = None
) -> RecordSource:
    """The source of a format.

    Args:
        name: the format.
        selection: what is read.
        schema: the features that are read.
        stored: all features of the records.
        keys: those of the records, where they are read too: as one more feature, ``KEY``.

    Raises:
        DatasetError: a file is not whole.
    """
    source: RecordSource
    if name in _MODULES:
        module = import_module(_MODULES[name], __package__)
        source = module.open_source(selection, schema, keys)
        return source
    arguments = name, tuple(selection.files), json.dumps(stored.to_dict())
    return open_table_source(partial(open_sink_table, *arguments), schema, selection, keys)
