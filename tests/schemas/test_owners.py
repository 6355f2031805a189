"""Which feature may be ``of`` which, and the order in which they are encoded."""

import pytest
from owned_kinds import PointIds, Points
from pixelbeam.schemas import ClassLabel, Image, Int64, Schema
from pixelbeam.schemas.errors import SchemaError

IMAGE = Image(source="path", resize="none")
LABEL = ClassLabel(source="label", num_classes=2)


def points(of, **declared):
    return Points(source="points", of=of, **declared)


def ids(of, **declared):
    return PointIds(source="ids", of=of, **declared)


def fault(**declared):
    with pytest.raises(SchemaError) as caught:
        Schema.from_dict(declared)
    return str(caught.value)


def test_owners_are_encoded_before_what_is_of_them():
    features = {
        "names": ids("points"), "label": LABEL, "points": points("image"), "n": Int64(source="n"),
        "more": ids("names"), "image": IMAGE,
    }  # fmt: skip
    order = Schema(features=features).encoding_order
    assert order == {"features": ("image", "points", "names", "label", "n", "more")}


def test_without_owners_the_order_is_that_of_the_schema():
    features = {"n": Int64(source="n"), "label": LABEL, "image": IMAGE}
    assert Schema(features=features).encoding_order == {"features": ("n", "label", "image")}


def test_each_part_of_a_sequence_has_an_order_of_its_own():
    schema = Schema(
        record="sequence_example",
        context={"spot": points("cover"), "cover": IMAGE},
        steps={"points": points("frames"), "frames": IMAGE},
    )
    assert schema.encoding_order == {
        "context": ("cover", "spot"),
        "steps": ("frames", "points"),
    }


def test_the_order_follows_a_vocabulary_that_is_filled_in():
    label = ClassLabel(source="label", vocabulary="from_manifest")
    schema = Schema(features={"points": points("image"), "image": IMAGE, "label": label})
    assert schema.encoding_order["features"][0] == "image"
    filled = schema.with_vocabularies({"label": ["a"]})
    assert filled.encoding_order == schema.encoding_order


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (
            {"image": IMAGE, "other": IMAGE, "label": LABEL, "boxes": points("imge")},
            "features.boxes.of: got 'imge', expected one of image, other",
        ),
        (
            {"image": IMAGE, "label": LABEL, "boxes": points("label")},
            "features.boxes.of: got 'label', expected one of image",
        ),
        (
            {"image": IMAGE, "names": ids("image"), "points": points("image")},
            "features.names.of: got 'image', expected one of points",
        ),
        (
            {"label": LABEL, "boxes": points("image")},
            "features.boxes.of: got 'image', expected another: there is none in features",
        ),
        (
            {"image": IMAGE, "a": ids("b"), "b": ids("c"), "c": ids("a"), "d": ids("a")},
            "features.a.of: got 'b', which is of 'a' in turn, expected no circle\n"
            "features.b.of: got 'c', which is of 'b' in turn, expected no circle\n"
            "features.c.of: got 'a', which is of 'c' in turn, expected no circle",
        ),
        (
            {"image": IMAGE, "points": points("image"), "a": ids("a")},
            "features.a.of: got 'a', expected one of points",
        ),
    ],
)
def test_what_cannot_be_of_another_is_said_with_its_place(features, expected):
    assert fault(features=features) == expected


def test_an_owner_is_in_the_same_part():
    context, steps = {"cover": IMAGE}, {"frames": IMAGE, "points": points("cover")}
    assert fault(record="sequence_example", context=context, steps=steps) == (
        "steps.points.of: got 'cover', expected one of frames"
    )


@pytest.mark.parametrize(
    ("frames", "boxes", "which"), [(True, False, "frames"), (False, True, "boxes")]
)
def test_steps_that_belong_together_are_as_many(frames, boxes, which):
    image = Image(source="path", resize="none", ragged=frames)
    steps = {"n": Int64(source="n"), "frames": image, "boxes": points("frames", ragged=boxes)}
    assert fault(record="sequence_example", steps=steps) == (
        f"steps.boxes.of: got 'frames', but {which!r} is ragged, so their steps do not belong together"
    )


def test_an_owner_has_to_be_named():
    with pytest.raises(ValueError, match="at least 1 character"):
        points("")
