from __future__ import annotations

from collections import defaultdict

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas.dataset.file_names import ShardName
from pixelbeam.transforms.row_order import shard_index
from pixelbeam.transforms.shards.assign_shards import AssignShards, assign_shards, empty_shards
from pixelbeam.transforms.shards.plan import Plan, SplitPlan
from support import IMAGE_SCHEMA

PACKED = st.lists(st.binary(min_size=20, max_size=1500), max_size=60, unique=True)


@given(PACKED, st.integers(1, 5))
def test_every_row_goes_to_its_shard_once_and_elements_stay_small(block, count):
    plan = Plan(IMAGE_SCHEMA, {"val": SplitPlan(len(block), count)}, len(block))
    found = defaultdict(list)
    for name, rows in assign_shards(plan, "val", block):
        assert rows
        assert len(rows) == 1 or sum(map(len, rows)) <= 900
        found[name] += rows
    expected = defaultdict(list)
    for packed in block:
        expected[str(ShardName("val", shard_index(packed, count), count))].append(packed)
    assert found == expected


def test_every_shard_of_the_plan_exists():
    plan = Plan(IMAGE_SCHEMA, {"a": SplitPlan(0, 1), "b": SplitPlan(9, 2)}, 9)
    names = ["a-00000-of-00001", "b-00000-of-00002", "b-00001-of-00002"]
    assert list(empty_shards(plan)) == [(name, []) for name in names]


@pytest.mark.parametrize(
    ("sizes", "elements"),
    [
        ([450, 450], [2]),
        ([450, 451], [1, 1]),
        ([900], [1]),
        ([2000], [1]),
        ([300, 300, 300, 300, 600, 1], [3, 2, 1]),
        ([901, 20, 880, 20], [1, 2, 1]),
    ],
)
def test_an_element_is_as_many_rows_as_fit(sizes, elements):
    plan = Plan(IMAGE_SCHEMA, {"val": SplitPlan(len(sizes), 1)}, len(sizes))
    block = [bytes([number]) * size for number, size in enumerate(sizes)]
    found = list(assign_shards(plan, "val", block))
    assert [len(rows) for _, rows in found] == elements
    assert [row for _, rows in found for row in rows] == block
    assert {name for name, _ in found} == {"val-00000-of-00001"}


def test_each_shard_gets_its_rows_and_those_without_any_are_there_too():
    plan = Plan(IMAGE_SCHEMA, {"val": SplitPlan(3, 4)}, 3)
    rows = [bytes([first]) + bytes(30) for first in (0, 5, 200)]
    with beam.Pipeline(FnApiRunner()) as pipeline:
        plans = pipeline | "Plan" >> beam.Create([plan])
        blocks = pipeline | "Rows" >> beam.Create([("val", rows[:2]), ("val", rows[2:])])
        found = blocks | AssignShards(plans)
        merged = found | beam.MapTuple(
            lambda name, blocks: (name, sorted(row for block in blocks for row in block))
        )
        expected = {f"val-0000{index}-of-00004": [] for index in range(4)}
        expected["val-00000-of-00004"] = rows[:2]
        expected["val-00003-of-00004"] = rows[2:]
        assert_that(merged, equal_to([*expected.items()]))


@given(PACKED, st.sets(st.integers(0, 3)))
def test_of_some_shards_every_row_is_there_and_no_other(block, wanted):
    plan = Plan(IMAGE_SCHEMA, {"val": SplitPlan(len(block), 4), "a": SplitPlan(0, 1)}, 0)
    only = {str(ShardName("val", index, 4)) for index in wanted}
    every, some = (list(assign_shards(plan, "val", block, names)) for names in (None, only))
    assert some == [element for element in every if element[0] in only]
    assert list(empty_shards(plan, only)) == [(name, []) for name in sorted(only)]


def test_some_shards_are_built_alone():
    plan = Plan(IMAGE_SCHEMA, {"val": SplitPlan(3, 4)}, 3)
    rows = [bytes([first]) + bytes(30) for first in (0, 5, 200)]
    only = frozenset({"val-00001-of-00004", "val-00003-of-00004"})
    with beam.Pipeline(FnApiRunner()) as pipeline:
        plans = pipeline | "Plan" >> beam.Create([plan])
        found = pipeline | "Rows" >> beam.Create([("val", rows)])
        merged = found | AssignShards(plans, only)
        merged = merged | beam.MapTuple(lambda name, blocks: (name, [*blocks]))
        expected = [("val-00001-of-00004", [[]]), ("val-00003-of-00004", [[], rows[2:]])]
        ordered = merged | beam.MapTuple(lambda name, blocks: (name, sorted(blocks)))
        assert_that(ordered, equal_to(expected))
