from __future__ import annotations

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import BuildError
from pixelbeam.transforms.row_order import order_of, pack_row, shard_index
from pixelbeam.transforms.rows import ManifestRow, RowFormat
from pixelbeam.transforms.shards import build_shards as module
from pixelbeam.transforms.shards.assign_shards import AssignShards
from pixelbeam.transforms.shards.build_shards import BuildShards
from pixelbeam.transforms.shards.encode_rows import RowEncoder
from pixelbeam.transforms.shards.plan import Plan, SplitPlan
from pixelbeam.transforms.shards.shard_task import ShardTask
from pixelbeam.transforms.storage.input_files import InputFiles
from pixelbeam.transforms.storage.output_folder import Folder
from support import IMAGE_SCHEMA


def test_rows_become_shards_and_counts(tmp_path):
    """Both transforms, on a runner: a result a shard, also of one without a row, and metrics by reason."""
    schema = Schema.from_dict({"features": {"n": {"type": "int64", "source": "n", "max": 89}}})
    row_format = RowFormat(("n",), None)
    rows = [ManifestRow("m.csv", n, (str(n) if n != 95 else "",)) for n in range(97)]
    packed = [pack_row(order_of(0, row_format.key(row), row), row) for row in rows]
    splits = {"train": SplitPlan(90, 2), "val": SplitPlan(7, 1), "test": SplitPlan(0, 1)}
    encoder = RowEncoder(schema, row_format, InputFiles(""), ("tfrecord",))
    task = ShardTask(Folder(str(tmp_path)), encoder, "")
    blocks = [("train", packed[:50]), ("train", packed[50:90]), ("val", packed[90:])]
    pipeline = beam.Pipeline(FnApiRunner())
    plan = pipeline | "Plan" >> beam.Create([Plan(schema, splits, 97)])
    results = (
        pipeline
        | "Rows" >> beam.Create(blocks)
        | AssignShards(plan)
        | BuildShards(plan, task, 2, 60.0)
        | beam.Map(lambda result: (result.name, result.num_rows, result.num_records))
    )
    in_first = sum(shard_index(row, 2) == 0 for row in packed[:90])
    expected = [
        ("train-00000-of-00002", in_first, in_first),
        ("train-00001-of-00002", 90 - in_first, 90 - in_first),
        ("val-00000-of-00001", 7, 0),
        ("test-00000-of-00001", 0, 0),
    ]
    assert_that(results, equal_to(expected))
    done = pipeline.run()
    done.wait_until_finish()
    counters = {
        found.key.metric.name: found.committed
        for found in done.metrics().query()["counters"]
        if found.key.metric.namespace == "pixelbeam"
    }
    assert counters == {"records": 90, "rejects/out_of_range": 6, "rejects/missing_value": 1}


def test_a_worker_with_other_versions_builds_nothing(tmp_path, monkeypatch):
    row_format = RowFormat(("path", "label"), "path")
    encoder = RowEncoder(IMAGE_SCHEMA, row_format, InputFiles(""), ("tfrecord",))
    task = ShardTask(Folder(str(tmp_path)), encoder, "")
    build = module._BuildShardFn(task, 1, 60.0)
    monkeypatch.setattr(
        ShardTask, "versions", lambda task: {**build._versions, "apache-beam": "2.1"}
    )
    with pytest.raises(BuildError, match=r"^this worker has apache-beam 2\.1, expected "):
        build.setup()
