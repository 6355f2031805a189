"""From a dataset back to the options that it was built with."""

from __future__ import annotations

import json

import pytest
from pixelbeam.pipeline.graph.job import open_job
from pixelbeam.pipeline.graph.recall import recall_options
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.pipeline.twins import TwinOptions
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import DatasetError
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.splits import Splits
from support import IMAGE_SCHEMA, make_image, write_csv

CLIPS = Schema.from_dict(
    {
        "record": "sequence_example",
        "clips": {"key": "label", "order": "path"},
        "steps": {"n": {"type": "string", "source": "path"}},
    }
)
CASES = {
    "as few as possible": {},
    "fractions": {"splits": Splits((("train", 0.75), ("val", 0.25)), group_by="label")},
    "a split column": {"splits": Splits(column="label")},
    "shards": {"shard_size": ShardSize(num_shards=3), "seed": 7, "index": "none"},
    "records": {"shard_size": ShardSize(records_per_shard=3), "sinks": ("tfrecord", "hdf5")},
    "trust": {"allow_outside": True, "row_timeout": 2.5},
    "clips": {"schema": CLIPS},
    "near twins": {"twins": TwinOptions(2)},
    "twins in one split": {
        "twins": TwinOptions(handling="group"),
        "splits": Splits((("train", 0.75), ("val", 0.25))),
    },
    "equal files alone": {"twins": TwinOptions(None)},
}


@pytest.fixture
def rows(tmp_path):
    return write_csv(tmp_path / "rows.csv", [("a.jpg", "x"), ("b.jpg", "y")])


def recalled(options, **moved):
    """The options that come back by way of the JSON of a dataset."""
    command = json.loads(json.dumps(open_job(options, 1).command))
    where = {
        "manifest": options.manifest,
        "labels": options.labels,
        "image_root": options.image_root,
    }
    return recall_options(command, options.output, **(where | moved))


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_options_come_back(rows, tmp_path, settings):
    options = BuildOptions(
        **{"manifest": str(rows), "schema": IMAGE_SCHEMA, "output": str(tmp_path / "out")}
        | settings
    )
    again = recalled(options)
    assert again == options
    assert open_job(again, 1).command == open_job(options, 1).command


def test_labels_and_the_image_root_come_back(rows, tmp_path):
    labels = write_csv(tmp_path / "labels.csv", [("a.jpg", "x")])
    images = write_csv(tmp_path / "images.csv", [("a.jpg",)], ("path",))
    options = BuildOptions(
        str(images),
        IMAGE_SCHEMA,
        str(tmp_path / "out"),
        labels=str(labels),
        join_on="path",
        image_root=str(tmp_path),
    )
    assert recalled(options) == options


def test_splits_that_manifests_are_come_back(rows, tmp_path):
    options = BuildOptions(f"a={rows},b={rows}", IMAGE_SCHEMA, str(tmp_path / "out"))
    again = recalled(options)
    assert again == options
    assert open_job(again, 1).command == open_job(options, 1).command


def test_splits_that_folders_are_come_back(tmp_path):
    for split in ("train", "val"):
        for label in "xy":
            (tmp_path / "in" / split / label).mkdir(parents=True)
            make_image(tmp_path / "in" / split / label / "a.jpg", 1)
    options = BuildOptions(str(tmp_path / "in"), IMAGE_SCHEMA, str(tmp_path / "out"))
    again = recalled(options)
    assert again.splits.column is not None
    assert open_job(again, 1).command == open_job(options, 1).command


def test_settings_that_decide_no_byte_are_given(rows, tmp_path):
    options = BuildOptions(str(rows), IMAGE_SCHEMA, str(tmp_path / "out"))
    again = recalled(options, manifest="elsewhere.csv", threads=3, max_rejects=MaxRejects(count=9))
    assert (again.manifest, again.threads, str(again.max_rejects)) == ("elsewhere.csv", 3, "9")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"seed": None},
            "out: what it was built from is not a command of this version: no 'seed'; build it anew with "
            "--overwrite",
        ),
        (
            {"schema": {"features": {"a": {"type": "int64"}}}},
            "out: what it was built from is not a command of this version: features.a.source: missing; build it "
            "anew with --overwrite",
        ),
    ],
)
def test_a_command_of_another_version_is_refused(rows, tmp_path, change, message):
    command = open_job(BuildOptions(str(rows), IMAGE_SCHEMA, str(tmp_path / "out")), 1).command
    command |= change
    command = {name: value for name, value in command.items() if value is not None or name in SIZES}
    with pytest.raises(DatasetError) as caught:
        recall_options(command, "out", str(rows))
    assert str(caught.value).partition(": features")[0] == message.partition(": features")[0]


SIZES = ("num_shards", "records_per_shard", "splits", "split_column", "group_by")
