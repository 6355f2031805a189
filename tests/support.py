"""What several test modules share; pytest finds it through ``pythonpath``."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pixelbeam.schemas import Schema

IMAGE_SCHEMA = Schema.from_dict(
    {
        "features": {
            "image": {
                "type": "image",
                "source": "path",
                "height": 32,
                "width": 24,
                "upscale": True,
            },
            "label": {"type": "class_label", "source": "label", "vocabulary": "from_manifest"},
        }
    }
)


def write_csv(path: Path, rows: Any, header: tuple[str, ...] = ("path", "label")) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def make_image(path: Path, number: int) -> None:
    """A small picture of smooth colours, another for each number."""
    coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(coarse).resize((80 + number, 60), Image.Resampling.BICUBIC).save(path)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but for what a build knows about itself."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = {path.relative_to(folder): path for path in paths}
    return {str(name): p.read_bytes() for name, p in names.items() if name.parts[0] != ".pixelbeam"}


KEPT = ("published/call.json", "published/dataset.json")
"""What ``state_of`` has of any published dataset."""


def state_of(folder: Path) -> list[str]:
    """What a build knows about itself: every file below the state folder."""
    paths = [path for path in sorted(folder.glob(".pixelbeam/**/*")) if path.is_file()]
    return [str(path.relative_to(folder / ".pixelbeam")) for path in paths]


def dataset_json(folder: Path) -> Any:
    return json.loads((folder / "dataset.json").read_bytes())


def rejects_of(folder: Path) -> list[Any]:
    lines = (folder / "rejects.jsonl").read_text().splitlines()
    return sorted((json.loads(line) for line in lines), key=lambda r: (r["manifest"], r["row"]))
