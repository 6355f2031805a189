from __future__ import annotations

import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.hdf5_layout import columns
from pixelbeam.schemas.errors import SchemaError

NUMBER = {"type": "int64", "source": "n"}
LIST = {**NUMBER, "shape": [None]}


def found(**features):
    schema = Schema.from_dict({"features": {k.replace("__", "/"): f for k, f in features.items()}})
    return [(c.key, c.name, c.is_steps, c.is_group) for c in columns(schema)]


def test_a_column_is_a_dataset_or_a_group():
    image = {"type": "image", "source": "p", "height": 2, "width": 2, "encoding": "raw"}
    text = {"type": "string", "source": "t"}
    assert found(z=NUMBER, a=LIST, image=image, text=text) == [
        ("z", "z", False, False),
        ("a", "a", False, True),
        ("image", "image", False, False),
        ("text", "text", False, False),
    ]


def test_steps_are_groups():
    declared = {"record": "sequence_example", "context": {"n": NUMBER}, "steps": {"s": NUMBER}}
    schema = Schema.from_dict(declared)
    assert [(c.key, c.is_steps, c.is_group) for c in columns(schema)] == [
        ("n", False, False),
        ("s", True, True),
    ]


def test_keys_may_be_nested_where_no_value_is_above():
    assert found(a__b=NUMBER, a__c=NUMBER, b__x=NUMBER) == [
        ("a/b", "a/b", False, False),
        ("a/c", "a/c", False, False),
        ("b/x", "b/x", False, False),
    ]
    assert [key for key, *_ in found(a=LIST, a__other=NUMBER)] == ["a", "a/other"]


@pytest.mark.parametrize(
    ("features", "place", "inside"),
    [
        ({"a": NUMBER, "a__b": NUMBER}, "a/b", "a"),
        ({"a__b": NUMBER, "a__b__c__d": NUMBER}, "a/b/c/d", "a/b/c"),
        ({"a": LIST, "a__values": NUMBER}, "a/values", "a"),
        ({"a": LIST, "a__offsets": NUMBER}, "a/offsets", "a"),
        ({"a": LIST, "a__step_offsets": NUMBER}, "a/step_offsets", "a"),
        ({"a": LIST, "a__values__b": NUMBER}, "a/values/b", "a/values"),
    ],
)
def test_a_key_inside_a_value(features, place, inside):
    with pytest.raises(SchemaError) as caught:
        found(**features)
    assert str(caught.value) == (
        f"features.{place}: got {place!r}, which HDF5 cannot hold inside {inside!r}; rename one of "
        "them, or build with --sinks tfrecord"
    )


@pytest.mark.parametrize("key", ["/a", "a/", "a//b", ".", "a/../b", "a/./b"])
def test_keys_that_are_no_names(key):
    schema = Schema.from_dict({"features": {key: NUMBER}})
    with pytest.raises(SchemaError) as caught:
        columns(schema)
    assert str(caught.value) == (
        f"features.{key}: got {key!r}, which cannot be a name in an HDF5 file; rename it, or build "
        "with --sinks tfrecord"
    )
