"""Masks as COCO's own tools make them, and moved as Pillow moves pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pictures import save
from PIL import Image as Pillow
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.images.annotation_space import AnnotationSpace
from pixelbeam.schemas.images.geometry import ImageGeometry
from pixelbeam.schemas.images.masks import (
    draw_polygons,
    draw_runs,
    place_mask,
    read_ids,
    read_runs,
)
from pixelbeam.schemas.images.resizing import ResizingPlan, pad_offset, plan_resizing
from pycocotools import mask as coco


def iou(a: np.ndarray, b: np.ndarray) -> float:
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 1.0


def rejected(call, *given) -> tuple[str, str]:
    with pytest.raises(Reject) as caught:
        call(*given)
    return caught.value.reason, caught.value.message


MASKS = arrays.arrays(
    np.uint8,
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    elements=st.integers(0, 1),
    fill=st.just(0),
)


@settings(deadline=None)
@given(MASKS)
def test_run_lengths_are_those_of_pycocotools(mask):
    height, width = mask.shape
    packed = coco.encode(np.asfortranarray(mask))["counts"]
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges, len(flat)])
    runs = [0, *runs.tolist()] if flat[0] else runs.tolist()
    for counts in (packed, packed.decode(), runs):
        drawn = draw_runs(read_runs(counts, mask.size), height, width)
        np.testing.assert_array_equal(drawn, mask)


def test_long_runs_take_several_characters():
    mask = np.zeros((3000, 2000), np.uint8)
    mask[1200:2999, 700] = 1
    mask[3, 900:1900] = 1
    counts = coco.encode(np.asfortranarray(mask))["counts"]
    np.testing.assert_array_equal(draw_runs(read_runs(counts, mask.size), 3000, 2000), mask)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (
            [3, 4],
            "got run lengths of 7 pixels, the smallest of 0, expected 6, height times width, and none below 0",
        ),
        (
            [9, -3],
            "got run lengths of 6 pixels, the smallest of -3, expected 6, height times width, and none below 0",
        ),
        ("", "got run lengths of 0 pixels, the smallest of 0, expected 6, height times width, and none below 0"),
        ([1.5], "got [1.5], expected run lengths, as numbers or as COCO's text"),
        ([10**30], f"got {[10**30]!r}, expected run lengths, as numbers or as COCO's text"),
        (7, "got 7, expected run lengths, as numbers or as COCO's text"),
        ("PPPP", "got 'PPPP', expected run lengths, as numbers or as COCO's text"),
        ("é", "got 'é', expected run lengths, as numbers or as COCO's text"),
        ("z", "got 'z', expected run lengths, as numbers or as COCO's text"),
        ("o" * 20 + "0", "got 'oooooooooooooooooooo0', expected run lengths, as numbers or as COCO's text"),
    ],
)  # fmt: skip
def test_run_lengths_that_are_none(counts, message):
    assert rejected(read_runs, counts, 6) == ("bad_mask", message)


POINTS = st.lists(
    st.tuples(st.floats(-20, 120, width=32), st.floats(-20, 90, width=32)), min_size=3, max_size=12
)


@settings(max_examples=300, deadline=None)
@given(st.lists(POINTS, min_size=1, max_size=3), st.integers(1, 80), st.integers(1, 110))
def test_polygons_are_drawn_as_pycocotools_does(polygons, height, width):
    flat = [[float(n) for point in polygon for n in point] for polygon in polygons]
    expected = coco.decode(coco.merge(coco.frPyObjects(flat, height, width)))
    found = draw_polygons(flat, height, width)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


def test_a_polygon_that_crosses_itself_is_even_odd_and_several_are_joined():
    star = [50, 5, 20, 90, 95, 35, 5, 35, 80, 90]
    assert draw_polygons([star], 100, 100)[50, 50] == 0
    assert draw_polygons([star, [40, 40, 60, 40, 60, 60, 40, 60]], 100, 100)[50, 50] == 1
    assert draw_polygons([], 3, 4).tolist() == [[0] * 4] * 3


@pytest.mark.parametrize(
    ("polygon", "expected"),
    [
        ([1, 2, 3, 4], "x and y of at least three points, as in [x, y, x, y, x, y]"),
        ([1, 2, 3, 4, 5, 6, 7], "x and y of at least three points, as in [x, y, x, y, x, y]"),
        ([[1, 2], [3, 4], [5, 6]], "x and y of at least three points, as in [x, y, x, y, x, y]"),
        (7, "x and y of at least three points, as in [x, y, x, y, x, y]"),
        (["a", 2, 3, 4, 5, 6], "numbers x, y, x, y, …"),
        ([1, 2, 3, 4, 5, float("inf")], "finite numbers"),
        ([0, 0, 10, 0, 10, 1000000], "points within 1000 pixels of the image"),
    ],
)
def test_polygons_that_are_none(polygon, expected):
    found = rejected(draw_polygons, [polygon], 10, 10)
    assert found == ("bad_polygon", f"got the polygon {polygon!r}, expected {expected}")


def test_palettes_are_ids():
    ids = np.array([[0, 1, 2], [255, 3, 1]], np.uint8)
    image = Pillow.fromarray(ids, "P")
    image.putpalette([7, 7, 7] * 256)  # colours that say nothing
    for file_format in ("PNG", "TIFF", "BMP"):
        np.testing.assert_array_equal(read_ids(save(image, file_format)), ids)
    few = Pillow.fromarray(ids % 4, "P")
    few.putpalette([9, 9, 9] * 4)
    np.testing.assert_array_equal(read_ids(save(few, "PNG", bits=2)), ids % 4)


def grey_png(bits: int, rows: list[list[int]]) -> bytes:
    """Grey of few bits, which Pillow does not write."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    lines = b""
    for row in rows:
        text = "".join(f"{value:0{bits}b}" for value in row)
        text += "0" * (-len(text) % 8)
        lines += b"\0" + int(text, 2).to_bytes(len(text) // 8, "big")
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), bits, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_of_few_bits_is_ids_and_not_shades(bits):
    rows = [[0, 1, 2**bits - 1], [1, 0, 2**bits - 2]]
    np.testing.assert_array_equal(read_ids(grey_png(bits, rows)), rows)


def test_deep_grey_and_colours_as_coco_writes_ids():
    deep = np.array([[0, 256, 65535]], np.uint16)
    np.testing.assert_array_equal(read_ids(save(Pillow.fromarray(deep), "PNG")), deep)
    colours = np.array([[[1, 0, 0], [0, 1, 0], [3, 2, 1]]], np.uint8)
    ids = read_ids(save(Pillow.fromarray(colours), "PNG"))
    assert ids.tolist() == [[1, 256, 3 + 512 + 65536]]


def test_what_is_no_mask():
    picture = Pillow.new("RGB", (4, 4))
    assert rejected(read_ids, save(picture, "JPEG")) == (
        "lossy_mask",
        "got a JPEG file, whose levels are not those that were written; expected a PNG file",
    )
    assert rejected(read_ids, save(picture.convert("RGBA"), "PNG")) == (
        "not_a_mask",
        "got an image of the mode RGBA, expected a palette, grey, or RGB",
    )
    assert rejected(read_ids, b"") == ("empty_file", "got 0 bytes, expected an image file")


@settings(deadline=None)
@given(
    st.integers(1, 60), st.integers(1, 60), st.integers(1, 50), st.integers(1, 50),
    st.sampled_from(["crop", "pad", "stretch", "shortest_side", "longest_side"]),
    st.integers(1, 8), st.booleans(),
)  # fmt: skip
def test_masks_move_as_pillow_moves_pixels(width, height, to, by, mode, orientation, upscale):
    ids = np.random.default_rng(width * height).integers(0, 250, (height, width)).astype(np.uint8)
    stored = Pillow.fromarray(ids)
    upright = turned(stored, orientation)
    try:
        plan = plan_resizing(upright.size, mode, to, by, upscale)
    except Reject:
        return
    expected = Pillow.new("L", plan.canvas, 251)
    expected.paste(upright.resize(plan.size, Pillow.Resampling.NEAREST, plan.box), pad_offset(plan))
    geometry = ImageGeometry(upright.size, orientation, plan)
    of_displayed = AnnotationSpace(geometry, upright.size)
    of_stored = AnnotationSpace(geometry, stored.size, True)
    for mask, space in ((np.asarray(upright), of_displayed), (ids, of_stored)):
        found = place_mask(mask, space, 251)
        assert found.shape == plan.canvas[::-1]
        # Where a centre lies on an edge, either pixel is the nearest; Pillow has it in 32 bits.
        sure = np.ones(plan.canvas[::-1], bool)
        left, top = pad_offset(plan)
        for axis, (low, high, count, start) in enumerate(
            zip(plan.box[1::-1], plan.box[:1:-1], plan.size[::-1], (top, left), strict=True)
        ):
            centres = low + (np.arange(count) + 0.5) * (high - low) / count
            on_edge = np.flatnonzero(np.abs(centres - np.round(centres)) < 1e-3) + start
            np.moveaxis(sure, axis, 0)[on_edge] = False
        np.testing.assert_array_equal(found[sure], np.asarray(expected)[sure])


def turned(image: Pillow.Image, orientation: int) -> Pillow.Image:
    turns = {
        2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
        6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90",
    }  # fmt: skip
    return (
        image.transpose(getattr(Pillow.Transpose, turns[orientation])) if orientation > 1 else image
    )


def test_a_mask_may_be_a_scaled_copy():
    geometry = ImageGeometry((4, 2), 1, ResizingPlan((4, 2), (0, 0, 4, 2), (4, 2)))
    half = np.array([[1, 2]], np.uint8)
    space = AnnotationSpace.find(geometry, (2, 1))
    assert place_mask(half, space).tolist() == [[1, 1, 2, 2], [1, 1, 2, 2]]
