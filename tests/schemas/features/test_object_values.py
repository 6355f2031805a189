"""Kinds of one value as lists with a value an object."""

import numpy as np
import pytest
from pixelbeam.schemas.errors import Reject, SchemaError
from pixelbeam.schemas.features import feature_kinds, find_kind, object_kinds
from pixelbeam.schemas.features.base import Domain, ValueSpec
from pixelbeam.schemas.features.object_values import (
    ObjectBytes,
    ObjectClassLabel,
    ObjectFloat32,
    ObjectInt64,
    ObjectString,
)
from pixelbeam.schemas.features.objects import Kept
from pixelbeam.schemas.schema import Schema

KEPT = Kept(3, (0, 2), None)
IMAGE = {"type": "image", "source": "path", "height": 4, "width": 4}
BOXES = {"type": "boxes", "source": "bbox", "of": "image"}


def label(**declared):
    return ObjectClassLabel(source="c", of="b", **{"vocabulary": ["cat", "dog"], **declared})


def test_values_of_the_objects_that_are_kept():
    encoded = label().encode("x", ["dog", "cat", "dog"], KEPT)
    assert encoded.values["x"].tolist() == [1, 1]
    assert encoded.values["x"].dtype == np.int64
    assert encoded.summary == {"classes": {"1": 2}}
    area = ObjectFloat32(source="a", of="b").encode("x", [1.5, 2, "3"], KEPT)
    assert (area.values["x"].tolist(), area.values["x"].dtype) == ([1.5, 3.0], np.float32)
    assert (area.summary["count"], area.summary["min"], area.summary["max"]) == (2, 1.5, 3.0)
    crowd = ObjectInt64(source="a", of="b").encode("x", "[0, 1, 1]", KEPT)
    assert (crowd.values["x"].tolist(), crowd.values["x"].dtype) == ([0, 1], np.int64)
    text = ObjectString(source="a", of="b").encode("x", ["é", "b", "c"], KEPT)
    assert text.values["x"] == ["é".encode(), b"c"]
    data = ObjectBytes(source="a", of="b", encoding="hex").encode("x", ["00", "01", "ff"], KEPT)
    assert data.values["x"] == [b"\0", b"\xff"]
    pairs = ObjectFloat32(source="a", of="b", shape=[2]).encode("x", [[1, 2], [3, 4], [5, 6]], KEPT)
    assert pairs.values["x"].tolist() == [[1, 2], [5, 6]]


def test_no_objects():
    none = Kept(0, (), None)
    for cell in (None, [], "[]"):
        assert label().encode("x", cell, none).values["x"].shape == (0,)
        assert ObjectString(source="a", of="b").encode("x", cell, none).values["x"] == []
    shaped = ObjectFloat32(source="a", of="b", shape=[2]).encode("x", [], none)
    assert shaped.values["x"].shape == (0, 2)


def test_a_default_stands_for_an_item():
    crowd = ObjectInt64(source="a", of="b", default=0)
    assert crowd.encode("x", [None, 1, 1], KEPT).values["x"].tolist() == [0, 1]
    assert crowd.encode("x", None, KEPT).values["x"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("feature", "value", "reason", "message"),
    [
        (label(), ["cat"], "misaligned", "got 1 values: ['cat'], expected 3, one for each box"),
        (
            label(),
            ["cat", "cat", "cow"],
            "unknown_class",
            "object 2: got 'cow', expected one of 'cat', 'dog'",
        ),
        (label(), None, "missing_value", "object 0: got an empty cell, expected a class"),
        (
            ObjectInt64(source="a", of="b"),
            [1, 2, None],
            "missing_value",
            "object 2: got an empty cell, expected an integer",
        ),
        (
            ObjectFloat32(source="a", of="b"),
            5,
            "bad_annotation",
            "got 5, expected a list of values, one for each object",
        ),
    ],
)
def test_rejects(feature, value, reason, message):
    with pytest.raises(Reject) as caught:
        feature.encode("x", value, KEPT)
    assert (caught.value.reason, caught.value.message) == (reason, message)


def test_what_is_wrong_with_objects_that_are_dropped_costs_nothing():
    assert label().encode("x", ["cat", "cow", "dog"], KEPT).values["x"].tolist() == [0, 1]


def test_classes_are_collected_from_all_objects():
    pending = label(vocabulary="from_manifest")
    assert pending.observe(["dog", None, "cat"]) == ("dog", "cat")
    assert pending.observe("['ant']") == ("ant",)
    assert pending.observe(None) == pending.observe(7) == ()
    filled = pending.with_vocabulary(("dog", "cat"))
    assert isinstance(filled, ObjectClassLabel)
    assert (filled.class_names, filled.of) == (("cat", "dog"), "b")


def test_what_is_stored_and_read():
    domain = Domain(num_classes=2, class_names=("cat", "dog"))
    assert label().specs("x") == {"x": ValueSpec("int64", (None,), ("object",), domain=domain)}
    assert ObjectString(source="a", of="b").specs("x") == {
        "x": ValueSpec("text", (None,), ("object",))
    }
    text = ObjectString(source="a", of="b")
    assert text.decode_value("x", {"x": ["é".encode(), b""]}) == ["é", ""]
    numbers = np.array([1, 2])
    assert label().decode_value("x", {"x": numbers}) is numbers
    assert (label().one_hot_classes, label().is_target, label().takes_rows) == (None, True, False)
    assert ObjectFloat32(source="a", of="b").is_target
    with pytest.raises(ValueError, match="got class 2"):
        label().check(np.array([0, 2]))


def test_the_kinds_that_are_lists_of_objects():
    assert sorted(object_kinds()) == ["bytes", "class_label", "float32", "int64", "string"]
    assert find_kind({"type": "int64", "of": "b"}) is ObjectInt64
    assert find_kind({"type": "int64"}) is feature_kinds()["int64"]
    assert find_kind({"type": "boxes", "of": "b"}) is feature_kinds()["boxes"]
    assert find_kind({"type": "nothing", "of": "b"}) is None


def test_the_shape_of_each_is_fixed():
    area = {"type": "float32", "source": "a", "of": "b", "shape": [None, 2]}
    with pytest.raises(SchemaError) as caught:
        Schema.from_dict({"features": {"image": IMAGE, "b": BOXES, "area": area}})
    expected = "features.area.shape: got [null, 2] for each object, expected fixed sizes"
    assert str(caught.value) == expected
