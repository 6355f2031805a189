"""Statistics that merge: of a record, a shard, a split, a dataset, in the same plain form.

A feature kind gives a summary of each value: a dict of plain JSON, such as ``{"count": 1, "max": 7}``. For each
key it declares (``Feature.summary_types``) the statistic that merges two of them. So what is added up is plain
data that any file can hold, and how it is added up does not hang on what it is called.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..features.base import Feature

__all__ = [
    "Counts",
    "Histogram",
    "Max",
    "Min",
    "Sample",
    "Statistic",
    "Sum",
    "add",
    "add_summaries",
    "merge_all",
]


class Statistic(Protocol):
    """How two values of one key become one.

    Merging is associative. It is exact for integers; floats are added in the order of the calls, which callers
    keep fixed, so that the same records give the same bits.
    """

    def merge(self, total: Any, value: Any) -> Any:
        """The two merged; may change ``total``, which the caller gives away, and never ``value``.

        Args:
            total: what was merged so far, ``None`` before the first value.
            value: plain JSON.
        """


@dataclass(frozen=True, slots=True)
class Sum:
    """Numbers are added, lists of numbers element by element."""

    def merge(self, total: Any, value: Any) -> Any:
        """See ``Statistic.merge``."""
        if total is None:
            return value
        if isinstance(value, list):
            return [left + right for left, right in zip(total, value, strict=True)]
        return total + value


@dataclass(frozen=True, slots=True)
class Min:
    """The smallest number."""

    def merge(self, total: Any, value: Any) -> Any:
        """See ``Statistic.merge``."""
        return value if total is None else min(total, value)


@dataclass(frozen=True, slots=True)
class Max:
    """The largest number."""

    def merge(self, total: Any, value: Any) -> Any:
        """See ``Statistic.merge``."""
        return value if total is None else max(total, value)


@dataclass(frozen=True, slots=True)
class Counts:
    """How often there was what: a dict of numbers by text, added key by key, in order of first sight."""

    def merge(self, total: Any, value: Any) -> Any:
        """See ``Statistic.merge``; in place, since a total of many classes is not copied for each record."""
        if total is None:
            return dict(value)
        for key, count in value.items():
            total[key] = total.get(key, 0) + count
        return total


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many numbers lie between bounds that are fixed beforehand: a list of counts.

    Attributes:
        bounds: ascending; count ``i`` is of the numbers from ``bounds[i - 1]``, included, to ``bounds[i]``,
            so there is one more count than there are bounds.
    """

    bounds: tuple[float, ...]

    def of(self, numbers: Iterable[float]) -> list[int]:
        """The counts of some numbers, for a summary."""
        counts = [0] * (len(self.bounds) + 1)
        for number in numbers:
            counts[bisect_right(self.bounds, number)] += 1
        return counts

    def merge(self, total: Any, value: Any) -> Any:
        """See ``Statistic.merge``.

        Raises:
            ValueError: the counts are of other bounds.
        """
        if len(value) != len(self.bounds) + 1:
            raise ValueError(f"got {len(value)} counts, expected {len(self.bounds) + 1}")
        return Sum().merge(total, value)


@dataclass(frozen=True, slots=True)
class Sample:
    """A few of many texts, the same ones in whatever order they come: those with the smallest hashes.

    Attributes:
        size: how many are kept at most.
    """

    size: int

    def of(self, text: str) -> list[list[str]]:
        """One text, for a summary: a list of pairs of a hash in hex and the text."""
        return [[blake2b(text.encode(), digest_size=8).hexdigest(), text]]

    def merge(self, total: Any, value: Any) -> Any:
        """See ``Statistic.merge``; a text that comes twice is kept once."""
        pairs = {text: mark for mark, text in [*(total or ()), *value]}
        return sorted([mark, text] for text, mark in pairs.items())[: self.size]


def add(total: dict[str, Any], summary: Mapping[str, Any], types: Mapping[str, Statistic]) -> None:
    """Adds a summary to a total, in place.

    Args:
        total: the total so far, by key.
        summary: what to add.
        types: the statistic of each key that there may be.

    Raises:
        TypeError: a key has no statistic.
    """
    for key, value in summary.items():
        statistic = types.get(key)
        if statistic is None:
            # A guess would add up what is a smallest number, and nobody would notice.
            raise TypeError(f"got the summary key {key!r}, which summary_types does not declare")
        total[key] = statistic.merge(total.get(key), value)


def merge_all(
    summaries: Iterable[Mapping[str, Any]], types: Mapping[str, Statistic]
) -> dict[str, Any]:
    """The total of any number of summaries, from the first to the last; see ``add``."""
    total: dict[str, Any] = {}
    for summary in summaries:
        add(total, summary, types)
    return total


def add_summaries(
    total: dict[str, dict[str, Any]],
    summaries: Mapping[str, Mapping[str, Any]],
    features: Mapping[str, Feature],
) -> None:
    """Adds the summaries of a record, a shard or a split to a total, in place.

    Args:
        total: the total so far, by feature.
        summaries: what to add, by feature.
        features: the schema's, which know how.
    """
    for name, summary in summaries.items():
        add(total.setdefault(name, {}), summary, features[name].summary_types)
