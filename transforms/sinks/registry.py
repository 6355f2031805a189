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

from ...schemas.errors import OptionError
from ...schemas.features.base import RecordValue
from ...schemas.schema import Schema
from .examples import serialize_record
from .hdf5.writer import HDF5Sink

__all__ = [
    "SINKS",
    "ShardWriter",
    "Sink",
    "TFRecordSink",
    "check_sinks",
    "frame_record",
    "masked_crc",
    "sink_versions",
]

_MASK_DELTA = 0xA282EAD8


class ShardWriter(Protocol):
    """One shard's file while it is written."""

    def write(self, values: Mapping[str, RecordValue]) -> None:
        """Appends a record."""

    def close(self) -> None:
        """Completes the file; without it the file is worthless and will be deleted."""


class Sink(Protocol):
    """A file format."""

    suffix: str
    """Ending of the format's files, without the dot."""

    def check(self, schema: Schema) -> None:
        """Checks, before any work starts, that files of the format can hold what a schema declares.

        Raises:
            SchemaError: they cannot.
            OptionError: they need a package that is not installed.
        """

    def check_record(self, values: Mapping[str, RecordValue], schema: Schema) -> None:
        """Checks that files of the format can hold a record as it is.

        Args:
            values: by Example key.
            schema: what they were encoded by.

        Raises:
            Reject: they cannot; the record is then written in no format.
        """

    def versions(self, schema: Schema) -> dict[str, str]:
        """The versions of the libraries that decide the format's bytes, by name."""

    def open(self, path: Path, schema: Schema) -> ShardWriter:
        """Starts a shard's file.

        Args:
            path: a local file that does not exist yet.
            schema: the schema, its vocabularies filled in.
        """


class TFRecordSink:
    """TFRecord files of ``tf.train.Example`` or ``tf.train.SequenceExample``, as the schema says."""

    suffix = "tfrecord"

    def check(self, schema: Schema) -> None:
        """See ``Sink.check``: everything goes."""

    def check_record(self, values: Mapping[str, RecordValue], schema: Schema) -> None:
        """See ``Sink.check_record``: everything goes."""

    def versions(self, schema: Schema) -> dict[str, str]:
        """See ``Sink.versions``: the bytes are this package's own."""
        return {}

    def open(self, path: Path, schema: Schema) -> ShardWriter:
        """See ``Sink.open``."""
        return _TFRecordWriter(path.open("xb", buffering=1 << 20), schema.record)


class _TFRecordWriter:
    def __init__(self, file: BinaryIO, record: str):
        self._file, self._record = file, record

    def write(self, values: Mapping[str, RecordValue]) -> None:
        for part in frame_record(serialize_record(values, self._record)):
            self._file.write(part)

    def close(self) -> None:
        self._file.close()


def frame_record(record: bytes) -> tuple[bytes, bytes, bytes]:
    """Frames a record as TFRecord files hold it: header, record, footer.

    The format is that of ``tensorflow/core/lib/io/record_writer.h``: uint64 length, uint32 masked
    CRC-32C of the length, the data, uint32 masked CRC-32C of the data; all little-endian.
    """
    length = struct.pack("<Q", len(record))
    return length + masked_crc(length), record, masked_crc(record)


def masked_crc(data: bytes) -> bytes:
    """The checksum of TFRecord files: a CRC-32C, rotated and offset; four bytes, little-endian."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)


SINKS: dict[str, Sink] = {"tfrecord": TFRecordSink(), "hdf5": HDF5Sink()}
"""The sinks by the name that ``--sinks`` uses."""


def check_sinks(names: tuple[str, ...], schema: Schema) -> None:
    """Checks the names given to ``--sinks``, and that the formats can hold what a schema declares.

    Raises:
        OptionError: a name is unknown, given twice, or none is given; or a package is missing.
        SchemaError: a format cannot hold a feature.
    """
    for name in names or ("",):
        if name not in SINKS:
            raise OptionError(f"--sinks: got {name!r}, expected one of {', '.join(SINKS)}")
    if len(set(names)) < len(names):
        raise OptionError(f"--sinks: got {','.join(names)!r}, expected each sink once")
    for name in names:
        SINKS[name].check(schema)


def sink_versions(names: tuple[str, ...], schema: Schema) -> dict[str, str]:
    """The versions of the libraries that decide the bytes of these sinks."""
    return {
        library: version
        for name in names
        for library, version in SINKS[name].versions(schema).items()
    }
