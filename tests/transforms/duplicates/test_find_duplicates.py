from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pixelbeam.schemas import Schema
from pixelbeam.schemas.dataset.file_names import index_file
from pixelbeam.transforms.duplicates.find_duplicates import (
    DuplicateSearch,
    Findings,
    findings_path,
    num_findings_files,
)
from pixelbeam.transforms.duplicates.fingerprints import CONTENT
from pixelbeam.transforms.shards.plan import Plan, SplitPlan
from pixelbeam.transforms.shards.shard_result import ShardResult
from pixelbeam.transforms.storage.output_folder import Folder, PublishedFile

IMAGE = {"type": "image", "source": "path", "height": 8, "width": 8}
SCHEMA = Schema.from_dict({"features": {"image": IMAGE}})
PICTURE = 0x0F1E2D3C4B5A6978


def plan(schema=SCHEMA, **shards):
    return Plan(schema, {name: SplitPlan(10, count) for name, count in shards.items()}, 30)


def write_shard(folder: Path, name: str, rows, prefix=""):
    """An index file of rows of key, hash of the file (a letter) and perceptual hash."""
    path = folder / index_file(name)
    path.parent.mkdir(exist_ok=True)
    keys, contents, hashes = zip(*rows, strict=True)
    columns = {
        "key": pa.array(keys),
        "source": pa.array([f"{key}.jpg" for key in keys]),
        "source_sha256": pa.array([letter and letter * 64 for letter in contents]),
        "dhash": pa.array(hashes, pa.uint64()),
    }
    pq.write_table(pa.table(columns), path)
    file = PublishedFile(index_file(name), 0, "")
    return ShardResult(name, "", len(rows), len(rows), {}, index={"index": file})


def run(search, plan, results):
    """All steps one after the other, as the pipeline wires them; the lines of each file."""
    files = {number: [Findings()] for number in range(num_findings_files(plan))}
    buckets, pairs = {}, {}
    for result in results:
        for found in search.divide(result, plan):
            if isinstance(found, Findings):
                files[0].append(found)
            else:
                buckets.setdefault(found[0], []).append(found[1])
    for bucket, blocks in buckets.items():
        for found in search.search(bucket, blocks, plan):
            if isinstance(found, Findings):
                files[0].append(found)
            else:
                pairs.setdefault(found[0], []).append(found[1])
    for blocks in pairs.values():
        for number, found in search.name(blocks, plan):
            files[number].append(found)
    for number, found in files.items():
        search.write(number, found, plan)
    read = [search.output.read(findings_path(number)) for number in files]
    return [[json.loads(line) for line in data.splitlines()] for data in read]


def test_twins_are_named_and_counted(tmp_path):
    results = [
        write_shard(tmp_path, "train-00000-of-00002", [("a", "a", PICTURE), ("b", "b", 7)]),
        write_shard(tmp_path, "train-00001-of-00002", [("c", "c", PICTURE ^ 5), ("d", None, None)]),
        write_shard(tmp_path, "val-00000-of-00001", [("e", "a", PICTURE), ("f", "f", 1)]),
    ]
    files = run(DuplicateSearch(Folder(str(tmp_path)), 4), plan(train=2, val=1), results)

    def place(key, split, shard, index):
        name = {"split": split, "shard": f"{split}-{shard}", "index": index, "key": key}
        return {**name, "source": f"{key}.jpg"}

    def line(kind, distance, record, twin):
        pair = {"record": record, "twin": twin}
        return {"feature": "image", "kind": kind, "distance": distance, **pair}

    a, c = place("a", "train", "00000-of-00002", 0), place("c", "train", "00001-of-00002", 0)
    e = place("e", "val", "00000-of-00001", 0)
    none = {"plain": 0, "not_compared": 0}
    assert files == [
        [{"plain": 2, "not_compared": 0}, line("near", 2, c, a), line("exact", 0, e, a)],
        [none],
        [none, line("exact", 0, a, e), line("near", 2, c, e)],
    ]


def test_equal_contents_alone_where_there_is_no_distance(tmp_path):
    rows = [("a", "a", PICTURE), ("b", "b", PICTURE), ("c", "a", 0)]
    result = write_shard(tmp_path, "train-00000-of-00001", rows)
    (lines,) = run(DuplicateSearch(Folder(str(tmp_path)), None), plan(train=1), [result])
    assert [(line["kind"], line["record"]["key"]) for line in lines[1:]] == [("exact", "c")]
    assert lines[0] == {"plain": 0, "not_compared": 0}


def test_each_feature_is_looked_at_by_itself(tmp_path):
    features = {"image": IMAGE, "mask": {**IMAGE, "source": "mask"}}
    two = Schema.from_dict({"features": features})
    rows = [("a", "a", PICTURE), ("b", "b", 0x1234567812345678)]
    result = write_shard(tmp_path, "train-00000-of-00001", rows)
    path = tmp_path / index_file(result.name)
    table = pq.read_table(path)
    # The mask of the second record is the image of the first one, which makes no twins; both masks are one.
    for column, values in (("source", ["x", "y"]), ("source_sha256", ["a" * 64] * 2)):
        table = table.append_column(f"mask/{column}", pa.array(values))
    pq.write_table(table.append_column("mask/dhash", pa.array([1, 2], pa.uint64())), path)
    (lines,) = run(DuplicateSearch(Folder(str(tmp_path)), 4), plan(two, train=1), [result])
    (line,) = lines[1:]
    assert line["feature"] == "mask"
    assert (line["record"]["source"], line["twin"]["source"]) == ("y", "x")
    assert lines[0] == {"plain": 2, "not_compared": 0}


def test_labels_that_are_no_numbers_are_text_that_equals_itself(tmp_path):
    target = {"type": "float32", "source": "t", "target": True, "allow_nan": True}
    schema = Schema.from_dict({"features": {"image": IMAGE, "t": target}})
    result = write_shard(
        tmp_path, "train-00000-of-00001", [("a", "a", PICTURE), ("b", "a", PICTURE)]
    )
    path = tmp_path / index_file(result.name)
    values = pa.array([float("nan")] * 2, pa.float32())
    pq.write_table(pq.read_table(path).append_column("t", values), path)
    (lines,) = run(DuplicateSearch(Folder(str(tmp_path)), None), plan(schema, train=1), [result])
    assert lines[1]["record"]["labels"] == lines[1]["twin"]["labels"] == {"t": "nan"}


def test_many_twins_travel_in_small_elements(tmp_path):
    rows = [(f"{n:03d}" * 20, "a", PICTURE) for n in range(200)]
    result = write_shard(tmp_path, "train-00000-of-00001", rows)
    search, whole = DuplicateSearch(Folder(str(tmp_path)), 4), plan(train=1)
    blocks = [block for bucket, block in search.divide(result, whole) if bucket[1] == CONTENT]
    pairs = [found for _, found in search.search((0, CONTENT, 0), blocks, whole)]
    assert max(len(block) for _, block in pairs) == 44 * 18
    named = [found for _, found in search.name(pairs, whole)]
    assert sum(len(found.names) for found in named) == 199
    assert max(len(found.names) for found in named) == 4
    search.write(0, named, whole)
    lines = [json.loads(line) for line in (tmp_path / findings_path(0)).read_text().splitlines()]
    assert [line["record"]["index"] for line in lines[1:]] == list(range(1, 200))
    assert {line["twin"]["index"] for line in lines[1:]} == {0}
    assert [line["record"]["key"] for line in lines[1:]] == [key for key, _, _ in rows[1:]]


def test_what_was_not_compared_is_counted(tmp_path, monkeypatch):
    from pixelbeam.transforms.duplicates import search as search_module

    monkeypatch.setattr(search_module, "_WINDOW", 1)
    rows = [(str(n), str(n), PICTURE ^ (1 << n)) for n in range(4)]
    result = write_shard(tmp_path, "train-00000-of-00001", rows)
    (lines,) = run(DuplicateSearch(Folder(str(tmp_path)), 4), plan(train=1), [result])
    assert lines[0]["not_compared"] > 0
    assert len(lines) == 4


def test_files_are_as_many_as_shards_up_to_a_bound():
    assert num_findings_files(plan()) == 1
    assert num_findings_files(plan(train=3, val=2)) == 5
    assert num_findings_files(plan(train=300)) == 64
    assert findings_path(3) == ".pixelbeam/duplicates-03.jsonl"


def test_an_index_that_is_gone_fails_the_task(tmp_path):
    result = write_shard(tmp_path, "train-00000-of-00001", [("a", "a", PICTURE)] * 2)
    search, whole = DuplicateSearch(Folder(str(tmp_path)), 4), plan(train=1)
    blocks = [block for bucket, block in search.divide(result, whole) if bucket[1] == CONTENT]
    pairs = [found for _, found in search.search((0, CONTENT, 0), blocks, whole)]
    (tmp_path / index_file(result.name)).unlink()
    gone = "index/train-00000-of-00001.parquet: gone since it was written"
    with pytest.raises(FileNotFoundError, match=gone):
        list(search.divide(result, whole))
    with pytest.raises(FileNotFoundError, match=gone):
        list(search.name(pairs, whole))
