from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pixelbeam.schemas.features.base import Steps
from pixelbeam.transforms.sinks.examples import (
    serialize_example,
    serialize_record,
    serialize_sequence_example,
)

VALUES = st.one_of(
    st.binary(max_size=40),
    st.lists(st.binary(max_size=5), max_size=4),
    hnp.arrays(np.int64, st.integers(0, 4), elements=st.integers(-(2**63), 2**63 - 1)),
    hnp.arrays(np.float32, st.integers(0, 4), elements=st.floats(width=32, allow_nan=False)),
)


def tensorflow_example(values):
    import tensorflow as tf

    def feature(value):
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        if isinstance(value, list):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
        if value.dtype == np.int64:
            return tf.train.Feature(int64_list=tf.train.Int64List(value=value.ravel().tolist()))
        return tf.train.Feature(float_list=tf.train.FloatList(value=value.ravel().tolist()))

    features = tf.train.Features(feature={key: feature(value) for key, value in values.items()})
    return tf.train.Example(features=features)


@settings(deadline=None)  # the first call imports TensorFlow
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=("Cs",)), max_size=8), VALUES, max_size=5
    )
)
def test_bytes_equal_those_of_tensorflow(values):
    expected = tensorflow_example(values).SerializeToString(deterministic=True)
    assert serialize_example(values) == expected


def test_keys_are_sorted_whatever_their_order():
    one, two = np.array(1), np.array([2.5], np.float32)
    assert serialize_example({"b": one, "a": two}) == serialize_example({"a": two, "b": one})


def test_golden_bytes():
    # features { feature { key: "n" value { int64_list { value: 3 } } } }, by hand from the wire format
    golden = bytes.fromhex("0a0c 0a0a 0a016e 1205 1a03 0a0103".replace(" ", ""))
    assert serialize_example({"n": np.array(3, np.int64)}) == golden


def test_raw_pixels_are_little_endian_in_c_order():
    pixels = np.arange(6, dtype=">u2").reshape(1, 2, 3)
    assert b"\0\0\1\0\2\0\3\0\4\0\5\0" in serialize_example({"image": pixels.astype(np.uint16)})


def test_another_dtype_is_an_error():
    with pytest.raises(TypeError, match=r"record value 'x': got dtype float64, expected"):
        serialize_example({"x": np.array([1.0])})


@pytest.mark.parametrize("first", ["tensorflow", "pixelbeam.transforms.sinks.examples"])
def test_the_pool_does_not_clash_with_tensorflows(first):
    second = {"tensorflow": "pixelbeam.transforms.sinks.examples"}.get(first, "tensorflow")
    code = (
        f"import {first}, {second}, tensorflow as tf; from pixelbeam.transforms.sinks.examples import *;"
        "print(tf.train.Example.FromString(serialize_example({'a': b'x'})).features.feature['a'].bytes_list.value)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[b'x']"


def sequence_example(values):
    import tensorflow as tf

    context = {key: value for key, value in values.items() if not isinstance(value, Steps)}
    lists = {
        key: tf.train.FeatureList(
            feature=[tensorflow_example({"x": step}).features.feature["x"] for step in value.values]
        )
        for key, value in values.items()
        if isinstance(value, Steps)
    }
    return tf.train.SequenceExample(
        context=tensorflow_example(context).features,
        feature_lists=tf.train.FeatureLists(feature_list=lists),
    )


@settings(deadline=None)  # the first call imports TensorFlow
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
        VALUES | st.lists(VALUES, max_size=4).map(lambda steps: Steps(tuple(steps))),
        max_size=5,
    )
)
def test_sequence_bytes_equal_those_of_tensorflow(values):
    expected = sequence_example(values).SerializeToString(deterministic=True)
    assert serialize_sequence_example(values) == expected
    assert serialize_record(values, "sequence_example") == expected


def test_golden_sequence_bytes():
    # context {} feature_lists { feature_list { key: "n" value { feature { int64_list { value: 3 } } } } }
    golden = bytes.fromhex("0a00 120e 0a0c 0a016e 1207 0a05 1a03 0a0103".replace(" ", ""))
    assert serialize_sequence_example({"n": Steps((np.array(3, np.int64),))}) == golden


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
@pytest.mark.parametrize(
    "shape",
    [(1,), (3, 0), (5, 2, 3), (4, 31), (4, 32), (2, 50), (2, 4070), (2, 5000), (2, 600_000)],
)
def test_steps_in_one_array_are_the_bytes_of_steps_one_by_one(shape, dtype):
    numbers = np.random.default_rng(0).normal(scale=1e6, size=shape).astype(dtype)
    label = np.array(1)
    expected = serialize_sequence_example({"n": Steps(tuple(numbers)), "label": label})
    assert serialize_sequence_example({"n": Steps(numbers), "label": label}) == expected
