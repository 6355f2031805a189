"""Images and sound in one record: handwritten digits, each with the spectrum of a spoken one.

Takes scikit-learn's digits, writes them as PNG files, and for each a vector of audio features into a file
as MATLAB's `save -v7.3` writes it, in another order than the images. Builds a dataset that holds both with
`pixelbeam build`, and trains a small network that looks and listens. Both are made noisy, so that neither
is enough.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported, or it talks

import h5py
import keras
import numpy as np
import pixelbeam as pb
from PIL import Image
from sklearn.datasets import load_digits

SCHEMA = Path(__file__).with_name("audio_visual.yaml")
BANDS = 16
GOOD_ENOUGH = 0.9


def export_pairs(folder: Path) -> Path:
    """Writes noisy PNG files, `audio.mat`, and a manifest with a line for each digit."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    digits = load_digits()
    manifest = folder / "digits.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["path", "id", "label"])
        for index, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
            noisy = pixels * (255 / 16) + random.normal(0, 60, pixels.shape)
            name = f"{index:04d}.png"
            Image.fromarray(noisy.clip(0, 255).astype("uint8")).save(folder / name)
            lines.writerow([name, index, label])
    write_matlab(folder / "audio.mat", random, digits.target)
    return manifest


def write_matlab(path: Path, random: np.random.Generator, labels: np.ndarray) -> None:
    """Writes the matrices `features` (a row a digit) and `ids`, as MATLAB lays them out in HDF5."""
    voices = random.normal(size=(10, BANDS))
    ids = random.permutation(len(labels))
    features = voices[labels[ids]] + random.normal(0, 1.2, (len(ids), BANDS))
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, matrix in (("features", features), ("ids", ids[:, np.newaxis].astype(float))):
            file[name] = matrix.T  # MATLAB's axes lie the other way round
            file[name].attrs["MATLAB_class"] = np.bytes_("double")


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
    """A small network with an input for each of the two."""
    layers = keras.layers
    image, audio = layers.Input((8, 8, 1), name="image"), layers.Input((BANDS,), name="audio")
    seen = layers.Flatten()(layers.Conv2D(32, 3, activation="relu")(image))
    heard = layers.Dense(64, activation="relu")(audio)
    both = layers.Dense(64, activation="relu")(layers.Concatenate()([seen, heard]))
    model = keras.Model({"image": image, "audio": audio}, layers.Dense(10)(both))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.002), loss, metrics=["accuracy"])
    return model


def train(output: Path, epochs: int) -> float:
    """Trains on the one split and returns the accuracy on the other."""
    keras.utils.set_random_seed(0)
    training = pb.load(output, "train", batch_size=32, shuffle=True, seed=0, scaling="[0,1]")
    validation = pb.load(output, "val", batch_size=256, scaling="[0,1]")
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
    parser.add_argument("--data", type=Path, default=Path("data/audio_visual"), help="the files")
    parser.add_argument("--output", type=Path, default=Path("out/audio_visual"), help="the dataset")
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()

    manifest = export_pairs(options.data)
    build_dataset(manifest, options.output)
    accuracy = train(options.output, options.epochs)
    print(f"\nvalidation accuracy: {accuracy:.4f} (at least {GOOD_ENOUGH} is expected)")
    return 0 if accuracy >= GOOD_ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
