"""From sentences of token ids to a trained model: which of two kinds of words a sentence has more of.

Writes 2,000 sentences of 5 to 40 tokens, builds a dataset from them with `pixelbeam build` and the preset
`token_sequence`, and trains a small network on batches that are padded to their longest sentence.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported, or it talks

import keras
import numpy as np
import pixelbeam as pb

WORDS = 200  # 0 fills up; odd words are kind, even words are not
GOOD_ENOUGH = 0.95


def export_sentences(folder: Path, count: int) -> Path:
    """Writes a manifest with a line for each sentence."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    manifest = folder / "sentences.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["tokens", "label"])
        for _ in range(count):
            tokens = random.integers(1, WORDS, random.integers(5, 41) | 1)  # odd: never a draw
            kind = int((tokens % 2).sum()) * 2 > len(tokens)
            lines.writerow([" ".join(map(str, tokens)), "kind" if kind else "unkind"])
    return manifest


def build_dataset(manifest: Path, output: Path) -> None:
    """Runs the command that one would type."""
    command = [
        *("pixelbeam", "build"),
        *("--manifest", str(manifest)),
        *("--schema", "token_sequence"),
        *("--output", str(output)),
        *("--splits", "train=0.8,val=0.2"),
    ]
    print("$", *command, flush=True)
    pixelbeam = shutil.which("pixelbeam", path=Path(sys.executable).parent) or "pixelbeam"
    done = subprocess.run([pixelbeam, *command[1:]])
    if done.returncode:
        sys.exit(done.returncode)  # pixelbeam has said why


def build_model() -> keras.Model:
    """The mean of the words' meanings, and what follows from it; zeros are no words."""
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((None,), dtype="int64"),
            layers.Embedding(WORDS, 8, mask_zero=True),
            layers.GlobalAveragePooling1D(),
            layers.Dense(2),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])
    return model


def train(output: Path, epochs: int) -> float:
    """Trains on the one split and returns the accuracy on the other."""
    keras.utils.set_random_seed(0)
    training = pb.load(output, "train", batch_size=32, shuffle=True, seed=0, pad_to="longest")
    validation = pb.load(output, "val", batch_size=256, pad_to="longest")
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
    parser.add_argument("--data", type=Path, default=Path("data/tokens"), help="the manifest")
    parser.add_argument("--output", type=Path, default=Path("out/tokens"), help="the dataset")
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args()

    manifest = export_sentences(options.data, options.sentences)
    build_dataset(manifest, options.output)
    accuracy = train(options.output, options.epochs)
    print(f"\nvalidation accuracy: {accuracy:.4f} (at least {GOOD_ENOUGH} is expected)")
    return 0 if accuracy >= GOOD_ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
