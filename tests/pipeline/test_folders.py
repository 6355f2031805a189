"""Directories of images as users have them, through the whole build."""

from __future__ import annotations

import io

import pytest
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import ManifestError, OptionError
from pixelbeam.transforms.splits import Splits
from rich.console import Console
from support import IMAGE_SCHEMA, dataset_json, make_image

HALVES = Splits((("train", 0.5), ("val", 0.5)))


def make_folders(root, names):
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".png"):
            make_image(root / name, number)
        else:
            (root / name).write_bytes(b"?")
    return str(root)


@pytest.fixture
def split_folders(tmp_path) -> str:
    names = ["train/cat/0.png", "train/cat/1.png", "train/dog/2.png", "val/dog/3.png"]
    return make_folders(tmp_path / "data", names)


def counts_of(folder):
    splits = dataset_json(folder)["splits"]
    return {name: split["statistics"]["label"]["classes"] for name, split in splits.items()}


def test_split_folders_are_the_splits_and_share_a_vocabulary(split_folders, tmp_path):
    build(BuildOptions(split_folders, IMAGE_SCHEMA, str(tmp_path / "out")))
    dataset = dataset_json(tmp_path / "out")
    assert dataset["schema"]["features"]["label"]["vocabulary"] == ["cat", "dog"]
    assert counts_of(tmp_path / "out") == {"train": {"0": 2, "1": 1}, "val": {"1": 1}}
    assert (dataset["command"]["split_column"], dataset["warnings"]) == ("split", [])


def test_the_split_column_may_be_named(split_folders, tmp_path):
    build(
        BuildOptions(
            split_folders, IMAGE_SCHEMA, str(tmp_path / "a"), splits=Splits(column="split")
        )
    )
    assert counts_of(tmp_path / "a") == {"train": {"0": 2, "1": 1}, "val": {"1": 1}}
    build(
        BuildOptions(
            split_folders, IMAGE_SCHEMA, str(tmp_path / "b"), splits=Splits(column="label")
        )
    )
    assert counts_of(tmp_path / "b") == {"cat": {"0": 2}, "dog": {"1": 2}}


@pytest.mark.parametrize(
    ("splits", "option"),
    [
        (HALVES, "--splits"),
        (Splits(Splits.parse("train=1")), "--splits"),
        (Splits(group_by="label"), "--group_by"),
    ],
)
def test_split_folders_and_other_splits_do_not_go_together(splits, option, split_folders, tmp_path):
    with pytest.raises(OptionError) as error:
        build(BuildOptions(split_folders, IMAGE_SCHEMA, str(tmp_path / "out"), splits=splits))
    assert str(error.value) == (
        f"{option}: got it for {split_folders}, whose folders are the splits, expected one of the two; "
        "to split anew, name the images in a manifest file"
    )


def test_a_flat_folder_is_a_manifest_without_labels(tmp_path):
    data = make_folders(tmp_path / "data", ["1.png", "2.png", "Thumbs.db", ".DS_Store", "x.txt"])
    image = IMAGE_SCHEMA.to_dict()["features"]["image"]
    schema, said = Schema.from_dict({"features": {"image": image}}), io.StringIO()
    out = str(tmp_path / "out")
    build(BuildOptions(data, schema, out, splits=HALVES), console=Console(file=said))
    dataset = dataset_json(tmp_path / "out")
    assert (dataset["rows"], dataset["rejects"]) == (2, {"count": 0, "by_reason": {}})
    assert said.getvalue().splitlines()[1:3] == [
        f"  manifest  {data} (1 folder)",
        "  left out  3 files that are no images, such as '.DS_Store'",
    ]


def test_a_schema_with_labels_needs_them(tmp_path):
    data = make_folders(tmp_path / "data", ["1.png", "labels.csv"])
    with pytest.raises(ManifestError) as error:
        build(BuildOptions(data, IMAGE_SCHEMA, str(tmp_path / "out")))
    assert str(error.value) == (
        f"{data}: no column 'label' for features.label.source; its columns are: 'path'; "
        f"for the manifest in it: --manifest {data}/labels.csv"
    )


def test_stray_files_change_no_byte(tmp_path):
    data = make_folders(tmp_path / "data", ["cat/1.png", "cat/2.png", "dog/3.png"])
    build(BuildOptions(data, IMAGE_SCHEMA, str(tmp_path / "one")))
    make_folders(tmp_path / "data", ["cat/0.txt", "cat/.DS_Store", "dog/Thumbs.db", "README.md"])
    build(BuildOptions(data, IMAGE_SCHEMA, str(tmp_path / "two")))
    one, two = ((tmp_path / name / "dataset.json").read_bytes() for name in ("one", "two"))
    assert one == two
