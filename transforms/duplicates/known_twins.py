"""What is known of twins before rows are split: which rows are left out, and which share a split."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import numpy as np
from numpy.typing import NDArray

from ...schemas.dataset.file_names import STATE_FOLDER
from ...schemas.errors import Reject
from ..rows import ManifestRow
from ..storage.output_folder import Folder
from .fingerprints import CONTENT, Bucket, Buckets
from .record_numbers import RecordNumbers
from .search import PAIR, Kind, Links, Nearest, find_equal, find_near, link_equal, link_near

__all__ = [
    "DUPLICATE",
    "JOINED_FILE",
    "MOST_ROUNDS",
    "FindRepeated",
    "JoinTwins",
    "JoinedTwins",
    "KnownTwins",
    "RepeatedRows",
    "RowNumbers",
    "join",
]

DUPLICATE = "duplicate"
"""Stage and reason of rows that are rejected as the twin of another."""

JOINED_FILE = f"{STATE_FOLDER}/joined.json"
"""How many keys or groups were joined with others, and how many links of twins could not be followed."""

MOST_ROUNDS = 32
"""Of joining: enough for a chain of some ten million twins of twins."""

_ROW_BITS = 40
_ONE_SPLIT = RecordNumbers({"": 1 << 32})
_BLOCK_LINKS = 50  # as many as stay under 1 KiB
_LINKS_HELD = 1 << 22
_SAID = {
    Kind.EXACT: "the same file as",
    Kind.NEAR: "like",
    Kind.MIRRORED: "mirrored, like",
}


@dataclass(frozen=True, slots=True)
class RowNumbers:
    """Rows by number, in the order of the manifest: files by name, then rows.

    Attributes:
        files: the manifests' files, sorted.
    """

    files: tuple[str, ...]
    _places: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places = {file: place for place, file in enumerate(self.files)}
        object.__setattr__(self, "_places", places)

    def __call__(self, row: ManifestRow) -> int:
        """The number of a row."""
        return self._places[row.file] << _ROW_BITS | row.row

    def location(self, number: int) -> str:
        """Where the row of a number stands, for people: ``rows.csv:12``."""
        return f"{self.files[number >> _ROW_BITS]}:{number & ((1 << _ROW_BITS) - 1)}"


class KnownTwins:
    """Nothing is known: every row stays, and goes where it would."""

    def reject_of(self, row: ManifestRow) -> Reject | None:
        """Why a row is left out, if it is."""
        return None

    def point(self, point: int) -> int:
        """What stands for the hash of a row's key, or of its group, where its split is chosen."""
        return point


@dataclass(frozen=True, slots=True)
class RepeatedRows(KnownTwins):
    """The rows that have a twin before them in the manifest.

    Attributes:
        numbers: what rows are known by.
        pairs: ``PAIR`` of each such row and the nearest twin before it, sorted by row.
    """

    numbers: RowNumbers
    pairs: NDArray[Any]

    def reject_of(self, row: ManifestRow) -> Reject | None:
        """See ``KnownTwins``."""
        number = self.numbers(row)
        place = int(np.searchsorted(self.pairs["record"], np.uint64(number)))
        if place == len(self.pairs) or int(self.pairs["record"][place]) != number:
            return None
        pair = self.pairs[place]
        twin, kind = self.numbers.location(int(pair["twin"])), Kind(int(pair["kind"]))
        bits = "" if kind is Kind.EXACT else f" ({int(pair['distance'])} of 64 bits differ)"
        return Reject(DUPLICATE, DUPLICATE, f"{_SAID[kind]} {twin}, which comes first{bits}")


@dataclass(frozen=True, slots=True)
class JoinedTwins(KnownTwins):
    """The keys, or groups, that twins join, by the hashes from which splits are chosen.

    Attributes:
        points: the hashes, sorted; those alone that others stand for.
        smallest: for each the smallest hash of all that it is joined with.
    """

    points: NDArray[np.uint64]
    smallest: NDArray[np.uint64]

    def point(self, point: int) -> int:
        """See ``KnownTwins``."""
        place = int(np.searchsorted(self.points, np.uint64(point)))
        if place == len(self.points) or int(self.points[place]) != point:
            return point
        return int(self.smallest[place])


def join(links: Links, rounds: int = MOST_ROUNDS) -> tuple[Links, Links]:
    """What is linked, directly or by way of others, with the smallest of it.

    In each round the smaller end of a link takes along what the larger one's group has been joined to, and
    every group goes on to that of its smallest; so the way to it shrinks by half or more in each.

    Args:
        links: ``[n, 2]``.
        rounds: after so many it stops.

    Returns:
        Each that is not the smallest, beside what is; and the links whose ends have not met.
    """
    names, places = np.unique(links, return_inverse=True)
    one, other = places.reshape(-1, 2).T
    smallest = np.arange(len(names))
    for _ in range(rounds):
        ends = smallest[one], smallest[other]
        if np.array_equal(*ends):
            break
        low = np.minimum(*ends)
        for end in ends:
            np.minimum.at(smallest, end, low)
        smallest = smallest[smallest]
    joined = smallest != np.arange(len(names))
    apart = smallest[one] != smallest[other]
    return np.stack([names[joined], names[smallest[joined]]], axis=1), links[apart]


class FindRepeated(beam.PTransform):
    """``(bucket, block)`` of rows' hashes to the one ``RepeatedRows``.

    Args:
        numbers: what the rows are known by.
        buckets: where the hashes meet.
    """

    def __init__(self, numbers: RowNumbers, buckets: Buckets):
        super().__init__()
        self._numbers, self._buckets = numbers, buckets

    def expand(self, blocks: beam.PCollection[tuple[Bucket, bytes]]) -> Any:
        """Wires ``find_equal`` and ``find_near``."""
        numbers = self._numbers
        return (
            blocks
            | "GroupByBucket" >> beam.GroupByKey()
            | "SearchBucket" >> beam.FlatMap(_find_repeated, self._buckets)
            | "Merge" >> beam.CombineGlobally(_merge_pairs)
            | "Table" >> beam.Map(lambda pairs: RepeatedRows(numbers, np.frombuffer(pairs, PAIR)))
        )


def _find_repeated(element: tuple[Bucket, Iterable[bytes]], buckets: Buckets) -> Iterator[bytes]:
    (_, band, _), blocks = element
    if band == CONTENT:
        pairs = find_equal(blocks, _ONE_SPLIT)
    else:
        assert buckets.bands is not None
        pairs, _ = find_near(blocks, buckets.bands, band, _ONE_SPLIT)
    for start in range(0, len(pairs), _BLOCK_LINKS):
        yield pairs[start : start + _BLOCK_LINKS].tobytes()


def _merge_pairs(found: Iterable[bytes]) -> bytes:
    nearest = Nearest(_ONE_SPLIT)
    nearest.add(np.frombuffer(b"".join(found), PAIR))
    return nearest.take().tobytes()


class JoinTwins(beam.PTransform):
    """``(bucket, block)`` of hashes, under the points that splits are chosen from, to the one ``JoinedTwins``.

    Args:
        buckets: where the hashes meet.
        output: the dataset's folder, where publishing looks for what could not be joined.
        rounds: of joining twins of twins.
    """

    def __init__(self, buckets: Buckets, output: Folder, rounds: int = MOST_ROUNDS):
        super().__init__()
        self._buckets, self._output, self._rounds = buckets, output, rounds

    def expand(self, blocks: beam.PCollection[tuple[Bucket, bytes]]) -> Any:
        """Wires ``join``: first in each bucket, so that no more links are left than there are twins."""
        rounds = self._rounds
        return (
            blocks
            | "GroupByBucket" >> beam.GroupByKey()
            | "JoinInBucket" >> beam.FlatMap(_join_bucket, self._buckets, rounds)
            | "Gather" >> beam.CombineGlobally(lambda found: b"".join(found))
            | "Join" >> beam.Map(_join_all, rounds, self._output)
        )


def _join_bucket(
    element: tuple[Bucket, Iterable[bytes]], buckets: Buckets, rounds: int
) -> Iterator[bytes]:
    (_, band, _), blocks = element
    if band == CONTENT:
        links = link_equal(blocks)
    else:
        assert buckets.bands is not None
        held: list[Links] = []
        for some in link_near(blocks, buckets.bands, band):
            held.append(some)
            if sum(map(len, held)) > _LINKS_HELD:
                held = [np.concatenate(join(np.concatenate(held), rounds))]
        links = np.concatenate(held)
    links = np.concatenate(join(links, rounds))
    for start in range(0, len(links), _BLOCK_LINKS):
        yield links[start : start + _BLOCK_LINKS].tobytes()


def _join_all(found: bytes, rounds: int, output: Folder) -> JoinedTwins:
    links = np.frombuffer(found, np.uint64).reshape(-1, 2)
    joined, apart = join(links, rounds)
    counts = {"joined": len(joined), "not_joined": len(apart)}
    output.write(JOINED_FILE, json.dumps(counts).encode())
    return JoinedTwins(joined[:, 0], joined[:, 1])
