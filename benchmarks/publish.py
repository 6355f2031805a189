"""What publishing costs a shard: reading results, balancing the books, writing ``dataset.json``.

    python benchmarks/publish.py [--shards 10000 100000] [--cprofile]

The shards are simulated: a file of 64 bytes and a result each, as a shard task leaves them, with statistics of an
image and a label. Prints microseconds a shard by phase, and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from pixelbeam.pipeline.options import MaxRejects
from pixelbeam.pipeline.progress import ProgressWatch
from pixelbeam.pipeline.publishing.publish import publish, read_published
from pixelbeam.schemas.dataset.file_names import ShardName
from pixelbeam.schemas.schema import Schema
from pixelbeam.transforms.shards.plan import PLAN_FILE, Plan, SplitPlan
from pixelbeam.transforms.shards.shard_result import ShardResult
from pixelbeam.transforms.storage.output_folder import Folder, PublishedFile

ROWS = 100
CLASSES = [f"class {number}" for number in range(1000)]
IMAGE = {"type": "image", "source": "path", "height": 224, "width": 224}
SCHEMA = Schema.from_dict(
    {
        "features": {
            "image": IMAGE,
            "label": {"type": "class_label", "source": "label", "vocabulary": CLASSES},
        }
    }
)
PIXELS = {
    "count": ROWS * 4096,
    "sum": [10**7] * 3,
    "sum_squares": [10**9] * 3,
    "bytes": ROWS * 20_000,
}
SUMMARIES: dict[str, dict[str, Any]] = {
    "image": PIXELS,
    "label": {"classes": {str(number): 1 for number in range(ROWS)}},
}


def simulate(folder: Path, shards: int) -> None:
    """Puts shards, results and a plan into a folder, as a build leaves them before it publishes."""
    (folder / ".pixelbeam" / "shards").mkdir(parents=True)
    plan = Plan(SCHEMA, {"train": SplitPlan(shards * ROWS, shards)}, shards * ROWS)
    (folder / PLAN_FILE).write_bytes(plan.to_json())
    for index in range(shards):
        name = ShardName("train", index, shards)
        file = PublishedFile(name.file("tfrecord"), 64, f"{index:064x}")
        (folder / file.path).write_bytes(bytes(64))
        result = ShardResult(
            str(name), f"{index:064x}", ROWS, ROWS, {"tfrecord": file}, summaries=SUMMARIES
        )
        (folder / ShardResult.path(str(name))).write_bytes(result.to_json())


def measure(shards: int, profile: cProfile.Profile | None) -> None:
    """Prints what one publishing took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate(folder, shards)
        os.sync()  # as shard tasks leave them; what is not yet on disk is deleted faster
        output = Folder(name)
        times = {"simulated": time.perf_counter()}
        ProgressWatch(output)
        times["first look at progress"] = time.perf_counter()
        if profile:
            profile.enable()
        publish(output, MaxRejects(count=0, fraction=None), {"sinks": ["tfrecord"]})
        if profile:
            profile.disable()
        times["publish"] = time.perf_counter()
        read_published(output)
        times["read dataset.json"] = time.perf_counter()
        size = (folder / "dataset.json").stat().st_size
    print(f"{shards:,} shards, dataset.json {size / 1e6:.1f} MB")
    moments = list(times.items())
    for (_, before), (phase, after) in pairwise(moments):
        seconds = after - before
        print(f"  {phase:<24} {seconds / shards * 1e6:7.1f} µs a shard  {seconds:6.2f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  {'peak memory':<24} {peak:7.0f} MiB")


def main() -> None:
    """Prints what publishing costs for each number of shards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--cprofile", action="store_true", help="where the time goes, by function")
    given = parser.parse_args()
    for shards in given.shards:
        profile = cProfile.Profile() if given.cprofile else None
        measure(shards, profile)
        if profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
