"""``TFRecordSink``: a shard as one TFRecord file of ``tf.train.Example`` or ``SequenceExample``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from google.protobuf import __version__ as protobuf_version

from ...schemas.dataset.sink import ShardWriter, Sink
from ...schemas.dataset.tfrecord import IndexedRecords, frame_record, parse_frame, read_records
from ...schemas.features.base import RecordValue
from ...schemas.schema import Schema
from .examples import serialize_record

__all__ = ["TFRecordSink"]

_BUFFER_BYTES = 1 << 16  # with 1 MiB, records of 20 KB took five times as long to write


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

    def parse(self, data: bytes, offset: int, schema: Schema) -> dict[str, RecordValue]:
        """See ``Sink.parse``."""
        return parse_frame(data, len(data), schema.record, offset)

    def records(self, path: Path, schema: Schema) -> Sequence[Mapping[str, RecordValue]]:
        """See ``Sink.records``: each is read when it is asked for."""
        return IndexedRecords(path, schema.record)


class _TFRecordWriter:
    def __init__(self, file: BinaryIO, record: str):
        self._file, self._record, self._size = file, record, 0

    def write(self, values: Mapping[str, RecordValue]) -> tuple[int, int]:
        start = self._size
        for part in frame_record(serialize_record(values, self._record)):
            self._size += self._file.write(part)
        return start, self._size - start

    def close(self) -> None:
        self._file.close()
