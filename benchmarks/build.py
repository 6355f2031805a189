"""Images a second of ``pixelbeam build`` against a bare loop of the same Pillow calls.

The baseline is what a careful script does: read, ``draft``, decode, resize and save as JPEG in a thread
pool of the same size, throwing the bytes away. The build is the whole command as a user runs it: start,
manifest, plan, shuffle, images, records, checksums, publishing.

    python benchmarks/build.py --photos DIR [--rows 20000] [--repeats 3] [--threads N]

No two photos are the same, see ``distinct_photos.py``: of copies, each is in the processor's cache when its turn
comes, and each is a twin of all others. The two run in turn, each first in every other pair, so that a drift of
the machine's speed meets both; the ratios, of the time and of the CPU time of all cores, are those of the medians.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from distinct_photos import make_photos
from PIL import Image

SIDE, QUALITY = 256, 90
SCHEMA = f"""
features:
  image:
    {{type: image, source: path, height: {SIDE}, width: {SIDE}, upscale: true, quality: {QUALITY}}}
  label: {{type: class_label, source: label, vocabulary: from_manifest}}
"""


def convert(path: Path) -> int:
    """The baseline's work for one image: a centre crop to 256×256 as JPEG; returns the bytes made."""
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        image.draft("RGB", (2 * SIDE, 2 * SIDE))
        width, height = image.size
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        resized = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box)
    buffer = io.BytesIO()
    resized.save(buffer, "JPEG", quality=QUALITY, subsampling="4:2:0")
    return buffer.tell()


class Taken(NamedTuple):
    """What a run took.

    Attributes:
        wall: seconds from its begin to its end.
        cpu: seconds of all cores together.
        memory: peak, in MB.
    """

    wall: float
    cpu: float
    memory: float


def time_baseline(paths: list[Path], threads: int) -> Taken:
    """What the bare loop takes."""
    started, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        sum(pool.map(convert, paths, chunksize=1))
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Taken(wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def time_build(folder: Path, threads: int, number: int) -> Taken:
    """What the whole command takes."""
    command = [
        sys.executable, "-m", "pixelbeam.pipeline.main", "build",
        "--manifest", str(folder / "rows.csv"), "--schema", str(folder / "schema.yaml"),
        "--output", str(folder / f"out{number}"), "--threads", str(threads), "--image_root", "/",
    ]  # fmt: skip
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    if status:
        raise SystemExit(f"the build failed with status {status}")
    return Taken(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    """Runs the benchmark and prints its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, required=True, help="a folder of JPEG files")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "schema.yaml").write_text(SCHEMA)
        rows = make_photos(options.photos, folder / "photos", options.rows)
        paths = [Path(path) for path, _ in rows]
        with (folder / "rows.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label"])
            writer.writerows(rows)
        bare: list[Taken] = []
        built: list[Taken] = []
        for number in range(options.repeats):
            for what in ("bare", "build") if number % 2 else ("build", "bare"):
                if what == "bare":
                    bare.append(time_baseline(paths, options.threads))
                else:
                    built.append(time_build(folder, options.threads, number))
            loop, build = bare[-1], built[-1]
            print(
                f"  run {number + 1}: bare loop {loop.wall:.1f} s, build {build.wall:.1f} s",
                flush=True,
            )
    print(f"{options.rows} photos to {SIDE}x{SIDE} JPEG, {options.threads} threads")
    for who, runs in (("bare loop", bare), ("pixelbeam build", built)):
        speed = options.rows / statistics.median(run.wall for run in runs)
        print(f"{who:15}  {speed:8.0f} images/s   peak {max(run.memory for run in runs):.0f} MB")
    for what in ("wall", "cpu"):
        pairs = [getattr(a, what) / getattr(b, what) for a, b in zip(bare, built, strict=True)]
        medians = [statistics.median(getattr(run, what) for run in runs) for runs in (bare, built)]
        ratio, spread = medians[0] / medians[1], f"({min(pairs):.3f} to {max(pairs):.3f})"
        print(f"{f'ratio of {what} time':18} {ratio:.3f} {spread}")


if __name__ == "__main__":
    main()
