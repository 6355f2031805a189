"""A build's manifests are found, and have the columns that its options name."""

from __future__ import annotations

import hashlib

import pytest
from number_datasets import NUMBERS, make_root, open_build
from pixelbeam.pipeline.graph.job import open_job
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import ManifestError
from pixelbeam.transforms.splits import Splits
from pixelbeam.transforms.storage.output_folder import Folder

ROWS = "path,n\na.bin,1\nb.bin,2\nc.bin,3\n"


@pytest.fixture(autouse=True)
def root(tmp_path):
    return make_root(tmp_path)


def test_a_job_of_one_manifest(tmp_path, root):
    job = open_build(tmp_path)
    content = {"bytes": len(ROWS), "sha256": hashlib.sha256(ROWS.encode()).hexdigest()}
    assert {name: file.content for name, file in job.manifest_files.items()} == {
        "rows.csv": content
    }
    assert (job.labels, job.label_files, job.threads) == (None, None, 1)
    assert job.command["manifest"] == {"rows.csv": content}
    assert job.command["seed"] == 0
    assert job.manifest_root == str(root)
    assert job.inputs.full_root == str(root)
    assert job.inline_hashes == {}
    assert job.encoder.schema == NUMBERS


def test_it_builds_into_the_output_or_where_it_is_told(tmp_path):
    job = open_build(tmp_path)
    assert job.output.root == str(tmp_path / "out")
    following = type(job)(
        job.options, job.manifests, None, 1, job.manifest_files, folder=Folder("elsewhere")
    )
    assert following.output.root == "elsewhere"


def test_another_root_of_the_images(tmp_path):
    (tmp_path / "images").mkdir()
    job = open_build(tmp_path, image_root=str(tmp_path / "images"))
    assert job.inputs.full_root == str(tmp_path / "images")
    assert job.manifest_root == str(tmp_path / "root")


def test_labels_of_a_second_manifest(tmp_path, root):
    (root / "labels.csv").write_text("path,label\na.bin,1\n")
    schema = Schema.from_dict({"features": {"label": {"type": "int64", "source": "label"}}})
    job = open_build(tmp_path, schema=schema, labels=str(root / "labels.csv"), join_on="path")
    assert list(job.label_files) == ["labels.csv"]
    assert list(job.command["labels"]) == ["labels.csv"]
    assert job.command["join_on"] == "path"
    assert job.row_format.key_column == "path"


def refused(tmp_path, **options):
    with pytest.raises(ManifestError) as caught:
        open_build(tmp_path, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "column", "option"),
    [
        ({"splits": Splits(column="part")}, "part", "for --split_column"),
        ({"splits": Splits(group_by="who")}, "who", "for --group_by"),
    ],
)
def test_columns_that_options_name(tmp_path, options, column, option):
    said = refused(tmp_path, **options)
    assert repr(column) in said
    assert option in said


def test_a_column_that_a_feature_names(tmp_path, root):
    schema = Schema.from_dict({"features": {"m": {"type": "int64", "source": "m"}}})
    said = refused(tmp_path, schema=schema)
    assert f"{root}/rows.csv" in said
    assert "'m'" in said
    (root / "labels.csv").write_text("path,label\na.bin,1\n")
    labels = str(root / "labels.csv")
    said = refused(tmp_path, schema=schema, labels=labels, join_on="path")
    assert f"{root}/rows.csv joined with {labels}" in said


def test_a_manifest_that_is_not_there(tmp_path):
    options = BuildOptions(str(tmp_path / "none.csv"), NUMBERS, str(tmp_path / "out"))
    with pytest.raises(ManifestError, match=r"none\.csv"):
        open_job(options, threads=1)


@pytest.mark.parametrize(
    ("clips", "expected"),
    [({}, True), ({"window": 2, "stride": 1}, False)],
)
def test_what_names_a_window_is_no_path(tmp_path, clips, expected):
    frames = {"type": "image", "source": "path", "height": 2, "width": 2}
    schema = Schema.from_dict(
        {"record": "sequence_example", "clips": clips, "steps": {"frame": frames}}
    )
    assert open_build(tmp_path, schema=schema).row_format.key_is_path is expected
