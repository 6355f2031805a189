from __future__ import annotations

import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import SchemaError
from pixelbeam.schemas.optional import without_missing

IMAGE = {"type": "image", "source": "path", "height": 8, "width": 8}
LABEL = {"type": "class_label", "source": "category", "vocabulary": ["a", "b"]}
BOXES = {"type": "boxes", "source": "bbox", "of": "image"}


def test_only_what_is_optional_and_missing_is_left_out():
    area = {"type": "float32", "source": "area", "optional": True}
    score = {"type": "float32", "source": "score", "optional": True}
    schema = Schema.from_dict({"features": {"image": IMAGE, "label": LABEL, "a": area, "s": score}})
    left, missing = without_missing(schema, ["path", "category", "score"])
    assert list(left.features) == ["image", "label", "s"]
    assert missing == {"a": "area"}
    same, none = without_missing(schema, ["path", "category", "area", "score", "more"])
    assert same is schema
    assert none == {}
    # What is not optional stays, and is missed where columns are checked.
    assert "label" in without_missing(schema, ["path"])[0].features


def test_what_is_of_it_goes_with_it():
    features = {
        "image": IMAGE,
        "bbox": {**BOXES, "optional": True},
        "label": {**LABEL, "of": "bbox", "optional": True},
    }
    left, missing = without_missing(Schema.from_dict({"features": features}), ["path", "category"])
    assert list(left.features) == ["image"]
    assert missing == {"bbox": "bbox", "label": "bbox"}
    features["label"]["optional"] = False
    with pytest.raises(
        SchemaError, match=r"^a.csv: features.label.of: got 'bbox', expected another"
    ):
        without_missing(Schema.from_dict({"features": features}), ["path", "category"], "a.csv")


def test_a_path_of_several_columns_needs_all_of_them():
    mask = {**IMAGE, "source": "masks/{clip}/{frame}.png", "optional": True}
    schema = Schema.from_dict({"features": {"image": IMAGE, "mask": mask}})
    assert without_missing(schema, ["path", "clip"])[1] == {"mask": "frame"}
    assert without_missing(schema, ["path", "clip", "frame"])[1] == {}


def test_steps_and_context():
    schema = Schema.from_dict(
        {
            "record": "sequence_example",
            "clips": {"key": "clip"},
            "context": {"label": {**LABEL, "optional": True}},
            "steps": {"frames": IMAGE},
        }
    )
    left, missing = without_missing(schema, ["path", "clip"])
    assert (list(left.context), list(left.steps)) == ([], ["frames"])
    assert missing == {"label": "category"}


def test_nothing_at_all_is_no_dataset():
    schema = Schema.from_dict({"features": {"image": {**IMAGE, "optional": True}}})
    with pytest.raises(SchemaError, match="expected at least one feature"):
        without_missing(schema, ["x"])


def test_schemas_without_optional_features_say_nothing_of_it():
    schema = Schema.from_dict({"features": {"image": IMAGE, "a": {**LABEL, "optional": True}}})
    told = schema.to_dict()["features"]
    assert "optional" not in told["image"]
    assert told["a"]["optional"] is True
    assert Schema.from_dict(schema.to_dict()) == schema
