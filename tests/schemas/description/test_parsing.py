"""The ``tf.io`` configuration of a value, and that TensorFlow parses by it what was written."""

import numpy as np
import pytest
import tensorflow as tf
from pixelbeam.schemas.description.parsing import parsing_config
from pixelbeam.schemas.features.base import Domain, Steps, ValueSpec
from pixelbeam.transforms.sinks.examples import serialize_example, serialize_sequence_example

ROW = "tf.io.RaggedFeature.UniformRowLength"
ITEMS = np.arange(12, dtype=np.float32).reshape(3, 2, 2)

# The spec, what records without steps and with steps are parsed by, and a value.
CASES = [
    (
        ValueSpec("int64", domain=Domain(num_classes=3)),
        "tf.io.FixedLenFeature([], tf.int64)",
        "tf.io.FixedLenSequenceFeature([], tf.int64)",
        np.array(2),
    ),
    (
        ValueSpec("float32", (2, 3)),
        "tf.io.FixedLenFeature([2, 3], tf.float32)",
        "tf.io.FixedLenSequenceFeature([2, 3], tf.float32)",
        np.arange(6, dtype=np.float32).reshape(2, 3),
    ),
    (
        ValueSpec("int64", (None,)),
        "tf.io.RaggedFeature(tf.int64)",
        "tf.io.RaggedFeature(tf.int64)",
        np.arange(3),
    ),
    (
        ValueSpec("float32", (None, 2, 2)),
        f"tf.io.RaggedFeature(tf.float32, partitions=[{ROW}(2), {ROW}(2)])",
        f"tf.io.RaggedFeature(tf.float32, partitions=[{ROW}(2), {ROW}(2)])",
        ITEMS,
    ),
    (
        ValueSpec("text", (None,)),
        "tf.io.RaggedFeature(tf.string)",
        "tf.io.RaggedFeature(tf.string)",
        [b"a", b"", b"b"],
    ),
    (
        ValueSpec("text"),
        "tf.io.FixedLenFeature([], tf.string)",
        "tf.io.FixedLenSequenceFeature([], tf.string)",
        b"text",
    ),
    (
        ValueSpec("uint16", (None, None, 1), encoding="raw"),
        "tf.io.FixedLenFeature([], tf.string)",
        "tf.io.FixedLenSequenceFeature([], tf.string)",
        np.array([[[1], [256]]], np.uint16),
    ),
]


def as_parsed(value):
    """What TensorFlow gives of a value, pixels being the bytes of little-endian numbers."""
    if isinstance(value, np.ndarray) and value.dtype == np.uint16:
        return value.tobytes()
    return value.tolist() if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize(("spec", "config", "of_steps", "value"), CASES)
def test_values_are_parsed_by_their_spec(spec, config, of_steps, value):
    assert parsing_config(spec) == config
    batch = tf.constant([serialize_example({"x": value})] * 2)
    parsed = tf.io.parse_example(batch, {"x": eval(config, {"tf": tf})})["x"]
    plain = parsed.to_list() if isinstance(parsed, tf.RaggedTensor) else parsed.numpy().tolist()
    assert plain == [as_parsed(value)] * 2


@pytest.mark.parametrize(("spec", "config", "of_steps", "value"), CASES)
def test_steps_are_parsed_by_the_spec_of_one(spec, config, of_steps, value):
    assert parsing_config(spec, in_steps=True) == of_steps
    batch = tf.constant([serialize_sequence_example({"x": Steps((value, value))})])
    features = {"x": eval(of_steps, {"tf": tf})}
    parsed = tf.io.parse_sequence_example(batch, sequence_features=features)[1]["x"]
    plain = parsed.to_list() if isinstance(parsed, tf.RaggedTensor) else parsed.numpy().tolist()
    assert plain == [[as_parsed(value)] * 2]


@pytest.mark.parametrize("shape", [(None, None), (2, None), (None, 3, None)])
def test_sizes_may_differ_along_the_first_axis_alone(shape):
    with pytest.raises(
        ValueError, match=r"^got values of shape .*None.*, expected sizes that differ"
    ):
        parsing_config(ValueSpec("int64", shape))
