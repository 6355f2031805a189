"""What ``--reuse`` saves: a build that takes nearly all images over from an earlier one, against a full build.

The earlier dataset has all rows but one in a hundred. All files are different ones, if by a comment that is
written into each copy of a photo; twins are looked for by content alone, since every picture is there many times.
The two builds of all rows run in turn, and their datasets are compared byte for byte.

    python benchmarks/reuse.py --photos DIR [--rows 20000] [--new 0.01] [--repeats 3] [--threads N]
"""

from __future__ import annotations

import argparse
import csv
import filecmp
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path

SIDE = 256
SCHEMA = f"""
features:
  image: {{type: image, source: path, height: {SIDE}, width: {SIDE}, upscale: true, quality: 90}}
  label: {{type: class_label, source: label, vocabulary: from_manifest}}
"""


def copy_photos(photos: Path, folder: Path, count: int) -> list[tuple[str, str]]:
    """So many copies of the photos in a folder, no two the same bytes; returns a path and a label each."""
    rows = []
    contents = {path.stem: path.read_bytes() for path in sorted(photos.glob("*.jpg"))}
    for number, (label, data) in zip(range(count), cycle(contents.items()), strict=False):
        name = f"{number // 1000:03}/{number:06}.jpg"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        comment = (
            b"\xff\xfe\x00\x0a%08d" % number
        )  # JPEG's COM segment: a length of ten, its own bytes included
        (folder / name).write_bytes(data[:2] + comment + data[2:])
        rows.append((name, label))
    return rows


def write_manifest(path: Path, rows: list[tuple[str, str]]) -> None:
    """Writes a CSV of paths and labels."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        writer.writerows(rows)


def time_build(folder: Path, manifest: str, output: str, *options: str) -> float:
    """Seconds of the whole command."""
    command = [
        sys.executable, "-m", "pixelbeam.pipeline.main", "build",
        "--manifest", str(folder / manifest), "--schema", str(folder / "schema.yaml"),
        "--image_root", str(folder / "images"), "--output", str(folder / output),
        "--duplicate_distance", "none", *options,
    ]  # fmt: skip
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def is_same(left: Path, right: Path) -> bool:
    """Whether two datasets are the same files, byte for byte."""
    names = [
        {
            str(p.relative_to(root))
            for p in root.rglob("*")
            if p.is_file() and ".pixelbeam" not in p.parts
        }
        for root in (left, right)
    ]
    _, mismatched, failed = filecmp.cmpfiles(left, right, names[0], shallow=False)
    return names[0] == names[1] and not mismatched and not failed


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--new", type=float, default=0.01)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = copy_photos(arguments.photos, folder / "images", arguments.rows)
        step = round(1 / arguments.new)
        write_manifest(folder / "all.csv", rows)
        write_manifest(folder / "most.csv", [r for n, r in enumerate(rows) if n % step])
        (folder / "schema.yaml").write_text(SCHEMA)
        options = ("--threads", str(arguments.threads))
        time_build(folder, "most.csv", "old", *options)
        full: list[float] = []
        reused: list[float] = []
        for number in range(arguments.repeats):
            outputs = f"full{number}", f"reused{number}"
            full.append(time_build(folder, "all.csv", outputs[0], *options))
            reuse = ("--reuse", str(folder / "old"))
            reused.append(time_build(folder, "all.csv", outputs[1], *options, *reuse))
            same = is_same(folder / outputs[0], folder / outputs[1])
            times = f"full {full[-1]:.1f} s, with --reuse {reused[-1]:.1f} s"
            print(
                f"run {number + 1}: {times}, {'the same bytes' if same else 'OTHER BYTES'}",
                flush=True,
            )
    ratio = statistics.median(full) / statistics.median(reused)
    print(f"{arguments.rows} rows, {arguments.new:.1%} of them new: {ratio:.1f} times as fast")


if __name__ == "__main__":
    main()
