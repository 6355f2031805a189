"""Crop, pad and scale against the arithmetic that they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import picture
from PIL import Image, ImageOps
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.images.resizing import ResizingPlan, pad_offset, plan_resizing, resize

SIDES = st.integers(1, 300)

CASES = [
    # size, resize, width, height, upscale, scaled, box, canvas
    ((40, 20), "crop", 10, 10, False, (10, 10), (10, 0, 30, 20), (10, 10)),
    ((20, 40), "crop", 10, 10, False, (10, 10), (0, 10, 20, 30), (10, 10)),
    ((40, 20), "crop", 20, 10, False, (20, 10), (0, 0, 40, 20), (20, 10)),
    ((5, 5), "crop", 10, 10, True, (10, 10), (0, 0, 5, 5), (10, 10)),
    ((40, 20), "pad", 10, 10, False, (10, 5), (0, 0, 40, 20), (10, 10)),
    ((4, 2), "pad", 10, 10, False, (4, 2), (0, 0, 4, 2), (10, 10)),
    ((4, 2), "pad", 10, 10, True, (10, 5), (0, 0, 4, 2), (10, 10)),
    ((1000, 1), "pad", 10, 10, False, (10, 1), (0, 0, 1000, 1), (10, 10)),
    ((1, 1000), "pad", 10, 10, False, (1, 10), (0, 0, 1, 1000), (10, 10)),
    ((10, 20), "crop", 10, 10, False, (10, 10), (0, 5, 10, 15), (10, 10)),
    ((20, 10), "crop", 10, 10, False, (10, 10), (5, 0, 15, 10), (10, 10)),
    ((10, 10), "stretch", 10, 10, False, (10, 10), (0, 0, 10, 10), (10, 10)),
    ((1000, 1), "longest_side", 10, 10, False, (10, 1), (0, 0, 1000, 1), (10, 1)),
    ((1, 1000), "longest_side", 10, 10, False, (1, 10), (0, 0, 1, 1000), (1, 10)),
    ((40, 20), "stretch", 10, 15, False, (10, 15), (0, 0, 40, 20), (10, 15)),
    ((40, 20), "shortest_side", 10, 10, False, (20, 10), (0, 0, 40, 20), (20, 10)),
    ((40, 20), "longest_side", 10, 10, False, (10, 5), (0, 0, 40, 20), (10, 5)),
    ((40, 20), "shortest_side", 30, 30, False, (40, 20), (0, 0, 40, 20), (40, 20)),
    ((40, 20), "shortest_side", 30, 30, True, (60, 30), (0, 0, 40, 20), (60, 30)),
    ((40, 20), "longest_side", 80, 80, False, (40, 20), (0, 0, 40, 20), (40, 20)),
    ((40, 20), "none", None, None, False, (40, 20), (0, 0, 40, 20), (40, 20)),
    ((40, 20), "none", 40, 20, False, (40, 20), (0, 0, 40, 20), (40, 20)),
]


@pytest.mark.parametrize(
    ("size", "resize", "width", "height", "upscale", "scaled", "box", "canvas"), CASES
)
def test_plan_resizing(size, resize, width, height, upscale, scaled, box, canvas):
    assert plan_resizing(size, resize, width, height, upscale) == ResizingPlan(scaled, box, canvas)


@pytest.mark.parametrize("resize", ["crop", "stretch"])
@pytest.mark.parametrize("size", [(9, 20), (20, 9)])
def test_images_are_not_enlarged_unless_told(resize, size):
    with pytest.raises(Reject) as caught:
        plan_resizing(size, resize, 10, 10, upscale=False)
    assert (caught.value.stage, caught.value.reason) == ("decode", "image_too_small")
    assert caught.value.message == (
        f"got {size[0]}x{size[1]} (width x height) pixels, expected at least 10x10 "
        f"(width x height) with resize {resize}; "
        "to keep small images set upscale: true, or resize: pad"
    )


def test_a_declared_size_is_checked_when_nothing_is_resized():
    with pytest.raises(Reject) as caught:
        plan_resizing((9, 10), "none", 10, 10, upscale=False)
    assert caught.value.reason == "wrong_size"
    assert caught.value.message == (
        "got 9x10 (width x height) pixels, expected 10x10 (width x height) with resize none"
    )


@given(width=SIDES, height=SIDES, target=st.tuples(SIDES, SIDES))
def test_pad_has_the_size_and_place_of_imageops_pad(width, height, target):
    plan = plan_resizing((width, height), "pad", *target, upscale=True)
    image = Image.new("L", (width, height), 255)
    # Where Pillow's rounding leaves no pixel at all, it resizes to zero pixels and fails.
    if min(width * target[1] / height, height * target[0] / width) <= 0.5:
        assert min(plan.size) == 1
        return
    padded = ImageOps.pad(image, target, Image.Resampling.NEAREST, color=0)
    left, top = pad_offset(plan)
    expected = (left, top, left + plan.size[0], top + plan.size[1])
    assert padded.getbbox() == expected
    assert plan.canvas == target


@given(
    width=SIDES,
    height=SIDES,
    side=SIDES,
    resize=st.sampled_from(["shortest_side", "longest_side"]),
    upscale=st.booleans(),
)
def test_sides_keep_the_shape(width, height, side, resize, upscale):
    plan = plan_resizing((width, height), resize, side, side, upscale)
    chosen = min if resize == "shortest_side" else max
    expected = side if upscale else min(side, chosen(width, height))
    assert chosen(plan.size) == expected
    assert abs(plan.size[0] - width * expected / chosen(width, height)) <= 0.5 or (
        plan.size[0] == 1
    )
    assert plan.canvas == plan.size
    assert plan.box == (0, 0, width, height)


RESIZED = {
    "crop": lambda image: ImageOps.fit(image, (20, 10), Image.Resampling.BILINEAR),
    "stretch": lambda image: image.resize((20, 10), Image.Resampling.BILINEAR),
    "pad": lambda image: ImageOps.contain(image, (20, 10), Image.Resampling.BILINEAR),
}


@pytest.mark.parametrize("mode", RESIZED)
@pytest.mark.parametrize("size", [(31, 24), (24, 31), (20, 10), (97, 13)])
def test_resizing_equals_imageops(mode, size):
    image = picture(*size)
    plan = plan_resizing(size, mode, 20, 10, upscale=True)
    got = resize(image, (0, 0, *size), size, plan, "bilinear")
    np.testing.assert_array_equal(np.asarray(got), np.asarray(RESIZED[mode](image)))


@pytest.mark.parametrize("name", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
def test_every_filter_is_pillows(name):
    plan = plan_resizing((31, 24), "stretch", 11, 9, upscale=False)
    got = resize(picture(), (0, 0, 31, 24), (31, 24), plan, name)
    expected = picture().resize((11, 9), Image.Resampling[name.upper()])
    np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))


def test_the_original_may_lie_anywhere_in_what_was_decoded():
    plan = ResizingPlan((9, 7), (10, 6, 50, 36), (9, 7))
    got = resize(picture(), (1.0, 2.0, 29.5, 22.5), (57, 41), plan, "bilinear")
    expected = picture().resize((9, 7), Image.Resampling.BILINEAR, (6.0, 5.0, 26.0, 20.0))
    np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))


def test_nothing_is_copied_when_nothing_changes():
    image = picture()
    assert (
        resize(
            image, (0, 0, 31, 24), (31, 24), plan_resizing((31, 24), "none", 31, 24, False), "box"
        )
        is image
    )
