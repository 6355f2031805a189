"""Cutting clips: the row of a clip becomes a row for each of its windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import apache_beam as beam

from ...schemas.errors import Reject
from ..ledger import Ledger
from ..rows import ManifestRow, RowsRead, Window, reject_row
from ..storage.input_files import InputFiles
from ..values.arrays.array_files import ArrayFiles
from ..values.resolve import ValueResolver
from ..values.step_sources import common_length
from .clip_rows import ClipRows, GroupedRows, apply_to_rows
from .frame_accounting import SEEN, count_frames, count_skipped, count_windows, with_frames

__all__ = ["CutClips", "cut_row"]


def cut_row(clip_rows: ClipRows, reader: ValueResolver, row: ManifestRow) -> GroupedRows:
    """Cuts a row that is a clip into windows, each of them a row.

    Lists are cut. Paths and arrays stay what they are, and the window says what of them is meant.

    Args:
        clip_rows: how.
        reader: of the row, whose frames have to be counted where it names files.
        row: the row, which has no window yet.
    """
    clips, schema = clip_rows.clips, clip_rows.schema
    key, ledger = clip_rows.row_format.key(row), Ledger()
    try:
        if clips.key:  # group_rows has counted the frames, and kept those that are to be kept
            count = count_frames(schema, reader.cells)
            kept = range(count)
        else:
            steps = {name: reader.steps(feature, clips) for name, feature in schema.steps.items()}
            seen = common_length(steps)
            ledger.add(SEEN, seen)
            ledger.merge(count_skipped(clips, seen))
            kept = clips.keep(seen)
            count = len(kept)
        windows = clips.windows(count)
    except Reject as reject:
        # What was seen of a clip is lost with it; what was skipped is not told apart from that.
        lost = Ledger()
        lost.add(SEEN, ledger[SEEN])
        frames = ledger[SEEN] or count_frames(schema, reader.cells)
        rejected = with_frames(reject_row(clip_rows.row_format, row, reject), frames)
        return GroupedRows(rejects=[rejected], ledger=lost)
    ledger.merge(count_windows(windows, count))
    cells = [_listed(clip_rows, reader, column) for column in reader.cells]
    rows = []
    for window in windows:
        chosen = kept[window.start : window.stop]
        values = [
            [cell[index] for index in chosen]
            if isinstance(cell, list) and column in clip_rows.frame_columns
            else cell
            for column, cell in zip(reader.cells, cells, strict=True)
        ]
        named = Window(key, window.start, window.stop)
        rows.append(replace(row, values=tuple(values), window=named))
    return GroupedRows(rows, ledger=ledger)


def _listed(clip_rows: ClipRows, reader: ValueResolver, column: str) -> Any:
    """The cell of a column of steps as a list, where it lists them; else the cell."""
    for feature in clip_rows.schema.steps.values():
        if feature.source == column:
            listed = reader.listed(feature, clip_rows.clips)
            if listed is not None:
                return listed
    return reader.cells[column]


class CutClips(beam.PTransform):
    """Cuts the rows of clips into windows.

    Takes and returns what ``GroupClips`` does; each of the rows has a ``window``.
    """

    def __init__(self, clip_rows: ClipRows, inputs: InputFiles):
        super().__init__()
        self._do_fn = _CutClipFn(clip_rows, inputs)

    def expand(self, rows: beam.PCollection[ManifestRow]) -> RowsRead:
        """Wires ``cut_row``."""
        return apply_to_rows("CutClip", rows, self._do_fn)


class _CutClipFn(beam.DoFn):
    def __init__(self, clip_rows: ClipRows, inputs: InputFiles):
        self._clip_rows, self._inputs = clip_rows, inputs

    def start_bundle(self) -> None:
        self._arrays = ArrayFiles(self._inputs)

    def process(self, row: ManifestRow) -> Iterator[Any]:
        columns = self._clip_rows.row_format.columns
        cells = dict(zip(columns, row.values, strict=True))
        inputs = self._inputs.of(row.file)
        reader = ValueResolver(cells, inputs, self._arrays.under(inputs))
        yield from cut_row(self._clip_rows, reader, row).outputs()

    def finish_bundle(self) -> None:
        self._arrays.close()
