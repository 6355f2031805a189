from __future__ import annotations

from pixelbeam.pipeline.commands import build as build_module
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.pipeline.publishing.publish import publish, read_published
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.storage.output_folder import Folder
from support import IMAGE_SCHEMA, dataset_json


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
