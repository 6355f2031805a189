"""Twins among the images, through the whole build."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from PIL import Image
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.commands.repair import repair
from pixelbeam.pipeline.commands.verify import verify
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.pipeline.twins import TwinOptions
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.info import DatasetInfo
from pixelbeam.schemas.errors import OptionError, OutputError, TooManyRejects
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.splits import Splits
from support import IMAGE_SCHEMA, contents, dataset_json, make_image, rejects_of, write_csv

BY_COLUMN = Splits(column="split")
NO_IMAGES = Schema.from_dict({"features": {"label": {"type": "string", "source": "label"}}})


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
        assert place.pop("labels") == {"label": row["label"]}
        assert {name: row[name] for name in place} == place
    keys = [(line["twin"]["shard"], line["twin"]["index"]) for line in lines]
    assert keys == sorted(keys)


def test_twins_with_other_labels_are_told(build_twins, twins, tmp_path, capsys):
    rows = [(f"{n:02d}.png", "a", "train") for n in range(6)]
    rows += [("copy.png", "b", "train"), ("leak.png", "a", "val"), ("turned.png", "c", "val")]
    manifest = write_csv(tmp_path / "labels.csv", rows, ("path", "label", "split"))
    out = build_twins(manifest=str(manifest), image_root=str(twins))
    lines = [json.loads(line) for line in (out / "duplicates.jsonl").read_text().splitlines()]
    other = {
        (line["record"]["source"], line["record"]["labels"]["label"], line["twin"]["labels"]["label"])
        for line in lines
        if line["record"]["labels"] != line["twin"]["labels"]
    }  # fmt: skip
    assert other & {("copy.png", "b", "a"), ("00.png", "a", "b")}
    assert {("turned.png", "c", "a"), ("02.png", "a", "c")} <= other
    assert dataset_json(out)["duplicates"]["other_labels"] == len(other) == 3


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
        "distance": 4, "records": {}, "same_source": 0, "other_labels": 0, "plain": 0, "not_compared": 0,
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


FRACTIONS = Splits((("train", 0.5), ("val", 0.5)))


def keys_by_split(out):
    import pyarrow.parquet as pq

    return {
        row["key"]: row["split"]
        for path in (out / "index").glob("*.parquet")
        for row in pq.read_table(path).to_pylist()
    }


def test_all_but_the_first_of_twins_are_rejected(build_twins):
    out = build_twins(twins=TwinOptions(handling="reject"), max_rejects=MaxRejects(count=0))
    rejects = {
        reject["values"]["path"]: (reject["stage"], reject["reason"], reject["message"].partition(",")[0])
        for reject in rejects_of(out)
    }  # fmt: skip
    assert {path: said[:2] for path, said in rejects.items()} == dict.fromkeys(
        ("copy.png", "leak.png", "encoded.jpg", "turned.png", "./09.png"),
        ("duplicate", "duplicate"),
    )
    assert rejects["copy.png"][2] == "the same file as rows.csv:2"
    assert rejects["./09.png"][2] == "the same file as rows.csv:11"
    assert rejects["encoded.jpg"][2] == "like rows.csv:3"
    assert rejects["turned.png"][2] == "mirrored"
    info = dataset_json(out)
    assert (info["rows"], info["rejects"]["by_reason"]) == (19, {"duplicate": 5})
    assert info["duplicates"]["records"] == {}
    assert info["command"]["on_duplicates"] == "reject"
    assert verify(str(out)).faults == []


def test_other_rejects_count_beside_twins(build_twins, twins, tmp_path):
    rows = [("00.png", "a", "train"), ("copy.png", "a", "val"), ("gone.png", "a", "train")]
    manifest = write_csv(tmp_path / "few.csv", rows, ("path", "label", "split"))
    few = {"manifest": str(manifest), "image_root": str(twins)}
    reject = TwinOptions(handling="reject")
    with pytest.raises(
        TooManyRejects, match="1 of 3 rows were rejected, more than --max_rejects 0"
    ):
        build_twins(**few, twins=reject, max_rejects=MaxRejects(count=0))
    out = build_twins("other", **few, twins=reject, max_rejects=MaxRejects(count=1))
    by_reason = dataset_json(out)["rejects"]["by_reason"]
    assert by_reason == {"duplicate": 1, "file_not_found": 1}


def test_twins_share_a_split(build_twins):
    together = [("00.png", "copy.png"), ("03.png", "leak.png"), ("01.png", "encoded.jpg")]
    together += [("02.png", "turned.png")]
    apart = keys_by_split(build_twins("apart", splits=FRACTIONS))
    assert any(apart[one] != apart[other] for one, other in together)
    out = build_twins(splits=FRACTIONS, twins=TwinOptions(handling="group"))
    splits = keys_by_split(out)
    assert all(splits[one] == splits[other] for one, other in together)
    # All others stay where they were: red and blue have no structure, and are no twins.
    others = splits.keys() - {name for pair in together for name in pair}
    assert {key: splits[key] for key in others} == {key: apart[key] for key in others}
    found = dataset_json(out)["duplicates"]
    assert {split for split, others in found["records"].items() if others.keys() - {split}} == set()
    assert (found["joined"], found["not_joined"]) == (4, 0)
    assert dataset_json(out)["command"]["on_duplicates"] == "group"


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Path:
    """``rows.csv`` of 12 pictures, each mixed with noise a little more than the one before it."""
    folder = tmp_path_factory.mktemp("chain")
    make_image(folder / "one.png", 1)
    make_image(folder / "other.png", 40)
    with Image.open(folder / "one.png") as one, Image.open(folder / "other.png") as other:
        for number in range(30):
            mixed = Image.blend(
                one.convert("RGB"), other.convert("RGB").resize(one.size), number / 29
            )
            mixed.save(folder / f"{number:02d}.png")
    write_csv(folder / "rows.csv", [(f"{number:02d}.png", "a") for number in range(30)])
    return folder


def test_twins_of_twins_share_a_split(build_twins, chain):
    settings = {"manifest": str(chain / "rows.csv"), "splits": FRACTIONS}
    before = dataset_json(build_twins("before", **settings))["duplicates"]["records"]
    assert {*before["train"], *before["val"]} == {"train", "val"}
    out = build_twins(**settings, twins=TwinOptions(handling="group"))
    found = dataset_json(out)["duplicates"]
    assert found["not_joined"] == 0
    assert all(others.keys() == {split} for split, others in found["records"].items())
    # It is a chain: the ends are no twins, but some way between them is all twins.
    assert len(set(keys_by_split(out).values())) == 2 or found["joined"] == 29


def test_groups_are_joined_as_a_whole(build_twins, twins, tmp_path):
    rows = [
        ("00.png", "a", "x"),
        ("04.png", "a", "x"),
        ("copy.png", "a", "y"),
        ("05.png", "a", "y"),
    ]
    rows += [(f"{n:02d}.png", "a", f"alone {n}") for n in range(6, 12)]
    manifest = write_csv(tmp_path / "groups.csv", rows, ("path", "label", "who"))
    for seed in range(4):
        out = build_twins(
            str(seed), manifest=str(manifest), image_root=str(twins), seed=seed,
            splits=Splits(FRACTIONS.fractions, group_by="who"), twins=TwinOptions(handling="group"),
        )  # fmt: skip
        splits = keys_by_split(out)
        assert len({splits[name] for name in ("00.png", "04.png", "copy.png", "05.png")}) == 1
        assert dataset_json(out)["duplicates"]["joined"] == 1


@pytest.mark.parametrize("handling", ["reject", "group"])
def test_what_is_done_about_twins_depends_on_no_thread_or_process(handling, build_twins):
    settings = {"twins": TwinOptions(handling=handling), "splits": FRACTIONS}
    expected = contents(build_twins("a", threads=1, **settings))
    mode = PipelineOptions(["--direct_running_mode=multi_processing", "--direct_num_workers=2"])
    assert contents(build_twins("b", mode, threads=4, **settings)) == expected


@pytest.mark.parametrize("handling", ["reject", "group"])
def test_a_build_without_some_twins_goes_on_after_a_kill(handling, build_twins, monkeypatch):
    settings = {"twins": TwinOptions(handling=handling), "splits": FRACTIONS}
    expected = contents(build_twins("whole", **settings))
    from pixelbeam.transforms.shards.shard_task import ShardTask

    run = ShardTask.run

    def die_at_val(task, name, *rest):
        if name.startswith("val"):
            raise RuntimeError("out of memory")
        return run(task, name, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(ShardTask, "run", die_at_val)
        with pytest.raises(RuntimeError, match="out of memory"):
            build_twins("killed", **settings)
    assert contents(build_twins("killed", **settings)) == expected


@pytest.mark.parametrize("handling", ["reject", "group"])
def test_a_damaged_shard_without_some_twins_is_made_again(handling, build_twins):
    out = build_twins(twins=TwinOptions(handling=handling), splits=FRACTIONS)
    expected = contents(out)
    (out / "val-00001-of-00002.tfrecord").unlink()
    assert repair(str(out)).shards == ("val-00001-of-00002",)
    assert contents(out) == expected


def test_images_in_the_manifest_are_hashed_too(build_twins, twins, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = ["00.png", "04.png", "copy.png", "05.png"]
    cells = [(twins / name).read_bytes() for name in names]
    table = pa.table({"path": cells, "label": ["a"] * 4})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=2)
    out = build_twins(
        manifest=str(tmp_path / "rows.parquet"), splits=Splits(), twins=TwinOptions(handling="reject")
    )  # fmt: skip
    assert [reject["row"] for reject in rejects_of(out)] == [3]


def test_class_folders_are_hashed_too(build_twins, twins, tmp_path):
    for name, label in (("00", "cat"), ("copy", "dog"), ("05", "dog")):
        (tmp_path / "classes" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(twins / f"{name}.png", tmp_path / "classes" / label)
    out = build_twins(
        manifest=str(tmp_path / "classes"), splits=Splits(), twins=TwinOptions(handling="reject")
    )
    assert [reject["key"] for reject in rejects_of(out)] == ["dog/copy.png"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"splits": BY_COLUMN}, "without two fractions or more in --splits"),
        ({"splits": Splits()}, "without two fractions or more in --splits"),
        ({"splits": FRACTIONS, "index": "none"}, "beside --index none, expected an index"),
        ({"splits": FRACTIONS, "schema": NO_IMAGES}, "for a schema without images a row"),
    ],
)
def test_what_cannot_be_done_is_refused(options, said, build_twins):
    with pytest.raises(OptionError, match=f"--on_duplicates: got 'group' {said}"):
        build_twins(twins=TwinOptions(handling="group"), **options)


def test_manifests_for_each_split_declare_the_splits(build_twins, twins):
    manifests = f"train={twins}/rows.csv,val={twins}/rows.csv"
    with pytest.raises(
        OptionError, match="with splits that are declared, expected report, or reject"
    ):
        build_twins(manifest=manifests, splits=Splits(), twins=TwinOptions(handling="group"))


def test_a_twin_that_is_none_any_more_is_seen(twins, tmp_path):
    """Its row was left out, so that no shard's notes tell of its file."""
    folder = tmp_path / "in"
    shutil.copytree(twins, folder, copy_function=shutil.copy2)
    settings = {
        "splits": BY_COLUMN,
        "schema": IMAGE_SCHEMA,
        "twins": TwinOptions(handling="reject"),
    }
    options = BuildOptions(str(folder / "rows.csv"), output=str(tmp_path / "out"), **settings)
    build(options)
    notes = tmp_path / "out" / ".pixelbeam" / "sources"
    assert len([path for path in notes.iterdir() if path.name.startswith("twins-")]) == 16
    for by in ("stat", "content"):
        assert build(replace(options, check_sources=by)).unseen == ""
    make_image(folder / "copy.png", 99)
    for by in ("stat", "content"):
        with pytest.raises(OutputError, match=r"1 source that has changed: copy\.png"):
            build(replace(options, check_sources=by))
    replaced = build(replace(options, overwrite=True))
    assert replaced.dataset.rejects.by_reason == {"duplicate": 4}
    assert build(options).unseen == ""
    (notes / "twins-03").unlink()
    assert "was deleted" in build(options).unseen
    # What is known of the notes goes with the dataset that has them.
    build(replace(options, twins=TwinOptions(), overwrite=True))
    assert not [path for path in notes.iterdir() if path.name.startswith("twins-")]
    assert build(replace(options, twins=TwinOptions())).unseen == ""
