"""Records by number: eight bytes that say shard and place, in the order in which a dataset has its records."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...schemas.dataset.file_names import ShardName

__all__ = ["RecordNumbers", "Records"]

Records = NDArray[np.uint64]

_INDEX_BITS = 32


@dataclass(frozen=True, slots=True)
class RecordNumbers:
    """The numbers of a dataset's records: by split, by shard, and by their place in it.

    Attributes:
        splits: the number of shards by split, in the dataset's order.
    """

    splits: dict[str, int]
    _names: tuple[str, ...] = field(init=False)
    _ends: Records = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_names", tuple(self.splits))
        counts = np.array([*self.splits.values()], np.uint64)
        object.__setattr__(self, "_ends", np.cumsum(counts, dtype=np.uint64))

    @property
    def num_shards(self) -> int:
        """How many shards there are."""
        return sum(self.splits.values())

    def of_shard(self, shard: ShardName, num_records: int) -> Records:
        """The numbers of a shard's records."""
        place = self._names.index(shard.split)
        before = sum(self.splits[name] for name in self._names[:place])
        first = (before + shard.index) << _INDEX_BITS
        return np.arange(first, first + num_records, dtype=np.uint64)

    def shards_of(self, records: Records) -> NDArray[np.int64]:
        """The number of each record's shard, counted over all splits."""
        return (records >> np.uint64(_INDEX_BITS)).astype(np.int64)

    def splits_of(self, records: Records) -> NDArray[np.int64]:
        """The place of each record's split among the splits."""
        shards = self.shards_of(records).astype(np.uint64)
        return np.searchsorted(self._ends, shards, side="right")

    def indices_of(self, records: Records) -> NDArray[np.int64]:
        """The place of each record in its shard."""
        return (records & np.uint64((1 << _INDEX_BITS) - 1)).astype(np.int64)

    def shard(self, number: int) -> ShardName:
        """The name of a shard, by its number over all splits."""
        place = int(np.searchsorted(self._ends, np.uint64(number), side="right"))
        name = self._names[place]
        before = sum(self.splits[other] for other in self._names[:place])
        return ShardName(name, number - before, self.splits[name])
