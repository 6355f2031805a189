"""From images to a trained model: scikit-learn's 1,797 handwritten digits, nothing downloaded.

Writes the digits as PNG files with a manifest, builds a dataset from them with `pixelbeam build`,
and trains a small Keras network on it.
"""

import argparse
import contextlib
import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_digits


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Hides what native code writes; an exception is still shown."""
    stderr = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with silent_stderr():  # TensorFlow talks of missing GPUs here whatever its log level
    import keras
    from pixelbeam.readers import load

SCHEMA = Path(__file__).with_name("digits.yaml")
GOOD_ENOUGH = 0.97


def export_digits(folder: Path) -> Path:
    """Writes each digit as an 8 x 8 PNG file, and a manifest with a line for each."""
    folder.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    manifest = folder / "digits.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["path", "label"])
        for index, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
            name = f"{index:04d}.png"
            grey = pixels * (255 / 16)  # they count from 0 to 16
            Image.fromarray(grey.astype("uint8")).save(folder / name)
            lines.writerow([name, label])
    return manifest


def build_dataset(manifest: Path, output: Path) -> None:
    """Runs the command that one would type."""
    command = [
        *("pixelbeam", "build"),
        *("--manifest", str(manifest)),
        *("--schema", str(SCHEMA)),
        *("--output", str(output)),
        *("--splits", "train=0.8,val=0.2"),
        *("--duplicate_distance", "none"),  # digits all look alike
    ]
    print("$", *command, flush=True)
    pixelbeam = shutil.which("pixelbeam", path=Path(sys.executable).parent) or "pixelbeam"
    done = subprocess.run([pixelbeam, *command[1:]])
    if done.returncode:
        sys.exit(done.returncode)  # pixelbeam has said why


def build_model(steps: int) -> keras.Model:
    """A small convolutional network for 8 x 8 grey images of ten classes, for so many steps."""
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(10),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(0.002, decay_steps=steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def train(output: Path, epochs: int) -> float:
    """Trains on the one split and returns the accuracy on the other."""
    keras.utils.set_random_seed(0)
    training = load(output, "train", batch_size=32, shuffle=True, seed=0, scaling="[0,1]")
    validation = load(output, "val", batch_size=256, scaling="[0,1]")
    model = build_model(steps=epochs * len(training))
    history = model.fit(
        training,
        validation_data=validation,
        epochs=epochs,
        shuffle=False,  # load has done it
        verbose=2,
    )
    return float(history.history["val_accuracy"][-1])


def main() -> int:
    """Exports, builds, trains, and says what to do next."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/digits"), help="the PNG files")
    parser.add_argument("--output", type=Path, default=Path("out/digits"), help="the dataset")
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()

    manifest = export_digits(options.data)
    build_dataset(manifest, options.output)
    accuracy = train(options.output, options.epochs)
    print(f"\nvalidation accuracy: {accuracy:.4f} (at least {GOOD_ENOUGH} is expected)")
    print(f"the dataset lies in {options.output}; its images are in {options.data}")
    print("for your own images, with a CSV file that has the columns path and label:")
    print("  ./run_local.sh --manifest my.csv --schema image_classification --output out/mine")
    return 0 if accuracy >= GOOD_ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
