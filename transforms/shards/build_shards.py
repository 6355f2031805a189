"""Shards built from their rows, one task each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics

from ..reuse.candidates import Candidates
from .library_versions import check_versions
from .plan import Plan
from .shard_result import ShardResult
from .shard_task import ShardTask
from .thread_pool import RowPool

__all__ = ["BuildShards"]


class BuildShards(beam.PTransform):
    """Builds each shard from start to finish inside one task.

    Takes ``(shard name, iterable of blocks of packed rows, and of Candidates)``; returns one ``ShardResult``
    a shard. Counts records and rejects, by reason, in Beam's metrics of the namespace ``pixelbeam``.
    """

    def __init__(
        self, plan: beam.PCollection[Plan], task: ShardTask, threads: int, row_seconds: float
    ):
        super().__init__()
        self._plan = plan
        self._do_fn = _BuildShardFn(task, threads, row_seconds)

    def expand(
        self, shards: beam.PCollection[tuple[str, Iterable[Any]]]
    ) -> beam.PCollection[ShardResult]:
        """Wires ``ShardTask``."""
        build = beam.ParDo(self._do_fn, beam.pvalue.AsSingleton(self._plan))
        return shards | "BuildShard" >> build.with_output_types(ShardResult)


class _BuildShardFn(beam.DoFn):
    def __init__(self, task: ShardTask, threads: int, row_seconds: float):
        self._task, self._threads, self._row_seconds = task, threads, row_seconds
        self._versions = task.versions()

    def setup(self) -> None:
        check_versions(self._task.versions(), self._versions)
        self._pool = RowPool(self._threads, self._row_seconds)

    def teardown(self) -> None:
        self._pool.close()

    def process(self, shard: tuple[str, Iterable[Any]], plan: Plan) -> Iterator[ShardResult]:
        name, blocks = shard
        rows: list[bytes] = []
        candidates: list[Candidates] = []
        for block in blocks:
            if isinstance(block, Candidates):
                candidates.append(block)
            else:
                rows += block
        task = self._task.with_schema(plan.schema)
        result = task.run(name, rows, self._pool, candidates)
        Metrics.counter("pixelbeam", "records").inc(result.num_records)
        for reason, count in result.rejects.items():
            Metrics.counter("pixelbeam", f"rejects/{reason}").inc(count)
        yield result
