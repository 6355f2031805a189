"""Shards: rows to shards by hash, shuffled; pixels never."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import apache_beam as beam
from apache_beam.metrics import Metrics

from ..schemas.layout import ShardName
from .keys import RowFormat, order_of, pack_row, shard_index
from .plan import Plan
from .row_pool import RowPool
from .rows import ManifestRow
from .shard_task import ShardResult, ShardTask

__all__ = ["AssignShards", "BuildShards", "assign_shard", "empty_shards"]


def assign_shard(
    plan: Plan, seed: int, row_format: RowFormat, split: str, row: ManifestRow
) -> tuple[str, bytes]:
    """The shard that a row belongs to, and the row as it travels there."""
    order = order_of(seed, row_format.key(row), row)
    count = plan.splits[split].num_shards
    return str(ShardName(split, shard_index(order, count), count)), pack_row(order, row)


def empty_shards(plan: Plan) -> Iterator[tuple[str, bytes]]:
    """Every shard of the plan with no row, so that shards exist to which no row was assigned."""
    for split, split_plan in plan.splits.items():
        for index in range(split_plan.num_shards):
            yield str(ShardName(split, index, split_plan.num_shards)), b""


class AssignShards(beam.PTransform):
    """Shuffles rows to their shards.

    Takes ``(split, ManifestRow)``; returns ``(shard name, iterable of packed rows)``, one for each
    shard of the plan. This is where rows cross the only shuffle of a build without a label manifest:
    a row is its cells, some hundred bytes, whatever the size of its image.
    """

    def __init__(self, plan: beam.PCollection[Plan], seed: int, row_format: RowFormat):
        super().__init__()
        self._plan, self._seed, self._row_format = plan, seed, row_format

    def expand(
        self, rows: beam.PCollection[tuple[str, ManifestRow]]
    ) -> beam.PCollection[tuple[str, Iterable[bytes]]]:
        """Wires ``assign_shard`` and ``empty_shards``."""
        plan = beam.pvalue.AsSingleton(self._plan)
        assigned = rows | "AssignShard" >> beam.Map(
            _assign_shard, plan, self._seed, self._row_format
        ).with_output_types(tuple[str, bytes])
        empty = self._plan | "EmptyShards" >> beam.FlatMap(empty_shards).with_output_types(
            tuple[str, bytes]
        )
        return (assigned, empty) | "Flatten" >> beam.Flatten() | "ShuffleRows" >> beam.GroupByKey()


def _assign_shard(
    element: tuple[str, ManifestRow], plan: Plan, seed: int, row_format: RowFormat
) -> tuple[str, bytes]:
    return assign_shard(plan, seed, row_format, *element)


class BuildShards(beam.PTransform):
    """Builds each shard from start to finish inside one task.

    Takes ``(shard name, iterable of packed rows)``; returns one ``ShardResult`` a shard. Counts
    records and rejects, by reason, in Beam's metrics of the namespace ``pixelbeam``.
    """

    def __init__(
        self, plan: beam.PCollection[Plan], task: ShardTask, threads: int, row_seconds: float
    ):
        super().__init__()
        self._plan = plan
        self._do_fn = _BuildShardFn(task, threads, row_seconds)

    def expand(
        self, shards: beam.PCollection[tuple[str, Iterable[bytes]]]
    ) -> beam.PCollection[ShardResult]:
        """Wires ``ShardTask``."""
        build = beam.ParDo(self._do_fn, beam.pvalue.AsSingleton(self._plan))
        return shards | "BuildShard" >> build.with_output_types(ShardResult)


class _BuildShardFn(beam.DoFn):
    def __init__(self, task: ShardTask, threads: int, row_seconds: float):
        self._task, self._threads, self._row_seconds = task, threads, row_seconds

    def setup(self) -> None:
        self._pool = RowPool(self._threads, self._row_seconds)

    def teardown(self) -> None:
        self._pool.close()

    def process(self, shard: tuple[str, Iterable[bytes]], plan: Plan) -> Iterator[ShardResult]:
        name, packed = shard
        rows = [row for row in packed if row]
        result = self._task.with_schema(plan.schema).run(name, rows, self._pool)
        Metrics.counter("pixelbeam", "records").inc(result.num_records)
        for reason, count in result.rejects.items():
            Metrics.counter("pixelbeam", f"rejects/{reason}").inc(count)
        yield result
