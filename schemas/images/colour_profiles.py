"""Colour profiles: what a file's numbers look like, and how to turn them into sRGB.

Little CMS does it (Pillow's ``ImageCms``), relative to white and with black point compensation, as
programs for photos do it. Its version is among those that decide bytes.
"""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from ..errors import Reject

__all__ = ["is_srgb", "to_srgb"]

_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}  # Pillow's modes of them
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
# A cache of one pixel inside of a transform would be shared by threads.
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOCACHE
_SAME = 2
"""Levels of 255 that colours of two profiles may differ by to be called the same."""


@lru_cache(maxsize=64)
def is_srgb(profile: bytes) -> bool:
    """Whether a profile means what sRGB does; not if it cannot be read.

    There are dozens of files of sRGB, so colours are compared: a grid of 9 levels a channel.
    """
    try:
        mode = _space(profile)
        if mode not in ("RGB", "L"):
            return False
        levels = np.linspace(0, 255, 9).round().astype(np.uint8)
        grid = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(27, 27, 3)
        colours = Image.fromarray(grid if mode == "RGB" else grid[..., 0])
        converted = _transform(profile, mode).apply(colours)
    except (OSError, ImageCms.PyCMSError, Reject):
        return False
    difference = np.asarray(converted).astype(int) - np.asarray(colours.convert("RGB"))
    return bool(np.abs(difference).max() <= _SAME)


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Converts colours into sRGB.

    Args:
        image: ``L``, ``RGB``, ``RGBA``, ``CMYK`` or ``LAB``.
        profile: the ICC profile that the file has.

    Returns:
        ``RGB``, or ``RGBA`` with the same alpha.

    Raises:
        Reject: ``bad_colour_profile``: it cannot be read, or is of another kind of image.
    """
    mode = _space(profile)
    colours = image.convert("RGB") if image.mode == "RGBA" else image
    if mode == "RGB" and image.mode == "L":  # as programs write grey pictures of a working space
        colours = image.convert("RGB")
    elif mode == "L" and image.mode in ("RGB", "RGBA"):
        colours = _grey_of(colours)
    if colours.mode != mode:
        raise _bad(f"got a profile of {mode} in a file of {image.mode}")
    try:
        converted = _transform(profile, mode).apply(colours)
    except (OSError, ImageCms.PyCMSError) as error:
        raise _bad(f"got a profile that cannot be used ({error})") from None
    if image.mode == "RGBA":
        converted.putalpha(image.getchannel("A"))
    return converted


@lru_cache(maxsize=64)
def _space(profile: bytes) -> str:
    """The mode of Pillow's that a profile is about."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile
    except (OSError, ImageCms.PyCMSError) as error:
        raise _bad(f"got {len(profile)} bytes that are no profile ({error})") from None
    return _SPACES.get(opened.xcolor_space.strip(), opened.xcolor_space.strip())


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    return ImageCms.ImageCmsTransform(
        source, ImageCms.ImageCmsProfile(target), mode, "RGB", _INTENT, flags=_FLAGS
    )


def _grey_of(image: Image.Image) -> Image.Image:
    """The one channel of an image whose three are the same, as grey with transparency becomes."""
    red, green, blue = image.split()
    if red.tobytes() != green.tobytes() or red.tobytes() != blue.tobytes():
        raise _bad("got a profile of grey in a file in colour")
    return red


def _bad(got: str) -> Reject:
    expected = "expected one that fits the file; colour: as_is does not look at profiles"
    return Reject("decode", "bad_colour_profile", f"{got}, {expected}")
