"""Sinks: the file formats that records are written to.

A sink is one class here or in a file beside this one. It writes a shard's records, in order, into one
local file; naming, hashing, uploading and publishing that file are the shard task's.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

import google_crc32c

from ..schemas.errors import OptionError
from ..schemas.feature import FeatureValue
from ..schemas.schema import Schema
from .records import serialize_example

__all__ = ["SINKS", "ShardWriter", "Sink", "TFRecordSink", "check_sinks", "frame_record"]

_MASK_DELTA = 0xA282EAD8


class ShardWriter(Protocol):
    """One shard's file while it is written."""

    def write(self, values: Mapping[str, FeatureValue]) -> None:
        """Appends a record."""

    def close(self) -> None:
        """Completes the file; without it the file is worthless and will be deleted."""


class Sink(Protocol):
    """A file format."""

    suffix: str
    """Ending of the format's files, without the dot."""

    def open(self, path: Path, schema: Schema) -> ShardWriter:
        """Starts a shard's file.

        Args:
            path: a local file that does not exist yet.
            schema: the schema, its vocabularies filled in.
        """


class TFRecordSink:
    """TFRecord files of ``tf.train.Example``."""

    suffix = "tfrecord"

    def open(self, path: Path, schema: Schema) -> ShardWriter:
        """See ``Sink.open``."""
        return _TFRecordWriter(path.open("xb", buffering=1 << 20))


class _TFRecordWriter:
    def __init__(self, file: BinaryIO):
        self._file = file

    def write(self, values: Mapping[str, FeatureValue]) -> None:
        for part in frame_record(serialize_example(values)):
            self._file.write(part)

    def close(self) -> None:
        self._file.close()


def frame_record(record: bytes) -> tuple[bytes, bytes, bytes]:
    """Frames a record as TFRecord files hold it: header, record, footer.

    The format is that of ``tensorflow/core/lib/io/record_writer.h``: uint64 length, uint32 masked
    CRC-32C of the length, the data, uint32 masked CRC-32C of the data; all little-endian.
    """
    length = struct.pack("<Q", len(record))
    return length + _masked_crc(length), record, _masked_crc(record)


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)


SINKS: dict[str, Sink] = {"tfrecord": TFRecordSink()}
"""The sinks by the name that ``--sinks`` uses."""


def check_sinks(names: tuple[str, ...]) -> None:
    """Checks the names given to ``--sinks``.

    Raises:
        OptionError: a name is unknown, given twice, or none is given.
    """
    for name in names or ("",):
        if name not in SINKS:
            raise OptionError(f"--sinks: got {name!r}, expected one of {', '.join(SINKS)}")
    if len(set(names)) < len(names):
        raise OptionError(f"--sinks: got {','.join(names)!r}, expected each sink once")
