from __future__ import annotations

import io
import struct
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixelbeam.schemas.dataset.sink import CorruptShard
from pixelbeam.schemas.dataset.tfrecord import (
    IndexedRecords,
    frame_record,
    masked_crc,
    read_frames,
    read_records,
)
from pixelbeam.transforms.sinks.examples import serialize_example

RECORDS = [serialize_example({"n": np.arange(number)}) for number in range(5)]


def write(path: Path, records: list[bytes]) -> Path:
    path.write_bytes(b"".join(part for record in records for part in frame_record(record)))
    return path


def test_golden_frame():
    # tf.io.TFRecordWriter("f").write(b"pixel"), TensorFlow 2.21
    golden = bytes.fromhex("0500000000000000eab2043e706978656c6948e387")
    assert b"".join(frame_record(b"pixel")) == golden


@settings(deadline=None)  # the first call imports TensorFlow
@given(st.lists(st.binary(max_size=100), max_size=5))
def test_tensorflow_reads_the_frames(tmp_path_factory, records):
    import tensorflow as tf

    path = write(tmp_path_factory.mktemp("frames") / "f.tfrecord", records)
    assert [r.numpy() for r in tf.data.TFRecordDataset(str(path))] == records


def test_the_checksum_is_rotated_and_offset():
    # masked_crc of TensorFlow's core/lib/hash/crc32c.h, in 64 bits
    crc = google_crc32c.value(b"pixel")
    rotated = ((crc >> 15) | (crc << 17)) % 2**32
    assert masked_crc(b"pixel") == struct.pack("<I", (rotated + 0xA282EAD8) % 2**32)


def test_frames_come_back_with_their_offsets(tmp_path):
    path = write(tmp_path / "a", [b"", b"abc", b"x", b"x" * (3 << 20)])
    with path.open("rb") as file:
        found = [(offset, len(data)) for offset, data in read_frames(file)]
    assert found == [(0, 0), (16, 3), (35, 1), (52, 3 << 20)]


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (3, "the checksum of a record's length is wrong"),
        (9, "the checksum of a record's length is wrong"),
        (13, "the checksum of a record's data is wrong"),
        (-1, "the checksum of a record's data is wrong"),
    ],
)
def test_each_part_of_a_frame_is_checked(tmp_path, at, message):
    data = bytearray(write(tmp_path / "a", RECORDS[1:3]).read_bytes())
    start = 16 + len(RECORDS[1])
    data[at if at < 0 else start + at] ^= 1
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(CorruptShard) as caught:
        list(read_records(tmp_path / "a", "example"))
    assert (str(caught.value), caught.value.offset) == (message, start)
    with pytest.raises(CorruptShard) as caught:
        IndexedRecords(tmp_path / "a", "example")[1]
    assert (str(caught.value), caught.value.offset) == (message, start)


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_file_that_ends_inside_a_record_is_found(tmp_path, cut):
    path = write(tmp_path / "a", RECORDS[1:3])
    assert len(RECORDS[2]) + 16 > 29
    path.write_bytes(path.read_bytes()[:-cut])
    header = cut > len(RECORDS[2]) + 4
    for read in (
        lambda: list(read_records(path, "example")),
        lambda: IndexedRecords(path, "example"),
    ):
        with pytest.raises(CorruptShard) as caught:
            read()
        said = "the file ends inside a record" + "'s header" * header
        assert (str(caught.value), caught.value.offset) == (said, 16 + len(RECORDS[1]))


def test_what_is_no_example_is_named_with_its_offset(tmp_path):
    path = write(tmp_path / "a", [RECORDS[1], b"\xff\xff"])
    with pytest.raises(CorruptShard, match=r"not a tf\.train.Example") as caught:
        list(read_records(path, "example"))
    assert caught.value.offset == 16 + len(RECORDS[1])
    with pytest.raises(CorruptShard, match=r"not a tf\.train.SequenceExample"):
        IndexedRecords(path, "sequence_example")[1]


def test_a_record_by_its_number(tmp_path):
    records = IndexedRecords(write(tmp_path / "a", RECORDS), "example")
    in_order = [values for _, values in read_records(tmp_path / "a", "example")]
    assert len(records) == 5
    np.testing.assert_equal(
        [records[number] for number in (3, -1, 0)], [in_order[n] for n in (3, 4, 0)]
    )
    np.testing.assert_equal(records[1:5:2], in_order[1:5:2])
    for number in (5, -6):
        with pytest.raises(IndexError, match=f"got record {number}, expected one of 5"):
            records[number]
    assert len(IndexedRecords(write(tmp_path / "b", []), "example")) == 0


class Asked:
    """A file that remembers how much was asked for at once."""

    def __init__(self, data: bytes):
        self._file, self.sizes = io.BytesIO(data), []

    def read(self, size: int) -> bytes:
        self.sizes.append(size)
        return self._file.read(size)


def test_a_length_does_not_decide_how_much_memory_is_asked_for():
    large = Asked(b"".join(frame_record(b"x" * ((2 << 20) + 5))))
    assert [len(data) for _, data in read_frames(large)] == [(2 << 20) + 5]
    assert large.sizes == [12, 1 << 20, 1 << 20, 5, 4, 12]
    length = struct.pack("<Q", 1 << 56)
    bomb = Asked(length + masked_crc(length) + b"few")
    with pytest.raises(CorruptShard, match=r"^the file ends inside a record$"):
        list(read_frames(bomb))
    assert bomb.sizes == [12, 1 << 20, 1 << 20, 4]


def test_every_number_of_a_record_and_every_slice(tmp_path):
    records = IndexedRecords(write(tmp_path / "a", RECORDS), "example")
    for number in range(-5, 5):
        np.testing.assert_array_equal(records[number]["n"], np.arange(number % 5))
    sizes = [len(record["n"]) for record in records[::-2]]
    assert sizes == [4, 2, 0]
    assert records[5:] == []
    ends = np.cumsum([0, *(len(record) + 16 for record in RECORDS)])
    assert records.offsets.tolist() == ends.tolist()
