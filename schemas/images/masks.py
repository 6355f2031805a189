"""Masks as arrays of ids: read from files, from run lengths and from polygons, and moved as their image is.

What is drawn and how run lengths are written is as COCO's own tools have it (``pycocotools``,
common/maskApi.c): masks are stored column by column, and a polygon's pixels are found on a grid of a fifth of
a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Reject
from .annotation_space import AnnotationSpace
from .files import decode, open_image
from .resizing import pad_offset

__all__ = ["MAX_PIXELS", "draw_polygons", "draw_runs", "place_mask", "read_ids", "read_runs"]

MAX_PIXELS = 178_956_970
"""Width times height that a mask may have, as images may by default."""

_FINE = 5  # pycocotools draws polygons on a grid that is so many times finer
_FARTHEST = 4  # sizes of the image: how far off a polygon's points may lie


def read_ids(data: bytes) -> NDArray[Any]:
    """The ids that a file's pixels stand for.

    Args:
        data: a PNG file, or another one of a format without losses.

    Returns:
        Integers ``[height, width]``: the numbers of a palette's colours, the levels of grey of 1 to 16 bits, or
        R + 256 G + 65536 B, as panoptic COCO has them.

    Raises:
        Reject: as ``open_image`` and ``decode``; ``lossy_mask``, ``not_a_mask``.
    """
    opened = open_image(data, MAX_PIXELS)
    if opened.format == "jpeg":
        message = (
            "got a JPEG file, whose levels are not those that were written; expected a PNG file"
        )
        raise Reject("decode", "lossy_mask", message)
    image = decode(opened, None, grey=False).image
    pixels = np.asarray(image)
    if image.mode in ("P", "1"):
        return pixels.astype(np.uint8)
    if image.mode == "L":
        return pixels // _grey_step(data)
    if image.mode.startswith("I") and pixels.min(initial=0) >= 0:
        return pixels.astype(np.int64)
    if image.mode == "RGB":
        wide = pixels.astype(np.int64)
        return np.asarray(wide[..., 0] + 256 * wide[..., 1] + 65536 * wide[..., 2])
    message = f"got an image of the mode {image.mode}, expected a palette, grey, or RGB"
    raise Reject("decode", "not_a_mask", message)


def _grey_step(data: bytes) -> int:
    """By how much levels of grey of 2 and 4 bits are apart, which Pillow spreads over 8 bits."""
    is_grey_png = data.startswith(b"\x89PNG") and data[25] == 0
    return {2: 85, 4: 17}.get(data[24], 1) if is_grey_png else 1


def read_runs(counts: Any, pixels: int) -> NDArray[np.int64]:
    """The lengths of runs, of zeros first, from a list of them or from COCO's compressed text.

    Args:
        counts: numbers, ``str`` or ``bytes``.
        pixels: height times width, which they have to add up to.

    Raises:
        Reject: ``bad_mask``.
    """
    runs = _unpack(counts) if isinstance(counts, str | bytes) else _read_numbers(counts)
    if (runs < 0).any() or runs.sum() != pixels:
        got = f"got run lengths of {int(runs.sum())} pixels, the smallest of {int(runs.min(initial=0))}"
        raise _bad_mask(f"{got}, expected {pixels}, height times width, and none below 0")
    return runs


def draw_runs(runs: NDArray[np.int64], height: int, width: int) -> NDArray[np.uint8]:
    """Zeros and ones ``[height, width]`` of run lengths, which go down the columns."""
    values = (np.arange(len(runs)) % 2).astype(np.uint8)
    drawn: NDArray[np.uint8] = np.repeat(values, runs).reshape(width, height).T
    return drawn


def draw_polygons(polygons: Sequence[Any], height: int, width: int) -> NDArray[np.uint8]:
    """Zeros and ones ``[height, width]``: what lies in any of some polygons; each by itself even-odd.

    Args:
        polygons: of each, ``[x, y, x, y, …]`` in pixels.
        height: of the mask.
        width: of the mask.

    Raises:
        Reject: ``bad_polygon``.
    """
    drawn: NDArray[np.uint8] = np.zeros((width, height), np.uint8)  # column by column
    for polygon in polygons:
        points = read_polygon(polygon)
        reach = max(1000, _FARTHEST * max(height, width))
        if np.abs(points).max() > reach:
            raise bad_polygon(polygon, f"points within {reach} pixels of the image")
        positions = _crossings(points, height, width)
        if not len(positions):
            continue
        first, last = int(positions[0]) // height, min(int(positions[-1]) // height, width - 1)
        part = drawn[first : last + 1]
        toggles = np.bincount(positions - first * height, minlength=part.size)[: part.size]
        part |= (np.cumsum(toggles) & 1).astype(np.uint8).reshape(part.shape)
    mask: NDArray[np.uint8] = drawn.T
    return mask


def place_mask(mask: NDArray[Any], space: AnnotationSpace, background: int = 0) -> NDArray[Any]:
    """A mask where its image has gone: turned, cropped, scaled by nearest neighbour, padded.

    Args:
        mask: ids ``[height, width]`` of the size of ``space``.
        space: of the image.
        background: the id of what is padded.

    Returns:
        Ids ``[height, width]`` of the record's image.
    """
    geometry = space.geometry
    upright = _turn(mask, geometry.orientation) if space.is_stored else mask
    plan = geometry.plan
    rows = _nearest(
        plan.box[1], plan.box[3], plan.size[1], geometry.displayed_size[1], upright.shape[0]
    )
    columns = _nearest(
        plan.box[0], plan.box[2], plan.size[0], geometry.displayed_size[0], upright.shape[1]
    )
    scaled: NDArray[Any] = upright.take(rows, axis=0).take(columns, axis=1)
    if plan.canvas == plan.size:
        return scaled
    canvas = np.full(plan.canvas[::-1], background, mask.dtype)
    left, top = pad_offset(plan)
    canvas[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return canvas


def read_polygon(polygon: Any) -> NDArray[np.float64]:
    """The points ``[n, 2]`` of ``[x, y, x, y, …]``, at least three.

    Raises:
        Reject: ``bad_polygon``.
    """
    try:
        numbers = np.array(polygon, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise bad_polygon(polygon, "numbers x, y, x, y, …") from None
    if numbers.ndim != 1 or len(numbers) < 6 or len(numbers) % 2:
        raise bad_polygon(polygon, "x and y of at least three points, as in [x, y, x, y, x, y]")
    if not np.isfinite(numbers).all():
        raise bad_polygon(polygon, "finite numbers")
    return numbers.reshape(-1, 2)


def bad_polygon(polygon: Any, expected: str) -> Reject:
    """What is said of a polygon that is none."""
    text = repr(polygon)
    shown = text if len(text) <= 80 else f"{text[:79]}…"
    return Reject("encode", "bad_polygon", f"got the polygon {shown}, expected {expected}")


def _nearest(start: float, stop: float, count: int, size: int, of: int) -> NDArray[np.int64]:
    """Which pixels of a mask the centres of a record's pixels lie in, along one axis.

    Args:
        start: where what is kept of the image begins, in its pixels.
        stop: where it ends.
        count: pixels that it is scaled to.
        size: pixels of the whole image.
        of: pixels of the mask, which may be a scaled copy.
    """
    centres = start + (np.arange(count) + 0.5) * ((stop - start) / count)
    nearest: NDArray[np.int64] = np.floor(centres * (of / size)).clip(0, of - 1).astype(np.int64)
    return nearest


def _turn(mask: NDArray[Any], orientation: int) -> NDArray[Any]:
    """A mask as its image is stored, turned as EXIF says: its rows and columns mirrored, or swapped."""
    if orientation in (5, 6, 7, 8):
        mask = mask.T
    # Of the image that comes out: whether it is mirrored left to right, and top to bottom.
    across = orientation in (2, 3, 6, 7)
    down = orientation in (3, 4, 7, 8)
    return mask[:: -1 if down else 1, :: -1 if across else 1]


def _read_numbers(counts: Any) -> NDArray[np.int64]:
    good = isinstance(counts, list | tuple) and all(
        isinstance(n, int) and not isinstance(n, bool) for n in counts
    )
    try:
        return np.array(counts if good else [], np.int64) if good else _no_counts(counts)
    except OverflowError:
        return _no_counts(counts)


def _no_counts(counts: Any) -> NDArray[np.int64]:
    raise _bad_mask(f"got {counts!r:.80}, expected run lengths, as numbers or as COCO's text")


def _unpack(text: str | bytes) -> NDArray[np.int64]:
    """The numbers of COCO's text: six bits a character, five of which are a number's, the lowest first.

    From the fourth on a number is its difference to the last but one.
    """
    data = text if isinstance(text, bytes) else text.encode()
    codes = np.frombuffer(data, np.uint8).astype(np.int64) - 48
    if not len(codes):
        return codes
    more = (codes & 0x20) != 0
    if (codes < 0).any() or (codes > 0x3F).any() or more[-1]:
        return _no_counts(text)
    ends = np.flatnonzero(~more)
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(len(codes)) - np.repeat(starts, ends - starts + 1)
    if place.max() > 11:  # more bits than a number has
        return _no_counts(text)
    numbers = np.add.reduceat((codes & 0x1F) << (5 * place), starts)
    negative = (codes[ends] & 0x10) != 0
    numbers[negative] -= np.int64(1) << (5 * (place[ends][negative] + 1))
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return np.asarray(numbers)


def _crossings(points: NDArray[np.float64], height: int, width: int) -> NDArray[np.int64]:
    """Where in a mask's columns, one after the other, a polygon begins and ends; sorted.

    As ``rleFrPoly`` of maskApi.c finds them, step by step, so that the pixels are the same.
    """
    fine = np.trunc(_FINE * points + 0.5).astype(np.int64)
    begin, end = fine, np.roll(fine, -1, axis=0)
    dx, dy = np.abs(end - begin).T
    along_x = dx >= dy
    swap = np.where(along_x, begin[:, 0] > end[:, 0], begin[:, 1] > end[:, 1])
    low = np.where(swap[:, np.newaxis], end, begin)
    high = np.where(swap[:, np.newaxis], begin, end)
    longer = np.maximum(dx, dy)
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = np.where(along_x, high[:, 1] - low[:, 1], high[:, 0] - low[:, 0]) / longer
    rise[longer == 0] = 0
    counts = longer + 1
    edge = np.repeat(np.arange(len(points)), counts)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    step = np.where(swap[edge], longer[edge] - step, step)
    main = step + np.where(along_x, low[:, 0], low[:, 1])[edge]
    other = np.trunc(np.where(along_x, low[:, 1], low[:, 0])[edge] + rise[edge] * step + 0.5)
    u = np.where(along_x[edge], main, other)
    v = np.where(along_x[edge], other, main)
    changes = np.flatnonzero(u[1:] != u[:-1]) + 1
    x = np.where(u[changes] < u[changes - 1], u[changes], u[changes] - 1)
    x = (x + 0.5) / _FINE - 0.5
    y = np.ceil((np.minimum(v[changes], v[changes - 1]) + 0.5) / _FINE - 0.5).clip(0, height)
    inside = (np.floor(x) == x) & (x >= 0) & (x <= width - 1)
    return np.sort((x[inside] * height + y[inside]).astype(np.int64))


def _bad_mask(message: str) -> Reject:
    return Reject("encode", "bad_mask", message)
