"""From clips in an HDF5 file to a trained model: a square that moves in one of four directions.

Writes 400 clips of 12 to 60 JPEG frames into one HDF5 file, builds a dataset from them with
`pixelbeam build`, and trains a small network on 8 frames of each clip, of which only those are decoded.
"""

import argparse
import csv
import io
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported, or it talks

import h5py
import keras
import numpy as np
import pixelbeam as pb
from PIL import Image

SCHEMA = Path(__file__).with_name("video.yaml")
DIRECTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
SIDE, SQUARE, FRAMES = 32, 8, 8
GOOD_ENOUGH = 0.9


def export_clips(folder: Path, count: int) -> Path:
    """Writes `videos.h5`, and a manifest with a line for each clip."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    manifest = folder / "clips.csv"
    with (
        h5py.File(folder / "videos.h5", "w") as videos,
        manifest.open("w", newline="", encoding="utf-8") as file,
    ):
        lines = csv.writer(file)
        lines.writerow(["clip", "direction"])
        for number in range(count):
            name, direction = f"clip_{number:04d}", list(DIRECTIONS)[number % 4]
            length = int(random.integers(12, 61))
            frames = videos.create_dataset(f"{name}/frames", length, h5py.vlen_dtype(np.uint8))
            for step, frame in enumerate(draw_clip(random, direction, length)):
                frames[step] = np.frombuffer(frame, np.uint8)
            lines.writerow([name, direction])
    return manifest


def draw_clip(random: np.random.Generator, direction: str, length: int) -> list[bytes]:
    """JPEG files of a bright square that crosses a noisy background from one side to the other."""
    row, column = random.integers(0, SIDE - SQUARE, 2)
    moves = DIRECTIONS[direction]
    frames = []
    for step in range(length):
        way = round(step / (length - 1) * (SIDE - SQUARE))
        start = [
            way if move > 0 else SIDE - SQUARE - way if move else fixed
            for move, fixed in zip(moves, (row, column), strict=True)
        ]
        pixels = random.integers(0, 80, (SIDE, SIDE), np.uint8)
        pixels[start[0] : start[0] + SQUARE, start[1] : start[1] + SQUARE] = 255
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG")
        frames.append(buffer.getvalue())
    return frames


def build_dataset(manifest: Path, output: Path) -> None:
    """Runs the command that one would type."""
    command = [
        *("pixelbeam", "build"),
        *("--manifest", str(manifest)),
        *("--schema", str(SCHEMA)),
        *("--output", str(output)),
        *("--splits", "train=0.8,val=0.2"),
    ]
    print("$", *command, flush=True)
    pixelbeam = shutil.which("pixelbeam", path=Path(sys.executable).parent) or "pixelbeam"
    done = subprocess.run([pixelbeam, *command[1:]])
    if done.returncode:
        sys.exit(done.returncode)  # pixelbeam has said why


def build_model() -> keras.Model:
    """A small network over clips [frames, height, width, 1]: each frame alone, then their order."""
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((FRAMES, SIDE, SIDE, 1)),
            layers.TimeDistributed(layers.Conv2D(8, 5, strides=4, activation="relu")),
            layers.TimeDistributed(layers.Flatten()),
            layers.TimeDistributed(layers.Dense(32, activation="relu")),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(len(DIRECTIONS)),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.002), loss, metrics=["accuracy"])
    return model


def train(output: Path, epochs: int) -> float:
    """Trains on random frames of the one split, and returns the accuracy on the other."""
    keras.utils.set_random_seed(0)
    load_frames = partial(pb.load, output, batch_size=16, frames=FRAMES, scaling="[0,1]")
    training = load_frames("train", shuffle=True, seed=0, sampling="random")
    validation = load_frames("val", sampling="uniform")
    history = build_model().fit(
        training,
        validation_data=validation,
        epochs=epochs,
        shuffle=False,  # load has done it
        verbose=2,
    )
    return float(history.history["val_accuracy"][-1])


def main() -> int:
    """Exports, builds, trains, and says how it went."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/video"), help="the HDF5 file")
    parser.add_argument("--output", type=Path, default=Path("out/video"), help="the dataset")
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()

    manifest = export_clips(options.data, options.clips)
    build_dataset(manifest, options.output)
    accuracy = train(options.output, options.epochs)
    print(f"\nvalidation accuracy: {accuracy:.4f} (at least {GOOD_ENOUGH} is expected)")
    return 0 if accuracy >= GOOD_ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
