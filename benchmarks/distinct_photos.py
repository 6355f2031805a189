"""Photos for the benchmarks: as many as are asked for, and no two the same."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

__all__ = ["SOURCE_SIZE", "make_photos"]

SOURCE_SIZE = (500, 375)
"""Width and height in pixels of each of them."""


def make_photos(photos: Path, folder: Path, count: int) -> list[tuple[str, str]]:
    """Writes JPEG files, each of a random part of a photo, every other one mirrored.

    Args:
        photos: a folder of JPEG files.
        folder: where to write; need not exist.
        count: how many to write; the same ones each time.

    Returns:
        A path and a label each.
    """
    sources = sorted(photos.glob("*.jpg"))
    images = [Image.open(path).convert("RGB") for path in sources]

    def make(number: int) -> tuple[str, str]:
        rng, image = random.Random(number), images[number % len(images)]
        scale = rng.uniform(0.5, 1)
        width, height = int(image.width * scale), int(image.height * scale)
        left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
        part = image.resize(SOURCE_SIZE, box=(left, top, left + width, top + height))
        if rng.random() < 0.5:
            part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        path = folder / f"{number // 1000:03}" / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        part.save(path, quality=90)
        return str(path), sources[number % len(images)].stem

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(make, range(count)))
