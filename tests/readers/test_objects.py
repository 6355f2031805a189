from __future__ import annotations

import numpy as np
import pytest
from pixelbeam.readers.objects import (
    check_max_boxes,
    fill_value,
    keras_groups,
    mask_name,
    object_lists,
    pad_objects,
)
from pixelbeam.schemas import Schema

IMAGE = {"type": "image", "source": "path", "height": 8, "width": 8}
LABEL = {"type": "class_label", "source": "category", "vocabulary": ["a", "b"]}
NAME = {"type": "string", "source": "name"}
AREA = {"type": "float32", "source": "area"}


def of(**members):
    group = {"type": "objects", "of": "image", "boxes": {"source": "bbox"}, **members}
    return Schema.from_dict({"features": {"image": IMAGE, "scene": LABEL, "objects": group}})


SCHEMA = of(label=LABEL, name=NAME, area=AREA)


def test_lists_of_objects_go_with_their_boxes():
    assert object_lists(SCHEMA) == dict.fromkeys(
        ["objects/bbox", "objects/label", "objects/name", "objects/area"], "objects/bbox"
    )
    fills = {name: fill_value(SCHEMA.features[name]) for name in object_lists(SCHEMA)}
    assert list(fills.values()) == [0, -1, "", 0]


def test_records_are_padded_and_cut():
    boxes = [np.arange(8, dtype=np.float32).reshape(2, 4), np.ones((3, 4), np.float32)]
    batch = {
        "image": [1, 2],
        "objects/bbox": [*boxes, np.zeros((0, 4), np.float32)],
        "objects/label": [np.array([1, 0]), np.array([1, 1, 0]), np.array([], np.int64)],
        "objects/name": [["x", "y"], ["p", "q", "r"], []],
        "objects/area": [np.array([5.0, 6.0], np.float32)] * 3,
    }
    padded = pad_objects(SCHEMA, batch, 2)
    assert padded["image"] == [1, 2]
    assert padded["objects/bbox"].dtype == np.float32
    np.testing.assert_array_equal(
        padded["objects/bbox"], [boxes[0], boxes[1][:2], np.zeros((2, 4))]
    )
    assert padded["objects/label"].tolist() == [[1, 0], [1, 1], [-1, -1]]
    assert padded["objects/name"] == [["x", "y"], ["p", "q"], ["", ""]]
    assert padded["objects/bbox/mask"].tolist() == [[True, True], [True, True], [False, False]]
    more = pad_objects(SCHEMA, {name: batch[name] for name in object_lists(SCHEMA)}, 3)
    assert more["objects/area"].tolist() == [[5.0, 6.0, 0.0]] * 3
    assert more["objects/bbox/mask"].tolist()[0] == [True, True, False]
    assert batch["objects/label"][0].tolist() == [1, 0]


def test_masks_of_different_sizes_and_polygons_are_lists():
    image = {"type": "image", "source": "path", "resize": "longest_side", "size": 8}
    group = {
        "type": "objects", "of": "image", "boxes": {"source": "bbox"},
        "mask": {"type": "masks", "source": "s"}, "outline": {"type": "polygons", "source": "s"},
    }  # fmt: skip
    schema = Schema.from_dict({"features": {"image": image, "objects": group}})
    triangle = np.ones((3, 2), np.float32)
    batch = {
        "objects/bbox": [np.zeros((1, 4)), np.zeros((0, 4))],
        "objects/mask": [np.ones((1, 8, 6), np.uint8), np.ones((0, 8, 4), np.uint8)],
        "objects/outline": [[[triangle, triangle]], []],
    }
    padded = pad_objects(schema, batch, 2)
    assert [mask.shape for mask in padded["objects/mask"]] == [(2, 8, 6), (2, 8, 4)]
    assert [[len(each) for each in record] for record in padded["objects/outline"]] == [
        [2, 0],
        [0, 0],
    ]
    same = pad_objects(schema, {name: values[:1] for name, values in batch.items()}, 2)
    assert same["objects/mask"].shape == (1, 2, 8, 6)


@pytest.mark.parametrize("count", [0, -1, True, 2.0, "3"])
def test_other_numbers_of_boxes_are_errors(count):
    with pytest.raises(ValueError, match=r"max_boxes: got .*, expected an integer of at least 1"):
        check_max_boxes(count)


def test_keras_has_one_dict_for_them():
    targets = list(object_lists(SCHEMA))
    (group,) = keras_groups(SCHEMA, targets, mask=False)
    assert group.name == "objects"
    assert list(group.keys.values()) == ["boxes", "labels", "name", "area"]
    (masked,) = keras_groups(SCHEMA, targets, mask=True)
    assert masked.keys[mask_name("objects/bbox")] == "real"
    plain = Schema.from_dict(
        {"features": {"image": IMAGE, "bbox": {"type": "boxes", "of": "image", "source": "b"}}}
    )
    (alone,) = keras_groups(plain, ["bbox"], mask=False)
    assert (alone.name, alone.keys) == ("bbox", {"bbox": "boxes"})


def test_lists_that_cannot_be_one_dict_are_errors():
    targets = list(object_lists(SCHEMA))
    with pytest.raises(ValueError, match=r"keras_boxes: some of 'objects/bbox', .* others inputs"):
        keras_groups(SCHEMA, targets[:2], mask=False)
    two = of(label=LABEL, kind=LABEL)
    with pytest.raises(
        ValueError, match=r"several lists of classes \('objects/label', 'objects/kind'\)"
    ):
        keras_groups(two, list(object_lists(two)), mask=False)
    fall = of(label=LABEL, labels=AREA)
    with pytest.raises(ValueError, match=r"names that fall together: .*'objects/labels'"):
        keras_groups(fall, list(object_lists(fall)), mask=False)
    plain = {"image": IMAGE, "o": LABEL, "o/bbox": {"type": "boxes", "of": "image", "source": "b"}}
    with pytest.raises(ValueError, match="names that fall together: 'o'; choose others"):
        keras_groups(Schema.from_dict({"features": plain}), ["o", "o/bbox"], mask=False)
    without = SCHEMA.model_copy(
        update={"features": {n: f for n, f in SCHEMA.features.items() if n != "objects/bbox"}}
    )
    with pytest.raises(
        ValueError, match=r"boxes of 'objects/label' are not read; expected 'objects/bbox'"
    ):
        keras_groups(without, list(object_lists(without)), mask=False)
