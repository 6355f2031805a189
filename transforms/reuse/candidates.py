"""Records of another dataset on their way to the shards that may take them over."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

__all__ = ["Candidates", "dump_table", "load_table"]


class Candidates(NamedTuple):
    """Records of the other dataset that may be taken over into a shard.

    Attributes:
        feature: the feature's name.
        table: from ``dump_table``, with the columns of ``OldDataset.read``, a row a record.
    """

    feature: str
    table: bytes


def dump_table(table: pa.Table) -> bytes:
    """A table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def load_table(data: bytes) -> pa.Table:
    """The inverse of ``dump_table``."""
    with pa.ipc.open_stream(data) as stream:
        return stream.read_all()
