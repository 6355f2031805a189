"""Clips a second of ``load(frames=8)`` against ``from_generator`` over h5py that decodes every frame.

Makes an HDF5 file of clips of different lengths as JPEG frames, builds a dataset from it, and reads
random 8-frame samples of its clips both ways. The baseline is the usual loader: a generator opens the
file, decodes the clip's frames with Pillow, and the pipeline takes 8 of them.

    python benchmarks/read_clips.py [--clips 100] [--side 128] [--repeats 3]

The two run in turn, so that a drift of the machine's speed meets both; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported, or it talks

import h5py
import numpy as np
import tensorflow as tf
from PIL import Image
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.readers import load
from pixelbeam.schemas import Schema

FRAMES, BATCH = 8, 8


def write_clips(folder: Path, count: int, side: int) -> list[int]:
    """Writes ``videos.h5`` with ``/clip_0000/frames`` and so on, and its manifest; returns the lengths."""
    random = np.random.default_rng(0)
    pool = [encode_frame(random, side) for _ in range(200)]
    lengths = [int(length) for length in random.integers(60, 300, count)]
    with h5py.File(folder / "videos.h5", "w") as file, (folder / "clips.csv").open("w") as table:
        lines = csv.writer(table)
        lines.writerow(["clip", "label"])
        for number, length in enumerate(lengths):
            name = f"clip_{number:04d}"
            frames = file.create_dataset(f"{name}/frames", length, h5py.vlen_dtype(np.uint8))
            for step in range(length):
                frames[step] = pool[int(random.integers(len(pool)))]
            lines.writerow([name, number % 2])
    return lengths


def encode_frame(random: np.random.Generator, side: int) -> Any:
    """A JPEG file of smooth colours, as an array of bytes."""
    coarse = random.integers(0, 256, (8, 8, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return np.frombuffer(buffer.getvalue(), np.uint8)


def build_dataset(folder: Path, side: int) -> Path:
    """Builds the dataset from the HDF5 file."""
    frames = {"type": "image", "source": "videos.h5::/{clip}/frames", "height": side, "width": side}
    label = {"type": "class_label", "source": "label", "num_classes": 2}
    schema = Schema.from_dict(
        {"record": "sequence_example", "context": {"label": label}, "steps": {"frames": frames}}
    )
    output = folder / "dataset"
    build(BuildOptions(str(folder / "clips.csv"), schema, str(output)))
    return output


def read_by_generator(folder: Path, side: int, seed: int) -> Any:
    """The baseline: every frame of every clip is decoded, then 8 are taken."""
    random = np.random.default_rng(seed)

    def generate() -> Iterator[tuple[Any, int]]:
        with h5py.File(folder / "videos.h5", "r") as file:
            for number, name in enumerate(random.permutation(sorted(file))):
                encoded = file[name]["frames"][:]
                frames = [np.asarray(Image.open(io.BytesIO(one.tobytes()))) for one in encoded]
                yield np.stack(frames), number % 2

    def sample(frames: Any, label: Any) -> Any:
        chosen = tf.sort(tf.random.shuffle(tf.range(tf.shape(frames)[0]))[:FRAMES])
        return tf.ensure_shape(tf.gather(frames, chosen), [FRAMES, side, side, 3]), label

    signature = (tf.TensorSpec([None, side, side, 3], tf.uint8), tf.TensorSpec([], tf.int64))
    clips = tf.data.Dataset.from_generator(generate, output_signature=signature)
    return clips.map(sample, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(2)


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
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lengths = write_clips(folder, options.clips, options.side)
        output = build_dataset(folder, options.side)
        usual, ours = [], []
        for number in range(options.repeats):
            usual.append(time_epoch(read_by_generator(folder, options.side, number)))
            dataset = load(
                output, "train", batch_size=BATCH, shuffle=True, frames=FRAMES, sampling="random"
            )
            ours.append(time_epoch(dataset))
            print(
                f"  run {number + 1}: generator {usual[-1]:.2f} s, load {ours[-1]:.2f} s",
                flush=True,
            )
    slow, fast = (options.clips / statistics.median(seconds) for seconds in (usual, ours))
    print(
        f"{options.clips} clips of {min(lengths)} to {max(lengths)} frames, {sum(lengths)} in all"
    )
    print(f"from_generator over h5py {slow:8.1f} clips/s")
    print(f"load(frames={FRAMES})           {fast:8.1f} clips/s")
    print(f"ratio                    {fast / slow:8.1f}")


if __name__ == "__main__":
    main()
