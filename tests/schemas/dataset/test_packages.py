from __future__ import annotations

import pytest
from installed import install, plugin_caches
from pixelbeam.schemas import DatasetInfo, Schema
from pixelbeam.schemas.dataset.info import FileInfo, ShardFile, ShardInfo, SplitInfo
from pixelbeam.schemas.dataset.packages import describe_changes

SHA = "0" * 64
KIND = """
from typing import Literal
from pixelbeam.schemas.features.numeric import Float32

class Metres(Float32):
    type: Literal["metres"] = "metres"
"""


@pytest.fixture
def schema(tmp_path, monkeypatch):
    """A schema of a kind of a package, 2.0 of which is installed; and so is a sink, which cannot be imported."""
    for name, point in (("pixelbeam-metres", "features"), ("pixelbeam-lines", "sinks")):
        entry = {
            "features": {"metres": "kind_of_metres:Metres"},
            "sinks": {"lines": "nowhere:Lines"},
        }
        modules = {"kind_of_metres.py": KIND}
        install(tmp_path, name, "2.0", modules, {f"pixelbeam.{point}": entry[point]})
    monkeypatch.syspath_prepend(tmp_path)
    with plugin_caches():
        yield Schema.from_dict({"features": {"way": {"type": "metres", "source": "w"}}})


def info(schema, sink, versions):
    shard = ShardFile(path="train-00000-of-00001.x", bytes=1, sha256=SHA)
    return DatasetInfo(
        fingerprint="f00",
        declared=schema.to_dict(),
        description=FileInfo(path="feature_description.py", sha256=SHA),
        splits={
            "train": SplitInfo(
                num_records=1, shards=[ShardInfo(num_records=1, files={sink: shard})]
            )
        },
        rows=1,
        versions=versions,
    )


def test_other_versions_are_said_in_a_sentence_each(schema):
    versions = {"pixelbeam-metres": "1.0", "pixelbeam-lines": "2.1", "numpy": "1"}
    assert describe_changes(info(schema, "lines", versions), schema) == [
        "pixelbeam-lines 2.0 is installed here, and the dataset was built with 2.1",
        "pixelbeam-metres 2.0 is installed here, and the dataset was built with 1.0",
    ]


def test_packages_that_the_dataset_does_not_use_are_not_looked_at(schema):
    versions = {"pixelbeam-metres": "1.0", "pixelbeam-lines": "2.1"}
    numbers = Schema.from_dict({"features": {"n": {"type": "int64", "source": "n"}}})
    assert describe_changes(info(numbers, "tfrecord", versions), numbers) == []


@pytest.mark.parametrize(
    "versions", [None, {}, {"pixelbeam-metres": "2.0", "pixelbeam-lines": "2.0"}]
)
def test_the_same_versions_and_unknown_ones_are_no_remark(schema, versions):
    assert describe_changes(info(schema, "lines", versions), schema) == []
