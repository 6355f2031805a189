from __future__ import annotations

import hashlib
import json
from collections import Counter

import pytest
from pixelbeam.pipeline.commands import build as build_module
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.pipeline.publishing.publish import publish, read_published
from pixelbeam.schemas import Int64, Schema
from pixelbeam.schemas.dataset.statistics import add_summaries
from pixelbeam.schemas.errors import BuildError, ManifestError, TooManyRejects
from pixelbeam.transforms.rejects import early_rejects_path
from pixelbeam.transforms.shards.plan import PLAN_FILE, Plan, SplitPlan
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.shards.shard_result import ShardResult
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
        **{f"index/train-0000{i}-of-00002.parquet": "index" for i in range(2)},
        **{f"index/train-0000{i}-of-00002.idx": "addresses" for i in range(2)},
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

    def publish_without_command(output, max_rejects, command, twins):
        publish(output, max_rejects, {}, twins)

    monkeypatch.setattr(build_module, "publish", publish_without_command)
    build(options)
    assert read_published(Folder(str(tmp_path / "out"))).rows == 40
    dataset = dataset_json(tmp_path / "out")
    assert dataset["command"] == {}
    assert {"Pillow", "hdf5"} <= {name.replace("pillow", "Pillow") for name in dataset["versions"]}


NUMBERS = Schema.from_dict({"features": {"n": {"type": "int64", "source": "n"}}})
ALL = MaxRejects(count=None, fraction=1.0)


def reject(number: int, reason: str) -> dict:
    return {"manifest": "m.csv", "row": number, "reason": reason, "message": f"no {number}"}


def leave_behind(folder: Folder, splits, rejects=(), early=(), seen=None, planned=None) -> None:
    """What a pipeline leaves behind that gave the shards of each split so many records.

    Args:
        folder: where.
        splits: the numbers of records, a shard each, by split.
        rejects: those of the first shard.
        early: those that were found before.
        seen: the rows of the manifest, where they do not add up.
        planned: the rows of each split, where they do not add up.
    """
    for split, counts in splits.items():
        for at, count in enumerate(counts):
            found = rejects if split == "a" and at == 0 else ()
            name = f"{split}-{at:05d}-of-{len(counts):05d}"
            file = folder.write(f"{name}.tfrecord", name.encode())
            summaries = {"n": {"count": count, "nan": 0, "sum": 0, "sumsq": 0, "min": 0, "max": 0}}
            reasons = dict(Counter(r["reason"] for r in found))
            result = ShardResult(
                name, "f", count + len(found), count, {"tfrecord": file}, reasons, summaries
            )
            folder.write(ShardResult.path(name), result.to_json())
            if found:
                folder.write(ShardResult.rejects_path(name), lines(found))
    if early:
        folder.write(early_rejects_path(1), lines(early))
    rows = {split: sum(counts) + len(rejects) * (split == "a") for split, counts in splits.items()}
    plans = {split: SplitPlan((planned or rows)[split], len(c)) for split, c in splits.items()}
    total = sum(rows.values()) + len(early) if seen is None else seen
    folder.write(PLAN_FILE, Plan(NUMBERS, plans, total).to_json())


def lines(rejects) -> bytes:
    return b"".join(json.dumps(r).encode() + b"\n" for r in rejects)


def test_what_shards_left_behind_becomes_a_dataset(tmp_path, monkeypatch):
    monkeypatch.setattr(Int64, "warnings", lambda self, name, whole: [f"{name}: {whole['count']}"])
    folder = Folder(str(tmp_path / "out"))
    late, early = [reject(4, "late"), reject(5, "late")], [reject(9, "early")]
    leave_behind(folder, {"a": [2, 0, 1], "b": [1, 0], "c": [0]}, late, early)
    for name in ("a-00000-of-00009.tfrecord", "thesis.tex", ".pixelbeam/sources/a-00007-of-00009"):
        folder.write(name, b"old")
    folder.write(".pixelbeam/sources/a-00000-of-00003", b"kept")
    publish(folder, ALL, {"seed": 3})
    info = read_published(folder)
    assert (info.rows, info.command) == (7, {"seed": 3})
    assert (info.rejects.count, info.rejects.by_reason) == (3, {"early": 1, "late": 2})
    assert folder.read("rejects.jsonl") == lines([*early, *late])
    assert {n: [s.num_records for s in split.shards] for n, split in info.splits.items()} == {
        "a": [2, 0, 1], "b": [1, 0], "c": [0]
    }  # fmt: skip
    assert info.warnings == [
        "n: 4",
        "split 'b': 1 of its 2 shards are empty, since it has 1 records; --num_shards makes fewer",
        "split 'c' is empty",
    ]
    assert sorted(contents(tmp_path / "out").keys() - info.files.keys()) == [
        "dataset.json",
        "thesis.tex",
    ]
    assert list(folder.sizes(".pixelbeam/sources")) == ["a-00000-of-00003"]


def test_without_rejects_there_is_no_list_of_them(tmp_path):
    folder = Folder(str(tmp_path))
    leave_behind(folder, {"a": [1]})
    publish(folder, ALL, {})
    info = read_published(folder)
    assert (info.rejects.count, info.rejects.file, info.frames) == (0, None, None)
    assert folder.read("rejects.jsonl") is None


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ({"seen": 9}, "9 manifest rows, but 3 records and 2 rejects (1 of them early)"),
        ({"seen": 4}, "4 manifest rows, but 3 records and 2 rejects (1 of them early)"),
        ({"planned": {"a": 5}}, "split 'a': 5 rows were planned, 4 reached a shard"),
        ({"planned": {"a": 3}}, "split 'a': 3 rows were planned, 4 reached a shard"),
    ],
)
def test_rows_that_do_not_add_up_are_not_published(tmp_path, left, said):
    folder = Folder(str(tmp_path))
    leave_behind(folder, {"a": [2, 1]}, [reject(1, "x")], [reject(2, "y")], **left)
    with pytest.raises(BuildError) as caught:
        publish(folder, ALL, {})
    assert str(caught.value) == said
    with pytest.raises(BuildError, match=r"no dataset.json; the build was not published$"):
        read_published(folder)


def test_a_pipeline_without_a_plan_is_not_published(tmp_path):
    with pytest.raises(BuildError) as caught:
        publish(Folder(str(tmp_path)), ALL, {})
    assert str(caught.value) == "the pipeline ended without a plan; run the same command again"


def test_too_many_rejects_are_said_with_the_most_frequent_reasons(tmp_path):
    folder = Folder(str(tmp_path))
    late = [reject(10 * n + m, f"r{n}") for n in range(1, 7) for m in range(n)]
    leave_behind(folder, {"a": [9]}, late)
    with pytest.raises(TooManyRejects) as caught:
        publish(folder, MaxRejects(count=20, fraction=None), {})
    assert str(caught.value).splitlines() == [
        "21 of 30 rows were rejected, more than --max_rejects 20; nothing was published",
        *(f"  {n} r{n}, such as m.csv:{10 * n}: no {10 * n}" for n in (6, 5, 4, 3, 2)),
        f"  all of them, a line each: {tmp_path / 'rejects.jsonl'}",
    ]
    assert caught.value.by_reason == {f"r{n}": n for n in range(1, 7)}
    assert (tmp_path / "rejects.jsonl").read_bytes() == lines(late)
    assert not (tmp_path / "dataset.json").exists()
    publish(folder, MaxRejects(count=21, fraction=None), {})
    assert read_published(folder).rejects.count == 21


def test_a_dataset_has_a_record(tmp_path):
    folder = Folder(str(tmp_path))
    leave_behind(folder, {"a": [0]}, [reject(1, "x"), reject(2, "x")])
    with pytest.raises(TooManyRejects, match=r"^all 2 rows were rejected; nothing was published"):
        publish(folder, ALL, {})
    leave_behind(folder, {}, (), ())
    expected = "^the manifest has no rows, expected at least one; nothing was published$"
    with pytest.raises(ManifestError, match=expected):
        publish(folder, ALL, {})
