"""Keypoints as a record has them."""

import re

import numpy as np
import pytest
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.features.base import ValueSpec
from pixelbeam.schemas.features.keypoints import Keypoints
from pixelbeam.schemas.features.objects import Kept
from pixelbeam.schemas.images.geometry import ImageGeometry
from pixelbeam.schemas.images.resizing import plan_resizing

# 100 x 60 is cropped to the square from 20 to 80, and scaled by a half.
GEOMETRY = ImageGeometry((100, 60), 1, plan_resizing((100, 60), "crop", 30, 30, False))
KEPT = Kept(3, (0, 2), GEOMETRY)


def keypoints(**declared):
    return Keypoints(source="k", of="b", **({"points": 2} | declared))


def test_points_move_with_their_image():
    cell = {"keypoints": [[30, 20, 2, 50, 40, 1], None, [10, 10, 2, 0, 0, 0]], "size": [100, 60]}
    encoded = keypoints().encode("x", cell, KEPT)
    assert {key: value.tolist() for key, value in encoded.values.items()} == {
        "x": [[[5, 10], [15, 20]], [[0, 0], [0, 0]]],
        "x/visibility": [[2, 1], [0, 0]],
    }
    assert encoded.values["x"].dtype == np.float32
    assert encoded.summary == {
        "objects": 2, "visible": 1, "hidden": 1, "cut_off": 1, "without_points": 0, "size_mismatch": 0,
    }  # fmt: skip
    assert keypoints().statistics(encoded.summary) == {
        "objects": 2, "visible": 1, "hidden": 1, "cut_off": 1,
    }  # fmt: skip
    shares = keypoints(normalized=True).encode("x", cell, KEPT)
    np.testing.assert_allclose(shares.values["x"][0], [[5 / 30, 10 / 30], [0.5, 20 / 30]])


@pytest.mark.parametrize(
    "item", [[30, 20, 50, 40], [[30, 20], [50, 40]], [[30, 20, 2], [50, 40, 2]]]
)
def test_other_ways_to_list_points(item):
    encoded = keypoints().encode("x", [item, None, None], KEPT)
    assert encoded.values["x"].tolist() == [[[5, 10], [15, 20]], [[0, 0], [0, 0]]]
    assert encoded.values["x/visibility"].tolist() == [[2, 2], [0, 0]]
    assert encoded.summary["without_points"] == 1


def test_shares_in_the_manifest():
    shares = keypoints(normalized_input=True)
    encoded = shares.encode("x", [[0.3, 0.5, 0.5, 0.5], None, None], KEPT)
    np.testing.assert_allclose(encoded.values["x"][0], [[5, 15], [15, 15]])


def test_no_objects():
    encoded = keypoints().encode("x", [], Kept(0, (), GEOMETRY))
    assert encoded.values["x"].shape == (0, 2, 2)
    assert encoded.values["x/visibility"].shape == (0, 2)


def test_points_may_have_names():
    named = Keypoints(source="k", of="b", names=["nose", "tail", "paw"])
    assert named.count == 3
    assert named.specs("x") == {
        "x": ValueSpec("float32", (None, 3, 2), ("object", "point", "xy")),
        "x/visibility": ValueSpec("int64", (None, 3), ("object", "point")),
    }


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ([1, 2, 3], "got the keypoints [1, 2, 3], expected x, y and visibility of 2 points"),
        (["a"] * 4, "got the keypoints ['a', 'a', 'a', 'a'], expected numbers"),
        ([1, 2, float("nan"), 4], "got the keypoints [1, 2, nan, 4], expected finite numbers"),
        (
            [1, 2, 2, 3, 4, 5],
            "got the keypoints [1, 2, 2, 3, 4, 5], expected a visibility of 0, 1 or 2 for each point",
        ),
    ],
)
def test_what_is_no_keypoints(item, message):
    with pytest.raises(Reject) as caught:
        keypoints().encode("x", [item], Kept(1, (0,), GEOMETRY))
    assert (caught.value.reason, caught.value.message) == ("bad_keypoints", message)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"points": None}, "points: missing, expected how many an object has, or names"),
        ({"names": ["a"]}, "points: got 2, expected 1, the number of names"),
    ],
)
def test_settings(declared, message):
    with pytest.raises(ValueError, match=message):
        keypoints(**declared)


def test_what_was_read_back():
    values = {"x": np.arange(4, dtype=np.float32), "x/visibility": np.array([2, 1])}
    assert keypoints().decode_value("x", values).tolist() == [[[0, 1, 2], [2, 3, 1]]]
    keypoints().check(values["x"])
    with pytest.raises(ValueError, match="not finite"):
        keypoints().check(np.array([np.nan], np.float32))


def test_a_flat_list_of_pairs_that_may_be_fewer_points_is_refused():
    six = Keypoints(source="k", of="b", points=6)
    item = [10, 20, 2, 30, 40, 1, 50, 60, 0, 70, 80, 2]
    expected = "expected x, y and visibility of 6 points, or pairs [x, y]"
    with pytest.raises(Reject, match=re.escape(expected)):
        six.encode("x", [item], Kept(1, (0,), GEOMETRY))
    pairs = [item[start : start + 2] for start in range(0, 12, 2)]
    assert six.encode("x", [pairs], Kept(1, (0,), GEOMETRY)).values["x"].shape == (1, 6, 2)
    plain = [10, 20, 9, 30, 40, 9, 50, 60, 9, 70, 80, 9]
    assert six.encode("x", [plain], Kept(1, (0,), GEOMETRY)).values["x"].shape == (1, 6, 2)
