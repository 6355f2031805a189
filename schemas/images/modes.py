"""Pixel modes: what each kind of image file holds becomes grey, RGB or RGBA, 8 or 16 bits deep.

Resampling happens between the two functions here. ``to_working`` turns whatever Pillow decoded into
a mode that can be resampled; ``to_final`` makes of the resampled image what is declared. Grey stays
one channel until the end, and opaque images get their alpha last: less work, equal pixels.

=============================  =====================================================================
1, L                           grey
I;16, I, F                     grey of 16 bits, or of 8 for uint8, by ``image_levels``
P                              its palette's colours
LA, PA, RGBA, a tRNS colour    laid on the background, or kept with channels 4
CMYK, YCCK, YCbCr, LAB, RGBX   RGB by Pillow's own formulas, or into sRGB by a colour profile
=============================  =====================================================================
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from ..errors import Reject
from .colour_profiles import to_srgb
from .levels import DEEP_MODES, FULL_RANGE, Levels, scale_levels, to_8_bits

__all__ = ["DEEP", "final_mode", "parse_colour", "to_final", "to_working"]

DEEP = "F"
"""The working mode of 16-bit images: 0.0 to 65535.0, which every filter of Pillow can resample."""

_FINAL_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_WORKING_MODES = {
    "1": "L", "L": "L", "LA": "RGBA", "La": "RGBA",
    "P": "RGB", "PA": "RGBA", "RGB": "RGB", "RGBA": "RGBA", "RGBa": "RGBA",
    "RGBX": "RGB", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB",
}  # fmt: skip


def final_mode(channels: int) -> str:
    """The mode of a finished 8-bit image: ``L``, ``RGB`` or ``RGBA``."""
    return _FINAL_MODES[channels]


def parse_colour(text: str, channels: int) -> tuple[int, ...]:
    """Reads a colour as CSS writes it: ``#rrggbb``, ``#rrggbbaa`` with four channels, or a name.

    Returns:
        One number from 0 to 255 a channel; grey by the luma of Rec. 601, as Pillow weighs it.

    Raises:
        ValueError: not a colour, or one with transparency where there is no alpha channel.
    """
    try:
        red, green, blue, *alpha = ImageColor.getrgb(text)
    except ValueError:
        raise ValueError(f"got {text!r}, expected a colour such as '#rrggbb' or 'white'") from None
    if channels == 4:
        return (red, green, blue, alpha[0] if alpha else 255)
    if alpha and alpha[0] != 255:
        raise ValueError(f"got {text!r}, expected a colour without alpha, or channels: 4")
    if channels == 3:
        return (red, green, blue)
    grey = ImageColor.getcolor(f"rgb({red},{green},{blue})", "L")
    assert isinstance(grey, int)
    return (grey,)


def to_working(
    image: Image.Image,
    channels: int,
    deep: bool,
    background: str,
    levels: Levels = FULL_RANGE,
    profile: bytes = b"",
) -> Image.Image:
    """Turns a decoded image into one that can be resampled.

    Args:
        image: of any mode that the accepted formats have.
        channels: 1, 3 or 4.
        deep: True for 16 bits; the channels are then 1.
        background: what transparent pixels are laid on, unless alpha is kept.
        levels: of an image of more than 8 bits.
        profile: what colours are turned into sRGB by; empty leaves them as they are. Not with ``deep``.

    Returns:
        An image of the mode ``L``, ``RGB`` or ``RGBA`` (channels 4 only), or of ``DEEP``.

    Raises:
        Reject: ``unsupported_pixels`` or ``bad_colour_profile``.
    """
    if image.mode in DEEP_MODES:
        return _from_deep(image, channels, deep, background, levels, profile)
    if image.mode not in _WORKING_MODES:
        raise _unsupported(f"a file of mode {image.mode}", "pixels of 1, 8 or 16 bits a channel")
    shallow = _flatten(_from_shallow(image, profile), channels, background)
    if channels == 1 and shallow.mode != "L":
        shallow = shallow.convert("L")
    return _deepen(np.asarray(shallow).astype(np.float32) * 257) if deep else shallow


def to_final(image: Image.Image, channels: int) -> Image.Image:
    """Makes of a resampled working image what is declared.

    Returns:
        An image of the mode ``L``, ``RGB`` or ``RGBA``, or ``I;16`` for a ``DEEP`` one.
    """
    if image.mode == DEEP:
        # Bicubic and Lanczos overshoot at edges.
        pixels = np.clip(np.rint(np.asarray(image)), 0, 65535)
        return Image.fromarray(pixels.astype(np.uint16))
    mode = final_mode(channels)
    return image if image.mode == mode else image.convert(mode)


def _from_shallow(image: Image.Image, profile: bytes) -> Image.Image:
    """Grey, RGB or RGBA of 8 bits, from any mode of 1 or 8 bits."""
    if not profile:
        return _without_profile(image)
    direct = image.mode in ("CMYK", "LAB")
    return to_srgb(image if direct else _without_profile(image), profile)


def _without_profile(image: Image.Image) -> Image.Image:
    mode = _WORKING_MODES[image.mode]
    if image.info.get("transparency") is not None and mode in ("L", "RGB"):
        mode = "RGBA"
    if image.mode == mode:
        return image
    if image.mode == "La":
        image = image.convert("LA")
    return image.convert(mode)


def _flatten(image: Image.Image, channels: int, background: str) -> Image.Image:
    if image.mode != "RGBA" or channels == 4:
        return image
    flat = Image.new("RGB", image.size, parse_colour(background, 3))
    flat.paste(image, mask=image.getchannel("A"))
    return flat


def _from_deep(
    image: Image.Image,
    channels: int,
    deep: bool,
    background: str,
    levels: Levels,
    profile: bytes,
) -> Image.Image:
    stored = np.asarray(image)
    key = image.info.get("transparency")
    opaque = None if not isinstance(key, int) else stored != key
    pixels = scale_levels(stored, levels)
    if deep:
        if opaque is not None:
            pixels = np.where(opaque, pixels, parse_colour(background, 1)[0] * 257)
        return _deepen(pixels.astype(np.float32))
    # Pillow's own conversion clips at 255 instead of scaling.
    grey = Image.fromarray(to_8_bits(pixels, levels))
    if opaque is not None:
        alpha = Image.fromarray(opaque.astype(np.uint8) * 255)
        grey = Image.merge("RGBA", (grey, grey, grey, alpha))
    coloured = to_srgb(grey, profile) if profile else grey
    flat = _flatten(coloured, channels, background)
    return flat.convert("L") if channels == 1 and flat.mode != "L" else flat


def _deepen(pixels: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(pixels)


def _unsupported(got: str, expected: str) -> Reject:
    return Reject("decode", "unsupported_pixels", f"got {got}, expected {expected}")
