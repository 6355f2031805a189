"""The files of a dataset that follow from others of it: the generated module, and those over shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import BinaryIO

from ...schemas.dataset.file_names import DESCRIPTION_FILE, split_file
from ...schemas.description.tensorflow_module import write_description
from ...schemas.schema import Schema
from ...transforms.sinks.registry import find_sink, naming_sink
from ...transforms.storage.output_folder import Folder, PublishedFile

__all__ = ["publish_description", "publish_joined"]


def publish_description(output: Folder, schema: Schema, sinks: Iterable[str]) -> PublishedFile:
    """Writes ``feature_description.py``.

    Args:
        output: the folder to write it to.
        schema: the schema, its vocabularies filled in.
        sinks: the formats of the shards.
    """
    has_records = any(find_sink(name).holds_examples for name in sinks)
    return output.write(DESCRIPTION_FILE, write_description(schema, has_records).encode())


def publish_joined(
    output: Folder,
    split: str,
    sink: str,
    schema: Schema,
    shards: Sequence[str],
    open_shard: Callable[[str], BinaryIO],
) -> PublishedFile | None:
    """Writes the file over all shards of a split, such as ``train.h5``; ``None`` where the sink has none.

    Args:
        output: the folder to write it to.
        split: the split's name.
        sink: the format's.
        schema: the schema, its vocabularies filled in.
        shards: the names of the split's files in that format, in order.
        open_shard: opens one of them for reading.
    """
    format_ = find_sink(sink)
    name = split_file(split, format_.suffix)
    with output.scratch() as scratch:
        with naming_sink(sink):
            is_there = format_.join(scratch / name, split, schema, shards, open_shard)
        return output.publish(scratch / name, name) if is_there else None
