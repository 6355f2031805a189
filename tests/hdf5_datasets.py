"""A dataset of all kinds of features, built with both sinks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.schemas import Schema
from pixelbeam.transforms.shards.plan_shards import ShardSize
from support import make_image, write_csv

RECORDS = 30
SCHEMA = Schema.from_dict(
    {
        "features": {
            "raw": {"type": "image", "source": "path", "height": 6, "width": 5, "encoding": "raw"},
            "packed": {
                "type": "image", "source": "path", "height": 6, "width": 5, "encoding": "raw",
                "storage": "gzip",
            },
            "ragged": {
                "type": "image", "source": "path", "resize": "longest_side", "size": 16,
                "encoding": "raw",
            },
            "jpeg": {"type": "image", "source": "path", "resize": "longest_side", "size": 16},
            "deep": {
                "type": "image", "source": "path", "height": 8, "width": 8, "channels": 1,
                "encoding": "png", "dtype": "uint16",
            },
            "label": {"type": "class_label", "source": "label", "vocabulary": "from_manifest"},
            "tags": {"type": "class_labels", "source": "tags", "num_classes": 9},
            "box": {"type": "float32", "source": "box", "shape": [2, 2]},
            "tokens": {"type": "int64", "source": "tokens", "shape": [None]},
            "boxes": {"type": "float32", "source": "boxes", "shape": [None, 4]},
            "text/name": {"type": "string", "source": "label"},
            "blob": {"type": "bytes", "source": "label"},
        }
    }
)  # fmt: skip
FIXED = ("raw", "packed", "deep", "label", "tags", "box", "text/name", "blob")


def build_all_kinds(folder: Path, **options: Any) -> Path:
    """Publishes the dataset in a folder, as one split of three shards; returns where it lies."""
    images = folder / "images"
    images.mkdir()
    rows = []
    for number in range(RECORDS):
        make_image(images / f"{number}.png", number)
        rows.append(
            (
                f"{number}.png",
                ("a", "bé")[number % 2],
                str(list(range(number % 4))),
                f"1,2,3,{number}",
                str(list(range(number % 5))),
                str([[number, box, 2, 3] for box in range(number % 3)]),
            )
        )
    manifest = write_csv(
        images / "m.csv", rows, ("path", "label", "tags", "box", "tokens", "boxes")
    )
    built = BuildOptions(
        manifest=str(manifest),
        schema=SCHEMA,
        output=str(folder / "out"),
        sinks=("tfrecord", "hdf5"),
        shard_size=ShardSize(num_shards=3),
        **options,
    )
    build(built)
    return folder / "out"
