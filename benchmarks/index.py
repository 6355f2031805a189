"""What the index costs: ``pixelbeam build`` with it against ``--index none``, and its bytes a record.

    python benchmarks/index.py --photos DIR [--rows 6000] [--repeats 5] [--threads N]

The two run in turn, each first in every other pair, so that a drift of the machine's speed meets both; the ratio
is that of the medians, and the spread that of the pairs.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

SIDE = 256
SCHEMA = f"""
features:
  image: {{type: image, source: path, height: {SIDE}, width: {SIDE}, upscale: true, quality: 90}}
  label: {{type: class_label, source: label, vocabulary: from_manifest}}
"""


def time_build(folder: Path, index: str, threads: int, name: str) -> float:
    """Seconds of the whole command."""
    command = [
        sys.executable, "-m", "pixelbeam.pipeline.main", "build",
        "--manifest", str(folder / "rows.csv"), "--schema", str(folder / "schema.yaml"),
        "--image_root", "/", "--output", str(folder / name), "--index", index,
        "--threads", str(threads),
    ]  # fmt: skip
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Runs the benchmark and prints its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, required=True, help="a folder of JPEG files")
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    paths = islice(cycle(sorted(options.photos.glob("*.jpg"))), options.rows)
    seconds: dict[str, list[float]] = {"none": [], "parquet": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "schema.yaml").write_text(SCHEMA)
        with (folder / "rows.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label"])
            writer.writerows((path.resolve(), path.stem) for path in paths)
        time_build(folder, "none", options.threads, "warm")
        for number in range(options.repeats):
            for index in sorted(seconds, reverse=bool(number % 2)):
                taken = time_build(folder, index, options.threads, f"{index}{number}")
                seconds[index].append(taken)
            pair = f"none {seconds['none'][-1]:.2f} s, parquet {seconds['parquet'][-1]:.2f} s"
            print(f"  run {number + 1}: {pair}", flush=True)
        written = sum(path.stat().st_size for path in (folder / "parquet0" / "index").iterdir())
    ratios = [a / b for a, b in zip(seconds["parquet"], seconds["none"], strict=True)]
    ratio = statistics.median(seconds["parquet"]) / statistics.median(seconds["none"])
    print(f"{options.rows} photos to {SIDE}x{SIDE} JPEG, {options.threads} threads")
    print(
        f"time with the index over time without: {ratio:.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
    )
    print(f"bytes of index a record: {written / options.rows:.0f}")


if __name__ == "__main__":
    main()
