from __future__ import annotations

from collections import defaultdict

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.testing.util import assert_that
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas import Image, Schema
from pixelbeam.schemas.dataset.file_names import ShardName
from pixelbeam.transforms.reuse.candidates import Candidates, dump_table, load_table
from pixelbeam.transforms.reuse.old_dataset import OldShard
from pixelbeam.transforms.row_order import order_of, pack_row, shard_index
from pixelbeam.transforms.rows import InlineBytes, ManifestRow, RowFormat
from pixelbeam.transforms.shards import find_records as module
from pixelbeam.transforms.shards.find_records import FindRecords, find_candidates
from pixelbeam.transforms.shards.plan import Plan, SplitPlan

FORMAT = RowFormat(("path",), "path", key_is_path=True)
IMAGE = Image(source="path", height=8, width=8)
PLAN = Plan(
    Schema(features={"image": IMAGE}), {"train": SplitPlan(9, 3), "val": SplitPlan(9, 2)}, 18
)


def records(*rows: tuple[str, str, str, int]) -> pa.Table:
    """Records by their source, SHA-256, file and offset."""
    names = ("source", "source_sha256", "file", "offset")
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


class Old:
    """A dataset of one feature, a table a shard."""

    features = ("image",)

    def __init__(self, **shards: pa.Table):
        self.tables = shards
        self.shards = tuple(OldShard(name, "tfrecord", "", "", "") for name in shards)
        self.num_records = sum(map(len, shards.values()))

    def read(self, shard):
        yield "image", self.tables[shard.name]


def pack(cell: object, number: int) -> bytes:
    row = ManifestRow("m.csv", number, (cell,))
    return pack_row(order_of(0, str(cell), row), row)


def find(old: Old, rows: dict[str, list[bytes]], plan: Plan = PLAN) -> dict[str, list[dict]]:
    """What ``FindRecords`` gives, by shard, without Beam."""
    buckets = module._Buckets.of(old.num_records)
    met = defaultdict(lambda: {"wanted": [], "offered": []})
    want = module._WantFn({"image": IMAGE}, FORMAT, buckets)
    for block in rows.items():
        for key, wanted in want.process(block, plan):
            met[key]["wanted"].append(wanted)
    for shard in old.shards:
        for key, data in module._OfferFn(old, buckets).process(shard):
            met[key]["offered"].append(data)
    found = defaultdict(list)
    for key, both in met.items():
        for shard, candidates in find_candidates(key, both):
            assert candidates.feature == "image"
            found[shard] += load_table(candidates.table).to_pylist()
    return dict(found)


PATHS = st.lists(st.integers(0, 12).map("{}.jpg".format), max_size=30)


@given(PATHS, PATHS, st.integers(1, 5))
def test_each_shard_gets_the_records_of_its_files_and_no_others(wanted, offered, count):
    plan = Plan(PLAN.schema, {"train": SplitPlan(len(wanted), count)}, len(wanted))
    rows = [pack(path, number) for number, path in enumerate(wanted)]
    table = records(
        *((path, f"{path}'s", "f", n) for n, path in enumerate(offered)), ("none", "", "f", 99)
    )
    expected = defaultdict(set)
    for path, packed in zip(wanted, rows, strict=True):
        if path in offered:
            expected[str(ShardName("train", shard_index(packed, count), count))].add(path)
    found = find(Old(a=table), {"train": rows}, plan)
    assert {shard: sorted(r["source"] for r in some) for shard, some in found.items()} == {
        shard: sorted(paths) for shard, paths in expected.items()
    }


def test_records_of_one_path_and_content_are_one_and_the_first():
    twice = records(("a.jpg", "s", "g", 0), ("a.jpg", "s", "f", 50), ("a.jpg", "t", "f", 7))
    more = records(("a.jpg", "s", "f", 20))
    for old in (Old(a=twice, b=more), Old(b=more, a=twice)):
        found = find(old, {"val": [pack("a.jpg", 1)]})
        (rows,) = found.values()
        assert [(row["source_sha256"], row["file"], row["offset"]) for row in rows] == [
            ("t", "f", 7),
            ("s", "f", 20),
        ]


def test_the_same_file_goes_to_the_shards_of_several_splits():
    found = find(
        Old(a=records(("a.jpg", "s", "f", 0))),
        {"train": [pack("a.jpg", 1)], "val": [pack("a.jpg", 2)]},
    )
    assert sorted(name.partition("-")[0] for name in found) == ["train", "val"]


@pytest.mark.parametrize("cell", [None, "", 5, InlineBytes(0, 0, 0, ""), ["a.jpg"]])
def test_cells_that_name_no_file_want_nothing(cell):
    assert find(Old(a=records(("a.jpg", "s", "f", 0))), {"train": [pack(cell, 1)]}) == {}


def test_bytes_in_the_manifest_are_named_by_the_path_beside_them_in_any_spelling():
    old = Old(a=records(("a.jpg", "s", "f", 0)))
    for cell in (InlineBytes(0, 0, 0, "a.jpg"), "./a.jpg", "x/../a.jpg"):
        assert len(find(old, {"train": [pack(cell, 1)]})) == 1


def test_a_pattern_whose_column_is_empty_names_nothing():
    pattern = Image(source="{path}.jpg", height=8, width=8)
    want = module._WantFn({"image": pattern}, FORMAT, module._Buckets(1))
    assert list(want.process(("train", [pack(None, 1)]), PLAN)) == []


def test_there_are_as_many_buckets_as_a_task_can_hold(monkeypatch):
    counts = (0, (1 << 18) - 1, 1 << 18, 1 << 40)
    assert [module._Buckets.of(count).count for count in counts] == [1, 1, 2, 1 << 14]
    monkeypatch.setattr(module, "_BUCKET_RECORDS", 2)
    old = Old(a=records(*((f"{n}.jpg", str(n), "f", n) for n in range(40))))
    rows = [pack(f"{n}.jpg", n) for n in range(40)]
    found = find(old, {"train": rows})
    assert sorted(row["offset"] for some in found.values() for row in some) == list(range(40))


def test_through_a_pipeline():
    old = Old(a=records(("a.jpg", "s", "f", 0)), b=records(("b.jpg", "t", "f", 9)))
    rows = [("train", [pack("a.jpg", 1)]), ("val", [pack("b.jpg", 2), pack("c.jpg", 3)])]

    def check(outputs: list[tuple[str, Candidates]]) -> None:
        assert sorted(
            (n.partition("-")[0], load_table(c.table)["offset"].to_pylist()) for n, c in outputs
        ) == [
            ("train", [0]),
            ("val", [9]),
        ]

    with beam.Pipeline() as pipeline:
        plan = pipeline | "Plan" >> beam.Create([PLAN])
        blocks = pipeline | "Rows" >> beam.Create(rows)
        assert_that(blocks | FindRecords(old, {"image": IMAGE}, FORMAT, plan), check)


def test_where_there_is_nothing_there_is_nothing_to_find():
    wanted = [module._Wanted("train", 1, b"")]
    assert list(find_candidates(("image", 0), {"wanted": wanted, "offered": []})) == []
    offered = dump_table(
        records(("a", "s", "f", 0)).append_column("hash", pa.array([1], pa.uint64()))
    )
    assert list(find_candidates(("image", 0), {"wanted": [], "offered": [offered]})) == []
