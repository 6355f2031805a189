"""Datasets that go without a feature whose column the manifest lacks."""

from __future__ import annotations

import io

import pytest
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.pipeline.output.state import OutputState
from pixelbeam.readers import Records
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import ManifestError
from rich.console import Console
from support import IMAGE_SCHEMA, dataset_json

AREA = {"type": "float32", "source": "area", "optional": True}


def with_area(**settings):
    features = IMAGE_SCHEMA.to_dict()["features"]
    return Schema.from_dict({"features": {**features, "area": {**AREA, **settings}}})


def test_a_missing_column_is_said_and_left_out(images, tmp_path):
    said = Console(file=io.StringIO(), width=200)
    options = BuildOptions(str(images / "images.csv"), with_area(), str(tmp_path / "out"))
    build(options, console=said)
    assert "  left out  area: no column 'area'\n" in said.file.getvalue()
    assert list(dataset_json(tmp_path / "out")["schema"]["features"]) == ["image", "label"]
    assert build(options).state is OutputState.PUBLISHED
    # It is the very dataset of a schema without the feature.
    plain = BuildOptions(str(images / "images.csv"), IMAGE_SCHEMA, str(tmp_path / "out"))
    assert build(plain).state is OutputState.PUBLISHED


def test_a_column_that_is_there_is_read(images, tmp_path):
    lines = (images / "images.csv").read_text().split()
    rows = [f"{lines[0]},area", *(f"{line},{number}" for number, line in enumerate(lines[1:]))]
    manifest = images / "areas.csv"
    manifest.write_text("\n".join(rows))
    build(BuildOptions(str(manifest), with_area(), str(tmp_path / "out")))
    records = Records(tmp_path / "out", "train")
    assert sorted(float(record["area"]) for record in records) == [float(n) for n in range(40)]


def test_without_optional_it_is_an_error(images, tmp_path):
    schema = with_area(optional=False)
    with pytest.raises(ManifestError, match=r"no column 'area' for features\.area\.source"):
        build(BuildOptions(str(images / "images.csv"), schema, str(tmp_path / "out")))
