"""Images by reference out of compressed chunks, against h5py reading the same dataset whole.

400 images of 192 kB lie in one HDF5 file in chunks of 100, compressed with gzip. The rows are encoded as a
shard task does it, with two threads: once in the order of their keys' hashes, as rows lay before, and once
as rows of a chunk lie together. The baseline reads the dataset with one call of h5py.

    python benchmarks/chunked_arrays.py [--rows 400] [--chunk 100] [--side 256]

Also printed: the cost of finding the chunk of a row, for which headers alone are read. On two cores
that had much else to do: 3.8 s for the baseline, 106 s for the rows in hashed order, which the build read
them in before, 4.1 s for the rows of a chunk together; a million rows find their place in a minute.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np
from pixelbeam.schemas import Schema
from pixelbeam.transforms.row_order import order_of
from pixelbeam.transforms.rows import ManifestRow, RowFormat
from pixelbeam.transforms.shards.encode_rows import EncodedRow, RowEncoder, encode_rows
from pixelbeam.transforms.shards.thread_pool import RowPool
from pixelbeam.transforms.storage.input_files import InputFiles
from pixelbeam.transforms.values.array_order import ArrayOrder

IMAGE = {"type": "image", "source": "path", "resize": "none", "encoding": "raw"}
SCHEMA = Schema.from_dict({"features": {"image": IMAGE}})
FORMAT = RowFormat(("path",), "path")


def encode(folder: Path, rows: Iterable[ManifestRow]) -> float:
    """Seconds to encode all rows."""
    items: list[tuple[ManifestRow, dict[str, str]]] = [(row, {}) for row in rows]
    pool = RowPool(2, 60)
    start = time.perf_counter()
    for outcome in encode_rows(RowEncoder(SCHEMA, FORMAT, InputFiles(str(folder))), items, pool):
        assert isinstance(outcome, EncodedRow), outcome
    pool.close()
    return time.perf_counter() - start


def one_by_one(folder: Path, rows: Iterable[ManifestRow]) -> float:
    """Seconds to read the rows with h5py in their order: what each row cost before, at least."""
    start = time.perf_counter()
    with h5py.File(folder / "a.h5") as file:
        for row in rows:
            _ = file["images"][row.row]
    return time.perf_counter() - start


def main() -> None:
    """Prints seconds, and ratios to the baseline."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, default in (("rows", 400), ("chunk", 100), ("side", 256)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, shape = Path(name), (args.side, args.side, 3)
        random = np.random.default_rng(0)
        with h5py.File(folder / "a.h5", "w") as file:
            chunks = (args.chunk, *shape)
            images = file.create_dataset(
                "images", (args.rows, *shape), "u1", chunks=chunks, compression="gzip"
            )
            for first in range(0, args.rows, args.chunk):
                count = min(args.chunk, args.rows - first)
                images[first : first + count] = random.integers(0, 60, (count, *shape), np.uint8)
        rows = [ManifestRow("m.csv", n, (f"a.h5::images[{n}]",)) for n in range(args.rows)]
        find = (
            ArrayOrder(tuple(SCHEMA.features.values()), FORMAT, InputFiles(str(folder))).open().find
        )
        start = time.perf_counter()
        orders = {row: order_of(0, FORMAT.key(row), row, find(row)) for row in rows * 25}
        each = (time.perf_counter() - start) / len(rows) / 25
        hashed = sorted(rows, key=lambda row: order_of(0, FORMAT.key(row), row))
        start = time.perf_counter()
        with h5py.File(folder / "a.h5") as file:
            _ = file["images"][()]
        whole = time.perf_counter() - start
        together = encode(folder, sorted(rows, key=orders.__getitem__))
        before = one_by_one(folder, hashed)
    print(f"h5py, whole               {whole:7.2f} s")
    print(f"by hash, row by row       {before:7.2f} s, ratio {before / whole:.1f}")
    print(f"by chunk, to records      {together:7.2f} s, ratio {together / whole:.1f}")
    print(f"finding a row's place     {each * 1e6:7.1f} s for a million rows")


if __name__ == "__main__":
    main()
