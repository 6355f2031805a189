"""What reading a COCO file takes: time by image and peak memory, beside the standard library's ``json.load``.

    python benchmarks/annotations.py [--images 10000 100000] [--columns file_name,bbox,category,iscrowd] [--load]

Generates files with seven boxes an image, their polygons and the annotations in no order, reads each in a process
of its own, and prints seconds, microseconds an annotation, and how far the memory grew in it.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pixelbeam.transforms.manifests.formats.base import Projection
from pixelbeam.transforms.manifests.open_manifest import open_manifest
from pixelbeam.transforms.manifests.read_manifest import split_file

BOXES = 7


def write_coco(path: Path, images: int) -> None:
    """Images, then annotations in an order that has nothing to do with theirs, then categories."""
    draw = random.Random(0)
    order = [image for image in range(images) for _ in range(BOXES)]
    draw.shuffle(order)
    with path.open("w") as file:
        file.write('{"info": {}, "images": [')
        _write_all(file, (_image(number) for number in range(images)))
        file.write('], "annotations": [')
        _write_all(file, (_annotation(draw, *each) for each in enumerate(order)))
        file.write('], "categories": ')
        json.dump([{"id": number, "name": f"class {number}"} for number in range(1, 81)], file)
        file.write("}")


def _write_all(file: Any, elements: Iterator[dict[str, Any]]) -> None:
    for number, element in enumerate(elements):
        file.write(", " * bool(number) + json.dumps(element))


def _image(number: int) -> dict[str, Any]:
    name = f"{number:012}.jpg"
    url = f"http://images.cocodataset.org/train2017/{name}"
    size = {"width": 640, "height": 480}
    return {"license": 3, "file_name": name, "coco_url": url, "id": number, **size}


def _annotation(draw: random.Random, number: int, image: int) -> dict[str, Any]:
    points = [round(draw.random() * 480, 2) for _ in range(50)]
    box = [round(draw.random() * 400, 2) for _ in range(4)]
    found = {"segmentation": [points], "area": 500.25, "iscrowd": 0, "image_id": image}
    return found | {"bbox": box, "category_id": draw.randint(1, 80), "id": number}


def read(path: str, columns: tuple[str, ...]) -> int:
    """Reads every row of a manifest as a build's tasks do; returns how many."""
    manifest = open_manifest(path)
    parts = split_file(manifest.format, manifest.files[0])
    projection = Projection(columns)
    return sum(1 for part in parts for _ in manifest.format.records(part, projection))


def measure(what: str, path: str, columns: tuple[str, ...]) -> None:
    """Reads the file in this process, and prints what it took."""
    before = _peak_bytes()
    begun = time.process_time()
    if what == "load":
        with open(path, "rb") as file:
            json.load(file)
    else:
        read(path, columns)
    print(time.process_time() - begun, (_peak_bytes() - before) / 2**20)


def _peak_bytes() -> int:
    # Not getrusage, whose peak is also that of the process which started this one. Linux has this.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def main() -> None:
    """Prints a line a size and way of reading."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--columns", default="file_name,bbox,category,iscrowd")
    parser.add_argument("--load", action="store_true", help="json.load beside it")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        what, path = given.measure
        measure(what, path, tuple(given.columns.split(",")))
        return
    with tempfile.TemporaryDirectory() as folder:
        for images in given.images:
            path = Path(folder) / "instances.json"
            write_coco(path, images)
            for what in ("read", "load")[: 1 + given.load]:
                own = [sys.executable, __file__, "--columns", given.columns]
                command = [*own, "--measure", what, str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                seconds, grown = map(float, done.stdout.split())
                print(
                    f"{what} {images:,} images, {images * BOXES:,} annotations, "
                    f"{path.stat().st_size >> 20} MiB: {seconds:.1f} s of CPU, "
                    f"{seconds / images / BOXES * 1e6:.0f} µs an annotation, {grown:.0f} MiB more memory"
                )


if __name__ == "__main__":
    main()
