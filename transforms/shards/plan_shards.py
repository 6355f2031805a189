"""Planning: what must be known of all rows before the first shard can be built.

One pass over the rows counts them by split, collects class names and keeps a few rows whose records
are then built to see how large a record is. From this follows the number of shards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace

import apache_beam as beam

from ...schemas.errors import ManifestError, OptionError
from ...schemas.features.base import shorten
from ...schemas.schema import Schema
from ..contradictions import Contradictions, FindContradictions, LabelBlock
from ..ledger import Ledger
from ..manifests.embedded_bytes import attach_inline
from ..row_order import packed_cells, unpack_row
from ..rows import ManifestRow, RowFormat
from ..sinks.examples import serialize_record
from ..storage.output_folder import Folder
from ..storage.split_roots import SplitRoots
from .encode_rows import EncodedRow, RowEncoder, encode_rows
from .nameless_rows import explain_nameless
from .plan import PLAN_FILE, Plan, SplitPlan
from .thread_pool import RowPool

__all__ = [
    "PlanShards",
    "Planner",
    "RowSummarizer",
    "RowSummary",
    "ShardSize",
]

_SAMPLE_ROWS = 48
_MOST_SHARDS = 99_999
_FRAME_BYTES = 16  # what TFRecord adds to a record


@dataclass(frozen=True, slots=True)
class ShardSize:
    """How large shards are to be; one of the three is set.

    Attributes:
        num_shards: shards a split.
        records_per_shard: records a shard, on average.
        shard_bytes: bytes of a shard's TFRecord file, on average, judged by a sample of records.

    Raises:
        OptionError: on construction, when not exactly one is set, or it is not positive.
    """

    num_shards: int | None = None
    records_per_shard: int | None = None
    shard_bytes: int | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in asdict(self).items() if value is not None}
        if len(given) != 1:
            raise OptionError(
                f"--num_shards, --records_per_shard, --shard_size: got {len(given)} of them, expected one"
            )
        for name, value in given.items():
            if value < 1:
                raise OptionError(
                    f"--{name.replace('shard_bytes', 'shard_size')}: got {value}, expected 1 or more"
                )
        if self.num_shards is not None and self.num_shards > _MOST_SHARDS:
            raise OptionError(
                f"--num_shards: got {self.num_shards}, expected at most {_MOST_SHARDS}"
            )

    def shards_for(self, num_rows: int, record_bytes: float) -> int:
        """The number of shards of a split.

        Args:
            num_rows: rows of the split.
            record_bytes: mean size of a record, framing included.
        """
        if self.num_shards is not None:
            return self.num_shards
        if self.records_per_shard is not None:
            return max(1, math.ceil(num_rows / self.records_per_shard))
        assert self.shard_bytes is not None
        shards = math.ceil(num_rows * record_bytes / self.shard_bytes)
        return max(
            1, min(shards, num_rows)
        )  # no shard without a record, however small they are to be


@dataclass(slots=True)
class RowSummary:
    """What is known of some of the rows; two of them can be merged.

    Attributes:
        counts: rows by split.
        classes: distinct class names by feature.
        sample: packed rows, among them the ``_SAMPLE_ROWS`` with the smallest orders.
        bound: only rows with a smaller order can still be among those.
        broken: class names and cells that name files or rows and have a line break: the first by file
            and row, by what they are.
    """

    counts: dict[str, int] = field(default_factory=dict)
    classes: dict[str, dict[str, None]] = field(default_factory=dict)
    sample: list[bytes] = field(default_factory=list)
    bound: bytes = b"\xff" * 32
    broken: dict[str, tuple[str, int, str]] = field(default_factory=dict)

    def prune(self) -> None:
        """Forgets the rows that are not in the sample."""
        self.sample.sort()
        if len(self.sample) > _SAMPLE_ROWS:
            del self.sample[_SAMPLE_ROWS:]
            self.bound = self.sample[-1]

    def note_broken(self, what: str, row: tuple[str, int, str]) -> None:
        """Takes down the file, row and text of what has a line break."""
        self.broken[what] = min(row, self.broken.get(what, row))

    def warnings(self) -> Iterator[str]:
        """A sentence for each kind of text that has line breaks."""
        for what, (file, row, text) in sorted(self.broken.items()):
            yield (
                f"{what} with line breaks, such as {shorten(text)} ({file}:{row}); in CSV a stray quote "
                "makes one row of all lines up to the next quote"
            )


@dataclass(frozen=True, slots=True)
class RowSummarizer:
    """Summarizes rows; associative and commutative, so it runs in any order on any number of machines."""

    schema: Schema
    row_format: RowFormat
    vocabularies: dict[str, str] = field(init=False)
    """The columns of the features whose vocabulary is still to be found, by feature."""
    _wanted: tuple[tuple[str, int], ...] = field(init=False)
    """The same with the columns' numbers among the cells."""
    named: tuple[str, ...] = field(init=False)
    """The columns that name files or rows."""

    def __post_init__(self) -> None:
        wanted = {n: f.source for n, f in self.schema.features.items() if f.needs_vocabulary}
        object.__setattr__(self, "vocabularies", wanted)
        numbered = tuple((name, self.row_format.columns.index(c)) for name, c in wanted.items())
        object.__setattr__(self, "_wanted", numbered)
        named = {*self.schema.file_columns(), self.row_format.key_column}
        present = tuple(column for column in self.row_format.columns if column in named)
        object.__setattr__(self, "named", present)

    def add(self, summary: RowSummary, split: str, packed: bytes) -> None:
        """Adds a packed row to a summary, in place."""
        summary.counts[split] = summary.counts.get(split, 0) + 1
        if packed < summary.bound:
            summary.sample.append(packed)
            if len(summary.sample) > 4 * _SAMPLE_ROWS:
                summary.prune()
        # Bytes that only look like line breaks cost no more than a look.
        if b"\n" in packed or b"\r" in packed:
            self._observe(summary, unpack_row(packed))
        elif self._wanted:
            # Nearly every cell is a name that is known already, so this is most of what a row costs here.
            cells = packed_cells(packed)
            for name, index in self._wanted:
                cell = cells[index]
                names = summary.classes.setdefault(name, {})
                if not isinstance(cell, str) or cell not in names:
                    self._observe(summary, unpack_row(packed))
                    return

    def _observe(self, summary: RowSummary, row: ManifestRow) -> None:
        for name, column in self.vocabularies.items():
            names = summary.classes.setdefault(name, {})
            cell = self.row_format.cell(row, column)
            # A name that was observed is itself.
            if not isinstance(cell, str) or cell not in names or _has_break(cell):
                found = self.schema.observe(name, cell)
                names.update(dict.fromkeys(found))
                for text in filter(_has_break, found):
                    summary.note_broken(f"{name}: got class names", (row.file, row.row, text))
        for column in self.named:
            cell = self.row_format.cell(row, column)
            if isinstance(cell, str) and _has_break(cell):
                summary.note_broken(f"column {column!r}: got values", (row.file, row.row, cell))

    def merge(self, into: RowSummary, other: RowSummary) -> None:
        """Adds a summary to another, in place."""
        for split, count in other.counts.items():
            into.counts[split] = into.counts.get(split, 0) + count
        for name, names in other.classes.items():
            into.classes.setdefault(name, {}).update(names)
        for what, row in other.broken.items():
            into.note_broken(what, row)
        into.sample.extend(other.sample)
        into.prune()


def _has_break(text: str) -> bool:
    return "\n" in text or "\r" in text


class _SummarizeFn(beam.CombineFn):
    def __init__(self, summarizer: RowSummarizer):
        self._summarizer = summarizer

    def create_accumulator(self) -> RowSummary:
        return RowSummary()

    def add_input(self, summary: RowSummary, element: tuple[str, list[bytes]]) -> RowSummary:
        split, block = element
        for packed in block:
            self._summarizer.add(summary, split, packed)
        return summary

    def merge_accumulators(self, summaries: Iterable[RowSummary]) -> RowSummary:
        total = RowSummary()
        for summary in summaries:
            self._summarizer.merge(total, summary)
        return total

    def extract_output(self, summary: RowSummary) -> RowSummary:
        return summary


@dataclass(frozen=True, slots=True)
class Planner:
    """Makes the plan from what is known of all rows.

    Attributes:
        encoder: builds the records of the sample; its schema may still lack vocabularies.
        manifest_root: the folder that manifest file names are relative to, or those of several.
        splits: the splits that exist even when no row falls into them.
        size: how large shards are to be.
        threads: threads that build the sample's records.
        row_seconds: the time limit of one of them.
        output: the dataset's folder; the plan is also written there, for the progress display.
    """

    encoder: RowEncoder
    manifest_root: str | SplitRoots
    splits: tuple[str, ...]
    size: ShardSize
    threads: int
    row_seconds: float
    output: Folder

    def plan(
        self,
        summary: RowSummary,
        rows_seen: int,
        ledger: Ledger | None = None,
        contradictions: Contradictions | None = None,
    ) -> Plan:
        """Fills in the vocabularies and decides the number of shards of each split."""
        ledger = ledger or Ledger()
        if not summary.counts:  # publishing says why no row came so far
            return self._write(Plan(self.encoder.schema, {}, rows_seen, ledger))
        schema = self._with_vocabularies(summary, rows_seen)
        record_bytes = self._record_bytes(schema, summary.sample[:_SAMPLE_ROWS])
        counts = {**dict.fromkeys(self.splits, 0), **summary.counts}
        splits = {
            name: SplitPlan(count, self.size.shards_for(count, record_bytes))
            for name, count in sorted(counts.items())
        }
        for name, split in splits.items():
            if split.num_shards > _MOST_SHARDS:
                raise OptionError(
                    f"--shard_size, --records_per_shard: they make {split.num_shards:,} shards of split "
                    f"{name!r}, expected at most {_MOST_SHARDS:,}; ask for larger ones"
                )
        warnings = (*summary.warnings(), *(contradictions or Contradictions()).warnings())
        return self._write(Plan(schema, splits, rows_seen, ledger, warnings))

    def _write(self, plan: Plan) -> Plan:
        self.output.write(PLAN_FILE, plan.to_json())
        return plan

    def _with_vocabularies(self, summary: RowSummary, rows_seen: int) -> Schema:
        schema = self.encoder.schema
        pending = [name for name, feature in schema.features.items() if feature.needs_vocabulary]
        try:
            names = {name: summary.classes.get(name, {}) for name in pending}
            return schema.with_vocabularies(names)
        except ManifestError as error:
            nameless = next(name for name in pending if not summary.classes.get(name))
            said = [
                str(error),
                explain_nameless(self.encoder, nameless, summary.sample[:_SAMPLE_ROWS]),
            ]
            if (early := rows_seen - sum(summary.counts.values())) > 0:
                said.append(f"{early:,} of all {rows_seen:,} rows were rejected before that")
            raise ManifestError("; ".join(filter(None, said))) from None

    def _record_bytes(self, schema: Schema, sample: list[bytes]) -> float:
        """The mean bytes of the sample's records; rejects are left out, since they take no room."""
        if self.size.shard_bytes is None or not sample:
            return 0.0
        encoder = replace(self.encoder, schema=schema)
        rows = attach_inline(
            map(unpack_row, sample), encoder.row_format.columns, self.manifest_root
        )
        pool = RowPool(self.threads, self.row_seconds)
        outcomes = encode_rows(encoder, rows, pool)
        sizes = [
            len(serialize_record(o.values, schema.record))
            for o in outcomes
            if isinstance(o, EncodedRow)
        ]
        return sum(sizes) / len(sizes) + _FRAME_BYTES if sizes else 0.0


class PlanShards(beam.PTransform):
    """Makes the one ``Plan``.

    Takes ``(split, block of packed rows)``.

    Args:
        planner: decides it.
        counts: ints that add up to the rows that the readers saw.
        ledger: of clips, what was counted before the shards.
        labels: ``(bucket, LabelBlock)``, where rows have labels.
    """

    def __init__(
        self,
        planner: Planner,
        counts: beam.PCollection[int],
        ledger: beam.PCollection[Ledger] | None = None,
        labels: beam.PCollection[tuple[int, LabelBlock]] | None = None,
    ):
        super().__init__()
        self._planner, self._counts, self._ledger, self._labels = planner, counts, ledger, labels
        self._summarizer = RowSummarizer(planner.encoder.schema, planner.encoder.row_format)

    def expand(self, rows: beam.PCollection[tuple[str, list[bytes]]]) -> beam.PCollection[Plan]:
        """Wires ``RowSummarizer`` and ``Planner``."""
        counts = self._counts | "SumCounts" >> beam.CombineGlobally(sum)
        ledger = contradictions = None
        if self._ledger is not None:
            summed = self._ledger | "SumLedgers" >> beam.CombineGlobally(Ledger.total)
            ledger = beam.pvalue.AsSingleton(summed)
        if self._labels is not None:
            by_split = isinstance(self._planner.manifest_root, SplitRoots)
            found = self._labels | "FindContradictions" >> FindContradictions(by_split)
            contradictions = beam.pvalue.AsSingleton(found)
        known = (beam.pvalue.AsSingleton(counts), ledger, contradictions)
        return (
            rows
            | "SummarizeRows" >> beam.CombineGlobally(_SummarizeFn(self._summarizer))
            | "MakePlan" >> beam.Map(self._planner.plan, *known)
        )
