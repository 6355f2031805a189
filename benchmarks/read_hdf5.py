"""Images a second out of HDF5, shuffled: pixelbeam's readers against what people do.

The file holds raw 256×256 images, contiguous, and once more chunked and compressed. One epoch in random
order, in batches of 64, by

- ``memmap``: a bare NumPy memory map of the contiguous data, a fancy index a batch;
- ``sequence``: a Keras ``PyDataset`` over h5py with sorted fancy indexing;
- ``generator``: ``tf.data.Dataset.from_generator`` over h5py, one sample at a time, batched by TensorFlow;
- ``HDF5Dataset`` and ``load``: pixelbeam's.

    python benchmarks/read_hdf5.py [--images 5000] [--photos DIR] [--storages contiguous,gzip,lzf]

Files in the chunks that h5py chooses are ``shuffle_chunks.py``'s.

All run in turn, ``--repeats`` times (those whose epoch takes more than 10 seconds once); the figures are
medians. The files are read once before, so that they come from the page cache where memory is large
enough.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py
import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from pixelbeam.readers import load
from pixelbeam.readers.keras_dataset import HDF5Dataset
from pixelbeam.schemas import Schema

SIDE, BATCH = 256, 64
LONG_SECONDS = 10


class Sequence(keras.utils.PyDataset):
    """What tutorials show: h5py takes an index list, which it wants sorted."""

    def __init__(self, path: Path):
        super().__init__()
        file = h5py.File(path)
        self.images, self.labels = file["image"], file["label"]
        self.order = np.random.default_rng(0).permutation(len(self.images))

    def __len__(self) -> int:
        return -(-len(self.order) // BATCH)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        rows = np.sort(self.order[index * BATCH : (index + 1) * BATCH])
        return self.images[rows], self.labels[rows]


def read_memmap(path: Path) -> Iterator[Any]:
    """The bare memory map."""
    with h5py.File(path) as file:
        images, labels = file["image"], file["label"][:]
        offset, shape = images.id.get_offset(), images.shape
    pixels = np.memmap(path, np.uint8, "r", offset, shape)
    order = np.random.default_rng(0).permutation(len(pixels))
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        yield pixels[rows], labels[rows]


def read_generator(path: Path) -> Any:
    """One sample at a time."""
    file = h5py.File(path)
    images, labels = file["image"], file["label"]

    def samples() -> Iterator[Any]:
        for row in np.random.default_rng(0).permutation(len(images)):
            yield images[row], labels[row]

    signature = (
        tf.TensorSpec((SIDE, SIDE, 3), tf.uint8),
        tf.TensorSpec((), tf.int64),
    )
    return (
        tf.data.Dataset.from_generator(samples, output_signature=signature).batch(BATCH).prefetch(2)
    )


def read_batches(dataset: Any) -> Iterator[Any]:
    """The batches of a ``PyDataset``, as ``fit`` asks for them without workers."""
    return (dataset[index] for index in range(len(dataset)))


def count_images(batches: Any) -> int:
    """Takes all batches, and touches each."""
    total = 0
    for images, _ in batches:
        total += len(images)
    return total


def photo_pixels(photos: Path | None, count: int) -> Iterator[Any]:
    """Pictures that compress as photos do: photos, shifted; or smooth noise where there are none."""
    if photos is None:
        noise = np.random.default_rng(0)
        bases = [
            np.asarray(
                Image.fromarray(noise.integers(0, 256, (24, 24, 3), np.uint8)).resize((SIDE, SIDE))
            ) + noise.integers(0, 4, (SIDE, SIDE, 3), np.uint8)
            for _ in range(32)
        ]  # fmt: skip
    else:
        bases = [
            np.asarray(Image.open(path).convert("RGB").resize((SIDE, SIDE)))
            for path in sorted(photos.glob("*.jpg"))
        ]
    return (np.roll(bases[number % len(bases)], number, axis=0) for number in range(count))


def build(folder: Path, photos: Path | None, count: int, storage: str) -> None:
    """A published dataset of one HDF5 shard, by the sink itself."""
    import hashlib

    from pixelbeam.schemas.dataset.checksum import BLANK, fill_checksum
    from pixelbeam.schemas.dataset.info import DatasetInfo
    from pixelbeam.schemas.description.tensorflow_module import write_description
    from pixelbeam.transforms.sinks.hdf5.sink import HDF5Sink

    folder.mkdir()
    image = {"type": "image", "source": "p", "height": SIDE, "width": SIDE, "encoding": "raw"}
    schema = Schema.from_dict(
        {
            "features": {
                "image": {**image, "storage": storage},
                "label": {"type": "class_label", "source": "l", "num_classes": 10},
            }
        }
    )
    shard = folder / "train-00000-of-00001.h5"
    writer = HDF5Sink().open(shard, schema)
    for number, pixels in enumerate(photo_pixels(photos, count)):
        writer.write({"image": pixels, "label": np.array(number % 10, np.int64)})
    writer.close()
    code = write_description(schema).encode()
    (folder / "feature_description.py").write_bytes(code)
    file = {"path": shard.name, "bytes": shard.stat().st_size, "sha256": "0" * 64}
    info = DatasetInfo.model_validate(
        {
            "fingerprint": "",
            "schema": schema.to_dict(),
            "description": {
                "path": "feature_description.py",
                "sha256": hashlib.sha256(code).hexdigest(),
            },
            "splits": {
                "train": {
                    "num_records": count,
                    "shards": [{"num_records": count, "files": {"hdf5": file}}],
                }
            },
            "rows": count,
            "checksum": BLANK,
        }
    )
    (folder / "dataset.json").write_bytes(fill_checksum(info.dumps()))


def readers(folder: Path, storage: str) -> dict[str, Callable[[], Any]]:
    """What starts an epoch, by name."""
    shard = folder / "train-00000-of-00001.h5"
    ours = HDF5Dataset(folder, "train", batch_size=BATCH, shuffle=True)
    loaded = load(folder, "train", source="hdf5", batch_size=BATCH, shuffle=True)
    sequence = Sequence(shard)
    found: dict[str, Callable[[], Any]] = {
        "sequence": lambda: read_batches(sequence),
        "generator": lambda: read_generator(shard),
        "HDF5Dataset": lambda: read_batches(ours),
        "load": lambda: loaded,
    }
    return {"memmap": lambda: read_memmap(shard), **found} if storage == "contiguous" else found


def measure(folder: Path, storage: str, count: int, repeats: int) -> dict[str, float]:
    """Images a second by reader: medians."""
    rates: dict[str, list[float]] = {}
    starts = readers(folder, storage)
    count_images(starts["HDF5Dataset"]())  # brings the file into the page cache
    for _ in range(repeats):
        for name, start in starts.items():
            if name in rates and count / rates[name][0] > LONG_SECONDS:
                continue
            started = time.perf_counter()
            if count_images(start()) != count:
                sys.exit(f"{name} did not give every image")
            rates.setdefault(name, []).append(count / (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in rates.items()}


def report(storage: str, rates: dict[str, float], size: int) -> None:
    """Prints the figures, and the ratios to each baseline."""
    print(f"{storage}, {size / 1e6:.0f} MB")
    for name, rate in rates.items():
        ours = name in ("HDF5Dataset", "load")
        against = [
            other for other in ("memmap", "sequence", "generator") if ours and other in rates
        ]
        ratios = "   ".join(f"{rate / rates[other]:6.2f} x {other}" for other in against)
        print(f"  {name:12s} {rate:8.0f} images/s   {ratios}".rstrip(), flush=True)


def main() -> None:
    """Runs the benchmark and prints its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, help="a folder of JPEG files")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--storages", default="contiguous,gzip,lzf")
    options = parser.parse_args()
    print(f"{options.images} raw {SIDE}x{SIDE} images, shuffled, in batches of {BATCH}")
    for storage in filter(None, options.storages.split(",")):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "dataset"
            build(folder, options.photos, options.images, storage)
            size = (folder / "train-00000-of-00001.h5").stat().st_size
            report(storage, measure(folder, storage, options.images, options.repeats), size)


if __name__ == "__main__":
    main()
