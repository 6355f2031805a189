"""What a build tells of images that it took, though something about them is seldom meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..images.files import Decoded
from ..images.levels import FULL_RANGE, Levels

__all__ = ["tell_image", "warn_of_images"]

_USUAL_BITS = (8, 10, 12, 14)


def tell_image(
    decoded: Decoded, levels: Levels | None, foreign: bool, has_more: bool
) -> dict[str, Any]:
    """An image's share of what ``warn_of_images`` tells; most have none.

    Args:
        decoded: the image before anything is changed in it.
        levels: what the file says of them, if they are scaled by that.
        foreign: whether it has the profile of another colour space than sRGB.
        has_more: whether further frames or pages of its file were left out.

    Returns:
        ``other_profiles``: 1; ``first_of_several``: 1; ``decoder_warnings``: by text, 1; ``max_level`` of 16 bits.
    """
    found: dict[str, Any] = {}
    if foreign:
        found["other_profiles"] = 1
    if has_more:
        found["first_of_several"] = 1
    if decoded.warning:
        found["decoder_warnings"] = {decoded.warning: 1}
    if levels == FULL_RANGE and decoded.image.width and decoded.image.height:
        found["max_level"] = int(np.asarray(decoded.image).max())
    return found


def warn_of_images(name: str, summary: Mapping[str, Any], converted: bool) -> Iterable[str]:
    """The sentences for ``Feature.warnings``.

    Args:
        name: the feature's name.
        summary: of all images.
        converted: whether colours are turned into sRGB.
    """
    profiles = summary.get("other_profiles", 0)
    if profiles and not converted:
        yield (
            f"{name}: {profiles} images have a colour profile other than sRGB, which was not applied; "
            "colour: srgb converts them"
        )
    for text, count in sorted(summary.get("decoder_warnings", {}).items()):
        yield (
            f"{name}: {count} images are damaged and were decoded all the same ({text}); "
            "strict: true rejects them"
        )
    several = summary.get("first_of_several", 0)
    if several:
        yield (
            f"{name}: {several} files have several frames or pages, of which the first was taken; a step feature "
            "of clips takes all of them, and strict: true rejects such files"
        )
    highest = summary.get("max_level")
    bits = next((bits for bits in _USUAL_BITS if highest is not None and highest < 2**bits), None)
    if bits is not None:
        yield (
            f"{name}: no 16-bit image has a level above {highest} of 65535, so all are dark; "
            f"if they hold {bits} bits, max_value: {2**bits - 1} makes that white"
        )
