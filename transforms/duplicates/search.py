"""Twins among the records of one bucket: by content, and by hashes that differ in few bits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ...schemas.images.hash_bands import HashBands, count_bits, differ_in_all, mirror
from .fingerprints import CONTENT_ENTRY, HASH_ENTRY
from .record_numbers import RecordNumbers, Records

__all__ = [
    "PAIR",
    "Classes",
    "Kind",
    "Links",
    "Nearest",
    "Pairs",
    "find_equal",
    "find_near",
    "link_equal",
    "link_near",
]

PAIR = np.dtype([("record", "<u8"), ("twin", "<u8"), ("kind", "u1"), ("distance", "u1")])
"""A record and one that it is a twin of."""

Pairs = NDArray[np.void]
Links = NDArray[np.uint64]
Indices = NDArray[np.int64]

_WINDOW = 256
_PAIRS_HELD = 1 << 22


class Kind(IntEnum):
    """What makes two records twins: the strongest first."""

    EXACT = 0
    NEAR = 1
    MIRRORED = 2


@dataclass(frozen=True, slots=True)
class Classes:
    """Records that are alike in every way that is looked at, class by class.

    Attributes:
        records: sorted by class, then by number.
        starts: where each class begins in ``records``, and last where they end.
    """

    records: Records
    starts: Indices

    def __len__(self) -> int:
        """How many classes there are."""
        return len(self.starts) - 1

    @property
    def sizes(self) -> Indices:
        """The number of records of each class."""
        return np.diff(self.starts)

    @classmethod
    def sorted(cls, records: Records, *keys: NDArray[np.uint64]) -> tuple[Classes, Indices]:
        """Classes of equal keys, in the order of these, first key first.

        Returns:
            The classes, and where in the arguments the first record of each stands.
        """
        order = np.lexsort((records, *reversed(keys)))
        differs = np.ones(len(records), bool)
        if len(records):
            differs[1:] = False
            for key in keys:
                differs[1:] |= key[order[1:]] != key[order[:-1]]
        starts = np.flatnonzero(differs)
        return cls(records[order], np.append(starts, len(records))), order[starts]

    def links(self) -> Links:
        """Each record but the first of its class, beside the first."""
        firsts = np.repeat(self.records[self.starts[:-1]], self.sizes)
        linked = np.stack([firsts, self.records], axis=1)
        return linked[firsts != self.records]

    def firsts(self, numbers: RecordNumbers) -> Classes:
        """The first record of each split in each class."""
        classes = np.repeat(np.arange(len(self)), self.sizes)
        splits = numbers.splits_of(self.records)
        differs = np.ones(len(self.records), bool)
        differs[1:] = (classes[1:] != classes[:-1]) | (splits[1:] != splits[:-1])
        kept = np.flatnonzero(differs)
        return Classes(self.records[kept], np.searchsorted(kept, self.starts))


class Nearest:
    """Of all pairs that were added, for each record the nearest twin in each split.

    Exact ones are nearer than near ones, and these than mirrored ones; then fewer bits decide, then the order
    of records. In a record's own split only those before it count, so that the first of some twins has none.

    Args:
        numbers: what the records' numbers mean.
    """

    def __init__(self, numbers: RecordNumbers):
        self._numbers = numbers
        self._pairs: list[Pairs] = []
        self._count = 0

    def add(self, pairs: Pairs) -> None:
        """Adds pairs."""
        self._pairs.append(pairs)
        self._count += len(pairs)
        if self._count > _PAIRS_HELD:
            self._pairs = [self.take()]
            self._count = len(self._pairs[0])

    def take(self) -> Pairs:
        """The nearest ones, sorted by record and by the twin's split."""
        pairs = np.concatenate([np.empty(0, PAIR), *self._pairs])
        splits = self._numbers.splits_of(pairs["twin"])
        is_own = self._numbers.splits_of(pairs["record"]) == splits
        counts = (pairs["record"] != pairs["twin"]) & (~is_own | (pairs["twin"] < pairs["record"]))
        pairs, splits = pairs[counts], splits[counts]
        order = np.lexsort(
            (pairs["twin"], pairs["distance"], pairs["kind"], splits, pairs["record"])
        )
        pairs, splits = pairs[order], splits[order]
        is_nearest = np.ones(len(pairs), bool)
        same_record = pairs["record"][1:] == pairs["record"][:-1]
        is_nearest[1:] = ~same_record | (splits[1:] != splits[:-1])
        return pairs[is_nearest]


def find_equal(blocks: Iterable[bytes], numbers: RecordNumbers) -> Pairs:
    """The twins of equal content in a bucket.

    Args:
        blocks: all blocks of ``CONTENT_ENTRY`` of the bucket.
        numbers: what the records' numbers mean.

    Returns:
        ``PAIR`` of each record that has twins, as ``Nearest`` gives them.
    """
    entries = np.frombuffer(b"".join(blocks), CONTENT_ENTRY)
    high, low = entries["content"].T
    classes, _ = Classes.sorted(entries["record"], high, low)
    several = np.flatnonzero(classes.sizes > 1)
    nearest = Nearest(numbers)
    nearest.add(_pair_up(classes, classes.firsts(numbers), several, several, Kind.EXACT))
    return nearest.take()


def find_near(
    blocks: Iterable[bytes], bands: HashBands, band: int, numbers: RecordNumbers
) -> tuple[Pairs, int]:
    """The twins in a bucket whose hashes, or that of one and the mirrored one of the other, are near.

    Args:
        blocks: all blocks of ``HASH_ENTRY`` of the bucket.
        bands: how near that is.
        band: the one that the bucket is of.
        numbers: what the records' numbers mean.

    Returns:
        ``PAIR`` of each record that has twins, as ``Nearest`` gives them; and how many pairs of hashes were
        not compared since too many are alike.
    """
    entries = np.frombuffer(b"".join(blocks), HASH_ENTRY)
    found = _HashClasses(entries["hash"], entries["record"], bands, band)
    firsts = found.classes.firsts(numbers)
    nearest = Nearest(numbers)
    if band == 0:  # in every band they would be found again
        several = np.flatnonzero(found.classes.sizes > 1)
        nearest.add(_pair_up(found.classes, firsts, several, several, Kind.NEAR))
    for left, right, distances in found.near():
        kinds = np.where(found.is_turned[left] != found.is_turned[right], Kind.MIRRORED, Kind.NEAR)
        for one, other in ((left, right), (right, left)):
            nearest.add(_pair_up(found.classes, firsts, one, other, kinds, distances))
    return nearest.take(), found.not_compared


def link_equal(blocks: Iterable[bytes]) -> Links:
    """Links ``[n, 2]`` between records of equal content in a bucket: each has a way to each of its twins.

    Args:
        blocks: as ``find_equal`` takes them.
    """
    entries = np.frombuffer(b"".join(blocks), CONTENT_ENTRY)
    high, low = entries["content"].T
    classes, _ = Classes.sorted(entries["record"], high, low)
    return classes.links()


def link_near(blocks: Iterable[bytes], bands: HashBands, band: int) -> Iterator[Links]:
    """The same between records in a bucket whose hashes are near; arguments are those of ``find_near``."""
    entries = np.frombuffer(b"".join(blocks), HASH_ENTRY)
    found = _HashClasses(entries["hash"], entries["record"], bands, band)
    yield found.classes.links()
    firsts = found.classes.records[found.classes.starts[:-1]]
    for left, right, _ in found.near():
        yield np.stack([firsts[left], firsts[right]], axis=1)


class _HashClasses:
    """Classes of records of one hash each, turned such that what may be near has the same bits in the band.

    Attributes:
        classes: the classes, in the order of their hashes.
        hashes: those of the classes.
        is_turned: whether these are of the mirrored images.
        not_compared: the pairs that were left out so far.
    """

    def __init__(self, hashes: NDArray[np.uint64], records: Records, bands: HashBands, band: int):
        self._bands, self._band = bands, band
        mask = bands.masks[band]
        turned, is_turned = bands.orient(hashes, band)
        # Where the band is its own mirror image, the hash may meet others both ways.
        both = np.flatnonzero((mirror(hashes) ^ hashes) & mask == 0)
        oriented = np.concatenate([turned, mirror(hashes[both])])
        flags = np.concatenate([is_turned, np.ones(len(both), bool)])
        records = np.concatenate([records, records[both]])
        self.classes, first = Classes.sorted(records, oriented, flags.astype(np.uint64))
        self.hashes, self.is_turned = oriented[first], flags[first]
        self.not_compared = 0

    def near(self) -> Iterator[tuple[Indices, Indices, NDArray[np.int64]]]:
        """Pairs of classes whose hashes are near, none of them twice, and in how many bits they differ."""
        own, bands = self._bands.masks[self._band], self._bands.masks[: self._band]
        masks = self._bands.within(self._band)
        for number, mask in enumerate(masks):
            for left, right in self._alike(self.hashes & (own | mask)):
                differing = self.hashes[left] ^ self.hashes[right]
                distances = count_bits(differing)
                near = np.flatnonzero(distances <= self._bands.distance)
                # Those that agree in an earlier band are found there.
                others = np.concatenate([bands, masks[:number]])
                near = near[differ_in_all(differing[near], others)]
                yield left[near], right[near], distances[near]

    def _alike(self, keys: NDArray[np.uint64]) -> Iterator[tuple[Indices, Indices]]:
        """Pairs of classes with the same key; of many, each with those next to it in their order alone."""
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        lefts = np.arange(len(keys))
        for offset in range(1, _WINDOW + 1):
            lefts = lefts[lefts + offset < len(keys)]
            lefts = lefts[keys[lefts] == keys[lefts + offset]]
            if not len(lefts):
                return
            yield order[lefts], order[lefts + offset]
        # As many are left of each run as its last one has others behind the window.
        _, left = np.unique(keys[lefts], return_counts=True)
        self.not_compared += int((left * (left - 1) // 2).sum())


def _pair_up(
    classes: Classes,
    firsts: Classes,
    one: Indices,
    other: Indices,
    kind: int | NDArray[np.int64],
    distance: int | NDArray[np.int64] = 0,
) -> Pairs:
    """The records of some classes, each with the first of each split of the class that is like its own.

    Args:
        classes: all classes.
        firsts: the first records of each split in each.
        one: the classes whose records are paired.
        other: for each the class that is like it.
        kind: of the pairs, of all or for each two classes.
        distance: likewise.
    """
    widths = np.diff(firsts.starts)[other]
    counts = classes.sizes[one] * widths
    which = np.repeat(np.arange(len(one)), counts)
    place = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    pairs = np.empty(len(which), PAIR)
    pairs["record"] = classes.records[classes.starts[one[which]] + place // widths[which]]
    pairs["twin"] = firsts.records[firsts.starts[other[which]] + place % widths[which]]
    pairs["kind"] = np.broadcast_to(kind, len(one))[which]
    pairs["distance"] = np.broadcast_to(distance, len(one))[which]
    return pairs
