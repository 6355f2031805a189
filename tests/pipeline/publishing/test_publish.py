from __future__ import annotations

import hashlib
import json

from pixelbeam.pipeline.commands import build as build_module
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.pipeline.publishing.publish import publish, read_published
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.statistics import add_summaries
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.storage.output_folder import Folder
from support import IMAGE_SCHEMA, contents, dataset_json


def test_every_file_is_listed_with_its_size_and_hash(build_images):
    out = build_images(sinks=("tfrecord", "hdf5"), shard_size=ShardSize(num_shards=2))
    files = dataset_json(out)["files"]
    expected = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in contents(out).items()
        if name != "dataset.json"
    }
    kinds = {name: file.pop("kind") for name, file in files.items()}
    assert files == expected
    shards = [f"train-0000{i}-of-00002.{suffix}" for i in range(2) for suffix in ("tfrecord", "h5")]
    assert kinds == {
        "feature_description.py": "description",
        "statistics.jsonl": "statistics",
        "train.h5": "joined",
        **dict.fromkeys(shards, "shard"),
    }


def test_the_statistics_of_the_shards_are_those_of_the_split(build_images):
    out = build_images(shard_size=ShardSize(num_shards=3))
    split = dataset_json(out)["splits"]["train"]
    features = Schema.from_dict(dataset_json(out)["schema"]).features
    lines = [json.loads(line) for line in (out / "statistics.jsonl").read_text().splitlines()]
    assert [line["shard"] for line in lines] == [f"train-0000{i}-of-00003" for i in range(3)]
    assert [line["num_records"] for line in lines] == [s["num_records"] for s in split["shards"]]
    total = {}
    for line in lines:
        add_summaries(total, line["summaries"], features)
    assert {n: features[n].statistics(total[n]) for n in features} == split["statistics"]


def test_the_versions_follow_from_the_shards_and_not_from_the_command(
    images, tmp_path, monkeypatch
):
    options = BuildOptions(
        str(images / "images.csv"),
        IMAGE_SCHEMA,
        str(tmp_path / "out"),
        sinks=("tfrecord", "hdf5"),
        shard_size=ShardSize(num_shards=1),
    )

    def publish_without_command(output, max_rejects, command):
        publish(output, max_rejects, {})

    monkeypatch.setattr(build_module, "publish", publish_without_command)
    build(options)
    assert read_published(Folder(str(tmp_path / "out"))).rows == 40
    dataset = dataset_json(tmp_path / "out")
    assert dataset["command"] == {}
    assert {"Pillow", "hdf5"} <= {name.replace("pillow", "Pillow") for name in dataset["versions"]}
