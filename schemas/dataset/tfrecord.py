"""TFRecord files: frames of a length, a record, and a checksum of each; read in order, or one by its number.

The format is that of ``tensorflow/core/lib/io/record_writer.h``: uint64 length, uint32 masked CRC-32C of the
length, the data, uint32 masked CRC-32C of the data; all little-endian.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import google_crc32c

from ..features.base import RecordValue
from .examples import parse_record
from .sink import CorruptShard

__all__ = [
    "FOOTER_BYTES",
    "HEADER_BYTES",
    "IndexedRecords",
    "Readable",
    "frame_record",
    "masked_crc",
    "parse_frame",
    "read_frames",
    "read_records",
]

HEADER_BYTES, FOOTER_BYTES = 12, 4
_MASK_DELTA = 0xA282EAD8
_BLOCK_BYTES = 1 << 20


class Readable(Protocol):
    """What frames are read from."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes, fewer only at the end."""


def frame_record(record: bytes) -> tuple[bytes, bytes, bytes]:
    """Frames a record as TFRecord files hold it: header, record, footer."""
    length = struct.pack("<Q", len(record))
    return length + masked_crc(length), record, masked_crc(record)


def masked_crc(data: bytes) -> bytes:
    """The checksum of TFRecord files: a CRC-32C, rotated and offset; four bytes, little-endian."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)


def read_frames(file: Readable) -> Iterator[tuple[int, bytes]]:
    """The records of a TFRecord file, each with the offset at which its frame begins.

    Raises:
        CorruptShard: a checksum is wrong, or the file ends inside a record.
    """
    offset = 0
    while header := file.read(HEADER_BYTES):
        length = _length(header, offset)
        record = _read_all(file, length)
        footer = file.read(FOOTER_BYTES)
        if len(record) < length or len(footer) < FOOTER_BYTES:
            raise CorruptShard(offset, "the file ends inside a record")
        if footer != masked_crc(record):
            raise CorruptShard(offset, "the checksum of a record's data is wrong")
        yield offset, record
        offset += HEADER_BYTES + length + FOOTER_BYTES


def _length(header: bytes, offset: int) -> int:
    if len(header) < HEADER_BYTES:
        raise CorruptShard(offset, "the file ends inside a record's header")
    if header[8:] != masked_crc(header[:8]):
        raise CorruptShard(offset, "the checksum of a record's length is wrong")
    return int.from_bytes(header[:8], "little")


def _read_all(file: Readable, length: int) -> bytes:
    """Reads in blocks: a length from a file must not decide how much memory is asked for."""
    blocks = []
    while length > 0 and (block := file.read(min(length, _BLOCK_BYTES))):
        blocks.append(block)
        length -= len(block)
    return b"".join(blocks)


def read_records(path: Path, record: str) -> Iterator[tuple[int, dict[str, RecordValue]]]:
    """The records of a local TFRecord file with their values; see ``Sink.read``.

    Args:
        path: the file.
        record: ``example`` or ``sequence_example``.

    Raises:
        CorruptShard: a checksum is wrong, the file ends inside a record, or one is no ``tf.train.Example``.
    """
    with path.open("rb") as file:
        for offset, data in read_frames(file):
            yield offset, _parse(data, record, offset)


def parse_frame(
    frame: bytes, size: int, record: str, offset: int, keys: Container[str] | None = None
) -> dict[str, RecordValue]:
    """The values of a record, from its frame as it was read.

    Args:
        frame: header, data and footer.
        size: how many bytes they have to be.
        record: ``example`` or ``sequence_example``.
        offset: where the frame begins in its file.
        keys: of the values that are wanted; all by default.

    Raises:
        CorruptShard: the frame is not whole, is another record's, or holds no ``tf.train.Example``.
    """
    if len(frame) < size:
        raise CorruptShard(offset, "the file ends inside a record")
    if _length(frame[:HEADER_BYTES], offset) != size - HEADER_BYTES - FOOTER_BYTES:
        raise CorruptShard(offset, "the record has another length than expected")
    data = frame[HEADER_BYTES:-FOOTER_BYTES]
    if frame[-FOOTER_BYTES:] != masked_crc(data):
        raise CorruptShard(offset, "the checksum of a record's data is wrong")
    return _parse(data, record, offset, keys)


def _parse(
    data: bytes, record: str, offset: int, keys: Container[str] | None = None
) -> dict[str, RecordValue]:
    try:
        return parse_record(data, record, keys)
    except ValueError as error:
        raise CorruptShard(offset, str(error)) from None


class IndexedRecords(Sequence[dict[str, RecordValue]]):
    """The records of a local TFRecord file by their number.

    Where they begin is found by a look at the lengths alone. Threads may share it, since each record is read
    by its offset; the file stays open as long as the object lives.

    Args:
        path: the file.
        record: ``example`` or ``sequence_example``.

    Raises:
        CorruptShard: a length's checksum is wrong, or the file ends inside a record; of a record's data, or
            where it is no ``tf.train.Example``, when the record is asked for.
    """

    def __init__(self, path: Path, record: str):
        self._file, self._record = path.open("rb"), record
        self.offsets = _find_offsets(self._file)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: Any) -> Any:
        """The values of a record, or of a slice of them, as ``parse_record`` gives them."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"got record {index}, expected one of {len(self)}")
        index %= len(self)
        offset, stop = self.offsets[index], self.offsets[index + 1]
        frame = os.pread(self._file.fileno(), stop - offset, offset)
        return parse_frame(frame, stop - offset, self._record, offset)


def _find_offsets(file: BinaryIO) -> array[int]:
    """Where each frame begins, and the last one ends: int64 ``[records + 1]``."""
    size, offsets = os.fstat(file.fileno()).st_size, array("q", [0])
    while (offset := offsets[-1]) < size:
        header = os.pread(file.fileno(), HEADER_BYTES, offset)
        stop = offset + HEADER_BYTES + _length(header, offset) + FOOTER_BYTES
        if stop > size:
            raise CorruptShard(offset, "the file ends inside a record")
        offsets.append(stop)
    return offsets
