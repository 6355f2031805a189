"""What the index costs: ``pixelbeam build`` with it against ``--index none``, and its bytes a record.

    python benchmarks/index.py --photos DIR [--rows 20000] [--repeats 3] [--threads N]

No two photos are the same: each is a random part of one, often mirrored. The two builds run in turn, each first in
every other pair, so that a drift of the machine's speed meets both; the ratios, of the whole command's time and of
the CPU time of all cores, are those of the medians, and the spread that of the pairs.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from distinct_photos import make_photos

SIDE = 256
SCHEMA = f"""
features:
  image: {{type: image, source: path, height: {SIDE}, width: {SIDE}, upscale: true, quality: 90}}
  label: {{type: class_label, source: label, vocabulary: from_manifest}}
"""


class Taken(NamedTuple):
    """What a build took.

    Attributes:
        wall: seconds from its begin to its end.
        cpu: seconds of all cores together.
    """

    wall: float
    cpu: float


def time_build(folder: Path, index: str, threads: int, name: str) -> Taken:
    """What the whole command takes."""
    command = [
        sys.executable, "-m", "pixelbeam.pipeline.main", "build",
        "--manifest", str(folder / "rows.csv"), "--schema", str(folder / "schema.yaml"),
        "--output", str(folder / name), "--index", index, "--threads", str(threads),
    ]  # fmt: skip
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(wall, cpu)


def describe(what: str, parquet: list[float], none: list[float]) -> None:
    """Prints how the two compare: by their medians, and from the lowest pair to the highest."""
    ratio = statistics.median(parquet) / statistics.median(none)
    pairs = [with_index / without for with_index, without in zip(parquet, none, strict=True)]
    spread = f"({min(pairs):.3f} to {max(pairs):.3f})"
    print(f"{what} with the index over that without: {ratio:.3f} {spread}")


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
    taken: dict[str, list[Taken]] = {"none": [], "parquet": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "schema.yaml").write_text(SCHEMA)
        with (folder / "rows.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label"])
            writer.writerows(make_photos(options.photos, folder / "photos", options.rows))
        time_build(folder, "none", options.threads, "warm")
        for number in range(options.repeats):
            for index in sorted(taken, reverse=bool(number % 2)):
                taken[index].append(time_build(folder, index, options.threads, f"{index}{number}"))
            none, parquet = taken["none"][-1].wall, taken["parquet"][-1].wall
            print(f"  run {number + 1}: none {none:.2f} s, parquet {parquet:.2f} s", flush=True)
        written = sum(path.stat().st_size for path in (folder / "parquet0" / "index").iterdir())
    print(f"{options.rows} photos to {SIDE}x{SIDE} JPEG, {options.threads} threads")
    describe("wall time", *([t.wall for t in taken[index]] for index in ("parquet", "none")))
    describe("CPU time", *([t.cpu for t in taken[index]] for index in ("parquet", "none")))
    print(f"bytes of index a record: {written / options.rows:.0f}")


if __name__ == "__main__":
    main()
