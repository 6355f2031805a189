"""Rows to their shards, by hash, through the one shuffle: rows and never pixels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any

import apache_beam as beam

from ...schemas.dataset.file_names import ShardName
from ..reuse.candidates import Candidates
from ..row_order import shard_index
from .plan import Plan

__all__ = ["AssignShards", "assign_shards", "empty_shards"]

# With key, lengths and window, an element that crosses the shuffle stays under 1 KiB.
_ELEMENT_BYTES = 900


def assign_shards(
    plan: Plan, split: str, block: Iterable[bytes], only: Collection[str] | None = None
) -> Iterator[tuple[str, list[bytes]]]:
    """The packed rows of a block by the shard that they belong to.

    Args:
        plan: how many shards there are.
        split: the rows' split.
        block: the rows.
        only: the shards to build; all of them by default. Rows of others are left out.

    Yields:
        A shard's name and a few of its rows: as many as fit into an element, at least one.
    """
    count = plan.splits[split].num_shards
    open_elements: dict[str, list[bytes]] = {}
    sizes: dict[str, int] = {}
    for packed in block:
        name = _shard_name(split, shard_index(packed, count), count)
        if only is not None and name not in only:
            continue
        size = sizes.get(name, 0) + len(packed)
        if name in open_elements and size > _ELEMENT_BYTES:
            yield name, open_elements.pop(name)
            size = len(packed)
        open_elements.setdefault(name, []).append(packed)
        sizes[name] = size
    yield from open_elements.items()


@lru_cache(maxsize=1 << 17)
def _shard_name(split: str, index: int, count: int) -> str:
    return str(ShardName(split, index, count))


def empty_shards(
    plan: Plan, only: Collection[str] | None = None
) -> Iterator[tuple[str, list[bytes]]]:
    """Every shard of the plan, or of some, with no row: so shards exist to which no row was assigned."""
    for split, split_plan in plan.splits.items():
        for index in range(split_plan.num_shards):
            name = str(ShardName(split, index, split_plan.num_shards))
            if only is None or name in only:
                yield name, []


class AssignShards(beam.PTransform):
    """Shuffles rows to their shards.

    Takes ``(split, block of packed rows)``; returns ``(shard name, iterable of blocks)``, one for each
    shard of the plan. This is where rows cross the only shuffle of a build without a label manifest:
    a row is its cells, some hundred bytes, whatever the size of its image, and a few of them travel
    together, since each element has its price.

    Args:
        plan: the one plan.
        only: the names of the shards to build; all of them by default.
        candidates: what else comes to the shards, by their names.
    """

    def __init__(
        self,
        plan: beam.PCollection[Plan],
        only: Collection[str] | None = None,
        candidates: beam.PCollection[tuple[str, Candidates]] | None = None,
    ):
        super().__init__()
        self._plan, self._only, self._candidates = plan, only, candidates

    def expand(
        self, rows: beam.PCollection[tuple[str, list[bytes]]]
    ) -> beam.PCollection[tuple[str, Iterable[Any]]]:
        """Wires ``assign_shards`` and ``empty_shards``."""
        plan = beam.pvalue.AsSingleton(self._plan)
        blocks: Any = tuple[str, list[bytes]] if self._candidates is None else tuple[str, Any]
        assign = beam.FlatMap(_assign_shards, plan, self._only)
        assigned = rows | "AssignShard" >> assign.with_output_types(blocks)
        every = beam.FlatMap(empty_shards, self._only)
        empty = self._plan | "EmptyShards" >> every.with_output_types(blocks)
        others = () if self._candidates is None else (self._candidates,)
        return (
            (assigned, empty, *others)
            | "Flatten" >> beam.Flatten()
            | "ShuffleRows" >> beam.GroupByKey()
        )


def _assign_shards(
    element: tuple[str, list[bytes]], plan: Plan, only: Collection[str] | None
) -> Iterator[tuple[str, list[bytes]]]:
    return assign_shards(plan, *element, only)
