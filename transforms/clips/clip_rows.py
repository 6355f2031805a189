"""What grouping rows to clips and cutting clips into windows share: how rows become clips, and what they give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam

from ...schemas.clips import Clips
from ...schemas.schema import Schema
from ..ledger import Ledger
from ..rows import ManifestRow, RejectedRow, RowFormat, RowsRead

__all__ = ["ClipRows", "GroupedRows", "apply_to_rows"]


@dataclass(slots=True)
class GroupedRows:
    """What rows became.

    Attributes:
        rows: a row for each clip, or each window of it.
        rejects: clips that cannot be, each as one row.
        dropped: rows of frames that were left out because something is wrong with them.
        ledger: counts of frames; see ``frame_accounting.py``.
    """

    rows: list[ManifestRow] = field(default_factory=list)
    rejects: list[RejectedRow] = field(default_factory=list)
    dropped: list[RejectedRow] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)

    def outputs(self) -> Iterator[Any]:
        """The outputs of a DoFn by the fields of ``RowsRead``; its counts are of rows and rejects."""
        yield from self.rows
        for reject in self.rejects:
            yield beam.pvalue.TaggedOutput("rejects", reject)
        for frame in self.dropped:
            yield beam.pvalue.TaggedOutput("dropped", frame)
        yield beam.pvalue.TaggedOutput("counts", len(self.rows) + len(self.rejects))
        if self.ledger:
            yield beam.pvalue.TaggedOutput("ledger", self.ledger)


@dataclass(frozen=True, slots=True)
class ClipRows:
    """How rows become clips.

    Attributes:
        schema: a ``sequence_example``'s.
        row_format: what the cells of the rows are; the key column is what names a clip.
        frame_columns: those of its columns that have a value for each frame.
        clip_columns: those that must have one value in all rows of a clip.
    """

    schema: Schema
    row_format: RowFormat
    frame_columns: frozenset[str]
    clip_columns: frozenset[str]

    @property
    def clips(self) -> Clips:
        """The schema's clips."""
        assert self.schema.clips is not None
        return self.schema.clips

    def merged(self, rows: Sequence[ManifestRow], kept: Iterable[int]) -> ManifestRow:
        """The row of a clip: lists of some of its frames' cells, the cells of the first row else."""
        first, chosen = rows[0], [rows[position].values for position in kept]
        cells = [
            [values[index] for values in chosen] if column in self.frame_columns else cell
            for index, (column, cell) in enumerate(
                zip(self.row_format.columns, first.values, strict=True)
            )
        ]
        start = rows[next(iter(kept), 0)]
        return ManifestRow(start.file, start.row, tuple(cells))


def apply_to_rows(label: str, rows: beam.PCollection[Any], do_fn: beam.DoFn) -> RowsRead:
    """Applies a DoFn that gives ``GroupedRows.outputs``."""
    sides = ("rejects", "counts", "ledger", "dropped")
    outputs = rows | label >> beam.ParDo(do_fn).with_outputs(*sides, main="rows")
    return RowsRead(outputs.rows, *(outputs[side] for side in sides))
