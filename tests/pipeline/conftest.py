from __future__ import annotations

from pathlib import Path

import pytest
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from support import IMAGE_SCHEMA, make_image, write_csv


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Path:
    """A folder of 40 JPEG and PNG files with ``images.csv``: columns path, label."""
    folder = tmp_path_factory.mktemp("images")
    rows = []
    for number in range(40):
        name = f"{number:02d}.{'png' if number % 5 == 0 else 'jpg'}"
        make_image(folder / name, number)
        rows.append((name, ("cat", "dog", "newt")[number % 3]))
    write_csv(folder / "images.csv", rows)
    return folder


@pytest.fixture
def build_images(images, tmp_path):
    """Builds the images into a new folder and returns it."""

    def run(name="out", beam_options=None, **options) -> Path:
        settings = {
            "manifest": str(images / "images.csv"),
            "schema": IMAGE_SCHEMA,
            "max_rejects": MaxRejects(fraction=1.0),
            **options,
        }
        build(BuildOptions(output=str(tmp_path / name), **settings), beam_options)
        return tmp_path / name

    return run
