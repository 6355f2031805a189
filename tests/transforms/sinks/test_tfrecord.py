from __future__ import annotations

import google.protobuf
import numpy as np
import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.sink import CorruptShard, flatten_record
from pixelbeam.schemas.features.base import Steps
from pixelbeam.transforms.sinks.examples import serialize_example
from pixelbeam.transforms.sinks.tfrecord import TFRecordSink

SCHEMA = Schema.from_dict({"features": {"n": {"type": "int64", "source": "n"}}})
NUMBERS = [{"n": np.array(number, np.int64)} for number in range(3)]


def write(path, records, schema=SCHEMA):
    writer = TFRecordSink().open(path, schema)
    for record in records:
        writer.write(record)
    writer.close()
    return path


def test_the_sink_writes_a_file_of_examples(tmp_path):
    import tensorflow as tf

    path = write(tmp_path / "a.tfrecord", NUMBERS)
    read = [r.numpy() for r in tf.data.TFRecordDataset(str(path))]
    assert read == [serialize_example(record) for record in NUMBERS]


def test_what_it_is_called_and_what_decides_its_bytes():
    sink = TFRecordSink()
    assert (sink.name, sink.suffix) == ("tfrecord", "tfrecord")
    assert sink.versions(SCHEMA) == {"protobuf": google.protobuf.__version__}


def test_records_come_back_with_their_offsets_and_by_their_numbers(tmp_path):
    path = write(tmp_path / "a.tfrecord", NUMBERS)
    size = 12 + len(serialize_example(NUMBERS[0])) + 4
    sizes = [0, 12 + len(serialize_example(NUMBERS[0])) + 4, 2 * size]
    assert [offset for offset, _ in TFRecordSink().read(path, SCHEMA)] == sizes
    read = [values for _, values in TFRecordSink().read(path, SCHEMA)]
    np.testing.assert_equal(read, [flatten_record(record) for record in NUMBERS])
    np.testing.assert_equal([*TFRecordSink().records(path, SCHEMA)], read)


def test_steps_come_back_as_steps(tmp_path):
    steps = {"n": {"type": "int64", "source": "n"}}
    schema = Schema.from_dict({"record": "sequence_example", "steps": steps})
    path = write(tmp_path / "a.tfrecord", [{"n": Steps(np.arange(3))}], schema)
    (values,) = TFRecordSink().records(path, schema)
    assert values == {"n": Steps((np.array([0]), np.array([1]), np.array([2])))}


def test_a_damaged_file_is_named_as_one(tmp_path):
    path = write(tmp_path / "a.tfrecord", NUMBERS)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptShard, match="the file ends inside a record") as caught:
        list(TFRecordSink().read(path, SCHEMA))
    assert caught.value.offset == 2 * (12 + len(serialize_example(NUMBERS[0])) + 4)


def test_no_file_is_written_over(tmp_path):
    path = write(tmp_path / "a.tfrecord", NUMBERS)
    with pytest.raises(FileExistsError):
        TFRecordSink().open(path, SCHEMA)
