"""An image's share of the statistics of its split: exact sums of its pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["sample", "sum_pixels"]

_SAMPLED_SIDE = 64
_LEVELS = np.arange(256, dtype=np.int64)
_POWERS = np.stack([_LEVELS, _LEVELS**2], axis=1)


def sample(image: Image.Image) -> Image.Image:
    """The image itself, or a regular grid of a large one: every pixel is one of the image's.

    The grid makes what is computed of images cost the same whatever their size.
    """
    grid = (min(image.width, _SAMPLED_SIDE), min(image.height, _SAMPLED_SIDE))
    return image if grid == image.size else image.resize(grid, Image.Resampling.NEAREST)


def sum_pixels(image: Image.Image) -> dict[str, Any]:
    """Exact sums over the image's pixels, or over the ``sample`` of a large one.

    At 256 by 256 that takes a fifth of the time of all pixels.

    Args:
        image: of 8 bits a channel, or ``I;16``.

    Returns:
        ``count`` of pixels; ``sum`` and ``sum_squares`` of their levels, an int for each channel.
    """
    image = sample(image)
    if image.mode == "I;16":
        sums = _sum_16_bits(np.asarray(image))
    else:
        sums = np.fromiter(image.histogram(), np.int64).reshape(-1, 256) @ _POWERS
    return {
        "count": image.width * image.height,
        "sum": sums[:, 0].tolist(),
        "sum_squares": sums[:, 1].tolist(),
    }


def _sum_16_bits(pixels: NDArray[Any]) -> NDArray[np.int64]:
    wide = pixels.astype(np.int64).ravel()  # 4096 squares of 65535 fit in 64 bits
    return np.array([[wide.sum(), wide @ wide]])
