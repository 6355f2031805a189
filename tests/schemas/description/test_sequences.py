from __future__ import annotations

import ast

import numpy as np
import pytest
import tensorflow as tf
from pixelbeam.schemas.description.sequences import SEQUENCE_FUNCTIONS, SEQUENCE_HEADER


@pytest.fixture
def module():
    """The functions as they stand in a module, with the parts that differ from schema to schema."""
    lists = tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64)
    names = {
        "CONTEXT_FEATURES": {"label": tf.io.FixedLenFeature([], tf.int64)},
        "SEQUENCE_FEATURES": {
            "n": tf.io.FixedLenSequenceFeature([2], tf.int64),
            "words": lists,
        },
        "_decode_context": lambda features: {"label": features["label"] + 1},
        "_decode_steps": lambda steps: {"n": steps["n"] * 10},
    }
    exec(SEQUENCE_HEADER + "\n".join(SEQUENCE_FUNCTIONS), names)
    return names


def record(label, *steps):
    def number(values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def words(count):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"w"] * count))

    lists = {
        "n": tf.train.FeatureList(feature=[number(step) for step in steps]),
        "words": tf.train.FeatureList(feature=[words(step[0]) for step in steps]),
    }
    return tf.train.SequenceExample(
        context=tf.train.Features(feature={"label": number([label])}),
        feature_lists=tf.train.FeatureLists(feature_list=lists),
    ).SerializeToString()


BATCH = [record(3, [1, 2]), record(4, [3, 4], [0, 6], [1, 8]), record(5)]


def test_context_is_a_batch_and_steps_are_ragged(module):
    parsed = module["parse_sequence_example"](BATCH)
    assert sorted(parsed) == ["label", "n", "words"]
    assert parsed["label"].numpy().tolist() == [3, 4, 5]
    assert parsed["n"].to_list() == [[[1, 2]], [[3, 4], [0, 6], [1, 8]], []]
    assert parsed["words"].to_list() == [[[b"w"]], [[b"w"] * 3, [], [b"w"]], []]
    counts = {key: count.numpy().tolist() for key, count in module["count_steps"](parsed).items()}
    assert counts == {"n": [1, 3, 0], "words": [1, 3, 0]}
    assert module["count_steps"](parsed)["n"].dtype == tf.int64


def test_steps_are_decoded_and_padded_where_that_is_asked_for(module):
    parsed = module["parse_sequence_example"](BATCH)
    decoded = module["decode"](parsed)
    assert sorted(decoded) == ["label", "n"]
    assert decoded["label"].numpy().tolist() == [4, 5, 6]
    assert decoded["n"].to_list() == [[[10, 20]], [[30, 40], [0, 60], [10, 80]], []]
    padded = module["decode"](parsed, padded=True)["n"]
    expected = np.zeros((3, 3, 2), np.int64)
    expected[0, 0], expected[1] = [10, 20], [[30, 40], [0, 60], [10, 80]]
    np.testing.assert_array_equal(padded.numpy(), expected, strict=True)


def test_steps_alone(module):
    module["CONTEXT_FEATURES"] = {}
    assert sorted(module["parse_sequence_example"](BATCH)) == ["n", "words"]


def test_the_head_imports_tensorflow_alone():
    docstring, imported = ast.parse(SEQUENCE_HEADER).body
    assert ast.unparse(imported) == "import tensorflow as tf"
    assert "CLASS_NAMES[feature][number] is the name of a class." in ast.unparse(docstring)
    names = [ast.parse(source).body[0].name for source in SEQUENCE_FUNCTIONS]
    assert names == ["parse_sequence_example", "count_steps", "decode"]
