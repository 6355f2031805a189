"""Clips of numbers a second, from an HDF5 file to serialized records, against a loop by hand.

Each clip is an array ``[243, 75]`` of float32, as skeletons or audio features are stored. By hand, a loop
reads it with h5py, fills a ``SequenceExample`` a step at a time, and serializes it: no checks, no
statistics. Ours reads, checks, summarizes and serializes, with one thread and with two.

    python benchmarks/step_arrays.py [--clips 300] [--steps 243] [--numbers 75] [--repeats 3]

All run in turn, so that a drift of the machine's speed meets each; the ratios are those of medians.
On two cores the loop by hand made 780 clips a second. Ours made 0.05 of that with one thread and 0.07 with
two while each step was an array of its own; since the steps of a clip are one array, 0.68 and 0.88.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.examples import message_class
from pixelbeam.transforms.rows import ManifestRow, RowFormat
from pixelbeam.transforms.shards.encode_rows import EncodedRow, RowEncoder, encode_rows
from pixelbeam.transforms.shards.thread_pool import RowPool
from pixelbeam.transforms.sinks.examples import serialize_sequence_example
from pixelbeam.transforms.storage.input_files import InputFiles


def by_hand(folder: Path, clips: int) -> int:
    """The baseline; returns the bytes of all records."""
    size = 0
    with h5py.File(folder / "a.h5") as file:
        for clip in range(clips):
            example = message_class("SequenceExample")()
            example.context.SetInParent()
            steps = example.feature_lists.feature_list["pose"].feature
            for step in file[f"{clip}/pose"][()]:
                steps.add().float_list.value.extend(step.tolist())
            size += len(example.SerializeToString(deterministic=True))
    return size


def by_encoder(folder: Path, clips: int, numbers: int, threads: int) -> int:
    """The same as a shard task does it; returns the bytes of all records."""
    pose = {"type": "float32", "source": "a.h5::/{clip}/pose", "shape": [numbers]}
    schema = Schema.from_dict(
        {"record": "sequence_example", "context": {}, "steps": {"pose": pose}}
    )
    encoder = RowEncoder(schema, RowFormat(("clip",), None), InputFiles(str(folder)))
    rows: list[tuple[ManifestRow, dict[str, str]]] = [
        (ManifestRow("m.csv", clip, (str(clip),)), {}) for clip in range(clips)
    ]
    size, pool = 0, RowPool(threads, 60)
    for row in encode_rows(encoder, rows, pool):
        assert isinstance(row, EncodedRow), row
        size += len(serialize_sequence_example(row.values))
    pool.close()
    return size


def main() -> None:
    """Prints the clips a second of each, and the ratios to the loop by hand."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, default in (("clips", 300), ("steps", 243), ("numbers", 75), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        random = np.random.default_rng(0)
        with h5py.File(folder / "a.h5", "w") as file:
            for clip in range(args.clips):
                values = random.normal(size=(args.steps, args.numbers))
                file[f"{clip}/pose"] = values.astype(np.float32)
        runs: dict[str, Callable[[], int]] = {
            "by hand": lambda: by_hand(folder, args.clips),
            "one thread": lambda: by_encoder(folder, args.clips, args.numbers, 1),
            "two threads": lambda: by_encoder(folder, args.clips, args.numbers, 2),
        }
        seconds: dict[str, list[float]] = {run: [] for run in runs}
        sizes = set()
        for _ in range(args.repeats):
            for run, function in runs.items():
                start = time.perf_counter()
                sizes.add(function())
                seconds[run].append(time.perf_counter() - start)
    assert len(sizes) == 1, sizes
    medians = {run: statistics.median(times) for run, times in seconds.items()}
    for run, median in medians.items():
        ratio = medians["by hand"] / median
        print(f"{run:12} {args.clips / median:7.0f} clips a second, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
