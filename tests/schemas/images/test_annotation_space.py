"""In which pixels annotations are, as the size that they say tells."""

import numpy as np
import pytest
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.images.annotation_space import AnnotationSpace
from pixelbeam.schemas.images.geometry import ImageGeometry
from pixelbeam.schemas.images.resizing import ResizingPlan


def geometry(displayed, orientation=1):
    whole = ResizingPlan(displayed, (0, 0, *displayed), displayed)
    return ImageGeometry(displayed, orientation, whole)


@pytest.mark.parametrize(
    ("size", "stored", "scaled"),
    [
        (None, False, False),
        ((60, 100), False, False),
        ((100, 60), True, False),
        ((120, 200), False, True),
        ((200, 120), True, True),
        ((21, 35), False, True),  # 60 x 100 scaled by 0.35
        ((20, 33), False, True),  # 33.3 rounded
        ((2, 2), False, True),  # 1.5 and 2.5 rounded, as far off as that can be
    ],
)
def test_the_size_tells_which_pixels_are_meant(size, stored, scaled):
    space = AnnotationSpace.find(geometry((60, 100), 6), size)
    assert (space.is_stored, space.is_scaled) == (stored, scaled)


def test_where_both_sizes_are_equal_annotations_are_of_what_is_displayed():
    assert not AnnotationSpace.find(geometry((60, 60), 6), (60, 60)).is_stored
    assert not AnnotationSpace.find(geometry((60, 40), 3), (60, 40)).is_stored


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (
            (50, 50),
            "got annotations of an image of 50x50 (width x height); expected 60x100 (width x height), which the "
            "image has, stored as 100x60 (width x height), or the same shape",
        ),
        (
            (61, 100),
            "got annotations of an image of 61x100 (width x height); expected 60x100 (width x height), which the "
            "image has, stored as 100x60 (width x height), or the same shape",
        ),
    ],
)
def test_another_shape_is_a_reject(size, said):
    with pytest.raises(Reject) as caught:
        AnnotationSpace.find(geometry((60, 100), 6), size)
    assert (caught.value.reason, caught.value.message) == ("annotation_size", said)


def test_points_are_scaled_and_turned():
    # Turned by 90 degrees to be displayed: the stored right top corner is the right bottom one.
    upright = geometry((60, 100), 6)
    corner = np.array([[100.0, 0.0]])
    stored = AnnotationSpace.find(upright, (100, 60))
    np.testing.assert_allclose(stored.map(corner), [[60, 100]])
    np.testing.assert_allclose(stored.map(corner / (100, 60), normalized=True), [[60, 100]])
    half = AnnotationSpace.find(upright, (30, 50))
    np.testing.assert_allclose(half.map(np.array([[3.0, 5.0]])), [[6, 10]])
    np.testing.assert_allclose(half.map(np.array([[0.1, 0.1]]), normalized=True), [[6, 10]])


def test_boxes_that_are_turned_have_their_corners_in_order():
    stored = AnnotationSpace.find(geometry((60, 100), 6), (100, 60))
    boxes = stored.map_boxes(np.array([[10.0, 5.0, 30.0, 15.0]]))
    np.testing.assert_allclose(boxes, [[45, 10, 55, 30]])
    assert stored.map_boxes(np.empty((0, 4))).shape == (0, 4)
