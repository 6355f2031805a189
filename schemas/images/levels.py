"""Levels of more than 8 bits: which number is black, and which is white.

=======================  ===============================================================================
16-bit PNG and TIFF      0 to 65535
12-bit TIFF              0 to 4095
TIFF, WhiteIsZero        the same, from white to black (PhotometricInterpretation 0)
TIFF of 32 bits, floats  not defined: ``max_value`` says it, or the image is rejected
signed TIFF              not defined either; of 8 bits always rejected, since Pillow reads them unsigned
=======================  ===============================================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffImagePlugin

from ..errors import Reject

__all__ = [
    "DEEP_MODES", "FULL_RANGE", "SCALED", "Levels",
    "declared_levels", "file_levels", "read_array", "scale_levels", "to_8_bits",
]  # fmt: skip

DEEP_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I", "F"})
"""Pillow's modes of more than 8 bits a pixel's channel; all are grey."""

_BITS, _PHOTOMETRIC, _FORMAT = 258, 262, 339  # TIFF tags
_UNSIGNED, _SIGNED = 1, 2
_FORMATS = {1: "unsigned integers", 2: "signed integers", 3: "floats"}


@dataclass(frozen=True, slots=True)
class Levels:
    """What the numbers of an image of more than 8 bits a channel mean.

    Attributes:
        white: the level that is white, black being 0; ``None`` where nothing says it.
        inverted: 0 is white, and ``white`` is black.
        kind: what the numbers are, for messages.
        colour: of several channels, whose lower 8 bits Pillow drops.
        scaled: they are 0 to 65535 already, whatever a schema declares.
        declared: a schema says what is white. 8 bits of them are then the nearest, else the upper 8 of 16.
    """

    white: float | None
    inverted: bool = False
    kind: str = "16 bits"
    colour: bool = False
    scaled: bool = False
    declared: bool = False


FULL_RANGE = Levels(65535)
SCALED = Levels(65535, scaled=True, declared=True)


def file_levels(image: ImageFile.ImageFile | Image.Image) -> Levels | None:
    """What the format says of an image's levels; ``None`` for one of at most 8 bits a channel.

    Args:
        image: as Pillow opened it.

    Raises:
        Reject: ``unsupported_pixels`` for a TIFF file of signed bytes.
    """
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return _tiff_levels(image)
    if image.mode == "F":
        return Levels(None, kind="floats")
    if image.mode in DEEP_MODES:
        return FULL_RANGE
    raw = image.tile[0].args if isinstance(image, ImageFile.ImageFile) and image.tile else ""
    return Levels(65535, colour=True) if isinstance(raw, str) and ";16" in raw else None


def declared_levels(levels: Levels | None, max_value: float | None) -> Levels:
    """The levels once a schema has said what is white.

    Raises:
        Reject: ``unsupported_pixels``: nothing says it, or it cannot be applied.
    """
    if levels is None:
        return FULL_RANGE
    if levels.scaled:
        return levels
    if max_value is not None:
        if levels.colour:
            got = f"got several channels of {levels.kind}"
            raise _unsupported(got, f"grey with max_value {max_value:g}, or 8 bits")
        return Levels(max_value, levels.inverted, levels.kind, declared=True)
    if levels.white is None:
        got = f"got pixels of {levels.kind}, whose white is not defined"
        raise _unsupported(got, "max_value to say it, or pixels of 1, 8 or 16 bits")
    return levels


def scale_levels(pixels: NDArray[Any], levels: Levels) -> NDArray[np.uint16]:
    """Levels as 16 bits, 0 black and 65535 white.

    Args:
        pixels: numbers of any shape.
        levels: from ``declared_levels``.

    Raises:
        Reject: ``unsupported_pixels`` for numbers outside of 0 to white, or none.
    """
    white = levels.white
    assert white is not None
    # With not-a-number in it, neither comparison holds.
    if pixels.size and not (pixels.min() >= 0 and pixels.max() <= white):
        got = f"got levels from {pixels.min():g} to {pixels.max():g}"
        raise _unsupported(got, f"0 to {white:g}, which is white")
    if white == 65535:
        deep = np.rint(pixels) if pixels.dtype.kind == "f" else pixels
    else:
        deep = np.rint(pixels.astype(np.float64) * (65535 / white))
    deep = deep.astype(np.uint16)
    return np.subtract(65535, deep, dtype=np.uint16) if levels.inverted else deep


def to_8_bits(deep: NDArray[np.uint16], levels: Levels) -> NDArray[np.uint8]:
    """The 8 bits that are kept of 16.

    Args:
        deep: from ``scale_levels``.
        levels: what it was called with.
    """
    if not levels.declared:
        return (deep >> 8).astype(np.uint8)
    # 255 is 65535, so the bounds between two of the 8 bits lie halfway between two of the 16: that these
    # are rounded themselves moves no level over a bound.
    return ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)


def read_array(pixels: NDArray[Any], max_value: float | None) -> tuple[Image.Image, Levels | None]:
    """An image of an array, and its levels; for what is taken see ``imaging.open_pixels``.

    Raises:
        Reject: ``unsupported_pixels``.
    """
    flat = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    image_like = flat.ndim == 2 or (flat.ndim == 3 and flat.shape[2] in (3, 4))
    shallow, grey = flat.dtype == np.uint8, flat.ndim == 2
    scaled = max_value is not None and flat.dtype.kind in "uif"
    if (
        not flat.size
        or not image_like
        or not (shallow or scaled or (grey and flat.dtype == np.uint16))
    ):
        got = f"got an array of {pixels.dtype} of shape {list(pixels.shape)}"
        expected = "expected uint8 [height, width] or [height, width, 1, 3 or 4], or uint16 grey"
        other = "" if scaled else "; max_value, the level that is white, allows other numbers"
        raise Reject("decode", "unsupported_pixels", f"{got}, {expected}{other}")
    levels = None if shallow else FULL_RANGE
    if scaled and not shallow:
        flat = scale_levels(flat, Levels(max_value))
        levels = SCALED
        if not grey:
            flat, levels = to_8_bits(flat, SCALED), None
    return Image.fromarray(np.ascontiguousarray(flat)), levels


def _tiff_levels(image: TiffImagePlugin.TiffImageFile) -> Levels | None:
    tags = image.tag_v2
    bits = max(_numbers(tags.get(_BITS)), default=1)
    sample = max(_numbers(tags.get(_FORMAT)), default=_UNSIGNED)
    kind = f"{bits}-bit {_FORMATS.get(sample, 'numbers')}"
    if image.mode not in DEEP_MODES:
        if sample == _SIGNED:
            raise _unsupported(f"got pixels of {kind}", "unsigned ones")
        return Levels(65535, colour=True) if bits > 8 else None
    defined = sample == _UNSIGNED and bits <= 16
    # As Pillow has it for 8 bits, a file that does not say is WhiteIsZero.
    inverted = tags.get(_PHOTOMETRIC, 0) == 0
    return Levels(
        2**bits - 1 if defined else None, inverted, kind if not defined else f"{bits} bits"
    )


def _numbers(tag: Any) -> Iterable[int]:
    values = tag if isinstance(tag, tuple) else (tag,)
    return [value for value in values if isinstance(value, int)]


def _unsupported(got: str, expected: str) -> Reject:
    return Reject("decode", "unsupported_pixels", f"{got}, expected {expected}")
