from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from pixelbeam.schemas.dataset.examples import message_class, parse_record
from pixelbeam.schemas.features.base import Steps

NUMBERS = [1, -(2**63), 2**63 - 1, 300]
FLOATS = [0.1, -3.4e38, float("inf")]


def features(**values) -> tf.train.Features:
    return tf.train.Features(feature=values)


def of_bytes(*values: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def of_ints(*values: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def of_floats(*values: float) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


CONTEXT = features(
    b=of_bytes(b"\xff\0", b""), n=of_ints(*NUMBERS), f=of_floats(*FLOATS), e=of_ints()
)
EXAMPLE = tf.train.Example(features=CONTEXT)
STEPS = {
    "s/b": tf.train.FeatureList(feature=[of_bytes(b"x"), of_bytes(), of_bytes(b"y", b"z")]),
    "s/n": tf.train.FeatureList(feature=[of_ints(5), of_ints(6, 7)]),
    "none": tf.train.FeatureList(),
}
SEQUENCE = tf.train.SequenceExample(
    context=CONTEXT, feature_lists=tf.train.FeatureLists(feature_list=STEPS)
)


def check_context(record):
    assert record["b"] == [b"\xff\0", b""]
    for key, values, dtype in (
        ("n", NUMBERS, "int64"),
        ("f", FLOATS, "float32"),
        ("e", [], "int64"),
    ):
        assert record[key].dtype == dtype
        np.testing.assert_array_equal(record[key], np.array(values, dtype), strict=True)


def test_an_example_of_tensorflow():
    record = parse_record(EXAMPLE.SerializeToString(), "example")
    assert sorted(record) == ["b", "e", "f", "n"]
    check_context(record)


def test_only_the_values_that_are_wanted():
    wanted = parse_record(EXAMPLE.SerializeToString(), "example", {"n", "other"})
    assert list(wanted) == ["n"]
    assert wanted["n"].tolist() == NUMBERS
    sequence = parse_record(SEQUENCE.SerializeToString(), "sequence_example", {"b"})
    assert sorted(sequence) == ["b", *sorted(STEPS)]


def test_a_sequence_example_of_tensorflow():
    record = parse_record(SEQUENCE.SerializeToString(), "sequence_example")
    assert sorted(record) == ["b", "e", "f", "n", "none", "s/b", "s/n"]
    check_context(record)
    assert record["s/b"] == Steps(([b"x"], [], [b"y", b"z"]))
    assert record["none"] == Steps(())
    found = [(step.dtype, step.tolist()) for step in record["s/n"].values]
    assert found == [(np.int64, [5]), (np.int64, [6, 7])]


@pytest.mark.parametrize(("name", "message"), [("Example", EXAMPLE), ("SequenceExample", SEQUENCE)])
def test_tensorflow_reads_the_messages(name, message):
    own = message_class(name).FromString(message.SerializeToString())
    written = own.SerializeToString(deterministic=True)
    assert written == message.SerializeToString(deterministic=True)
    assert type(message).FromString(written) == message
    assert message_class(name) is message_class(name)


@pytest.mark.parametrize(
    ("record", "name"), [("example", "Example"), ("sequence_example", "SequenceExample")]
)
def test_what_is_not_the_wire_format(record, name):
    with pytest.raises(ValueError, match=rf"^not a tf\.train\.{name}: .") as caught:
        parse_record(b"\xff\xff", record)
    assert caught.value.__cause__ is None
    assert parse_record(b"", record) == {}


def test_a_value_of_no_type():
    example = tf.train.Example(features=features(k=tf.train.Feature()))
    with pytest.raises(ValueError, match=r"^'k': got a value of no type$"):
        parse_record(example.SerializeToString(), "example")
    lists = {"s": tf.train.FeatureList(feature=[tf.train.Feature()])}
    sequence = tf.train.SequenceExample(feature_lists=tf.train.FeatureLists(feature_list=lists))
    with pytest.raises(ValueError, match=r"^'s': got a value of no type$"):
        parse_record(sequence.SerializeToString(), "sequence_example")
