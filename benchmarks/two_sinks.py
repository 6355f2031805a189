"""What a second sink costs: ``pixelbeam build`` with ``tfrecord,hdf5`` against ``tfrecord`` alone.

One pass decodes and encodes each image once for both. The two run in turn; the ratio is that of the
medians.

    python benchmarks/two_sinks.py --photos DIR [--rows 5000] [--repeats 3] [--threads N]
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


def time_build(folder: Path, sinks: str, threads: int, name: str) -> float:
    """Seconds of the whole command."""
    command = [
        sys.executable, "-m", "pixelbeam.pipeline.main", "build",
        "--manifest", str(folder / "rows.csv"), "--schema", str(folder / "schema.yaml"),
        "--image_root", "/", "--output", str(folder / name), "--sinks", sinks,
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
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    paths = islice(cycle(sorted(options.photos.glob("*.jpg"))), options.rows)
    seconds: dict[str, list[float]] = {"tfrecord": [], "hdf5": [], "tfrecord,hdf5": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "schema.yaml").write_text(SCHEMA)
        with (folder / "rows.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label"])
            writer.writerows((path.resolve(), path.stem) for path in paths)
        for repeat in range(options.repeats):
            for sinks, found in seconds.items():
                output = f"{sinks.replace(',', '_')}_{repeat}"
                found.append(time_build(folder, sinks, options.threads, output))
    medians = {sinks: statistics.median(found) for sinks, found in seconds.items()}
    print(f"{options.rows} rows to {SIDE}x{SIDE} JPEG, {options.threads} threads")
    for sinks, median in medians.items():
        ratio = median / medians["tfrecord"]
        print(f"  {sinks:14s} {median:7.1f} s   {ratio:5.2f} x tfrecord")


if __name__ == "__main__":
    main()
