"""A group stands for the features that it declares."""

import pickle

import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import SchemaError
from pixelbeam.schemas.groups import Objects

IMAGE = {"type": "image", "source": "path", "height": 4, "width": 4}
LABEL = {"type": "class_label", "source": "category", "num_classes": 3}
GROUP = {
    "type": "objects",
    "of": "image",
    "boxes": {"source": "bbox", "normalized": True},
    "class/label": LABEL,
    "area": {"type": "float32", "source": "area"},
}
FLAT = {
    "image": IMAGE,
    "things/bbox": {"type": "boxes", "of": "image", "source": "bbox", "normalized": True},
    "things/class/label": {**LABEL, "of": "things/bbox"},
    "things/area": {"type": "float32", "source": "area", "of": "things/bbox"},
}


def fault(group, **others):
    with pytest.raises(SchemaError) as caught:
        Schema.from_dict({"features": {"image": IMAGE, "things": group, **others}})
    return str(caught.value)


def test_both_forms_are_one_schema():
    grouped = Schema.from_dict({"features": {"image": IMAGE, "things": GROUP}})
    assert grouped == Schema.from_dict({"features": FLAT})
    assert list(grouped.features) == list(FLAT)
    assert grouped == Schema.from_dict(grouped.to_dict()) == pickle.loads(pickle.dumps(grouped))


def test_steps_have_groups_too():
    steps = {"image": IMAGE, "things": GROUP}
    schema = Schema.from_dict({"record": "sequence_example", "steps": steps})
    assert schema.encoding_order["steps"] == tuple(FLAT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"of": None}, "features.things.of: missing, expected the name of an image"),
        ({"of": 3}, "features.things.of: got 3, expected the name of an image"),
        ({"boxes": 7}, "features.things.boxes: got 7, expected a mapping"),
        ({"boxes": {}}, "features.things.boxes.source: missing, expected a value"),
        (
            {"boxes": {"source": "b", "type": "image"}},
            "features.things.boxes.type: got 'image', expected boxes",
        ),
        (
            {"area": {"type": "float32", "source": "a", "of": "x"}},
            "features.things.area.of: got 'x', expected it at the group alone",
        ),
        (
            {"area": {"type": "float32", "source": "a", "shap": []}},
            "features.things.area.shap: got [], expected nothing: there is no such setting",
        ),
        (
            {"area": {"type": "image", "source": "a"}},
            "features.things.area.type: got 'image', expected a kind that can be of boxes",
        ),
        (
            {"bbox": {"type": "float32", "source": "a"}},
            "features.things.bbox: got a member of the name that the boxes have, expected another",
        ),
        (
            {"of": "label"},
            "features.things/bbox.of: got 'label', expected one of image",
        ),
    ],
)
def test_faults_have_their_place(change, message):
    assert message in fault({**GROUP, **change}, label=LABEL).splitlines()


def test_a_group_without_boxes():
    group = {key: value for key, value in GROUP.items() if key != "boxes"}
    expected = (
        "features.things.boxes: missing, expected where the boxes come from, such as {source: bbox}"
    )
    assert fault(group) == expected


def test_a_name_that_a_member_has():
    area = {"type": "float32", "source": "a"}
    expected = "features.things/area: got it, and features.things.area, both named 'things/area', expected one"
    assert fault(GROUP, **{"things/area": area}) == expected


def test_the_model_that_describes_it():
    assert Objects(**{k: v for k, v in GROUP.items() if k != "type"}).of == "image"
