"""What it costs to tell that nothing has changed: a million local sources against what was noted of them.

    python benchmarks/check_sources.py [--files 1000000]

The files are empty and old, in folders of a thousand, and noted in shards of 6,500. Prints seconds for reading the
notes alone, for a bare ``os.stat`` of each file in a loop, for the check, and the ratio of the two.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from pixelbeam.transforms.shards.check_inputs import InputCheck
from pixelbeam.transforms.storage.input_files import InputFiles
from pixelbeam.transforms.storage.input_log import InputState, ShardInputs

A_FOLDER, A_SHARD, OLD = 1000, 6500, 10**18


def make_files(root: Path, count: int) -> list[str]:
    """Makes the files; returns their paths as a manifest would write them."""
    names = []
    for number in range(count):
        if number % A_FOLDER == 0:
            (root / f"{number // A_FOLDER:04d}").mkdir()
        names.append(f"{number // A_FOLDER:04d}/{number:07d}.jpg")
        os.close(os.open(root / names[-1], os.O_CREAT | os.O_WRONLY))
        os.utime(root / names[-1], ns=(OLD, OLD))
    return names


def main() -> None:
    """Prints what the check costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000)
    count = parser.parse_args().files
    with tempfile.TemporaryDirectory() as folder:
        names = make_files(Path(folder), count)
        shards = [
            ShardInputs(
                folder,
                {name: InputState(0, OLD, sha256="0" * 64) for name in names[i : i + A_SHARD]},
            ).to_bytes()
            for i in range(0, count, A_SHARD)
        ]
        started = time.perf_counter()
        notes = [ShardInputs.from_bytes(data) for data in shards]
        read = time.perf_counter()
        for name in names:
            os.stat(f"{folder}/{name}")
        bare = time.perf_counter()
        check = InputCheck(InputFiles(folder))
        changed = [written for noted in notes for written in check.changed(noted)]
        done = time.perf_counter()
    print(f"{count:,} files, {sum(map(len, shards)) / 1e6:.0f} MB of notes, {len(changed)} changed")
    print(f"  reading the notes  {read - started:6.1f} s")
    print(f"  bare os.stat       {bare - read:6.1f} s")
    print(
        f"  check              {done - bare:6.1f} s, {(done - bare) / (bare - read):.1f} times the bare loop"
    )


if __name__ == "__main__":
    main()
