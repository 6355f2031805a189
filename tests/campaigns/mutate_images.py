"""Makes a corpus of damaged images: ``python tests/campaigns/mutate_images.py FOLDER``.

Small images of every format that is read, each then cut, flipped, spliced, repeated or given another
header, by a seeded generator: the same corpus every time.
"""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "MPO")
MUTATIONS = 60  # of each format


def originals() -> dict[str, bytes]:
    """One image of each format, and a progressive JPEG and a 16-bit PNG besides."""
    pixels = np.random.default_rng(5).integers(0, 256, (24, 32, 3), np.uint8)
    picture = Image.fromarray(pixels).resize((64, 48))
    saved = {}
    for name in FORMATS:
        extra = (
            {"save_all": True, "append_images": [picture.rotate(90)]}
            if name in ("GIF", "TIFF", "MPO")
            else {}
        )
        saved[name.lower()] = save(picture, name, **extra)
    saved["progressive"] = save(picture, "JPEG", progressive=True)
    saved["deep"] = save(Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), "PNG")
    return saved


def save(image: Image.Image, name: str, **settings: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **settings)
    return buffer.getvalue()


def mutate(data: bytes, others: list[bytes], chooser: random.Random) -> bytes:
    """One damaged copy."""
    damaged = bytearray(data)
    match chooser.choice(["cut", "flip", "bytes", "splice", "repeat", "zero", "header", "length"]):
        case "cut":
            del damaged[chooser.randrange(len(damaged)) :]
        case "flip":
            for _ in range(chooser.randint(1, 8)):
                damaged[chooser.randrange(len(damaged))] ^= 1 << chooser.randrange(8)
        case "bytes":
            for _ in range(chooser.randint(1, 32)):
                damaged[chooser.randrange(len(damaged))] = chooser.choice((0, 1, 127, 128, 255))
        case "splice":
            other = chooser.choice(others)
            place = chooser.randrange(len(damaged))
            damaged[place:] = other[chooser.randrange(len(other)) :]
        case "repeat":
            start = chooser.randrange(len(damaged))
            damaged[start:start] = damaged[
                start : start + chooser.randint(1, 200)
            ] * chooser.randint(1, 20)
        case "zero":
            start = chooser.randrange(len(damaged))
            damaged[start : start + 64] = bytes(64)
        case "header":
            for place in range(min(len(damaged), 40)):
                if chooser.random() < 0.2:
                    damaged[place] = chooser.randrange(256)
        case "length":
            place = chooser.randrange(max(1, len(damaged) - 4))
            damaged[place : place + 4] = chooser.choice(
                (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0")
            )
    return bytes(damaged)


def corpus() -> Iterator[tuple[str, bytes]]:
    """Every damaged image with its file name."""
    chooser = random.Random(2024)
    whole = originals()
    for name, data in whole.items():
        for number in range(MUTATIONS):
            yield f"{name}-{number:03d}.img", mutate(data, list(whole.values()), chooser)


def main(folder: Path) -> None:
    """Writes the corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in corpus():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
