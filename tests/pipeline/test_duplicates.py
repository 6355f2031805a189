"""Twins among the images, through the whole build."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from PIL import Image
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.commands.repair import repair
from pixelbeam.pipeline.commands.verify import verify
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.pipeline.twins import TwinOptions
from pixelbeam.schemas.dataset.info import DatasetInfo
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.splits import Splits
from support import IMAGE_SCHEMA, contents, dataset_json, make_image, write_csv

BY_COLUMN = Splits(column="split")


@pytest.fixture(scope="module")
def twins(tmp_path_factory) -> Path:
    """``rows.csv`` of 12 pictures in train and val, and copies of some of them."""
    folder = tmp_path_factory.mktemp("twins")
    rows = []
    for number in range(12):
        make_image(folder / f"{number:02d}.png", 3 * number)
        rows.append((f"{number:02d}.png", "a", "train" if number < 8 else "val"))
    with Image.open(folder / "01.png") as image:
        image.convert("RGB").save(folder / "encoded.jpg", quality=80)
    with Image.open(folder / "02.png") as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "turned.png")
    for copy, number in (("copy.png", 0), ("leak.png", 3)):
        shutil.copy(folder / f"{number:02d}.png", folder / copy)
    for colour in ("red", "blue"):
        Image.new("RGB", (40, 40), colour).save(folder / f"{colour}.png")
    rows += [("copy.png", "a", "train"), ("leak.png", "a", "val"), ("encoded.jpg", "a", "val")]
    rows += [("turned.png", "a", "train"), ("./09.png", "a", "val"), ("red.png", "a", "train")]
    rows += [("blue.png", "a", "val")]
    write_csv(folder / "rows.csv", rows, ("path", "label", "split"))
    return folder


@pytest.fixture
def build_twins(twins, tmp_path):
    def run(name="out", beam_options=None, **options) -> Path:
        settings = {"splits": BY_COLUMN, "shard_size": ShardSize(num_shards=2), **options}
        settings = {"manifest": str(twins / "rows.csv"), "schema": IMAGE_SCHEMA} | settings
        build(BuildOptions(output=str(tmp_path / name), **settings), beam_options)
        return tmp_path / name

    return run


def pairs_of(out):
    """Of each line the kind, and the sources of the two, sorted, each with its split."""
    lines = map(json.loads, (out / "duplicates.jsonl").read_text().splitlines())
    return {
        (line["kind"], *sorted((line[which]["split"], line[which]["source"]) for which in ("record", "twin")))
        for line in lines
    }  # fmt: skip


PLANTED = {
    ("exact", ("train", "00.png"), ("train", "copy.png")),
    ("exact", ("train", "03.png"), ("val", "leak.png")),
    ("exact", ("val", "./09.png"), ("val", "09.png")),
    ("near", ("train", "01.png"), ("val", "encoded.jpg")),
    ("mirrored", ("train", "02.png"), ("train", "turned.png")),
}


def test_planted_twins_are_found_within_and_across_splits(build_twins):
    out = build_twins()
    assert pairs_of(out) == PLANTED
    found = dataset_json(out)["duplicates"]
    assert found["records"] == {
        "train": {"train": {"exact": 1, "mirrored": 1}, "val": {"exact": 1, "near": 1}},
        "val": {"train": {"exact": 1, "near": 1}, "val": {"exact": 1}},
    }
    assert (found["distance"], found["plain"], found["not_compared"]) == (4, 2, 0)
    assert found["same_source"] == 1  # in another spelling
    assert found["file"]["path"] == "duplicates.jsonl"
    assert dataset_json(out)["files"]["duplicates.jsonl"]["kind"] == "duplicates"
    assert verify(str(out)).faults == []
    (out / "duplicates.jsonl").write_text("{}\n")
    assert {str(fault).partition(":")[0] for fault in verify(str(out)).faults} == {
        "duplicates.jsonl"
    }


def test_a_record_of_the_list_is_where_it_says(build_twins):
    out = build_twins()
    import pyarrow.parquet as pq

    lines = [json.loads(line) for line in (out / "duplicates.jsonl").read_text().splitlines()]
    assert len(lines) == 7
    for place in (line[which] for line in lines for which in ("record", "twin")):
        rows = pq.read_table(out / "index" / f"{place['shard']}.parquet").to_pylist()
        row = rows[place["index"]]
        assert {name: row[name] for name in place} == place
    keys = [(line["twin"]["shard"], line["twin"]["index"]) for line in lines]
    assert keys == sorted(keys)


def test_the_list_depends_on_no_thread_or_process(build_twins):
    expected = contents(build_twins("a", threads=1))
    mode = PipelineOptions(["--direct_running_mode=multi_processing", "--direct_num_workers=2"])
    assert contents(build_twins("b", mode, threads=4)) == expected


@pytest.mark.parametrize("count", [1, 5])
def test_the_twins_do_not_depend_on_the_number_of_shards(count, build_twins):
    assert pairs_of(build_twins(shard_size=ShardSize(num_shards=count))) == PLANTED


def test_only_equal_files_are_twins_without_a_distance(build_twins):
    out = build_twins(twins=TwinOptions(None))
    assert pairs_of(out) == {pair for pair in PLANTED if pair[0] == "exact"}
    assert "distance" not in dataset_json(out)["duplicates"]
    assert dataset_json(out)["command"]["duplicate_distance"] == "none"


def test_what_is_so_by_default_is_no_part_of_the_command(build_twins):
    assert "duplicate_distance" not in dataset_json(build_twins())["command"]


def test_without_twins_there_is_a_count_and_no_list(build_twins, twins, tmp_path):
    rows = [(str(twins / f"{number:02d}.png"), "a", "train") for number in range(3)]
    manifest = write_csv(tmp_path / "few.csv", rows, ("path", "label", "split"))
    out = build_twins(manifest=str(manifest), image_root=str(twins))
    assert not (out / "duplicates.jsonl").exists()
    assert dataset_json(out)["duplicates"] == {
        "distance": 4, "records": {}, "same_source": 0, "plain": 0, "not_compared": 0,
    }  # fmt: skip


def test_without_an_index_none_are_looked_for(build_twins):
    out = build_twins(index="none")
    assert not (out / "duplicates.jsonl").exists()
    assert "duplicates" not in dataset_json(out)


def test_datasets_of_before_can_be_read(build_twins):
    out = build_twins(index="none")
    info = DatasetInfo.loads((out / "dataset.json").read_bytes(), str(out))
    assert info.duplicates is None


def test_a_build_that_goes_on_lists_the_twins_of_shards_that_were_there(
    build_twins, monkeypatch, tmp_path
):
    expected = contents(build_twins("whole"))
    from pixelbeam.transforms.duplicates import find_duplicates

    def die(*_):
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(find_duplicates.DuplicateSearch, "name", die)
        with pytest.raises(RuntimeError, match="out of memory"):
            build_twins("killed")
    assert not (tmp_path / "killed" / "dataset.json").exists()
    assert contents(build_twins("killed")) == expected


def test_lists_of_an_earlier_attempt_are_not_taken(build_twins, tmp_path, monkeypatch):
    from pixelbeam.pipeline.commands import build as build_module

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(build_module, "publish", stop)
        with pytest.raises(KeyboardInterrupt):
            build_twins("out")
    stale = tmp_path / "out" / ".pixelbeam"
    for path in stale.glob("duplicates-*.jsonl"):
        path.write_text('{"plain": 9, "not_compared": 9}\n{"nonsense": 1}\n')
    assert pairs_of(build_twins("out")) == PLANTED


def test_a_damaged_list_is_made_again(build_twins):
    out = build_twins(twins=TwinOptions(3))
    expected = contents(out)
    (out / "duplicates.jsonl").unlink()
    assert repair(str(out)).damage == {"duplicates.jsonl": "missing"}
    assert contents(out) == expected


def test_a_manifest_for_each_split(build_twins, twins, tmp_path):
    for split, names in (("train", ["00.png", "01.png"]), ("val", ["copy.png", "00.png"])):
        write_csv(twins / f"{split}.csv", [(name, "a") for name in names])
    out = build_twins(
        manifest=f"train={twins}/train.csv,val={twins}/val.csv", splits=Splits(),
        max_rejects=MaxRejects(count=0),
    )  # fmt: skip
    found = dataset_json(out)["duplicates"]
    assert found["records"] == {
        "train": {"val": {"exact": 1}},
        "val": {"train": {"exact": 2}, "val": {"exact": 1}},
    }
    assert found["same_source"] in (1, 2)
