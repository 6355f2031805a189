from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import ManifestError, OptionError
from pixelbeam.transforms import contradictions
from pixelbeam.transforms.contradictions import LabelBlock
from pixelbeam.transforms.ledger import Ledger
from pixelbeam.transforms.row_order import order_of, pack_row
from pixelbeam.transforms.rows import ManifestRow, RowFormat
from pixelbeam.transforms.shards.encode_rows import RowEncoder
from pixelbeam.transforms.shards.plan import PLAN_FILE, Plan, SplitPlan
from pixelbeam.transforms.shards.plan_shards import (
    Planner,
    PlanShards,
    RowSummarizer,
    RowSummary,
    ShardSize,
)
from pixelbeam.transforms.sinks.examples import serialize_example
from pixelbeam.transforms.storage.input_files import InputFiles
from pixelbeam.transforms.storage.output_folder import Folder
from pixelbeam.transforms.storage.split_roots import SplitRoots

SCHEMA = Schema.from_dict(
    {
        "features": {
            "text": {"type": "string", "source": "text"},
            "label": {"type": "class_label", "source": "label", "vocabulary": "from_manifest"},
        }
    }
)
FORMAT = RowFormat(("label", "text"), None)
BY_TEXT = RowFormat(("label", "text"), "text")
SUMMARIZER = RowSummarizer(SCHEMA, FORMAT)


def rows(count):
    return [
        ManifestRow("m.csv", n, (("cat", "dog")[n % 2], "x" * (n % 7))) for n in range(1, count + 1)
    ]


def summarize(numbered):
    summary = RowSummary()
    for split, row in numbered:
        SUMMARIZER.add(summary, split, pack_row(order_of(3, FORMAT.key(row), row), row))
    return summary


@given(st.integers(0, 400), st.integers(0, 9), st.randoms(use_true_random=False))
def test_the_summary_is_the_same_in_any_order_and_on_any_number_of_machines(count, cuts, shuffler):
    numbered = [(("train", "val")[row.row % 3 == 0], row) for row in rows(count)]
    whole = summarize(numbered)
    whole.prune()
    shuffler.shuffle(numbered)
    total = RowSummary()
    bounds = sorted([0, count, *(shuffler.randint(0, count) for _ in range(cuts))])
    for start, end in pairwise(bounds):
        SUMMARIZER.merge(total, summarize(numbered[start:end]))
    assert total.counts == whole.counts
    assert total.sample == whole.sample
    assert {name: set(names) for name, names in total.classes.items()} == {
        name: set(names) for name, names in whole.classes.items()
    }


def test_the_sample_is_the_rows_with_the_smallest_places():
    summary = summarize([("train", row) for row in rows(1000)])
    summary.prune()
    everything = summarize([])
    for row in rows(1000):
        SUMMARIZER.merge(everything, summarize([("train", row)]))
    assert summary.sample == everything.sample == sorted(summary.sample)
    assert len(summary.sample) == 48


def test_the_plan(tmp_path):
    folder = Folder(str(tmp_path))
    encoder = RowEncoder(SCHEMA, FORMAT, InputFiles(""))
    planner = Planner(encoder, "", ("train", "test"), ShardSize(shard_bytes=1000), 2, 60.0, folder)
    plan = planner.plan(summarize([("train", row) for row in rows(30)]), 31)
    schema = SCHEMA.with_vocabularies({"label": ("dog", "cat")})
    records = [
        RowEncoder(schema, FORMAT, InputFiles("")).encode(row, {}).values for row in rows(30)
    ]
    mean = sum(len(serialize_example(record)) + 16 for record in records) / 30
    assert plan == Plan(
        schema, {"test": SplitPlan(0, 1), "train": SplitPlan(30, -int(-30 * mean // 1000))}, 31
    )
    assert Plan.from_json(folder.read(PLAN_FILE)) == plan


def test_line_breaks_in_names_are_warned_of_with_the_first_place(tmp_path):
    encoder = RowEncoder(SCHEMA, BY_TEXT, InputFiles(""))
    size = ShardSize(num_shards=1)
    planner = Planner(encoder, "", (), size, 2, 60.0, Folder(str(tmp_path)))
    cells = [("cat", "x"), ("a\nb", "y"), ("a\nb", "z"), ("dog", "k\r1"), ("c\nd", "w")]
    broken = [ManifestRow("m.csv", n, values) for n, values in enumerate(cells, 1)]
    summarizer = RowSummarizer(SCHEMA, BY_TEXT)
    total = RowSummary()
    for row in reversed(broken):
        summary = RowSummary()
        summarizer.add(summary, "train", pack_row(order_of(3, "", row), row))
        summarizer.merge(total, summary)
    joined = "; in CSV a stray quote makes one row of all lines up to the next quote"
    assert planner.plan(total, 5).warnings == (
        f"column 'text': got values with line breaks, such as 'k\\r1' (m.csv:4){joined}",
        f"label: got class names with line breaks, such as 'a\\nb' (m.csv:2){joined}",
    )


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (
            (None, ["a"], {"b": 1}, ["c"]),
            "; 3 of the 4 rows looked at have unknown_class, such as m.csv:2: got ['a'], expected a "
            "class name",
        ),
        (
            ("  ", "  ", None),
            "; 3 of the 3 rows looked at have missing_value, such as m.csv:1: got an empty cell, "
            "expected a class",
        ),
    ],
)
def test_no_class_name_is_explained_by_the_rows(tmp_path, cells, why):
    assert refusal(tmp_path, SCHEMA, cells) == NAMELESS.format("features.label") + why


def test_no_class_name_where_nothing_is_wrong_with_the_rows(tmp_path):
    labels = {"type": "class_labels", "source": "label", "vocabulary": "from_manifest"}
    schema = Schema.from_dict({"features": {"label": labels}})
    assert refusal(tmp_path, schema, ([], "[]")) == NAMELESS.format("features.label")


def test_no_class_name_in_any_step(tmp_path):
    tag = {"type": "class_label", "source": "label", "vocabulary": "from_manifest"}
    value = {"type": "string", "source": "text"}
    declared = {"record": "sequence_example", "context": {"t": value}, "steps": {"tag": tag}}
    assert refusal(tmp_path, Schema.from_dict(declared), (["", {}], None, [None])) == (
        NAMELESS.format("steps.tag") + "; 3 of the 3 rows looked at have missing_value, such as "
        "m.csv:1: got an empty cell, expected a class"
    )


NAMELESS = "{}: got no class name from column 'label' of the manifest, expected at least one"


def refusal(tmp_path, schema, cells):
    """Why rows with these labels have no plan."""
    encoder = RowEncoder(schema, FORMAT, InputFiles(""))
    size = ShardSize(num_shards=1)
    planner = Planner(encoder, "", (), size, 2, 60.0, Folder(str(tmp_path)))
    summarizer, summary = RowSummarizer(schema, FORMAT), RowSummary()
    for number, cell in enumerate(cells, 1):
        row = ManifestRow("m.csv", number, (cell, "x"))
        summarizer.add(summary, "train", pack_row(order_of(3, FORMAT.key(row), row), row))
    with pytest.raises(ManifestError) as caught:
        planner.plan(summary, len(cells))
    return str(caught.value)


@pytest.mark.parametrize(
    ("size", "shards"),
    [
        (ShardSize(num_shards=7), 7),
        (ShardSize(num_shards=200), 200),
        (ShardSize(records_per_shard=25), 4),
        (ShardSize(records_per_shard=24), 5),
        (ShardSize(records_per_shard=1000), 1),
        (ShardSize(shard_bytes=1000), 10),
        (ShardSize(shard_bytes=999), 11),
        (ShardSize(shard_bytes=10**9), 1),
        (ShardSize(shard_bytes=1), 100),
    ],
)
def test_number_of_shards(size, shards):
    assert size.shards_for(100, record_bytes=100.0) == shards


@pytest.mark.parametrize("size", [ShardSize(records_per_shard=5), ShardSize(shard_bytes=5)])
def test_a_split_without_a_row_has_a_shard(size):
    assert size.shards_for(0, record_bytes=100.0) == 1
    assert size.shards_for(0, record_bytes=0.0) == 1


THREE = "--num_shards, --records_per_shard, --shard_size"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, f"{THREE}: got 0 of them, expected one"),
        ({"num_shards": 1, "shard_bytes": 1}, f"{THREE}: got 2 of them, expected one"),
        ({"num_shards": 0}, "--num_shards: got 0, expected 1 or more"),
        ({"records_per_shard": -1}, "--records_per_shard: got -1, expected 1 or more"),
        ({"shard_bytes": 0}, "--shard_size: got 0, expected 1 or more"),
        ({"num_shards": 100_000}, "--num_shards: got 100000, expected at most 99999"),
    ],
)
def test_sizes_that_cannot_be(settings, message):
    with pytest.raises(OptionError) as caught:
        ShardSize(**settings)
    assert str(caught.value) == message


def test_sizes_that_just_can_be():
    assert ShardSize(num_shards=99_999).num_shards == 99_999
    assert ShardSize(num_shards=1).shards_for(9, 1.0) == 1
    assert ShardSize(records_per_shard=1).shards_for(9, 1.0) == 9
    assert ShardSize(shard_bytes=1).shards_for(9, 1.0) == 9


@pytest.mark.parametrize(("count", "fits"), [(99_999, True), (100_000, False)])
def test_more_shards_than_names_have_digits_for(tmp_path, count, fits):
    planner = planner_of(tmp_path, ShardSize(records_per_shard=1))
    summary = summarize([("train", row) for row in rows(3)])
    summary.counts = {"train": count}
    if fits:
        assert planner.plan(summary, count).splits == {"train": SplitPlan(count, count)}
        return
    with pytest.raises(OptionError) as caught:
        planner.plan(summary, count)
    assert str(caught.value) == (
        "--shard_size, --records_per_shard: they make 100,000 shards of split 'train', "
        "expected at most 99,999; ask for larger ones"
    )


def planner_of(folder, size):
    encoder = RowEncoder(SCHEMA, FORMAT, InputFiles(""))
    return Planner(encoder, "", (), size, 2, 60.0, Folder(str(folder)))


def test_without_a_row_there_is_a_plan_without_a_split(tmp_path):
    plan = planner_of(tmp_path, ShardSize(shard_bytes=9)).plan(RowSummary(), 4, Ledger({"seen": 2}))
    assert plan == Plan(SCHEMA, {}, 4, Ledger({"seen": 2}))


@pytest.mark.parametrize(("seen", "early"), [(2, ""), (3, "; 1 of all 3 rows were rejected bef")])
def test_rows_that_were_rejected_before_are_counted(tmp_path, seen, early):
    summary = RowSummary()
    for number in (1, 2):
        row = ManifestRow("m.csv", number, ("", "x"))
        SUMMARIZER.add(summary, "train", pack_row(order_of(3, FORMAT.key(row), row), row))
    with pytest.raises(ManifestError) as caught:
        planner_of(tmp_path, ShardSize(num_shards=1)).plan(summary, seen)
    said = str(caught.value)
    assert ("rows were rejected before that" in said) == bool(early)
    assert early in said


def test_the_mean_record_is_that_of_48_rows(tmp_path):
    """Of the sample alone, however many rows a summary still holds beside it."""
    numbered = [("train", row) for row in rows(60)]
    summary = summarize(numbered)
    assert len(summary.sample) == 60
    summary.sample.sort()
    planner = planner_of(tmp_path, ShardSize(shard_bytes=1))
    schema = SCHEMA.with_vocabularies({"label": ("dog", "cat")})
    mean = planner._record_bytes(schema, summary.sample[:48])
    assert mean != planner._record_bytes(schema, summary.sample)
    asked = ShardSize(shard_bytes=100)
    plan = planner_of(tmp_path, asked).plan(summary, 60)
    assert plan.splits["train"].num_shards == asked.shards_for(60, mean)
    assert planner_of(tmp_path, ShardSize(num_shards=3))._record_bytes(schema, summary.sample) == 0
    assert planner._record_bytes(schema, []) == 0
    assert planner._record_bytes(SCHEMA.with_vocabularies({"label": ("ox",)}), summary.sample) == 0


def test_a_summary_is_pruned_before_it_grows():
    numbered = [("train", row) for row in rows(500)]
    sizes = [len(summarize(numbered[:count]).sample) for count in (191, 192, 193)]
    pruned = summarize(numbered[:193])
    assert pruned.bound == max(pruned.sample)
    assert sizes == [191, 192, 48]
    assert max(len(summarize(numbered[:count]).sample) for count in range(180, 500, 7)) <= 192


@pytest.mark.parametrize("mark", ["\n", "\r"])
def test_a_line_break_beside_a_class_name_that_is_known_is_seen(mark):
    cells = [("cat", "x"), ("cat", f"k{mark}1")]
    summarizer, summary = RowSummarizer(SCHEMA, BY_TEXT), RowSummary()
    for number, values in enumerate(cells, 1):
        row = ManifestRow("m.csv", number, values)
        summarizer.add(summary, "train", pack_row(order_of(3, "", row), row))
    assert summary.broken == {"column 'text': got values": ("m.csv", 2, f"k{mark}1")}
    assert summary.classes == {"label": {"cat": None}}


def test_the_transform(tmp_path):
    """Of two manifests with an image that both have, and of rows of which nothing else is known."""
    blocks = [("train", [pack(row) for row in rows(2)]), ("val", [pack(row) for row in rows(3)])]
    entries = np.array([(1, 0, 2, 0), (1, 1, 3, 1)], contradictions._ENTRY).tobytes()
    labels = [(0, LabelBlock(("a/m.csv", "b/m.csv"), ("cat", "dog"), entries))]
    both = SplitRoots((("a", "/a"), ("b", "/b")))
    planner = replace(planner_of(tmp_path, ShardSize(num_shards=2)), manifest_root=both)
    with beam.Pipeline(FnApiRunner()) as pipeline:
        split = pipeline | beam.Create(blocks)
        counts = pipeline | "Counts" >> beam.Create([4, 3])
        ledger = pipeline | "Ledger" >> beam.Create([Ledger({"seen": 2}), Ledger({"seen": 3})])
        labels = pipeline | "Labels" >> beam.Create(labels)
        planned = split | "All" >> PlanShards(planner, counts, ledger, labels)
        bare = split | "Bare" >> PlanShards(planner, counts)
        schema = SCHEMA.with_vocabularies({"label": ("dog", "cat")})
        splits = {"train": SplitPlan(2, 2), "val": SplitPlan(3, 2)}
        warnings = (
            "1 image has rows with different labels, such as a/m.csv:2 ('cat') and b/m.csv:3 ('dog')",
            "1 image is in the manifests of several splits, such as a/m.csv:2 and b/m.csv:3",
        )
        plans = [Plan(schema, splits, 7, Ledger({"seen": 5}), warnings), Plan(schema, splits, 7)]
        assert_that((planned, bare) | beam.Flatten(), equal_to(plans))


def pack(row):
    return pack_row(order_of(3, FORMAT.key(row), row), row)
