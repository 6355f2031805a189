from __future__ import annotations

from dataclasses import replace

import pytest
from pixelbeam.pipeline.publishing.shard_results import SplitResults, read_results
from pixelbeam.schemas.errors import BuildError
from pixelbeam.transforms.shards.plan import Plan, SplitPlan
from pixelbeam.transforms.shards.shard_result import ShardResult
from pixelbeam.transforms.storage.output_folder import Folder, PublishedFile
from support import IMAGE_SCHEMA

PLAN = Plan(IMAGE_SCHEMA, {"train": SplitPlan(7, 2), "val": SplitPlan(3, 1)}, 10)


def finish(folder: Folder, name: str, rows: int) -> ShardResult:
    file = PublishedFile(f"{name}.tfrecord", 100 * rows, f"{rows:064x}")
    summaries = {"label": {"classes": {"0": rows, str(rows): 1}}}
    result = ShardResult(name, "f", rows, rows, {"tfrecord": file}, summaries=summaries)
    folder.write(ShardResult.path(name), result.to_json())
    return replace(result, summaries={})


def test_results_are_in_order_and_their_summaries_added_up(tmp_path):
    folder = Folder(str(tmp_path))
    second = finish(folder, "train-00001-of-00002", 4)
    first = finish(folder, "train-00000-of-00002", 3)
    third = finish(folder, "val-00000-of-00001", 3)
    assert read_results(folder, PLAN, tmp_path / "s.jsonl") == {
        "train": SplitResults([first, second], {"label": {"classes": {"0": 7, "3": 1, "4": 1}}}),
        "val": SplitResults([third], {"label": {"classes": {"0": 3, "3": 1}}}),
    }
    assert (tmp_path / "s.jsonl").read_text() == "".join(
        f'{{"num_records": {rows}, "shard": "{name}", "summaries": '
        f'{{"label": {{"classes": {{"0": {rows}, "{rows}": 1}}}}}}}}\n'
        for name, rows in (
            ("train-00000-of-00002", 3),
            ("train-00001-of-00002", 4),
            ("val-00000-of-00001", 3),
        )
    )


def test_a_missing_shard_is_named(tmp_path):
    folder = Folder(str(tmp_path))
    finish(folder, "train-00001-of-00002", 4)
    with pytest.raises(BuildError, match="shard train-00000-of-00002 is missing; run the same"):
        read_results(folder, PLAN, tmp_path / "s.jsonl")
