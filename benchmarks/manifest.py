"""What a build costs a row beside its image: planning, shuffling, sorting and publishing.

    python benchmarks/manifest.py [--rows 1000000] [--shards 100] [--index none] [--check] [--cprofile]

The whole command on the local runner, in one process, but for the image: the reading, encoding and
serializing of a record are replaced by a constant, a frame of 64 bytes, and what the index says of it by
hashes of nothing, one in a hundred a twin's. Prints microseconds of CPU a row by phase and the peak memory of the
process; with ``--check``, fails past 25 µs a row or 1 GiB, bounds for a build with ``--index none``.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import pstats
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pixelbeam.pipeline.commands import build as build_module
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.pipeline.publishing.publish import publish
from pixelbeam.schemas.features.base import RecordValue
from pixelbeam.schemas.schema import Schema
from pixelbeam.transforms.shards.encode_rows import EncodedRow
from pixelbeam.transforms.shards.plan_shards import Planner, ShardSize
from pixelbeam.transforms.shards.shard_task import ShardTask
from pixelbeam.transforms.sinks.registry import installed_sinks
from pixelbeam.transforms.sinks.tfrecord import TFRecordSink
from pixelbeam.transforms.splits import Splits

FRAME = bytes(64)
LABEL = np.array(0, np.int64)
CLASSES = 1000
MOST_BYTES, MOST_MICROSECONDS = 1 << 30, 25.0
SCHEMA = Schema.from_dict(
    {
        "features": {
            "image": {"type": "image", "source": "path", "height": 224, "width": 224},
            "label": {"type": "class_label", "source": "label", "vocabulary": "from_manifest"},
        }
    }
)


class ConstantSink(TFRecordSink):
    """Writes the same frame for each record."""

    def open(self, path: Path, schema: Schema) -> ConstantWriter:
        """See ``Sink.open``."""
        return ConstantWriter(path.open("xb", buffering=1 << 20))


class ConstantWriter:
    """See ``ShardWriter``."""

    def __init__(self, file: BinaryIO):
        self._file = file

    def write(self, values: Mapping[str, RecordValue]) -> None:
        """Appends the frame."""
        self._file.write(FRAME)

    def close(self) -> None:
        """Completes the file."""
        self._file.close()


class Clock:
    """Notes when the phases of a build begin and end, and takes the images out of it."""

    # Beam pickles what it runs, copying what belongs to this file; a module it takes by its name.
    marks: dict[str, float] = build_module.__dict__.setdefault("benchmark_marks", {})

    def install(self) -> None:
        """Puts the clock and the constant record into the classes that a build uses."""
        installed_sinks()["tfrecord"] = ConstantSink()

        def encode_all(task: ShardTask, rows: list[bytes], *_: Any) -> Iterator[EncodedRow]:
            return map(_encode, rows)

        ShardTask._encode_all = encode_all  # type: ignore[method-assign,assignment]
        Planner.plan = _timed(Planner.plan, "plan")  # type: ignore[method-assign]
        ShardTask.run = _timed(ShardTask.run, "shard")  # type: ignore[method-assign]
        setattr(build_module, "publish", _timed(publish, "publish"))  # noqa: B010 - it is no export

    def phases(self, started: float, ended: float) -> dict[str, float]:
        """Seconds of CPU by phase."""
        marks = self.marks
        return {
            "read, split, plan": marks["plan ends"] - started,
            "read again, shuffle": marks["shard begins"] - marks["plan ends"],
            "sort, fingerprint, write": marks["shard ends"] - marks["shard begins"],
            "find twins": marks["publish begins"] - marks["shard ends"],
            "publish": ended - marks["publish begins"],
        }


def _encode(packed: bytes) -> EncodedRow:
    """A record of nothing, whose hashes are its own, or that of another in a hundred."""
    digest = hashlib.sha256(packed[:8])
    seed = digest.digest()
    twin = seed[0] < 3
    said = {"source_sha256": "ab" * 32 if twin else digest.hexdigest()}
    dhash = int.from_bytes(seed[8:9] * 8 if twin else seed[8:16], "big")
    return EncodedRow({"label": LABEL}, {}, indexed={"image": {**said, "dhash": dhash}})


def _timed(function: Callable[..., Any], phase: str) -> Callable[..., Any]:
    def timed(*arguments: Any) -> Any:
        marks = build_module.__dict__["benchmark_marks"]
        marks.setdefault(f"{phase} begins", time.process_time())
        result = function(*arguments)
        marks[f"{phase} ends"] = time.process_time()
        return result

    return timed


def write_manifest(path: Path, rows: int) -> None:
    """A CSV of paths and labels; about 60 bytes a row."""
    with path.open("w") as file:
        file.write("path,label\n")
        for row in range(rows):
            file.write(
                f"train/n{row % CLASSES:08d}/n{row % CLASSES:08d}_{row}.JPEG,class_{row % CLASSES}\n"
            )


def main() -> None:
    """Prints the costs of a build without its images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=100)
    parser.add_argument("--index", default="parquet", help="none: neither index nor twins")
    parser.add_argument("--check", action="store_true", help="fail past the bounds for 10^6 rows")
    parser.add_argument("--cprofile", action="store_true", help="where the time goes, by function")
    given = parser.parse_args()
    clock = Clock()
    clock.install()
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.csv"
        write_manifest(manifest, given.rows)
        options = BuildOptions(
            manifest=str(manifest),
            schema=SCHEMA,
            output=f"{folder}/out",
            splits=Splits((("train", 0.9), ("val", 0.1))),
            shard_size=ShardSize(num_shards=given.shards),
            threads=1,
            index=given.index,
        )
        profile = cProfile.Profile()
        if given.cprofile:
            profile.enable()
        started = time.process_time()
        build(options)
        ended = time.process_time()
        profile.disable()
    phases = clock.phases(started, ended)
    for phase, seconds in {**phases, "all": ended - started}.items():
        print(f"{phase:<26} {seconds / given.rows * 1e6:6.1f} µs a row  {seconds:6.1f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{'peak memory':<26} {peak / 2**20:6.0f} MiB")
    microseconds = (ended - started) / given.rows * 1e6
    if given.check and (peak > MOST_BYTES or microseconds > MOST_MICROSECONDS):
        raise SystemExit(
            f"expected at most {MOST_MICROSECONDS:g} µs a row and {MOST_BYTES >> 20} MiB"
        )
    if given.cprofile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    main()
