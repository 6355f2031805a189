"""The generated module at work, for batches and for single examples."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from feature_cases import serialize
from pixelbeam.readers.published import open_dataset
from pixelbeam.readers.selection import select
from pixelbeam.readers.tf_data.description import describe_single, make_description
from pixelbeam.schemas import Float32, Image, Int64, Schema, String


def assert_same(left, right):
    assert tf.type_spec_from_value(left) == tf.type_spec_from_value(right)
    np.testing.assert_array_equal(left, right, strict=True)


def test_examples_are_parsed_and_decoded_by_the_schema():
    features = {"n": Int64(source="n"), "name": String(source="s"), "x": Float32(source="x")}
    schema = Schema(features=features)
    rows = [{"n": 1, "name": "a", "x": 0.5}, {"n": -2, "name": "bé", "x": 2}]
    module = make_description(schema)
    assert module.__name__ == "feature_description"
    decoded = module.decode(module.parse_example([serialize(schema, row) for row in rows]))
    assert {name: value.numpy().tolist() for name, value in decoded.items()} == {
        "n": [1, -2],
        "name": [b"a", "bé".encode()],
        "x": [0.5, 2.0],
    }


def test_a_module_for_single_examples_differs_from_the_other_in_itself_alone():
    schema = Schema(features={"x": Image(source="x", resize="longest_side", size=9)})
    module = make_description(schema)
    own = module._decode_images
    assert describe_single(schema)._decode_images is not own
    assert module._decode_images is own
    without = Schema(features={"n": Int64(source="n")})
    assert vars(describe_single(without)).keys() == vars(make_description(without)).keys()


def test_single_images_are_decoded_as_those_of_batches_are(all_kinds):
    schema = select(open_dataset(all_kinds).schema, ["jpeg", "deep", "label"])
    module, single = make_description(schema), describe_single(schema)
    files = sorted(map(str, all_kinds.glob("train-*.tfrecord")))
    for record in tf.data.TFRecordDataset(files).batch(1):
        parsed = module.parse_example(record)
        got, expected = single.decode(parsed), module.decode(parsed)
        assert got.keys() == expected.keys()
        np.testing.assert_array_equal(got["jpeg"], expected["jpeg"].to_tensor(), strict=True)
        for name in ("deep", "label"):
            assert_same(got[name], expected[name])
