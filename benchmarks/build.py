"""Images a second of ``pixelbeam build`` against a bare loop of the same Pillow calls.

The baseline is what a careful script does: read, ``draft``, decode, resize and save as JPEG in a thread
pool of the same size, throwing the bytes away. The build is the whole command as a user runs it: start,
manifest, plan, shuffle, images, records, checksums, publishing.

    python benchmarks/build.py --photos DIR [--rows 20000] [--repeats 3] [--threads N]

The two run in turn, so that a drift of the machine's speed meets both; the ratio is that of the medians.
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
from itertools import cycle, islice
from pathlib import Path

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


def time_baseline(paths: list[Path], threads: int) -> float:
    """Seconds that the bare loop takes."""
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        sum(pool.map(convert, paths, chunksize=1))
    return time.perf_counter() - started


def time_build(folder: Path, threads: int, number: int) -> tuple[float, float]:
    """Seconds and peak memory (MB) of the whole command."""
    command = [
        sys.executable, "-m", "pixelbeam.pipeline.main", "build",
        "--manifest", str(folder / "rows.csv"), "--schema", str(folder / "schema.yaml"),
        "--output", str(folder / f"out{number}"), "--threads", str(threads), "--image_root", "/",
    ]  # fmt: skip
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"the build failed with status {status}")
    return seconds, usage.ru_maxrss / 1024


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
    photos = sorted(options.photos.glob("*.jpg"))
    paths = list(islice(cycle(photos), options.rows))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "schema.yaml").write_text(SCHEMA)
        with (folder / "rows.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label"])
            writer.writerows((path.resolve(), path.stem) for path in paths)
        time_baseline(photos, options.threads)  # warms the page cache
        bare, built, memory = [], [], []
        for number in range(options.repeats):
            bare.append(time_baseline(paths, options.threads))
            seconds, peak = time_build(folder, options.threads, number)
            built.append(seconds)
            memory.append(peak)
            print(
                f"  run {number + 1}: bare loop {bare[-1]:.1f} s, build {seconds:.1f} s, peak {peak:.0f} MB",
                flush=True,
            )
    loop, build = statistics.median(bare), statistics.median(built)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{options.rows} rows over {len(photos)} photos to {SIDE}x{SIDE} JPEG, {options.threads} threads"
    )
    print(f"bare loop        {options.rows / loop:8.0f} images/s   peak {own:.0f} MB")
    print(f"pixelbeam build  {options.rows / build:8.0f} images/s   peak {max(memory):.0f} MB")
    print(f"ratio            {loop / build:8.3f}")


if __name__ == "__main__":
    main()
