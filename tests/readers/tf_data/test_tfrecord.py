"""TFRecord files are read in order, in part, or shuffled through a buffer of limited size."""

from __future__ import annotations

import pytest
import tensorflow as tf
from feature_cases import serialize
from pixelbeam.readers.tf_data import tfrecord
from pixelbeam.readers.tf_data.selection import Selection
from pixelbeam.readers.tf_data.tfrecord import open_source
from pixelbeam.schemas import Int64, Schema

SCHEMA = Schema(features={"n": Int64(source="n")})
COUNT = 40


@pytest.fixture
def files(tmp_path):
    """Four files of ten records, numbered through."""
    paths = [str(tmp_path / f"{index}.tfrecord") for index in range(4)]
    for index, path in enumerate(paths):
        with tf.io.TFRecordWriter(path) as writer:
            for number in range(index * 10, index * 10 + 10):
                writer.write(serialize(SCHEMA, {"n": number}))
    return paths


def read(files, size=7, drop_remainder=False, count=COUNT, record_bytes=20.0, **how):
    """A function that reads an epoch, as batches of numbers."""
    source = open_source(Selection(files, count, record_bytes, **how), SCHEMA)
    assert (source.decoded, source.most_parses) == (frozenset(), None)
    batches = source.batches(size, drop_remainder)
    return lambda: [source.parse(batch)["n"].numpy().tolist() for batch in batches]


def flat(batches):
    return [number for batch in batches for number in batch]


def test_the_stored_order(files):
    numbers = list(range(COUNT))
    cut = [numbers[start : start + 7] for start in range(0, COUNT, 7)]
    assert read(files)() == cut
    assert read(files, drop_remainder=True)() == cut[:-1]
    assert flat(read(files[::-1])()) == [
        *numbers[30:],
        *numbers[20:30],
        *numbers[10:20],
        *numbers[:10],
    ]


def test_no_files():
    assert read([], count=0)() == []
    assert read([], count=0, shuffle=True)() == []


@pytest.mark.parametrize("index", [0, 2])
def test_a_part_of_the_records(files, index):
    stored = flat(read(files, part=(3, index))())
    assert stored == list(range(index, COUNT, 3))
    shuffled = flat(read(files, part=(3, index), shuffle=True)())
    assert shuffled != stored
    assert sorted(shuffled) == stored


@pytest.mark.parametrize("shuffle", [True, 5])
def test_orders_of_epochs(files, shuffle):
    epochs = read(files, shuffle=shuffle, seed=3)
    first, second = flat(epochs()), flat(epochs())
    assert sorted(first) == sorted(second) == list(range(COUNT))
    assert len({tuple(first), tuple(second), tuple(range(COUNT))}) == 3
    again = read(files, shuffle=shuffle, seed=3)
    assert [flat(again()), flat(again())] == [first, second]
    assert flat(read(files, shuffle=shuffle, seed=4)()) != first


def test_files_are_shuffled_even_where_the_buffer_holds_one_record(files):
    """Records of a few files are taken by turns, so all tens come before a ten is through."""
    first = flat(read(files, shuffle=1, seed=0)())
    assert sorted(first) == list(range(COUNT))
    assert [number // 10 for number in first[:4]] != [0, 1, 2, 3]
    assert {number // 10 for number in first[:4]} == {0, 1, 2, 3}
    assert [number % 10 for number in first] == [n for n in range(10) for _ in range(4)]


def test_a_part_is_shuffled_in_the_buffer_alone(files):
    assert flat(read(files, part=(2, 1), shuffle=1)()) == list(range(1, COUNT, 2))


@pytest.mark.parametrize(
    ("shuffle", "count", "record_bytes", "expected"),
    [
        (True, 5, 1.0, 5),
        (True, 9_999, 1.0, 9_999),
        (True, 20_000, 1.0, 10_000),
        (True, 20_000, float(1 << 20), 128),
        (True, 20_000, float(1 << 30), 1),
        (True, 20_000, 0.0, 10_000),
        (True, 0, 0.0, 1),
        (30, 20_000, float(1 << 30), 30),
        (30_000, 20_000, 1.0, 20_000),
        (0, 5, 1.0, 1),
        (1, 5, 1.0, 1),
    ],
)
def test_the_size_of_the_buffer(shuffle, count, record_bytes, expected):
    selection = Selection([], count, record_bytes, shuffle=shuffle)
    assert tfrecord._buffer_size(selection) == expected
