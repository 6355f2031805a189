"""A marker that is painted into a file is found in the record where what was annotated says, to within a pixel.

Images are random, as are the mode, what it makes of them, EXIF's orientation, the format, and whether the
annotation is of what is displayed or of what is stored.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pictures import exif, save
from PIL import Image as Pillow
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.features.boxes import Boxes
from pixelbeam.schemas.features.image import Image
from pixelbeam.schemas.features.keypoints import Keypoints
from pixelbeam.schemas.features.masks import Mask, Masks
from pixelbeam.schemas.features.objects import Kept
from pixelbeam.schemas.features.polygons import Polygons
from pixelbeam.schemas.images.geometry import SIDEWAYS, ImageGeometry
from pycocotools import mask as coco

MODES = ("crop", "pad", "stretch", "shortest_side", "longest_side", "none")
WITHIN = 1.0  # pixel of the record
THIN = 3.0  # pixels of the record


class Marked(NamedTuple):
    """A file with a white marker on grey.

    Attributes:
        data: the file.
        image: the feature that it is encoded by.
        size: the width and height that are written beside the annotation.
        box: the marker's corners in pixels of that size.
    """

    data: bytes
    image: Image
    size: tuple[int, int]
    box: tuple[int, int, int, int]


@st.composite
def marked(draw: st.DrawFn) -> Marked:
    """A file, the feature that it goes into, and where its marker is as an annotation says it."""
    large = draw(st.booleans())  # so large that its JPEG is scaled as it is decoded
    low, high = (300, 900) if large else (24, 120)
    width, height = draw(st.integers(low, high)), draw(st.integers(low, high))
    w = draw(st.integers(max(4, width // 5), width // 2))
    h = draw(st.integers(max(4, height // 5), height // 2))
    left, top = draw(st.integers(0, width - w)), draw(st.integers(0, height - h))
    pixels = np.full((height, width), 30, np.uint8)
    pixels[top : top + h, left : left + w] = 255
    orientation = draw(st.integers(1, 8))
    file_format = draw(st.sampled_from(["JPEG", "PNG"]))
    options: dict[str, Any] = {"quality": 95} if file_format == "JPEG" else {}
    data = save(Pillow.fromarray(pixels), file_format, exif=exif(orientation), **options)
    box, size = (left, top, left + w, top + h), (width, height)
    # Where both sizes are one, what is stored cannot be told from what is displayed.
    if width == height or orientation not in SIDEWAYS or draw(st.booleans()):
        box, size = displayed(box, size, orientation)
    return Marked(data, draw(images()), size, box)


@st.composite
def images(draw: st.DrawFn) -> Image:
    mode = draw(st.sampled_from(MODES))
    side = st.integers(16, 160)
    declared: dict[str, Any] = {"height": draw(side), "width": draw(side)}
    if mode in ("shortest_side", "longest_side"):
        declared = {"size": draw(side)}
    return Image(
        source="x",
        resize=mode,  # type: ignore[arg-type]
        upscale=mode != "none" and draw(st.booleans()),
        encoding="raw",
        channels=1,
        decode=draw(st.sampled_from(["fast", "exact"])),
        background="black",
        **({} if mode == "none" else declared),
    )


def displayed(
    box: tuple[int, int, int, int], size: tuple[int, int], orientation: int
) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    """Where a box lies once Pillow has turned the image upright: by turning an image of it."""
    stored = Pillow.new("L", size)
    stored.paste(255, box)
    turns = {
        2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
        6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90",
    }  # fmt: skip
    turned = stored
    if orientation > 1:
        turned = stored.transpose(getattr(Pillow.Transpose, turns[orientation]))
    found = turned.getbbox()
    assert found is not None
    return found, turned.size


def encode_image(marker: Marked) -> tuple[np.ndarray, ImageGeometry]:
    """Grey pixels ``[height, width]`` and the geometry."""
    try:
        encoded = marker.image.encode("x", marker.data)
    except Reject:
        assume(False)  # too small to be cropped without being enlarged
    # Of a marker that is hardly wider than a pixel, it is not seen where its edges are.
    cell = {"boxes": [marker.box], "format": "xyxy", "size": marker.size}
    found = Boxes(source="b", of="x").encode("b", cell, encoded.became)
    for left, top, right, bottom in np.asarray(found.values["b"]):
        assume(min(right - left, bottom - top) >= THIN)
    return np.asarray(encoded.values["x"])[..., 0], encoded.became


def bright(pixels: np.ndarray) -> np.ndarray:
    """Which pixels are more the marker's than the background's."""
    return np.asarray(pixels > 142)


def edges(pixels: np.ndarray) -> list[int] | None:
    """Left, top, right and bottom of what is bright."""
    ys, xs = np.nonzero(bright(pixels))
    return [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1] if len(xs) else None


@settings(max_examples=250, deadline=None)
@given(marked())
@pytest.mark.parametrize("normalized", [False, True])
def test_boxes(normalized: bool, marker: Marked) -> None:
    pixels, geometry = encode_image(marker)
    box = np.array([marker.box], float)
    if normalized:
        box /= [*marker.size, *marker.size]
    cell = {"boxes": box.tolist(), "format": "xyxy", "normalized": normalized, "size": marker.size}
    found = Boxes(source="b", of="x").encode("b", cell, geometry)
    seen = edges(pixels)
    boxes = np.asarray(found.values["b"])
    if seen is None:  # cut off, or less than half a pixel is left
        assert all(min(right - left, low - top) <= WITHIN for left, top, right, low in boxes)
        return
    assert np.abs(boxes[0] - seen).max() <= WITHIN, (boxes[0], seen)


def check_mask(mask: np.ndarray, pixels: np.ndarray, geometry: ImageGeometry) -> None:
    """A mask differs from what is bright by less than a pixel along the marker's edges."""
    assert mask.shape == pixels.shape
    seen = bright(pixels)
    ids = np.asarray(mask == 1)
    # What the other has, made larger by a pixel to each side, has all of it.
    wrong = (ids & ~grown(seen)) | (seen & ~grown(ids))
    left, top, right, bottom = geometry.plan.box
    width, height = geometry.plan.size
    scale = max(width / (right - left), height / (bottom - top))
    if scale > 1 and ids.any():  # where pixels are interpolated, corners come out round
        (ys, xs), reach = np.nonzero(ids), int(np.ceil(scale))
        for y in (ys.min(), ys.max()):
            for x in (xs.min(), xs.max()):
                wrong[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] = False
    assert not wrong.any()


def grown(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    height, width = mask.shape
    shifts = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return np.asarray(np.any(shifts, axis=0))


def corners(box: tuple[int, int, int, int]) -> list[float]:
    left, top, right, bottom = map(float, box)
    return [left, top, right, top, right, bottom, left, bottom]


@settings(max_examples=150, deadline=None)
@given(marked())
@pytest.mark.parametrize("form", ["polygons", "normalized", "counts", "text", "path", "map"])
def test_masks(form: str, marker: Marked) -> None:
    pixels, geometry = encode_image(marker)
    width, height = marker.size
    left, top, right, bottom = marker.box
    full = np.zeros((height, width), np.uint8)
    full[top:bottom, left:right] = 1
    if form == "map":
        found = Mask(source="m", of="x", background=9, encoding="raw").encode(
            "m", save(Pillow.fromarray(full), "PNG"), geometry
        )
        mask = np.asarray(found.values["m"])
        # Padding has its own id, and the image has none of it.
        (x, y, to_x, to_y), canvas = geometry.shown, np.ones(mask.shape, bool)
        canvas[int(y) : int(to_y), int(x) : int(to_x)] = False
        np.testing.assert_array_equal(mask == 9, canvas)
    else:
        share = np.array([width, height] * 4)
        edges = np.flatnonzero(np.diff(full.T.ravel())) + 1
        item, cell = {
            "polygons": ({"polygons": [corners(marker.box)]}, {"size": marker.size}),
            "normalized": (
                {"polygons": [(np.array(corners(marker.box)) / share).tolist()]},
                {"size": marker.size, "normalized": True},
            ),
            "counts": (
                {
                    "counts": ([0] if full[0, 0] else [])
                    + np.diff([0, *edges, full.size]).tolist(),
                    "size": [height, width],
                },
                {},
            ),
            "text": (
                {
                    "counts": coco.encode(np.asfortranarray(full))["counts"].decode(),
                    "size": [height, width],
                },
                {},
            ),
            "path": ({"path": "a", "data": save(Pillow.fromarray(full * 7), "PNG"), "id": 7}, {}),
        }[form]
        feature = Masks(source="m", of="b")
        masks = feature.encode("m", {"masks": [item], **cell}, Kept(1, (0,), geometry))
        mask = feature.decode_value("m", masks.values)[0]
    check_mask(mask, pixels, geometry)


@settings(max_examples=150, deadline=None)
@given(marked())
@pytest.mark.parametrize("normalized", [False, True])
def test_keypoints(normalized: bool, marker: Marked) -> None:
    pixels, geometry = encode_image(marker)
    share = np.array(marker.size) if normalized else np.ones(2)
    points = np.array(corners(marker.box)).reshape(4, 2)
    centre = points.mean(axis=0)
    listed = np.insert(np.concatenate([points, [centre]]) / share, 2, [2, 1, 2, 1, 2], axis=1)
    cell = {"keypoints": [listed.ravel().tolist()], "normalized": normalized, "size": marker.size}
    feature = Keypoints(source="k", of="b", points=5)
    found = feature.encode("k", cell, Kept(1, (0,), geometry))
    (xyv,) = feature.decode_value("k", found.values)
    seen = edges(pixels)
    if seen is None:  # the corners may still be on the very edge
        return
    left, top, right, bottom = seen
    on_edge = geometry.shown
    for index, (x, y, v) in enumerate(xyv):
        if v:
            if index < 4:  # a corner, and with it one of what is bright
                assert min(abs(x - left), abs(x - right)) <= WITHIN
                assert min(abs(y - top), abs(y - bottom)) <= WITHIN
            assert on_edge[0] <= x <= on_edge[2]
            assert on_edge[1] <= y <= on_edge[3]
        else:
            assert (x, y) == (0, 0)
    assert (xyv[:, 2] == 0).sum() == found.summary["cut_off"]
    whole = on_edge[0] < left and right < on_edge[2] and on_edge[1] < top and bottom < on_edge[3]
    if whole:
        assert sorted(xyv[:, 2].tolist()) == [1, 1, 2, 2, 2]
        assert abs(xyv[4, 0] - (left + right) / 2) <= WITHIN
        assert abs(xyv[4, 1] - (top + bottom) / 2) <= WITHIN


@settings(max_examples=150, deadline=None)
@given(marked())
@pytest.mark.parametrize("normalized", [False, True])
def test_polygons(normalized: bool, marker: Marked) -> None:
    pixels, geometry = encode_image(marker)
    share = np.array(marker.size * 4) if normalized else np.ones(8)
    listed = (np.array(corners(marker.box)) / share).tolist()
    cell = {"masks": [{"polygons": [listed]}], "normalized": normalized, "size": marker.size}
    feature = Polygons(source="p", of="b")
    found = feature.encode("p", cell, Kept(1, (0,), geometry))
    (polygons,) = feature.decode_value("p", found.values)
    seen = edges(pixels)
    if seen is None:
        assert all(np.ptp(points, axis=0).min() <= WITHIN for points in polygons)
        return
    (points,) = polygons
    box = [*points.min(axis=0), *points.max(axis=0)]
    assert np.abs(np.array(box) - seen).max() <= WITHIN
