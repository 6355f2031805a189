"""Whole builds: what is published, what is refused, and what an interrupted one leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.pipeline.output.state import OutputState
from pixelbeam.schemas.errors import BuildError, OutputError, TooManyRejects
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.splits import Splits
from support import IMAGE_SCHEMA as SCHEMA
from support import contents, dataset_json, rejects_of, write_csv

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos"
HALVES = Splits((("train", 0.5), ("val", 0.5)))


def test_a_published_folder_holds_the_dataset_and_nothing_else(build_images):
    out = build_images(splits=HALVES, shard_size=ShardSize(num_shards=2))
    assert sorted(contents(out)) == [
        "dataset.json",
        "feature_description.py",
        *(
            f"index/{split}-0000{shard}-of-00002.{suffix}"
            for split in ("train", "val")
            for shard in range(2)
            for suffix in ("idx", "parquet")
        ),
        "statistics.jsonl",
        "train-00000-of-00002.tfrecord",
        "train-00001-of-00002.tfrecord",
        "val-00000-of-00002.tfrecord",
        "val-00001-of-00002.tfrecord",
    ]
    dataset = dataset_json(out)
    assert dataset["format"] == "pixelbeam/1"
    assert (
        dataset["rows"] == 40 == sum(split["num_records"] for split in dataset["splits"].values())
    )
    assert dataset["rejects"] == {"count": 0, "by_reason": {}}
    assert dataset["schema"]["features"]["label"]["vocabulary"] == ["cat", "dog", "newt"]
    classes = [split["statistics"]["label"] for split in dataset["splits"].values()]
    assert classes[0] != classes[1]


def test_bytes_depend_on_the_seed(build_images):
    one = build_images("one", seed=1, splits=HALVES)
    two = build_images("two", seed=2, splits=HALVES)
    name = "train-00000-of-00001.tfrecord"
    assert (one / name).read_bytes() != (two / name).read_bytes()


def test_no_path_of_this_machine_is_published(build_images, images, tmp_path):
    (images / "gone.csv").write_text("path,label\n00.png,cat\nnone.jpg,dog\n")
    out = build_images(manifest=str(images / "gone.csv"))
    for name, data in contents(out).items():
        assert str(tmp_path).encode() not in data, name
        assert str(images).encode() not in data, name


def test_more_shards_than_rows_gives_empty_ones(build_images, images):
    (images / "one.csv").write_text("path,label\n00.png,cat\n")
    out = build_images(manifest=str(images / "one.csv"), shard_size=ShardSize(num_shards=4))
    sizes = [path.stat().st_size > 0 for path in sorted(out.glob("*.tfrecord"))]
    assert (len(sizes), sum(sizes)) == (4, 1)


def test_the_size_of_shards_follows_from_a_sample(build_images):
    out = build_images(shard_size=ShardSize(shard_bytes=6000))
    shards = dataset_json(out)["splits"]["train"]["shards"]
    mean = sum(shard["files"]["tfrecord"]["bytes"] for shard in shards) / len(shards)
    assert 4000 < mean <= 6600


def test_a_second_run_leaves_a_published_dataset_alone(build_images, images, tmp_path):
    before = contents(build_images())
    options = BuildOptions(str(images / "images.csv"), SCHEMA, str(tmp_path / "out"), threads=1)
    assert build(options).state is OutputState.PUBLISHED
    assert contents(tmp_path / "out") == before


def test_another_command_is_refused_with_what_differs(build_images):
    build_images()
    with pytest.raises(OutputError) as error:
        build_images(seed=5, shard_size=ShardSize(num_shards=2))
    first, second = str(error.value).split("\n")
    assert first.endswith(
        "holds a dataset of another command: num_shards is 2, was null; "
        "shard_size is null, was 128000000; seed is 5, was 0"
    )
    assert second == "name another directory, or replace it with --overwrite"


def test_overwriting_replaces_every_file_of_the_old_dataset(build_images):
    build_images(shard_size=ShardSize(num_shards=3))
    out = build_images(shard_size=ShardSize(num_shards=2), overwrite=True)
    shards = [name for name in sorted(contents(out)) if "-of-" in name]
    assert shards == [
        *(
            f"index/train-0000{i}-of-00002.{suffix}"
            for i in range(2)
            for suffix in ("idx", "parquet")
        ),
        *(f"train-0000{i}-of-00002.tfrecord" for i in range(2)),
    ]


def test_a_folder_with_other_files_is_refused_and_left_alone(build_images, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="holds files that are not a dataset's"):
        build_images()
    build_images(overwrite=False, name="else")
    assert contents(tmp_path / "out") == {"thesis.tex": b"years of work"}


def test_too_many_rejects_publish_nothing_and_say_why(build_images, images, tmp_path):
    rows = [("00.png", "cat"), ("none.jpg", "cat"), ("gone.jpg", "cat"), ("01.jpg", "")]
    manifest = write_csv(images / "faulty.csv", rows)
    with pytest.raises(TooManyRejects) as error:
        build_images(manifest=str(manifest), max_rejects=MaxRejects(fraction=0.5))
    said, first, second, where, looked_in = str(error.value).split("\n")
    assert said == "3 of 4 rows were rejected, more than --max_rejects 0.5; nothing was published"
    assert first.startswith("  2 file_not_found, such as faulty.csv:")
    assert second.startswith("  1 missing_value, such as faulty.csv:5: ")
    assert where == f"  all of them, a line each: {tmp_path / 'out' / 'rejects.jsonl'}"
    assert [reject["row"] for reject in rejects_of(tmp_path / "out")] == [3, 4, 5]
    assert looked_in == (
        f"relative paths were looked for in {images}; --image_root names another folder"
    )
    assert not (tmp_path / "out" / "dataset.json").exists()
    out = build_images(manifest=str(manifest), max_rejects=MaxRejects(count=3, fraction=None))
    rejects = dataset_json(out)["rejects"]
    assert rejects["by_reason"] == {"file_not_found": 2, "missing_value": 1}
    assert (rejects["count"], rejects["file"]["path"]) == (3, "rejects.jsonl")


def test_a_build_goes_on_at_the_missing_shards(build_images, tmp_path, monkeypatch):
    settings = {"shard_size": ShardSize(num_shards=6), "threads": 2}
    whole = contents(build_images("whole", **settings))
    from pixelbeam.transforms.shards.encode_rows import RowEncoder

    encode, seen = RowEncoder.encode, []

    def fail_late(self, row, inline, arrays=None):
        seen.append(row)
        if len(seen) == 25:
            raise MemoryError("the machine gave up")
        return encode(self, row, inline, arrays)

    monkeypatch.setattr(RowEncoder, "encode", fail_late)
    with pytest.raises(Exception, match="the machine gave up"):
        build_images("broken", **settings)
    finished = list((tmp_path / "broken").glob("*.tfrecord"))
    assert 0 < len(finished) < 6
    assert not (tmp_path / "broken" / "dataset.json").exists()
    inodes = {path.name: path.stat().st_ino for path in finished}
    monkeypatch.setattr(RowEncoder, "encode", encode)
    assert contents(build_images("broken", **settings)) == whole
    assert inodes == {path.name: path.stat().st_ino for path in finished}


def test_rows_that_do_not_add_up_are_never_published(build_images, monkeypatch, tmp_path):
    from pixelbeam.transforms.shards.shard_task import ShardTask

    original = ShardTask.run
    monkeypatch.setattr(
        ShardTask, "run", lambda self, name, rows, *rest: original(self, name, rows[1:], *rest)
    )
    with pytest.raises(BuildError, match="40 rows were planned, 39 reached a shard"):
        build_images()
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_two_features_may_come_from_one_file(build_images):
    features = {
        "small": {"type": "image", "source": "path", "height": 8, "width": 8},
        "large": {"type": "image", "source": "path", "height": 16, "width": 16, "encoding": "png"},
    }
    out = build_images(schema=SCHEMA.from_dict({"features": features}))
    assert dataset_json(out)["splits"]["train"]["num_records"] == 40


def test_bytes_do_not_depend_on_threads_or_running_mode(build_images, images, tmp_path):
    """In every process of the last build, importing TensorFlow would fail and leave a note."""
    settings = {"splits": HALVES, "shard_size": ShardSize(num_shards=3)}
    one = contents(build_images("one", threads=1, **settings))
    assert contents(build_images("four", threads=4, **settings)) == one
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "class Guard:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('tensorflow', 'keras'):\n"
        "            open(os.environ['NOTES'], 'a').write(name)\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Guard())\n"
        "open(os.environ['NOTES'] + '.started', 'a').write('x')\n"
    )
    (tmp_path / "schema.yaml").write_text(json.dumps(SCHEMA.to_dict()))
    notes = tmp_path / "notes"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NOTES": str(notes)}
    subprocess.run(
        [
            sys.executable, "-m", "pixelbeam.pipeline.main", "build", "--manifest", str(images / "images.csv"),
            "--schema", str(tmp_path / "schema.yaml"), "--output", str(tmp_path / "processes"),
            "--direct_running_mode=multi_processing", "--direct_num_workers=2", "--max_rejects=1.0",
            "--splits=train=0.5,val=0.5", "--num_shards=3", "--threads=2",
        ],
        env=environment, check=True, capture_output=True,
    )  # fmt: skip
    assert len((tmp_path / "notes.started").read_text()) >= 3  # the launcher and two workers
    assert not notes.exists()
    assert contents(tmp_path / "processes") == one


@pytest.mark.skipif(not PHOTOS.exists(), reason="needs the photos in ../shared/data/photos")
def test_photos_and_labels_as_two_manifests_equal_the_one(tmp_path):
    lines = [line.split(",") for line in (PHOTOS / "photos.csv").read_text().splitlines()[1:]]
    write_csv(tmp_path / "images.csv", [(i, p) for i, p, _ in lines], ("image_id", "path"))
    write_csv(
        tmp_path / "labels.csv",
        [(i, label) for i, _, label in reversed(lines)],
        ("image_id", "label"),
    )
    features = {
        "image": {"type": "image", "source": "path", "height": 224, "width": 224, "upscale": True},
        "label": {"type": "class_label", "source": "label", "vocabulary": "from_manifest"},
    }
    settings = {
        "schema": SCHEMA.from_dict({"features": features}),
        "image_root": str(PHOTOS),
        "splits": HALVES,
    }
    build(BuildOptions(str(PHOTOS / "photos.csv"), output=str(tmp_path / "one"), **settings))
    joined = {"labels": str(tmp_path / "labels.csv"), "join_on": "image_id"}
    build(
        BuildOptions(
            str(tmp_path / "images.csv"), output=str(tmp_path / "two"), **joined, **settings
        )
    )
    one, two = dataset_json(tmp_path / "one"), dataset_json(tmp_path / "two")
    assert one["rows"] == two["rows"] == 100
    assert one["rejects"] == two["rejects"] == {"count": 0, "by_reason": {}}
    assert one["schema"] == two["schema"]
