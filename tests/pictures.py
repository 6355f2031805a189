"""Small pictures, as files and as Pillow decodes them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from pixelbeam.schemas.images.files import decode, open_image

LIMIT = 1_000_000
ORIENTATION = 0x0112


def picture(width: int = 31, height: int = 24, channels: int = 3, seed: int = 0) -> Image.Image:
    """A smooth picture with some noise, not symmetric in any way."""
    y, x = np.mgrid[:height, :width]
    planes = [x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height), x * 0 + 200]
    noise = np.random.default_rng(seed).integers(-20, 20, (height, width, channels))
    pixels = np.stack(planes[:channels], -1) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8).squeeze())


def grey16(width: int = 31, height: int = 24) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return ((x * 2113 + y * 977) % 65536).astype(np.uint16)


def save(image: Image.Image, file_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[ORIENTATION] = orientation
    return block


def pixels_of(data: bytes) -> np.ndarray:
    return np.asarray(load(data))


def load(data: bytes) -> Image.Image:
    return decode(open_image(data, LIMIT), None, grey=False).image
