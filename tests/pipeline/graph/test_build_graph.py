"""A whole graph on a runner: what a build leaves behind before it is published."""

from __future__ import annotations

import json

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from pixelbeam.pipeline.graph.build_graph import wire, wire_shards
from pixelbeam.pipeline.graph.job import open_job
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.schemas import Schema
from pixelbeam.transforms.rejects import EARLY_REJECT_FILES, early_dropped_path, early_rejects_path
from pixelbeam.transforms.shards.plan import PLAN_FILE, Plan, SplitPlan
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.shards.shard_result import ShardResult
from pixelbeam.transforms.splits import Splits

LABEL = {"type": "class_label", "source": "label", "vocabulary": "from_manifest"}
NUMBER = {"type": "int64", "source": "n"}


def run(folder, declared, rows, **options):
    """The plan, the results, and the reasons of what was rejected early and of what was dropped."""
    (folder / "rows.csv").write_text(rows)
    schema, out = Schema.from_dict(declared), str(folder / "out")
    job = open_job(BuildOptions(str(folder / "rows.csv"), schema, out, **options), threads=2)
    with beam.Pipeline(FnApiRunner()) as pipeline:
        wire(pipeline, job)
    output = job.output
    plan = Plan.from_json(output.read(PLAN_FILE))
    names = sorted(name for name in output.sizes(".pixelbeam/shards") if name.endswith(".json"))
    results = [ShardResult.from_json(output.read(f".pixelbeam/shards/{name}")) for name in names]
    reasons = [
        sorted(
            json.loads(line)["reason"]
            for index in range(EARLY_REJECT_FILES)
            for line in (output.read(path(index)) or b"").splitlines()
        )
        for path in (early_rejects_path, early_dropped_path)
    ]
    return plan, results, *reasons


def test_rows_become_shards_and_rejects(tmp_path):
    """One is no row of CSV, one has no split, and two are of the same image."""
    image = {"type": "image", "source": "path", "resize": "none", "encoding": "raw"}
    declared = {"features": {"image": image, "label": LABEL}}
    rows = "path,label,part\na.png,cat,a\na.png,dog,b\nb.png\nc.png,cat,\nd.png,cat,a\n"
    settings = {"splits": Splits(column="part"), "shard_size": ShardSize(num_shards=2)}
    plan, results, rejects, dropped = run(tmp_path, declared, rows, **settings)
    assert plan.splits == {"a": SplitPlan(2, 2), "b": SplitPlan(1, 2)}
    assert (plan.rows_seen, sorted(plan.schema.features["label"].class_names)) == (
        5,
        ["cat", "dog"],
    )
    assert plan.warnings == (
        "1 image has rows with different labels, such as rows.csv:2 ('cat') and rows.csv:3 ('dog')",
    )
    assert [result.name for result in results] == [
        f"{split}-0000{index}-of-00002" for split in "ab" for index in range(2)
    ]
    assert sum(result.num_rows for result in results) == 3
    assert sum(result.rejects.get("file_not_found", 0) for result in results) == 3
    assert (rejects, dropped) == (["malformed_row", "missing_value"], [])


def test_frames_become_clips_and_what_is_dropped(tmp_path):
    """Of a clip that has a frame twice, and of one without a split."""
    declared = {
        "record": "sequence_example",
        "clips": {"key": "clip", "order": "n", "on_duplicate": "drop"},
        "steps": {"n": NUMBER},
    }
    rows = "clip,n,part\na,1,a\na,2,a\na,2,a\nb,1,\nb,2,\n"
    settings = {"splits": Splits(column="part"), "sinks": ("tfrecord", "hdf5")}
    plan, results, rejects, dropped = run(tmp_path, declared, rows, **settings)
    assert (plan.splits, plan.rows_seen) == ({"a": SplitPlan(1, 1)}, 2)
    assert plan.ledger.accounts == {"seen": 5}
    assert [(r.num_records, sorted(r.files), r.ledger.accounts) for r in results] == [
        (1, ["hdf5", "tfrecord"], {"in_records": 2})
    ]
    assert (rejects, dropped) == (["missing_value"], ["duplicate_frame"])


def test_some_shards_are_built_by_a_plan_that_is_known(tmp_path):
    """They are what they are in the whole build; nothing else is written, no rejects and no plan."""
    rows = "path,label,part\n" + "".join(f"{n}.png,{'ab'[n % 2]},a\n" for n in range(20)) + "x\n"
    image = {"type": "string", "source": "path"}
    declared = {"features": {"image": image, "label": LABEL}}
    settings = {"splits": Splits(column="part"), "shard_size": ShardSize(num_shards=3)}
    plan, results, rejects, _ = run(tmp_path, declared, rows, **settings)
    assert rejects == ["malformed_row"]
    schema = Schema.from_dict(declared)
    job = open_job(
        BuildOptions(str(tmp_path / "rows.csv"), schema, str(tmp_path / "some"), **settings),
        threads=2,
    )
    only = {"a-00000-of-00003", "a-00002-of-00003"}
    with beam.Pipeline(FnApiRunner()) as pipeline:
        wire_shards(pipeline, job, plan, only)
    names = sorted(job.output.sizes(".pixelbeam/shards"))
    assert names == [f"{name}.json" for name in sorted(only)]
    found = [ShardResult.from_json(job.output.read(f".pixelbeam/shards/{name}")) for name in names]
    assert found == [results[0], results[2]]
    assert job.output.sizes(".pixelbeam") == {}
