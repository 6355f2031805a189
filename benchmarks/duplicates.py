"""What finds duplicates: how many copies are found by kind, what is taken for one, and what searching costs.

    python benchmarks/duplicates.py --photos DIR [--resize crop stretch pad] [--most 8]
    python benchmarks/duplicates.py --rows 1000000 [--distance 4] [--shards 100]

The first prints, for each number of bits, the share of copies whose hash differs from the photo's in at most so
many; and how many pairs of different photos do, and of 16 tiles of each photo, which are of sky, grass and
walls. The second searches hashes of no images at all, a hundredth of them twins, without writing names.
"""

from __future__ import annotations

import argparse
import io
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from pixelbeam.schemas import Schema
from pixelbeam.schemas.images.hash_bands import HashBands, count_bits, has_structure, mirror
from pixelbeam.transforms.duplicates.fingerprints import CONTENT, Bucket, Buckets, Fingerprints
from pixelbeam.transforms.duplicates.record_numbers import RecordNumbers
from pixelbeam.transforms.duplicates.search import Nearest, find_equal, find_near

Hashes = NDArray[np.uint64]
SIDE = 224
TILES = 4


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    """The image as JPEG."""
    return save(image, "JPEG", quality=quality)


def save(image: Image.Image, format_: str, **options: Any) -> bytes:
    """The image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def scale(image: Image.Image, factor: float) -> bytes:
    """The image at another size."""
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return jpeg(image.resize(size, Image.Resampling.LANCZOS))


def crop(image: Image.Image, share: float) -> bytes:
    """The image without a share of its width and height at each side."""
    x, y = round(image.width * share), round(image.height * share)
    return jpeg(image.crop((x, y, image.width - x, image.height - y)))


def turn(image: Image.Image) -> Image.Image:
    """The mirrored image."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "PNG": lambda image: save(image, "PNG"),
    "WebP, quality 80": lambda image: save(image, "WEBP", quality=80),
    "JPEG, quality 95": lambda image: jpeg(image, 95),
    "JPEG, quality 75": lambda image: jpeg(image, 75),
    "JPEG, quality 50": lambda image: jpeg(image, 50),
    "JPEG, quality 30": lambda image: jpeg(image, 30),
    "JPEG, quality 10": lambda image: jpeg(image, 10),
    "scaled by 2": lambda image: scale(image, 2),
    "scaled by 0.75": lambda image: scale(image, 0.75),
    "scaled by 0.5": lambda image: scale(image, 0.5),
    "scaled by 0.25": lambda image: scale(image, 0.25),
    "grey": lambda image: jpeg(image.convert("L")),
    "20 % brighter": lambda image: jpeg(ImageEnhance.Brightness(image).enhance(1.2)),
    "30 % more contrast": lambda image: jpeg(ImageEnhance.Contrast(image).enhance(1.3)),
    "1 % cropped at each side": lambda image: crop(image, 0.01),
    "2 % cropped at each side": lambda image: crop(image, 0.02),
    "5 % cropped at each side": lambda image: crop(image, 0.05),
    "mirrored": lambda image: jpeg(turn(image)),
    "mirrored, quality 50": lambda image: jpeg(turn(image), 50),
    "mirrored, scaled by 0.5": lambda image: scale(turn(image), 0.5),
    "mirrored, 2 % cropped": lambda image: crop(turn(image), 0.02),
}


def hash_files(files: Iterator[bytes], resize: str) -> Hashes:
    """The hashes that an index has of files."""
    image = {"type": "image", "source": "path", "height": SIDE, "width": SIDE, "upscale": True}
    schema = Schema.from_dict({"features": {"image": {**image, "resize": resize}}})
    feature = schema.features["image"]
    return np.array([feature.encode("image", data).indexed()["dhash"] for data in files], np.uint64)


def print_row(name: str, distances: NDArray[np.int64], most: int, per: int = 0) -> None:
    """The number of distances up to each, or their share in per cent."""
    counts = [int(np.count_nonzero(distances <= bits)) for bits in range(most + 1)]
    cells = (f"{100 * n / per:.0f}" if per else f"{n:,}" for n in counts)
    print(f"| {name} | " + " | ".join(cells) + " |")


def print_recall(paths: list[Path], resize: str, most: int) -> None:
    """A table of copies found and of others taken for copies."""
    photos = [Image.open(path).convert("RGB") for path in paths]
    hashes = hash_files((path.read_bytes() for path in paths), resize)
    print(f"\n{len(paths)} photos, resize: {resize}; found in %, by bits\n")
    print("| copies | " + " | ".join(map(str, range(most + 1))) + " |")
    print("| --- |" + " ---: |" * (most + 1))
    for name, copy in COPIES.items():
        copies = hash_files(map(copy, photos), resize)
        # Without structure there is nothing to be found by.
        copies = mirror(copies) if name.startswith("mirrored") else copies
        distances = np.where(has_structure(hashes), count_bits(copies ^ hashes), 64)
        print_row(name, distances, most, len(paths))
    print_false("photos", hashes, np.arange(len(paths)), most)
    tiles = [tile for photo in photos for tile in cut(photo)]
    of_tiles = hash_files((save(tile, "PNG") for tile in tiles), resize)
    owners = np.repeat(np.arange(len(paths)), TILES**2)
    kept = has_structure(of_tiles)
    print_false("tiles", of_tiles, owners, most)
    print_false("tiles with structure", of_tiles[kept], owners[kept], most)
    print(f"photos with structure: {np.count_nonzero(has_structure(hashes))} of {len(paths)}")


def print_false(what: str, hashes: Hashes, owners: NDArray[np.int64], most: int) -> None:
    """How many pairs of different owners are near."""
    one, other = np.triu_indices(len(hashes), 1)
    differ = owners[one] != owners[other]
    one, other = one[differ], other[differ]
    for how, others in (("", hashes), (" mirrored", mirror(hashes))):
        name = f"{len(one):,} pairs of other {what}{how}"
        print_row(name, count_bits(hashes[one] ^ others[other]), most)


def cut(photo: Image.Image) -> Iterator[Image.Image]:
    """The tiles of a photo."""
    width, height = photo.width // TILES, photo.height // TILES
    for row in range(TILES):
        for column in range(TILES):
            x, y = column * width, row * height
            yield photo.crop((x, y, x + width, y + height))


def time_search(num_rows: int, distance: int, shards: int) -> None:
    """Microseconds a row, by step."""
    random = np.random.default_rng(0)
    hashes = random.integers(0, 1 << 64, num_rows, np.uint64)
    hashes[: num_rows // 100] = hashes[-(num_rows // 100) :] ^ np.uint64(0b101)
    contents = random.integers(0, 1 << 64, (num_rows, 2), np.uint64)
    contents[: num_rows // 200] = contents[-(num_rows // 200) :]
    numbers, bands = RecordNumbers({"train": shards}), HashBands(distance)
    buckets = Buckets(bands, num_rows)
    places = np.array_split(np.arange(num_rows), shards)
    grouped: dict[Bucket, list[bytes]] = defaultdict(list)
    started = time.perf_counter()
    for number, rows in enumerate(places):
        records = numbers.of_shard(numbers.shard(number), len(rows))
        found = Fingerprints(contents[rows], records, hashes[rows], records, 0)
        for bucket, block in buckets.divide(0, found):
            grouped[bucket].append(block)
    divided = time.perf_counter()
    nearest, left = Nearest(numbers), 0
    for (_, band, _), blocks in grouped.items():
        if band == CONTENT:
            nearest.add(find_equal(blocks, numbers))
            continue
        pairs, skipped = find_near(blocks, bands, band, numbers)
        nearest.add(pairs)
        left += skipped
    twins = len(nearest.take())
    ended = time.perf_counter()
    elements = sum(map(len, grouped.values()))
    size = sum(len(block) for blocks in grouped.values() for block in blocks)
    print(f"{num_rows:,} rows, distance {distance}: {twins:,} twins, {left:,} pairs not compared")
    print(f"divide {(divided - started) / num_rows * 1e6:.2f} µs a row")
    print(f"search {(ended - divided) / num_rows * 1e6:.2f} µs a row")
    print(
        f"{size / num_rows:.0f} bytes and {elements / num_rows:.3f} elements a row, {len(grouped):,} buckets"
    )


def main() -> None:
    """Runs the benchmark and prints its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, help="a folder of JPEG files")
    parser.add_argument("--resize", nargs="+", default=["crop", "stretch", "pad"])
    parser.add_argument("--most", type=int, default=8, help="bits up to which to count")
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--distance", type=int, default=4)
    parser.add_argument("--shards", type=int, default=100)
    options = parser.parse_args()
    if options.photos is not None:
        for resize in options.resize:
            print_recall(sorted(options.photos.glob("*.jpg")), resize, options.most)
    if options.rows:
        time_search(options.rows, options.distance, options.shards)


if __name__ == "__main__":
    main()
