"""Images a second, shuffled, out of HDF5 files in the chunks that h5py chooses.

Such chunks (``chunks=True``, which compression brings with it) hold parts of some hundred images. Batches are
read by

- ``sorted``: a Keras ``PyDataset`` that gives h5py the sorted numbers of a batch;
- ``one by one``: one that reads ``file["image"][number]``;
- ``all``: ``HDF5Dataset(shuffle="all")``, an order drawn from all images;
- ``HDF5Dataset``: ``shuffle=True``, which reads each chunk once an epoch.

    python benchmarks/shuffle_chunks.py [--images 2000] [--sides 64,128] [--batch 32] [--batches 2]

``HDF5Dataset`` reads a whole first epoch, with nothing kept from before; the others their first batches, which
all take alike. The file is read once before, so that it comes from the page cache. The figures are images a
second and, in brackets, the ratio to the faster of the two over h5py. Printed as a table of Markdown.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py
import keras
import numpy as np
from pixelbeam.readers.keras_dataset import HDF5Dataset

FEATURES = {"image": "input", "label": "target"}


class Sorted(keras.utils.PyDataset):
    """What tutorials show: h5py takes an index list, which it wants sorted."""

    def __init__(self, path: Path, batch: int):
        super().__init__()
        file = h5py.File(path)
        self.images, self.labels, self.batch = file["image"], file["label"], batch
        self.order = np.random.default_rng(0).permutation(len(self.images))

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        rows = np.sort(self.order[index * self.batch : (index + 1) * self.batch])
        return self.images[rows], self.labels[rows]


class OneByOne(Sorted):
    """What one writes who knows that h5py is slow with lists."""

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        rows = self.order[index * self.batch : (index + 1) * self.batch]
        return np.stack([self.images[row] for row in rows]), self.labels[np.sort(rows)]


def write_images(
    path: Path, images: int, side: int, dtype: str, compression: str | None
) -> tuple[int, ...]:
    """Writes pictures that compress somewhat; returns their chunks."""
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        shape = (images, side, side, 3)
        dataset = file.create_dataset("image", shape, dtype, chunks=True, compression=compression)
        step: int = dataset.chunks[0]
        for start in range(0, images, step):
            coarse = random.integers(0, 32, (min(step, images - start), 8, 8, 3), np.uint8)
            pixels = coarse.repeat(side // 8, 1).repeat(side // 8, 2) * np.uint8(7)
            pixels += random.integers(0, 8, pixels.shape, np.uint8)
            dataset[start : start + step] = pixels if dtype == "uint8" else pixels / np.float32(255)
        file["label"] = np.arange(images)
        chunks: tuple[int, ...] = dataset.chunks
    return chunks


def rate(dataset: Any, batches: Iterable[int]) -> float:
    """Images a second."""
    started = time.perf_counter()
    read = sum(len(dataset[index][1]) for index in batches)
    return read / (time.perf_counter() - started)


def measure(path: Path, batch: int, batches: int) -> dict[str, float]:
    """Images a second by reader."""
    path.read_bytes()
    exact = HDF5Dataset(path, features=FEATURES, batch_size=batch, shuffle="all", seed=0)
    windows = HDF5Dataset(path, features=FEATURES, batch_size=batch, shuffle=True, seed=0)
    some = range(batches)
    return {
        "sorted": rate(Sorted(path, batch), some),
        "one by one": rate(OneByOne(path, batch), some),
        "all": rate(exact, some),
        "HDF5Dataset": rate(windows, range(len(windows))),
    }


def main() -> None:
    """Runs the benchmark and prints its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--sides", default="64,128")
    parser.add_argument("--dtypes", default="uint8,float32")
    parser.add_argument("--compressions", default="gzip,none")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--batches", type=int, default=2)
    options = parser.parse_args()
    print("| images | storage | chunks | sorted | one by one | all | HDF5Dataset |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    for side in map(int, options.sides.split(",")):
        for dtype in options.dtypes.split(","):
            for name in options.compressions.split(","):
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "images.h5"
                    compression = None if name == "none" else name
                    chunks = write_images(path, options.images, side, dtype, compression)
                    rates = measure(path, options.batch, options.batches)
                base = max(rates["sorted"], rates["one by one"])
                cells = [f"{value:,.0f} ({value / base:.2f})" for value in rates.values()]
                what = f"{options.images:,} × {side}×{side}×3 {dtype} | {name} | {chunks}"
                print(f"| {what} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
