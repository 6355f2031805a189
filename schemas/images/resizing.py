"""Resizing: what part of an image is scaled to what size on what canvas, and doing it.

The numbers are those of Pillow's ``ImageOps.fit``, ``contain`` and ``pad``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from PIL import Image

from ..errors import Reject

__all__ = [
    "FILTERS",
    "Box",
    "Filter",
    "Resize",
    "ResizingPlan",
    "Size",
    "pad_offset",
    "plan_resizing",
    "resize",
    "size_text",
]

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels, in Pillow's order."""

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""

Filter = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

Resize = Literal["crop", "pad", "stretch", "shortest_side", "longest_side", "none"]


@dataclass(frozen=True, slots=True)
class ResizingPlan:
    """What part of an image is scaled to what size, on what canvas.

    Attributes:
        size: what ``box`` is scaled to.
        box: the part of the upright original that is kept.
        canvas: the final size; larger than ``size`` when the image is padded.
    """

    size: Size
    box: Box
    canvas: Size


@lru_cache(maxsize=4096)
def plan_resizing(
    size: Size, resize: Resize, width: int | None, height: int | None, upscale: bool
) -> ResizingPlan:
    """Decides what part of an image is scaled to what size.

    Args:
        size: width and height of the upright image.
        resize: the mode; ``shortest_side`` and ``longest_side`` take the side from ``width``.
        width: in pixels, ``None`` only with the mode ``none``.
        height: in pixels, ``None`` only with the mode ``none``.
        upscale: whether an image may be enlarged.

    Raises:
        Reject: ``image_too_small`` when the image would have to be enlarged and may not be, or
            ``wrong_size`` when a size is declared and nothing may be resized.
    """
    whole: Box = (0, 0, *size)
    if resize == "none":
        _check_size(size, (width or size[0], height or size[1]))
        return ResizingPlan(size, whole, size)
    assert width is not None
    assert height is not None
    target = (width, height)
    if resize == "pad":
        return ResizingPlan(_contain(size, target, upscale), whole, target)
    if resize in ("crop", "stretch"):
        if not upscale:
            _check_not_smaller(size, target, resize)
        return ResizingPlan(target, _cover(size, target) if resize == "crop" else whole, target)
    side = (min if resize == "shortest_side" else max)(size)
    scaled = _scale_side(size, side, width) if upscale or side > width else size
    return ResizingPlan(scaled, whole, scaled)


def pad_offset(plan: ResizingPlan) -> Size:
    """Left and top of the centred image on its canvas, rounded as ``ImageOps.pad`` does."""
    (width, height), canvas = plan.size, plan.canvas
    return (round((canvas[0] - width) * 0.5), round((canvas[1] - height) * 0.5))


def resize(
    image: Image.Image, region: Box, size: Size, plan: ResizingPlan, resample: Filter
) -> Image.Image:
    """Crops and scales in one pass of Pillow's antialiasing resampler.

    Args:
        image: the decoded image in a mode that can be resampled.
        region: where in it the original lies, from ``decode``.
        size: width and height of the upright original, which ``plan`` was made for.
        plan: from ``plan_resizing``; the canvas is not painted here.
        resample: a key of ``FILTERS``.
    """
    left, top, right, bottom = region
    # A decoder may have scaled the image already, so the box is in its pixels, not the file's.
    x, y = (right - left) / size[0], (bottom - top) / size[1]
    a, b, c, d = plan.box
    # Rounding of floats must not put the box outside of the image.
    box = (
        left + a * x,
        top + b * y,
        min(left + c * x, image.width),
        min(top + d * y, image.height),
    )
    # Resampling to the same size would still cost time, and round.
    if plan.size == image.size and box == (0, 0, *image.size):
        return image
    return image.resize(plan.size, FILTERS[resample], box)


def size_text(size: Size) -> str:
    """A size for a message; said in full, because rows and columns are so easily swapped."""
    return f"{size[0]}x{size[1]} (width x height)"


def _check_size(size: Size, expected: Size) -> None:
    if size != expected:
        message = f"got {size_text(size)} pixels, expected {size_text(expected)} with resize none"
        raise Reject("decode", "wrong_size", message)


def _check_not_smaller(size: Size, target: Size, resize: Resize) -> None:
    if size[0] < target[0] or size[1] < target[1]:
        raise Reject(
            "decode",
            "image_too_small",
            f"got {size_text(size)} pixels, expected at least {size_text(target)} with resize "
            f"{resize}; to keep small images set upscale: true, or resize: pad",
        )


def _cover(size: Size, target: Size) -> Box:
    """The largest centred part with the target's shape; the same numbers as ``ImageOps.fit``."""
    width, height = size
    shape = target[0] / target[1]
    # Exactly equal: computed, the box might miss an edge by a rounding.
    if width / height == shape:
        return (0, 0, width, height)
    if width / height > shape:
        left = (width - shape * height) * 0.5
        return (left, 0.0, left + shape * height, height)
    top = (height - width / shape) * 0.5
    return (0.0, top, width, top + width / shape)


def _contain(size: Size, target: Size, upscale: bool) -> Size:
    """The largest size of the same shape inside the target; the numbers of ``ImageOps.contain``."""
    width, height = size
    if not upscale and width <= target[0] and height <= target[1]:
        return size
    if width / height > target[0] / target[1]:
        return (target[0], max(1, round(height / width * target[0])))
    return (max(1, round(width / height * target[1])), target[1])


def _scale_side(size: Size, side: int, target: int) -> Size:
    width, height = (max(1, round(pixels * target / side)) for pixels in size)
    return (width, height)
