"""What the shards of a build left behind, read for publishing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

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


def read_results(output: Folder, plan: Plan) -> dict[str, SplitResults]:
    """The results of each split of a plan.

    Raises:
        BuildError: one is missing.
    """
    return {split: _read_split(output, plan, split) for split in plan.splits}


def _read_split(output: Folder, plan: Plan, split: str) -> SplitResults:
    count = plan.splits[split].num_shards
    names = [str(ShardName(split, index, count)) for index in range(count)]
    results = SplitResults()
    contents = output.read_all(map(ShardResult.path, names))
    for name, data in zip(names, contents, strict=True):
        if data is None:
            raise BuildError(f"shard {name} is missing; run the same command again")
        shard = ShardResult.from_json(data)
        add_summaries(results.summaries, shard.summaries, plan.schema.features)
        results.shards.append(replace(shard, summaries={}))
    return results
