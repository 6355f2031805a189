"""``TFRecordSink``: a shard as one TFRecord file of ``tf.train.Example`` or ``SequenceExample``."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from google.protobuf import __version__ as protobuf_version

from ...schemas.dataset.sink import ShardWriter, Sink
from ...schemas.dataset.tfrecord import IndexedRecords, frame_record, parse_frame, read_records
from ...schemas.features.base import RecordValue
from ...schemas.schema import Schema
from .examples import serialize_record

__all__ = ["TFRecordSink"]

_BUFFER_BYTES = 1 << 18


class TFRecordSink(Sink):
    """TFRecord files, whose records are what the schema's ``record`` says. They hold everything.

    No library decides their bytes but protobuf, and it writes a canonical form.
    """

    name = "tfrecord"
    suffix = "tfrecord"
    holds_examples = True
    has_addresses = True

    def versions(self, schema: Schema) -> dict[str, str]:
        """See ``Sink.versions``: protobuf serializes the records; the frames are this package's own."""
        return {"protobuf": protobuf_version}

    def open(self, path: Path, schema: Schema) -> ShardWriter:
        """See ``Sink.open``."""
        return _TFRecordWriter(path.open("xb", buffering=_BUFFER_BYTES), schema.record)

    def read(self, path: Path, schema: Schema) -> Iterator[tuple[int, dict[str, RecordValue]]]:
        """See ``Sink.read``."""
        return read_records(path, schema.record)

    def parse(
        self, data: bytes, offset: int, schema: Schema, keys: Container[str] | None = None
    ) -> dict[str, RecordValue]:
        """See ``Sink.parse``."""
        return parse_frame(data, len(data), schema.record, offset, keys)

    def records(self, path: Path, schema: Schema) -> Sequence[Mapping[str, RecordValue]]:
        """See ``Sink.records``: each is read when it is asked for."""
        return IndexedRecords(path, schema.record)


class _TFRecordWriter:
    def __init__(self, file: BinaryIO, record: str):
        self._file, self._record, self._size = file, record, 0

    def write(self, values: Mapping[str, RecordValue]) -> tuple[int, int]:
        # In one piece: a header and a footer by themselves cost the buffer more than the copy does.
        frame = b"".join(frame_record(serialize_record(values, self._record)))
        start = self._size
        self._size += self._file.write(frame)
        return start, len(frame)

    def close(self) -> None:
        self._file.close()
