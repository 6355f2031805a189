"""Polygons as a record has them."""

import numpy as np
import pytest
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.features.objects import Kept
from pixelbeam.schemas.features.polygons import Polygons
from pixelbeam.schemas.images.geometry import ImageGeometry
from pixelbeam.schemas.images.resizing import plan_resizing

# 100 x 60 is cropped to the square from 20 to 80, and scaled by a half.
GEOMETRY = ImageGeometry((100, 60), 1, plan_resizing((100, 60), "crop", 30, 30, False))
KEPT = Kept(3, (0, 2), GEOMETRY)
TRIANGLE = [30, 20, 50, 20, 50, 40]
OUTSIDE = [0, 0, 10, 0, 10, 10]
ACROSS = [0, 20, 40, 20, 40, 40, 0, 40]


def polygons(**declared):
    return Polygons(source="p", of="b", **declared)


def test_polygons_move_with_their_image():
    cell = {"masks": [{"polygons": [TRIANGLE, OUTSIDE]}, {"polygons": []}, {"polygons": [ACROSS]}]}
    encoded = polygons().encode("x", cell, KEPT)
    stored = {key: value.tolist() for key, value in encoded.values.items()}
    assert stored["x"][:3] == [[5, 10], [15, 10], [15, 20]]
    assert sorted(stored["x"][3:]) == [[0, 10], [0, 20], [10, 10], [10, 20]]
    assert (stored["x/lengths"], stored["x/parts"]) == ([3, 4], [1, 1])
    assert encoded.summary == {
        "objects": 2, "polygons": 2, "points": 7, "dropped": 1, "without_polygons": 0,
        "size_mismatch": 0,
    }  # fmt: skip
    nested = polygons().decode_value("x", encoded.values)
    assert [[len(points) for points in each] for each in nested] == [[3], [4]]
    kept = polygons(cut="keep").encode("x", cell, KEPT)
    assert kept.values["x/parts"].tolist() == [2, 1]
    assert kept.values["x"][3].tolist() == [-10, 0]
    shares = polygons(normalized=True).encode("x", cell, KEPT)
    np.testing.assert_allclose(shares.values["x"][0], [5 / 30, 10 / 30])


def test_masks_of_other_kinds_are_counted():
    cell = [{"counts": [1], "size": [1, 1]}, 7, None]
    encoded = polygons().encode("x", cell, KEPT)
    assert encoded.values["x"].shape == (0, 2)
    assert encoded.values["x/parts"].tolist() == [0, 0]
    told = polygons().statistics(encoded.summary)
    assert told == {"objects": 2, "polygons": 0, "points": 0, "without_polygons": 2}
    assert polygons().decode_value("x", encoded.values) == [[], []]


@pytest.mark.parametrize(
    ("item", "reason", "message"),
    [
        (7, "bad_mask", "got the mask 7, expected polygons, counts, path, or null"),
        (
            {"polygons": [[1, 2, 3, 4]]},
            "bad_polygon",
            "got the polygon [1, 2, 3, 4], expected x and y of at least three points, as in [x, y, x, y, x, y]",
        ),
    ],
)
def test_what_is_no_polygon(item, reason, message):
    with pytest.raises(Reject) as caught:
        polygons().encode("x", [item], Kept(1, (0,), GEOMETRY))
    assert (caught.value.reason, caught.value.message) == (reason, message)


def test_what_was_read_back_is_checked():
    polygons().check(np.zeros(4, np.float32))
    with pytest.raises(ValueError, match="not finite"):
        polygons().check(np.array([np.inf], np.float32))
