from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from pixelbeam.schemas.images.pixel_sums import sum_pixels


def pixels(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def expected(levels):
    """Sums over [height, width, (channels)] by NumPy, in integers that hold them."""
    flat = levels.astype(np.int64).reshape(levels.shape[0] * levels.shape[1], -1)
    return {
        "count": len(flat),
        "sum": flat.sum(0).tolist(),
        "sum_squares": (flat**2).sum(0).tolist(),
    }


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (64, 64), (9, 4, 3), (64, 63, 3), (8, 8, 4)])
def test_every_pixel_of_a_small_image(shape):
    levels = pixels(*shape)
    assert sum_pixels(Image.fromarray(levels)) == expected(levels)


def test_16_bits():
    levels = pixels(20, 30, dtype=np.uint16)
    assert sum_pixels(Image.fromarray(levels)) == expected(levels)
    white = np.full((64, 64), 65535, np.uint16)
    assert sum_pixels(Image.fromarray(white)) == expected(white)


@pytest.mark.parametrize(("height", "width"), [(65, 64), (64, 65), (300, 10), (128, 256)])
def test_a_grid_of_a_large_image(height, width):
    """64 pixels a side at most, as Pillow's nearest picks them."""
    levels = pixels(height, width, 3)
    image = Image.fromarray(levels)
    side = (min(width, 64), min(height, 64))
    grid = np.asarray(image.resize(side, Image.Resampling.NEAREST))
    assert grid.shape == (side[1], side[0], 3)
    assert sum_pixels(image) == expected(grid)
