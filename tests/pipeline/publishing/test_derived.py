"""The files that follow from others of a dataset."""

from __future__ import annotations

import pytest
from pixelbeam.pipeline.publishing.derived import publish_description, publish_joined
from pixelbeam.schemas import Schema
from pixelbeam.schemas.description.tensorflow_module import write_description
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.storage.output_folder import Folder
from support import contents, dataset_json

NUMBERS = Schema.from_dict({"features": {"n": {"type": "int64", "source": "n"}}})


@pytest.mark.parametrize(
    ("sinks", "has_records"),
    [(("tfrecord",), True), (("hdf5", "tfrecord"), True), (("hdf5",), False)],
)
def test_the_module_says_how_to_parse_where_there_is_something_to_parse(
    tmp_path, sinks, has_records
):
    file = publish_description(Folder(str(tmp_path)), NUMBERS, sinks)
    assert file.path == "feature_description.py"
    assert (tmp_path / file.path).read_text() == write_description(NUMBERS, has_records)


def test_a_file_over_shards_is_the_published_one(build_images, tmp_path):
    """Made elsewhere, of shards that lie in two folders."""
    out = build_images(sinks=("tfrecord", "hdf5"), shard_size=ShardSize(num_shards=2))
    names = [f"train-0000{number}-of-00002.h5" for number in range(2)]
    expected = contents(out)["train.h5"]
    (tmp_path / "other").mkdir()
    (out / names[1]).rename(tmp_path / "other" / names[1])
    folders = dict(zip(names, (Folder(str(out)), Folder(str(tmp_path / "other"))), strict=True))
    schema = Schema.from_dict(dataset_json(out)["schema"])
    new = Folder(str(tmp_path / "new"))
    arguments = (schema, names, lambda name: folders[name].open(name))
    file = publish_joined(new, "train", "hdf5", *arguments)
    assert (file.path, new.read("train.h5")) == ("train.h5", expected)
    assert publish_joined(new, "train", "tfrecord", *arguments) is None
    assert contents(tmp_path / "new") == {"train.h5": expected}
