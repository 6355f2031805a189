from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import OptionError
from pixelbeam.transforms.sinks.examples import serialize_example
from pixelbeam.transforms.sinks.registry import TFRecordSink, check_sinks, frame_record


def test_golden_frame():
    # tf.io.TFRecordWriter("f").write(b"pixel"), TensorFlow 2.21
    golden = bytes.fromhex("0500000000000000eab2043e706978656c6948e387")
    assert b"".join(frame_record(b"pixel")) == golden


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_tensorflow_reads_the_frames(tmp_path_factory, records):
    import tensorflow as tf

    path = tmp_path_factory.mktemp("frames") / "f.tfrecord"
    path.write_bytes(b"".join(part for record in records for part in frame_record(record)))
    assert [r.numpy() for r in tf.data.TFRecordDataset(str(path))] == records


def test_the_sink_writes_a_file_of_examples(tmp_path):
    import tensorflow as tf

    records = [{"n": np.array(i, np.int64)} for i in range(3)]
    schema = Schema.from_dict({"features": {"n": {"type": "int64", "source": "n"}}})
    writer = TFRecordSink().open(tmp_path / "a.tfrecord", schema)
    for record in records:
        writer.write(record)
    writer.close()
    read = [r.numpy() for r in tf.data.TFRecordDataset(str(tmp_path / "a.tfrecord"))]
    assert read == [serialize_example(record) for record in records]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("zarr",), "--sinks: got 'zarr', expected one of tfrecord, hdf5"),
        (("tfrecord", "tfrecord"), "--sinks: got 'tfrecord,tfrecord', expected each sink once"),
        ((), "--sinks: got '', expected one of tfrecord"),
    ],
)
def test_bad_sinks(names, message):
    with pytest.raises(OptionError) as error:
        check_sinks(names, Schema.from_dict({"features": {"n": {"type": "int64", "source": "n"}}}))
    assert str(error.value).startswith(message)
