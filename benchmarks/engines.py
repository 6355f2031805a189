"""Images a second of two single-slot Flink workers against one, in one run.

    python benchmarks/engines.py --photos DIR [--rows 6000] [--shards 128] [--repeats 3]

``DIR`` has ``photos.csv`` with the columns path and label. Two clusters, of one and of two TaskManagers
with a slot each, run the same build in turn, with one thread a task. What is compared is the time in
which the shards are built, from the first to the last finished one; starting a job costs the same on both.
Flink hands the shards to the slots by hash, so where they are few one slot has more than the other.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import subprocess
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path
from time import monotonic, sleep

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples" / "flink"))
from cluster import (  # type: ignore[import-not-found]  # noqa: E402 - beside the examples
    FlinkCluster,
    Processes,
)

SCHEMA = """
features:
  image: {type: image, source: path, height: 224, width: 224, upscale: true}
  label: {type: class_label, source: label, vocabulary: from_manifest}
"""


def write_inputs(photos: Path, folder: Path, rows: int) -> None:
    """A manifest of the photos over and over, and a schema."""
    with (photos / "photos.csv").open(newline="") as file:
        found = [(photos / row["path"], row["label"]) for row in csv.DictReader(file)]
    with (folder / "photos.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *islice(cycle(found), rows)])
    (folder / "schema.yaml").write_text(SCHEMA)


def images_a_second(
    cluster: FlinkCluster, folder: Path, output: Path, photos: Path, num_shards: int
) -> float:
    """The speed at which a build finishes shards, between the first finished one and the last."""
    command = [
        *(sys.executable, "-m", "pixelbeam.pipeline.main", "build", "--threads=1"),
        *("--manifest", str(folder / "photos.csv"), "--schema", str(folder / "schema.yaml")),
        *("--image_root", str(photos), "--output", str(output), f"--num_shards={num_shards}"),
    ]
    shards = output / ".pixelbeam" / "shards"
    build = subprocess.Popen(
        [*command, *cluster.options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    seen: list[tuple[float, int]] = [(0.0, 0)]
    while build.poll() is None:
        finished = len(list(shards.glob("*-of-*.json")))
        if finished > seen[-1][1]:
            seen.append((monotonic(), finished))
        sleep(0.02)
    if build.returncode:
        raise SystemExit(f"the build failed: {' '.join(command)}")
    (begun, first), (ended, last) = seen[1], seen[-1]
    rows = sum(1 for _ in (folder / "photos.csv").open()) - 1
    return (last - first) / num_shards * rows / (ended - begun)


def main() -> None:
    """Prints the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--shards", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    photos = given.photos.resolve()
    speeds: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(photos, folder, given.rows)
        for repeat in range(given.repeats):
            for workers, measured in speeds.items():
                logs = folder / f"flink-{workers}-{repeat}"
                logs.mkdir()
                with Processes(logs) as processes:
                    cluster = FlinkCluster(processes, task_managers=workers)
                    measured.append(
                        images_a_second(cluster, folder, logs / "out", photos, given.shards)
                    )
                print(f"{workers} workers: {measured[-1]:,.0f} images/s", file=sys.stderr)
    one, two = (statistics.median(measured) for measured in speeds.values())
    print(f"1 worker {one:,.0f}, 2 workers {two:,.0f} images/s: {two / one:.2f} times as many")


if __name__ == "__main__":
    main()
