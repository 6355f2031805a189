"""What the shards of a build left behind, read for publishing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from ...schemas.dataset.file_names import ShardName
from ...schemas.dataset.statistics import add_summaries
from ...schemas.errors import BuildError
from ...transforms.shards.plan import Plan
from ...transforms.shards.shard_result import ShardResult
from ...transforms.storage.output_folder import Folder

__all__ = ["SplitResults", "read_results"]


@dataclass(slots=True)
class SplitResults:
    """What a split's shards left behind.

    Attributes:
        shards: their results in order, without summaries: those of many shards would not fit into memory.
        summaries: the summaries of all shards by feature, added up in that order.
    """

    shards: list[ShardResult] = field(default_factory=list)
    summaries: dict[str, dict[str, Any]] = field(default_factory=dict)


def read_results(output: Folder, plan: Plan, into: Path) -> dict[str, SplitResults]:
    """The results of each split of a plan.

    Args:
        output: the dataset's folder.
        plan: what was planned.
        into: a local file to write ``statistics.jsonl`` to: for each shard its name, its number of records and
            their summaries by feature, which a report can merge for any part of the dataset.

    Raises:
        BuildError: one is missing.
    """
    with into.open("wb") as file:
        return {split: _read_split(output, plan, split, file) for split in plan.splits}


def _read_split(output: Folder, plan: Plan, split: str, into: BinaryIO) -> SplitResults:
    count = plan.splits[split].num_shards
    names = [str(ShardName(split, index, count)) for index in range(count)]
    results = SplitResults()
    contents = output.read_all(map(ShardResult.path, names))
    for name, data in zip(names, contents, strict=True):
        if data is None:
            raise BuildError(f"shard {name} is missing; run the same command again")
        shard = ShardResult.from_json(data)
        line = {"shard": name, "num_records": shard.num_records, "summaries": shard.summaries}
        into.write(json.dumps(line, sort_keys=True).encode() + b"\n")
        add_summaries(results.summaries, shard.summaries, plan.schema.features)
        results.shards.append(replace(shard, summaries={}))
    return results
