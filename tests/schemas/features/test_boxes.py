"""Boxes as a record has them."""

import numpy as np
import pytest
from pixelbeam.schemas.errors import Reject, SchemaError
from pixelbeam.schemas.features.base import ValueSpec
from pixelbeam.schemas.features.boxes import Boxes
from pixelbeam.schemas.images.geometry import ImageGeometry
from pixelbeam.schemas.images.resizing import plan_resizing
from pixelbeam.schemas.schema import Schema


def geometry(size=(100, 60), mode="crop", width=30, height=30, orientation=1):
    return ImageGeometry(size, orientation, plan_resizing(size, mode, width, height, True))


def encode(value, owner=None, **declared):
    boxes = Boxes(source="bbox", of="image", **declared)
    return boxes.encode("x", value, owner or geometry())


def rejected(value, owner=None, **declared):
    with pytest.raises(Reject) as caught:
        encode(value, owner, **declared)
    assert caught.value.stage == "encode"
    return caught.value.reason, caught.value.message


def xyxy(*boxes, **more):
    return {"boxes": list(boxes), "format": "xyxy", **more}


# 100 x 60 is cropped to the square from 20 to 80, and scaled by a half.
@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({}, [5, 10, 15, 20]),
        ({"format": "yxyx"}, [10, 5, 20, 15]),
        ({"format": "xywh"}, [5, 10, 10, 10]),
        ({"format": "cxcywh"}, [10, 15, 10, 10]),
        ({"normalized": True}, [5 / 30, 10 / 30, 15 / 30, 20 / 30]),
    ],
)
def test_boxes_move_with_their_image(declared, expected):
    for cell in (
        xyxy([30, 20, 50, 40]),
        {"boxes": [[30, 20, 20, 20]], "format": "xywh"},
        {"boxes": [[0.4, 0.5, 0.2, 1 / 3]], "format": "cxcywh", "normalized": True},
        {"boxes": [[40, 60, 80, 100]], "format": "yxyx", "size": [200, 120]},
    ):
        found = encode(cell, **declared).values["x"]
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, [expected], rtol=1e-5)


def test_padding_is_no_part_of_the_image():
    # 100 x 50 is scaled by a half, and lies between y = 12 and y = 37 (rounded as Pillow does).
    padded = geometry((100, 50), "pad", 50, 50)
    found = encode(xyxy([-20, -20, 120, 70], [0, 0, 100, 50]), padded)
    np.testing.assert_allclose(found.values["x"], [[0, 12, 50, 37]] * 2)
    assert (found.summary["clipped"], found.summary["beyond_image"]) == (1, 1)


def test_what_is_counted_and_handed_on():
    cell = xyxy(
        [30, 20, 50, 40], [0, 0, 10, 10], [10, 10, 30, 30], [40, 40, 40, 50], [90, 0, 130, 9]
    )
    encoded = encode(cell)
    assert encoded.became.indices == (0, 2)
    assert encoded.became.count == 5
    assert encoded.summary == {
        "count": 2,
        "records": 1,
        "max_count": 2,
        "without_boxes": 0,
        "clipped": 1,
        "dropped_outside": 2,
        "dropped_small": 0,
        "without_area": 1,
        "beyond_image": 1,
        "within_a_pixel": 0,
        "size_mismatch": 0,
    }
    assert encoded.indexed() == {"count": 2}
    told = Boxes(source="bbox", of="image").statistics(encoded.summary)
    assert told == {
        "count": 2, "records": 1, "max_count": 2, "clipped": 1, "dropped_outside": 2,
        "without_area": 1, "beyond_image": 1,
    }  # fmt: skip
    half = encode(cell, cut="drop", min_visible=0.6)
    assert (half.became.indices, half.summary["dropped_small"]) == ((0,), 1)
    kept = encode(cell, cut="keep")
    assert kept.became.indices == (0, 1, 2, 3, 4)
    assert kept.values["x"][1].tolist() == [-10, 0, -5, 5]


def test_an_image_without_boxes_is_a_record():
    for cell in ([], {"boxes": []}, "[]"):
        encoded = encode(cell)
        assert encoded.values["x"].shape == (0, 4)
        assert (encoded.summary["without_boxes"], encoded.became.indices) == (1, ())


def test_turned_images():
    upright = geometry((60, 100), "none", None, None, orientation=6)
    stored = encode(xyxy([10, 5, 30, 15], size=[100, 60]), upright)
    np.testing.assert_allclose(stored.values["x"], [[45, 10, 55, 30]])
    displayed = encode(xyxy([45, 10, 55, 30], size=[60, 100]), upright)
    np.testing.assert_array_equal(stored.values["x"], displayed.values["x"])
    assert encode(xyxy(size=[30, 50]), upright).summary["size_mismatch"] == 1


@pytest.mark.parametrize(
    ("value", "reason", "message"),
    [
        (xyxy([1, 2, 3]), "bad_box", "got the box [1, 2, 3], expected four numbers, xyxy"),
        (xyxy(7), "bad_box", "got the box 7, expected four numbers, xyxy"),
        (xyxy([1, 2, 3, "4"]), "bad_box", "got the box [1, 2, 3, '4'], expected four numbers, xyxy"),
        (xyxy([1, 2, 3, True]), "bad_box", "got the box [1, 2, 3, True], expected four numbers, xyxy"),
        (
            xyxy([0, 0, 1, 1], [1, 2, 3, float("nan")]),
            "bad_box",
            "got the box [1, 2, 3, nan], expected finite numbers",
        ),
        (xyxy([1, 2, float("inf"), 4]), "bad_box", "got the box [1, 2, inf, 4], expected finite numbers"),
        (
            xyxy([0, 0, 10**400, 4]),
            "bad_box",
            None,
        ),
        (
            xyxy([9, 0, 4, 4]),
            "bad_box",
            "got the box [9, 0, 4, 4], expected a right bottom corner that is not before the left top one (xyxy)",
        ),
        (
            {"boxes": [[9, 0, -4, 4]], "format": "xywh"},
            "bad_box",
            "got the box [9, 0, -4, 4], expected a width and height of at least 0 (xywh)",
        ),
        (
            xyxy([30, 20, 50, 40], normalized=True),
            "bad_box",
            "got the box [30.0, 20.0, 50.0, 40.0], expected shares of width and height, from 0 to 1, for "
            "normalized boxes",
        ),
        (
            {"boxes": [[0, 0, 1, 1]], "format": "ltrb"},
            "unknown_format",
            "got boxes of the format 'ltrb', expected one of xyxy, xywh, cxcywh, yxyx",
        ),
        (
            [[0, 0, 1, 1]],
            "unknown_format",
            "got boxes without a format, expected a setting input, such as input: xyxy",
        ),
        (
            xyxy([0, 0, 1, 1], size=[10, 10]),
            "annotation_size",
            "got annotations of an image of 10x10 (width x height); expected 100x60 (width x height), which the "
            "image has, or the same shape",
        ),
    ],
)  # fmt: skip
def test_rejects(value, reason, message):
    found = rejected(value)
    assert found[0] == reason
    assert message is None or found[1] == message


def test_the_setting_says_what_plain_lists_are():
    np.testing.assert_allclose(
        encode([[30, 20, 20, 20]], input="xywh").values["x"], [[5, 10, 15, 20]]
    )
    shares = encode([[0.3, 0.2, 0.5, 0.4]], input="xyxy", normalized_input=True)
    np.testing.assert_allclose(shares.values["x"], [[5, 6, 15, 12]], rtol=1e-6)
    assert rejected(xyxy([0, 0, 1, 1]), input="xywh")[0] == "contradiction"


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"cut": "drop"}, "x.min_visible: missing, expected a share such as 0.3"),
        ({"min_visible": 0.3}, "x.min_visible: got it with cut: clip, expected cut: drop"),
        ({"cut": "drop", "min_visible": 0}, "x.min_visible: got 0, expected more than 0.0"),
    ],
)  # fmt: skip
def test_settings(declared, message):
    image = {"type": "image", "source": "path", "height": 4, "width": 4}
    boxes = {"type": "boxes", "source": "bbox", "of": "image", **declared}
    with pytest.raises(SchemaError) as caught:
        Schema.from_dict({"features": {"image": image, "x": boxes}})
    assert message in str(caught.value)


def test_columns():
    boxes = Boxes(source="bbox", of="image", format="yxyx", layout="columns")
    encoded = boxes.encode("b", xyxy([30, 20, 50, 40], [32, 20, 50, 40]), geometry())
    assert {key: value.tolist() for key, value in encoded.values.items()} == {
        "b/ymin": [10, 10],
        "b/xmin": [5, 6],
        "b/ymax": [20, 20],
        "b/xmax": [15, 15],
    }
    assert boxes.specs("b")["b/ymin"] == ValueSpec("float32", (None,), ("object",))
    assert boxes.decode_value("b", encoded.values).tolist() == [[10, 5, 20, 15], [10, 6, 20, 15]]
    of_sizes = Boxes(source="bbox", of="image", format="cxcywh", layout="columns")
    assert list(of_sizes.specs("b")) == ["b/xcenter", "b/ycenter", "b/width", "b/height"]


def test_what_was_read_back_is_checked():
    boxes = Boxes(source="bbox", of="image", format="xywh")
    boxes.check(np.array([0, 0, 1, 1, 5, 5, 0, 0], np.float32))
    boxes.check(())
    with pytest.raises(
        ValueError, match=r"^got the box \[0.0, 0.0, -1.0, 1.0\], expected one of xywh$"
    ):
        boxes.check(np.array([0, 0, 1, 1, 0, 0, -1, 1], np.float32))
    with pytest.raises(
        ValueError, match=r"^got the box \[nan, 0.0, 1.0, 1.0\], expected one of xywh$"
    ):
        boxes.check(np.array([np.nan, 0, 1, 1], np.float32))


def test_boxes_that_look_wrong_are_counted_in_either_unit():
    boxes = Boxes(source="bbox", of="image", input="xyxy")
    geometry = ImageGeometry(
        (100, 50), 1, plan_resizing((100, 50), "none", None, None, upscale=False)
    )

    def summary(*corners, **said):
        cell = {"boxes": list(corners), "format": "xyxy", **said}
        return boxes.encode("b", cell, geometry).summary

    # By more than half a pixel: of shares as of pixels.
    for right, beyond in ((100, 0), (100.4, 0), (101, 1)):
        assert summary([20, 10, right, 40])["beyond_image"] == beyond
        shares = summary([0.2, 0.2, right / 100, 0.8], normalized=True)
        assert shares["beyond_image"] == beyond
        assert shares["within_a_pixel"] == 0
    assert summary([0.2, 0.2, 0.9, 0.8], [0, 0, 1, 2])["within_a_pixel"] == 1


def test_what_a_user_is_told():
    boxes = Boxes(source="bbox", of="image")
    assert list(boxes.warnings("b", {})) == list(boxes.warnings("b", {"count": 3})) == []
    summary = {
        "count": 1000, "dropped_outside": 200, "dropped_small": 1, "without_area": 1, "beyond_image": 2,
        "size_mismatch": 1,
    }  # fmt: skip
    assert list(boxes.warnings("b", summary)) == [
        "b: 201 of 1,202 boxes were dropped, since the record shows too little of what is in them",
        "b: 1 box without area was dropped",
        "b: 2 boxes reach beyond the image in the manifest",
        "b: 1 image is of another size than the annotations say, which were scaled",
    ]
    few = {"count": 3, "records": 4, "without_boxes": 3, "within_a_pixel": 2}
    assert list(boxes.warnings("b", few)) == [
        "b: 2 of 3 boxes lie within the first pixel of their image; shares of width and height need "
        "normalized: true in the manifest's cell, or normalized_input: true in the schema",
        "b: 3 of 4 images have no boxes",
    ]
    usual = {"count": 4, "records": 4, "without_boxes": 2, "within_a_pixel": 2}
    assert list(boxes.warnings("b", usual)) == []
    kept = Boxes(source="bbox", of="image", cut="keep")
    assert list(kept.warnings("b", {"count": 3, "without_area": 1})) == []
