"""Reading shards back without TensorFlow: frames with their checksums, records with their values."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from google.protobuf.message import DecodeError

from ...schemas.features.base import RecordValue, Steps
from .examples import message_class
from .registry import masked_crc

__all__ = ["CorruptShard", "Readable", "parse_record", "read_frames"]

_HEADER_BYTES, _FOOTER_BYTES = 12, 4
_BLOCK_BYTES = 1 << 20


class Readable(Protocol):
    """What frames are read from."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes, fewer only at the end."""


class CorruptShard(Exception):
    """A shard's file is not what was written.

    Attributes:
        offset: where the faulty record begins, in bytes from the file's start.
    """

    def __init__(self, offset: int, message: str):
        super().__init__(message)
        self.offset = offset


def read_frames(file: Readable) -> Iterator[tuple[int, bytes]]:
    """The records of a TFRecord file, each with the offset at which its frame begins.

    Raises:
        CorruptShard: a checksum is wrong, or the file ends inside a record.
    """
    offset = 0
    while header := file.read(_HEADER_BYTES):
        if len(header) < _HEADER_BYTES:
            raise CorruptShard(offset, "the file ends inside a record's header")
        if header[8:] != masked_crc(header[:8]):
            raise CorruptShard(offset, "the checksum of a record's length is wrong")
        (length,) = struct.unpack("<Q", header[:8])
        record = _read_all(file, length)
        footer = file.read(_FOOTER_BYTES)
        if len(record) < length or len(footer) < _FOOTER_BYTES:
            raise CorruptShard(offset, "the file ends inside a record")
        if footer != masked_crc(record):
            raise CorruptShard(offset, "the checksum of a record's data is wrong")
        yield offset, record
        offset += _HEADER_BYTES + length + _FOOTER_BYTES


def _read_all(file: Readable, length: int) -> bytes:
    """Reads in blocks: a length from a file must not decide how much memory is asked for."""
    blocks = []
    while length > 0 and (block := file.read(min(length, _BLOCK_BYTES))):
        blocks.append(block)
        length -= len(block)
    return b"".join(blocks)


def parse_record(data: bytes, record: str) -> dict[str, RecordValue]:
    """Parses what ``serialize_record`` made.

    Args:
        data: the wire format.
        record: ``example`` or ``sequence_example``.

    Returns:
        By key: lists of bytes, int64 arrays [n] or float32 arrays [n]; ``Steps`` of these.

    Raises:
        ValueError: it is not the wire format, or a value is of no type.
    """
    name = "Example" if record == "example" else "SequenceExample"
    try:
        message = message_class(name).FromString(data)
    except DecodeError as error:
        raise ValueError(f"not a tf.train.{name}: {error}") from None
    if record == "example":
        return {key: _value(key, feature) for key, feature in message.features.feature.items()}
    values: dict[str, RecordValue] = {
        key: _value(key, feature) for key, feature in message.context.feature.items()
    }
    for key, steps in message.feature_lists.feature_list.items():
        values[key] = Steps(tuple(_value(key, step) for step in steps.feature))
    return values


def _value(key: str, feature: Any) -> Any:
    match feature.WhichOneof("kind"):
        case "bytes_list":
            return list(feature.bytes_list.value)
        case "int64_list":
            return np.array(feature.int64_list.value, np.int64)
        case "float_list":
            return np.array(feature.float_list.value, np.float32)
    raise ValueError(f"{key!r}: got a value of no type")
