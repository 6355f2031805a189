"""The digits example from HDF5: one pass writes TFRecords and HDF5, two models train from the HDF5 files.

The first reads through ``load``, as it would TFRecords; the second through ``HDF5Dataset``, which also takes
HDF5 files that pixelbeam did not write.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported, or it talks

import h5py
import keras
import pixelbeam as pb
from digits import GOOD_ENOUGH, build_model, export_digits

SCHEMA = """\
features:
  image: {type: image, source: path, height: 8, width: 8, channels: 1, encoding: raw}
  label: {type: class_label, source: label, vocabulary: from_manifest}
"""


def build_dataset(manifest: Path, output: Path) -> None:
    """Runs the command that one would type."""
    schema = manifest.with_name("digits_raw.yaml")
    schema.write_text(SCHEMA, encoding="utf-8")
    command = [
        *("pixelbeam", "build"),
        *("--manifest", str(manifest)),
        *("--schema", str(schema)),
        *("--output", str(output)),
        *("--splits", "train=0.8,val=0.2"),
        *("--duplicate_distance", "none"),  # digits all look alike
        *("--sinks", "tfrecord,hdf5"),
    ]
    print("$", *command, flush=True)
    pixelbeam = shutil.which("pixelbeam", path=Path(sys.executable).parent) or "pixelbeam"
    done = subprocess.run([pixelbeam, *command[1:]])
    if done.returncode:
        sys.exit(done.returncode)  # pixelbeam has said why


def scale(images: Any, labels: Any) -> tuple[Any, Any]:
    """Pixels from 0 to 1."""
    return images.astype("float32") / 255, labels


def train(training: Any, validation: Any, epochs: int) -> float:
    """Trains, and returns the accuracy on the other split."""
    keras.utils.set_random_seed(0)
    model = build_model(steps=epochs * len(training))
    history = model.fit(training, validation_data=validation, epochs=epochs, verbose=0)
    return float(history.history["val_accuracy"][-1])


def main() -> int:
    """Exports, builds, looks at the file with h5py, and trains twice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/digits"), help="the PNG files")
    parser.add_argument("--output", type=Path, default=Path("out/digits_hdf5"), help="the dataset")
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()

    build_dataset(export_digits(options.data), options.output)
    with h5py.File(options.output / "train.h5") as file:
        print(f"train.h5: image {file['image'].shape}, label {file['label'].shape}")
    sizes = {"train": 32, "val": 256}
    loaded_train, loaded_val = (
        pb.load(options.output, split, source="hdf5", batch_size=size, scaling="[0,1]",
             shuffle=split == "train", seed=0)
        for split, size in sizes.items()
    )  # fmt: skip
    opened_train, opened_val = (
        pb.HDF5Dataset(options.output, split, batch_size=size, transform=scale,
                    shuffle=split == "train", seed=0)
        for split, size in sizes.items()
    )  # fmt: skip
    accuracies = {
        "load(..., source='hdf5')": train(loaded_train, loaded_val, options.epochs),
        "HDF5Dataset": train(opened_train, opened_val, options.epochs),
    }
    for reader, accuracy in accuracies.items():
        print(f"{reader}: validation accuracy: {accuracy:.4f} (at least {GOOD_ENOUGH} is expected)")
    return 0 if min(accuracies.values()) >= GOOD_ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
