"""Images a second of ``load(batch_size=None)`` against a hand-written map over the same TFRecord files.

Builds a dataset of JPEG images and reads it record by record, as training jobs do that augment before they
batch: once with images of different sizes, once of one size. The baseline is what one writes by hand:
``parse_single_example`` and ``decode_jpeg`` in one ``Dataset.map``.

    python benchmarks/read_single.py [--images 1000] [--side 256] [--repeats 5]

The two run in turn, so that a drift of the machine's speed meets both; the ratio is that of the medians, and
above 1 where ``load`` takes longer.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported, or it talks

import numpy as np
import tensorflow as tf
from PIL import Image
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.readers import load
from pixelbeam.schemas import Schema


def write_images(folder: Path, count: int, side: int) -> None:
    """Writes JPEG files of smooth colours, ``side`` wide and half to twice as high, and their manifest."""
    random = np.random.default_rng(0)
    lines = ["path,label"]
    for number in range(count):
        coarse = random.integers(0, 256, (8, 8, 3), np.uint8)
        size = (side, int(random.integers(side // 2, side * 2)))
        image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        image.save(folder / f"{number}.jpg", quality=90)
        lines.append(f"{number}.jpg,{number % 10}")
    (folder / "images.csv").write_text("\n".join(lines) + "\n")


def build_dataset(folder: Path, name: str, image: dict[str, Any]) -> Path:
    """Builds a dataset of the images."""
    label = {"type": "class_label", "source": "label", "num_classes": 10}
    features = {"image": {"type": "image", "source": "path", **image}, "label": label}
    output = folder / name
    schema = Schema.from_dict({"features": features})
    build(BuildOptions(str(folder / "images.csv"), schema, str(output)))
    return output


def read_by_hand(output: Path) -> Any:
    """The baseline."""
    description = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }

    def parse(record: Any) -> tuple[Any, Any]:
        parsed = tf.io.parse_single_example(record, description)
        decoded = tf.io.decode_jpeg(parsed["image"], channels=3, dct_method="INTEGER_ACCURATE")
        return decoded, parsed["label"]

    files = sorted(map(str, output.glob("train-*.tfrecord")))
    records = tf.data.TFRecordDataset(files)
    return records.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def time_epoch(dataset: Any) -> float:
    """Seconds to read a dataset to its end."""
    started = time.perf_counter()
    for _ in dataset:
        pass
    return time.perf_counter() - started


def main() -> None:
    """Runs the benchmark and prints its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    cases = {
        "different sizes": {"resize": "none"},
        "one size": {"height": options.side, "width": options.side, "resize": "pad"},
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder, options.images, options.side)
        for case, image in cases.items():
            output = build_dataset(folder, case.replace(" ", "_"), image)
            by_hand, loaded = read_by_hand(output), load(output, "train")
            seconds: tuple[list[float], list[float]] = ([], [])
            for _ in range(options.repeats):
                for each, dataset in zip(seconds, (by_hand, loaded), strict=True):
                    each.append(time_epoch(dataset))
            slow, fast = map(statistics.median, seconds)
            print(
                f"{case:16s} by hand {options.images / slow:7.0f} images/s   "
                f"load {options.images / fast:7.0f} images/s   ratio {fast / slow:5.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
