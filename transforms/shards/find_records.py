"""From the files that rows name to the records of another dataset that were made from the same ones.

What is shuffled for it are hashes of paths, eight bytes a row, and what the other dataset's index says of its
records; neither rows nor pixels. A record that is found is a candidate: whether its file is still the same
one, the shard task looks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa

from ...schemas.dataset.file_names import ShardName
from ...schemas.errors import Reject
from ...schemas.features.base import Feature
from ...schemas.features.source import fill_source
from ..reuse.candidates import Candidates, dump_table, load_table
from ..reuse.old_dataset import OldDataset, OldShard
from ..row_order import shard_index, unpack_row
from ..rows import InlineBytes, ManifestRow, RowFormat
from .plan import Plan

__all__ = ["FindRecords", "find_candidates"]

_BUCKET_RECORDS = 1 << 18
_MOST_BUCKETS = 1 << 14
_HASH_BYTES = 8


class _Wanted(NamedTuple):
    """Files that rows of a split name.

    Attributes:
        split: the split.
        num_shards: how many shards it has.
        entries: ``_WANTED``, an item a row.
    """

    split: str
    num_shards: int
    entries: bytes


_WANTED = np.dtype([("hash", np.uint64), ("shard", np.uint32)])


@dataclass(frozen=True, slots=True)
class _Buckets:
    """How the files of both datasets are divided: by hash, so that what may be equal meets in one task."""

    count: int

    @classmethod
    def of(cls, num_records: int) -> _Buckets:
        return cls(min(_MOST_BUCKETS, 1 + num_records // _BUCKET_RECORDS))

    def divide(self, hashes: Any) -> Iterator[tuple[int, Any]]:
        """The numbers of the items of each bucket, which is given by the upper bits of their hashes."""
        buckets = (hashes >> np.uint64(32)).astype(np.int64) * self.count >> 32
        order = np.argsort(buckets, kind="stable")
        starts = np.flatnonzero(np.diff(buckets[order], prepend=-1))
        for part in np.split(order, starts[1:]) if len(order) else ():
            yield int(buckets[part[0]]), part


class _WantFn(beam.DoFn):
    """The files that packed rows name, by feature and bucket."""

    def __init__(self, features: Mapping[str, Feature], row_format: RowFormat, buckets: _Buckets):
        self._features, self._row_format, self._buckets = features, row_format, buckets

    def process(
        self, block: tuple[str, list[bytes]], plan: Plan
    ) -> Iterator[tuple[tuple[str, int], _Wanted]]:
        split, packed = block
        count = plan.splits[split].num_shards
        shards = np.array([shard_index(row, count) for row in packed], np.uint32)
        rows = [unpack_row(row) for row in packed]
        for name, feature in self._features.items():
            keys = [self._key(row, feature) for row in rows]
            entries = np.empty(len(keys), _WANTED)
            entries["hash"], entries["shard"] = _hash_all(keys), shards
            entries = entries[np.array([bool(key) for key in keys], bool)]
            for bucket, part in self._buckets.divide(entries["hash"]):
                yield (name, bucket), _Wanted(split, count, entries[part].tobytes())

    def _key(self, row: ManifestRow, feature: Feature) -> str:
        """The path of the file that a value is made from, in the spelling of keys; empty where there is none."""
        try:
            cells = dict(zip(self._row_format.columns, row.values, strict=True))
            written = fill_source(feature.source, cells)
        except Reject:
            return ""
        if isinstance(written, InlineBytes):
            written = written.path
        is_path = isinstance(written, str) and written
        return self._row_format.file_key(row, written) if is_path else ""


class _OfferFn(beam.DoFn):
    """The records of a shard of the other dataset, by feature and bucket."""

    def __init__(self, old: OldDataset, buckets: _Buckets):
        self._old, self._buckets = old, buckets

    def process(self, shard: OldShard) -> Iterator[tuple[tuple[str, int], bytes]]:
        for name, table in self._old.read(shard):
            hashes = _hash_all(table["source"].to_pylist())
            for bucket, part in self._buckets.divide(hashes):
                taken = table.take(part).append_column("hash", pa.array(hashes[part], pa.uint64()))
                yield (name, bucket), dump_table(taken)


def find_candidates(
    key: tuple[str, int], found: Mapping[str, Iterable[Any]]
) -> Iterator[tuple[str, Candidates]]:
    """What the shards can take over of the records of one bucket.

    Args:
        key: the feature's name and the bucket.
        found: under ``wanted`` what rows name, under ``offered`` what there is.

    Yields:
        A shard's name, and the records whose files its rows name.
    """
    offered = [load_table(data) for data in found["offered"]]
    if not offered:
        return
    table = _drop_twins(pa.concat_tables(offered))
    hashes = table["hash"].to_numpy()
    order = np.argsort(hashes, kind="stable")
    rising, table = hashes[order], table.drop_columns(["hash"])
    by_split: dict[tuple[str, int], list[Any]] = {}
    for wanted in found["wanted"]:
        entries = np.frombuffer(wanted.entries, _WANTED)
        by_split.setdefault((wanted.split, wanted.num_shards), []).append(entries)
    for (split, count), parts in sorted(by_split.items(), key=lambda item: item[0]):
        entries = np.unique(np.concatenate(parts))
        first = np.searchsorted(rising, entries["hash"], "left")
        stop = np.searchsorted(rising, entries["hash"], "right")
        # Of a path there may be several: files in the folders of several manifests, or one that has changed.
        number = stop - first
        within = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
        records = order[np.repeat(first, number) + within]
        shards = np.repeat(entries["shard"], number)
        for shard in np.unique(shards).tolist():
            taken = table.take(np.sort(records[shards == shard]))
            yield str(ShardName(split, shard, count)), Candidates(key[0], dump_table(taken))


class FindRecords(beam.PTransform):
    """Rows, and the records of another dataset that were made from the files that they name.

    Takes ``(split, block of packed rows)``; returns ``(shard name, Candidates)``.

    Args:
        old: the other dataset.
        features: the new dataset's, by name.
        row_format: what the rows' cells are.
        plan: the shards.
    """

    def __init__(
        self,
        old: OldDataset,
        features: Mapping[str, Feature],
        row_format: RowFormat,
        plan: beam.PCollection[Plan],
    ):
        super().__init__()
        self._old, self._plan = old, plan
        buckets = _Buckets.of(old.num_records)
        same = {name: features[name] for name in old.features}
        self._want = _WantFn(same, row_format, buckets)
        self._offer = _OfferFn(old, buckets)

    def expand(self, rows: beam.PCollection[tuple[str, list[bytes]]]) -> Any:
        """Wires ``find_candidates``."""
        wanted = rows | "Want" >> beam.ParDo(self._want, beam.pvalue.AsSingleton(self._plan))
        offered = (
            rows.pipeline
            | "OldShards" >> beam.Create(self._old.shards)
            | "Offer" >> beam.ParDo(self._offer)
        )
        return (
            {"wanted": wanted, "offered": offered}
            | "Meet" >> beam.CoGroupByKey()
            | "Find" >> beam.FlatMapTuple(find_candidates)
        )


def _drop_twins(table: pa.Table) -> pa.Table:
    """The records without those whose path and content another one has: one is as good as the other."""
    columns = (table[name].to_pylist() for name in ("file", "offset"))
    table = table.take(
        pa.array(sorted(range(len(table)), key=list(zip(*columns, strict=True)).__getitem__))
    )
    seen = dict[Any, int]()
    for number, key in enumerate(
        zip(table["hash"].to_pylist(), table["source_sha256"].to_pylist(), strict=True)
    ):
        seen.setdefault(key, number)
    return table if len(seen) == len(table) else table.take(pa.array(seen.values()))


def _hash_all(keys: Iterable[str]) -> Any:
    digests = [
        hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).digest()
        for key in keys
    ]
    return np.frombuffer(b"".join(digests), np.uint64)
