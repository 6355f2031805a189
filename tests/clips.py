"""Clips for tests: numbered frames whose pixels tell which they are, and datasets of them read back."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.schemas import Schema
from support import dataset_json

FRAME = {
    "type": "image",
    "source": "path",
    "height": 6,
    "width": 8,
    "resize": "none",
    "encoding": "png",
}
LABEL = {"type": "class_label", "source": "label", "vocabulary": "from_manifest"}
NUMBER = {"type": "int64", "source": "frame"}


def pixels(clip: int, frame: int) -> Any:
    """The pixels of a frame [6, 8, 3]."""
    return np.random.default_rng(clip * 1000 + frame).integers(0, 256, (6, 8, 3), np.uint8)


def png(clip: int, frame: int) -> bytes:
    """The same as a file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels(clip, frame)).save(buffer, "PNG")
    return buffer.getvalue()


def clip_schema(
    context: dict[str, Any] | None = None, steps: dict[str, Any] | None = None, **clips: Any
) -> Schema:
    """The schema of a label and frames, or of what is given instead."""
    return Schema.from_dict(
        {
            "record": "sequence_example",
            "context": {"label": LABEL} if context is None else context,
            "steps": {"frames": FRAME} if steps is None else steps,
            "clips": clips,
        }
    )


def write_rows(path: Path, rows: list[dict[str, Any]]) -> str:
    """Writes a CSV manifest of rows that all have the columns of the first one."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def build_clips(manifest: str, schema: Schema, output: Path, **options: Any) -> Any:
    """Builds a dataset and returns its ``dataset.json``."""
    beam_options = options.pop("beam_options", None)
    settings = {"max_rejects": MaxRejects(fraction=1.0), **options}
    build(BuildOptions(manifest, schema, str(output), **settings), beam_options)
    return dataset_json(output)


def read_clips(output: Path, split: str = "train") -> list[dict[str, Any]]:
    """The records of a split through the generated module alone, as arrays by feature name."""
    import tensorflow as tf  # not above: most tests of clips read none back

    module: dict[str, Any] = {}
    exec((output / "feature_description.py").read_text(), module)
    files = [str(path) for path in sorted(output.glob(f"{split}-*.tfrecord"))]
    stored = list(tf.data.TFRecordDataset(files).as_numpy_iterator())
    if not stored:
        return []
    decoded = module["decode"](module["parse_sequence_example"](tf.constant(stored)))
    return [
        {name: value[index].numpy() for name, value in decoded.items()}
        for index in range(len(stored))
    ]


__all__ = [
    "FRAME",
    "LABEL",
    "NUMBER",
    "build_clips",
    "clip_schema",
    "pixels",
    "png",
    "read_clips",
    "write_rows",
]
