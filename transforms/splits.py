"""Splits: which part of the dataset a row belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows

from ..schemas.dataset.file_names import SPLIT_NAME
from ..schemas.errors import OptionError, Reject
from .contradictions import LabelBlock, LabelCollector
from .duplicates.known_twins import KnownTwins
from .row_order import order_of, pack_row, stable_hash
from .rows import ManifestRow, RejectedRow, RowFormat, reject_row
from .values.array_order import ArrayOrder

__all__ = ["ALL_TRAIN", "AssignSplits", "SplitRows", "Splits", "assign_split", "split_point"]

ALL_TRAIN = (("train", 1.0),)
"""What ``Splits.fractions`` is where nobody has asked for any: this very tuple, not one that is equal."""

EXPECTED_SPLIT = "expected a letter and up to 99 letters, digits and underscores"
_HASH_RANGE = 1 << 64
# Rows of this many bytes travel together; many, so that they share their costs, yet bounded.
_BLOCK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Splits:
    """How rows are split.

    Attributes:
        fractions: splits and their shares, which add up to 1; used when there is no ``column``.
        column: the column that names each row's split.
        group_by: the column whose rows with the same value stay in one split; the windows of a clip do
            without it.

    Raises:
        OptionError: on construction, when the parts don't go together.
    """

    fractions: tuple[tuple[str, float], ...] = ALL_TRAIN
    column: str | None = None
    group_by: str | None = None

    def __post_init__(self) -> None:
        names = [name for name, _ in self.fractions]
        for name, fraction in self.fractions:
            if not SPLIT_NAME.fullmatch(name):
                raise OptionError(f"--splits: got the name {name[:120]!r}, {EXPECTED_SPLIT}")
            if not 0 < fraction <= 1:
                raise OptionError(
                    f"--splits: got {name}={fraction:g}, expected a fraction between 0 and 1"
                )
        if len(set(names)) < len(names):
            raise OptionError(f"--splits: got {', '.join(names)}, expected each split once")
        if abs(sum(fraction for _, fraction in self.fractions) - 1) > 1e-6:
            total = sum(fraction for _, fraction in self.fractions)
            raise OptionError(f"--splits: got fractions that add up to {total:g}, expected 1")
        if self.column and self.group_by:
            raise OptionError("--group_by: got it beside --split_column, expected one of the two")

    @classmethod
    def parse(cls, text: str) -> tuple[tuple[str, float], ...]:
        """Parses ``train=0.9,val=0.1``.

        Raises:
            OptionError: the text is not of this form.
        """
        fractions = []
        for part in text.split(","):
            name, _, fraction = part.partition("=")
            try:
                fractions.append((name.strip(), float(fraction)))
            except ValueError:
                raise OptionError(
                    f"--splits: got {text!r}, expected something like train=0.9,val=0.1"
                ) from None
        return tuple(fractions)

    def or_column(self, column: str, spec: str) -> Splits:
        """These splits, or where none were asked for those that the manifest ``spec`` has in a column.

        Raises:
            OptionError: fractions or groups were asked for, which the manifest's own splits contradict.
        """
        for option, given in (
            ("--splits", self.fractions is not ALL_TRAIN),
            ("--group_by", self.group_by is not None),
        ):
            if given and not self.column:
                raise OptionError(
                    f"{option}: got it for {spec}, whose folders are the splits, expected one of the two; "
                    "to split anew, name the images in a manifest file"
                )
        return replace(self, column=self.column or column)

    def of_manifests(self, column: str, spec: str) -> Splits:
        """The splits where each of several manifests is one, which a column of the rows names.

        Raises:
            OptionError: other splits were asked for beside them.
        """
        for option, given in (
            ("--splits", self.fractions is not ALL_TRAIN),
            ("--split_column", self.column is not None),
            ("--group_by", self.group_by is not None),
        ):
            if given:
                raise OptionError(
                    f"{option}: got it beside --manifest {spec}, where each manifest is a split, "
                    "expected one of the two"
                )
        return replace(self, column=column)

    @property
    def names(self) -> tuple[str, ...]:
        """The splits that exist even when no row falls into them."""
        return () if self.column else tuple(name for name, _ in self.fractions)

    @property
    def columns(self) -> tuple[str, ...]:
        """The manifest columns that splitting needs."""
        return tuple(column for column in (self.column, self.group_by) if column)


def assign_split(
    splits: Splits,
    seed: int,
    row_format: RowFormat,
    row: ManifestRow,
    key: str | None = None,
    known: KnownTwins | None = None,
) -> str:
    """The split of a row.

    Args:
        splits: how rows are split.
        seed: of the hash.
        row_format: what the row's cells are.
        row: the row.
        key: the row's key, where it is known already.
        known: which keys or groups share a split with others.

    Raises:
        Reject: stage ``split``: the split's or the group's column is empty (``missing_value``), or names
            no possible split (``bad_split``).
    """
    if splits.column:
        name = _text(row_format.cell(row, splits.column), splits.column)
        if not SPLIT_NAME.fullmatch(name):
            raise Reject(
                "split", "bad_split",
                f"column {splits.column!r}: got {name[:80]!r}, {EXPECTED_SPLIT}",
            )  # fmt: skip
        return name
    # Nothing to decide, so not even a hash for each row.
    if len(splits.fractions) == 1:
        return splits.fractions[0][0]
    point = split_point(splits, seed, row_format, row, key)
    if known is not None:
        point = known.point(point)
    for name, bound in _bounds(splits.fractions):
        if point < bound:
            return name
    # Fractions add up to 1 only nearly, so the last bound may lie a little under the range's end.
    return splits.fractions[-1][0]


def split_point(
    splits: Splits, seed: int, row_format: RowFormat, row: ManifestRow, key: str | None = None
) -> int:
    """The hash from which a row's split is chosen, of its group or key: eight bytes.

    Args and errors are those of ``assign_split``.
    """
    if splits.group_by:
        group = _text(row_format.cell(row, splits.group_by), splits.group_by)
    elif row.window is not None:
        group = row.window.clip  # so that no frame is in two splits
    else:
        group = row_format.key(row) if key is None else key
    return int.from_bytes(stable_hash(seed, "split", group), "big")


@cache
def _bounds(fractions: tuple[tuple[str, float], ...]) -> list[tuple[str, float]]:
    """The splits with where their parts of the hash's range end."""
    ends = accumulate(fraction for _, fraction in fractions)
    return [(name, end * _HASH_RANGE) for (name, _), end in zip(fractions, ends, strict=True)]


def _text(value: Any, column: str) -> str:
    if value is None or value == "":
        raise Reject("split", "missing_value", f"column {column!r} is empty, expected a value")
    return str(value)


class SplitRows(NamedTuple):
    """Rows on their way to shards; a tuple, since Beam takes these apart.

    Attributes:
        rows: ``(split, block of packed rows)``.
        rejects: rows that have no split.
        labels: ``(bucket, LabelBlock)``, where labels are collected.
    """

    rows: beam.PCollection[tuple[str, list[bytes]]]
    rejects: beam.PCollection[RejectedRow]
    labels: beam.PCollection[tuple[int, LabelBlock]] | None = None


class AssignSplits(beam.PTransform):
    """Assigns each row to its split, and packs it for the way.

    Takes ``ManifestRow``; returns ``SplitRows``, with ``labels`` where there is a collector. A packed row is
    ``pack_row``'s, its order in the split before its cells, so that no later step hashes it again or takes it
    apart. A block is a list of some hundred of them: what Beam does for an element, it then does for a block,
    not for a row.
    """

    def __init__(
        self,
        splits: Splits,
        seed: int,
        row_format: RowFormat,
        collector: LabelCollector | None = None,
        array_order: ArrayOrder | None = None,
        known: beam.PCollection[KnownTwins] | None = None,
    ):
        super().__init__()
        self._collects, self._known = collector is not None, known
        self._do_fn = _AssignSplitFn(splits, seed, row_format, collector, array_order)

    def expand(self, rows: beam.PCollection[ManifestRow]) -> SplitRows:
        """Wires ``assign_split``."""
        known = () if self._known is None else (beam.pvalue.AsSingleton(self._known),)
        assign = beam.ParDo(self._do_fn, *known).with_output_types(tuple[str, list[bytes]])
        outputs = rows | "AssignSplit" >> assign.with_outputs("rejects", "labels", main="rows")
        labels = outputs.labels if self._collects else None
        return SplitRows(outputs.rows, outputs.rejects, labels)


class _AssignSplitFn(beam.DoFn):
    def __init__(
        self,
        splits: Splits,
        seed: int,
        row_format: RowFormat,
        collector: LabelCollector | None,
        array_order: ArrayOrder | None,
    ):
        self._splits, self._seed, self._row_format = splits, seed, row_format
        self._collector, self._array_order = collector, array_order

    def setup(self) -> None:
        self._blocks_of_arrays = self._array_order.open() if self._array_order else None

    def start_bundle(self) -> None:
        self._start_block()
        if self._collector is not None:
            self._collector.start()

    def _start_block(self) -> None:
        self._blocks: dict[str, list[bytes]] = {}
        self._bytes = 0

    def process(
        self, row: ManifestRow, known: KnownTwins | None = None
    ) -> Iterator[tuple[str, list[bytes]] | beam.pvalue.TaggedOutput]:
        key = self._row_format.key(row)
        try:
            split = assign_split(self._splits, self._seed, self._row_format, row, key, known)
            if known is not None and (repeated := known.reject_of(row)) is not None:
                raise repeated
        except Reject as reject:
            yield beam.pvalue.TaggedOutput("rejects", reject_row(self._row_format, row, reject))
            return
        # The key is hashed here once; all later steps compare and cut the packed bytes.
        arrays = self._blocks_of_arrays
        block = arrays.find(row) if arrays is not None else None
        packed = pack_row(order_of(self._seed, key, row, block), row)
        self._blocks.setdefault(split, []).append(packed)
        self._bytes += len(packed)
        if self._bytes >= _BLOCK_BYTES:
            yield from self._blocks.items()
            self._start_block()
        if self._collector is not None:
            self._collector.add(key, row)
            if self._collector.is_full:
                yield from self._take_labels(self._collector)

    def finish_bundle(self) -> Iterator[Any]:
        if self._blocks_of_arrays is not None:
            self._blocks_of_arrays.close()
        yield from map(GlobalWindows.windowed_value, self._blocks.items())
        if self._collector is not None:
            for output in self._take_labels(self._collector):
                windowed = GlobalWindows.windowed_value(output.value)
                yield beam.pvalue.TaggedOutput(output.tag, windowed)

    def _take_labels(self, collector: LabelCollector) -> Iterator[beam.pvalue.TaggedOutput]:
        for block in collector.take():
            yield beam.pvalue.TaggedOutput("labels", block)
