"""Clips: the rows of a clip become one row, and that of a long clip several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import apache_beam as beam

from ...schemas.errors import Reject
from ...schemas.features.cell_text import is_missing, parse_float, parse_int
from ...schemas.schema import Schema
from ..manifests.join_labels import join_key
from ..rejects import reject_row
from ..row_order import RowFormat
from ..rows import InlineBytes, ManifestRow, RejectedRow
from ..storage.input_files import InputFiles
from ..values.arrays.array_files import ArrayFiles
from ..values.resolve import ValueResolver
from ..values.step_sources import common_length, natural_key
from .windows import count_frames, count_skipped, count_windows, write_window

__all__ = ["ClipRows", "CutClips", "GroupClips", "GroupedRows", "cut_row", "group_rows"]


@dataclass(slots=True)
class GroupedRows:
    """What rows became.

    Attributes:
        rows: a row for each clip, or each window of it.
        rejects: clips that cannot be, each as one row.
        dropped: rows of frames that were left out because something is wrong with them.
        counts: of frames, for the balance of ``frames`` in ``dataset.json``.
    """

    rows: list[ManifestRow] = field(default_factory=list)
    rejects: list[RejectedRow] = field(default_factory=list)
    dropped: list[RejectedRow] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


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
    def clips(self) -> Any:
        """The schema's clips."""
        assert self.schema.clips is not None
        return self.schema.clips

    def merged(self, rows: Sequence[ManifestRow], kept: Iterable[int]) -> ManifestRow:
        """The row of a clip: lists of some of its frames' cells, the cells of the first row else."""
        first, chosen = rows[0], [rows[index].values for index in kept]
        cells = [
            [values[place] for values in chosen] if column in self.frame_columns else cell
            for place, (column, cell) in enumerate(
                zip(self.row_format.columns, first.values, strict=True)
            )
        ]
        start = rows[next(iter(kept), 0)]
        return ManifestRow(start.file, start.row, tuple(cells))


def group_rows(clip_rows: ClipRows, key: str, rows: Iterable[ManifestRow]) -> GroupedRows:
    """Makes one row of the rows of a clip's frames, with lists of what they have each.

    Args:
        clip_rows: how.
        key: the clip's key.
        rows: its rows in any order.
    """
    clips, every = clip_rows.clips, sorted(rows, key=lambda row: (row.file, row.row))
    grouped = GroupedRows()
    try:
        _check_constant(clip_rows, every)
        ordered, counts = _order(clip_rows, key, every, grouped.dropped)
        kept = clips.keep(len(ordered))
        if not clips.window:  # where there are windows, they are what has to be long enough
            clips.windows(len(kept))
    except Reject as reject:
        whole = clip_rows.merged(every, range(len(every)))
        rejected = reject_row(clip_rows.row_format, whole, reject)
        return GroupedRows(rejects=[replace(rejected, key=key, frames=len(every))])
    grouped.rows.append(clip_rows.merged(ordered, kept))
    grouped.counts = {**counts, **count_skipped(clips, len(ordered))}
    return grouped


def cut_row(clip_rows: ClipRows, reader: ValueResolver, row: ManifestRow) -> GroupedRows:
    """Cuts a row that is a clip into windows, each of them a row.

    Lists are cut. Paths and arrays stay what they are, and the window says what of them is meant.

    Args:
        clip_rows: how.
        reader: of the row, whose frames have to be counted where it names files.
        row: the row; the columns of ``windows.window_columns`` are added to it.
    """
    clips, key = clip_rows.clips, clip_rows.row_format.key(row)
    counts: dict[str, int] = {}
    try:
        count = _count_kept(clip_rows, reader, counts)
        windows = clips.windows(count)
    except Reject as reject:
        frames = counts.get("seen", 0) or count_frames(clip_rows.schema, reader.cells)
        counts = {"seen": frames} if "seen" in counts else {}
        rejected = reject_row(clip_rows.row_format, row, reject)
        return GroupedRows(rejects=[replace(rejected, frames=frames)], counts=counts)
    cells = [_listed(clip_rows, reader, column) for column in reader.cells]
    kept = range(count) if clips.key else clips.keep(counts["seen"])
    rows = []
    for window in windows:
        chosen = kept[window.start : window.stop]
        part = [
            [cell[index] for index in chosen]
            if isinstance(cell, list) and column in clip_rows.frame_columns
            else cell
            for column, cell in zip(reader.cells, cells, strict=True)
        ]
        rows.append(replace(row, values=(*part, key, write_window(key, window))))
    return GroupedRows(rows, counts={**counts, **count_windows(windows, count)})


def _count_kept(clip_rows: ClipRows, reader: ValueResolver, counts: dict[str, int]) -> int:
    """The frames that windows are cut of; puts those that are not among them into the counts."""
    clips, schema = clip_rows.clips, clip_rows.schema
    if clips.key:  # group_rows has counted them
        return count_frames(schema, reader.cells)
    seen = common_length({n: reader.steps(feature, clips) for n, feature in schema.steps.items()})
    counts |= {"seen": seen, **count_skipped(clips, seen)}
    return len(clips.keep(seen))


def _listed(clip_rows: ClipRows, reader: ValueResolver, column: str) -> Any:
    """The cell of a column of steps as a list, where it lists them; else the cell."""
    for feature in clip_rows.schema.steps.values():
        if feature.source == column:
            listed = reader.listed(feature, clip_rows.clips)
            if listed is not None:
                return listed
    return reader.cells[column]


def _check_constant(clip_rows: ClipRows, rows: Sequence[ManifestRow]) -> None:
    """Checks that what a clip has once is the same in all of its rows."""
    first = rows[0]
    for place, column in enumerate(clip_rows.row_format.columns):
        if column not in clip_rows.clip_columns or column == clip_rows.clips.key:
            continue
        for row in rows:
            if row.values[place] != first.values[place]:
                got = f"{first.values[place]!r} at {_place(first)} and {row.values[place]!r} at {_place(row)}"
                message = f"column {column!r}: got {got}, expected one value in a clip"
                raise Reject("clip", "ambiguous_value", message)


def _order(
    clip_rows: ClipRows, key: str, rows: Sequence[ManifestRow], dropped: list[RejectedRow]
) -> tuple[list[ManifestRow], dict[str, int]]:
    """The rows in the order of their frames, without those whose place another row has."""
    clips = clip_rows.clips
    if clips.order is None:
        return list(rows), {}
    cells = [clip_rows.row_format.cell(row, clips.order) for row in rows]
    for row, cell in zip(rows, cells, strict=True):
        if is_missing(cell):
            message = f"column {clips.order!r} is empty at {_place(row)}, expected a frame's place"
            raise Reject("clip", "missing_value", message)
    numbers = [_number(cell) for cell in cells]
    numeric = None not in numbers
    places: list[Any] = numbers if numeric else [natural_key(str(cell)) for cell in cells]
    ordered: list[tuple[Any, ManifestRow]] = []
    for index in sorted(range(len(rows)), key=places.__getitem__):
        place, row = places[index], rows[index]
        if ordered and ordered[-1][0] == place:
            dropped.append(_drop_duplicate(clip_rows, key, row, cells[index], ordered[-1][1]))
        else:
            ordered.append((place, row))
    missing = _count_missing([place for place, _ in ordered]) if numeric else 0
    if missing and clips.on_gap == "reject":
        message = f"got {len(ordered)} frames with {missing} missing between them, expected no gap"
        raise Reject("clip", "missing_frames", message)
    counts = {"missing": missing, "clips_with_gaps": 1} if missing else {}
    return [row for _, row in ordered], counts


def _drop_duplicate(
    clip_rows: ClipRows, key: str, row: ManifestRow, cell: Any, first: ManifestRow
) -> RejectedRow:
    message = f"got frame {cell!r} at {_place(first)} and {_place(row)}, expected it once"
    reject = Reject("clip", "duplicate_frame", message)
    if clip_rows.clips.on_duplicate == "reject":
        raise reject
    return replace(reject_row(clip_rows.row_format, row, reject), key=key, frames=1)


def _number(cell: Any) -> int | float | None:
    """A place as a number, ``None`` where it is none; integers of any size stay exact."""
    for parse in (parse_int, parse_float):
        try:
            number = parse(cell)
        except (ValueError, OverflowError):
            continue
        return number if number == number else None  # NaN has no place
    return None


def _count_missing(places: Sequence[Any]) -> int:
    """Frames missing between others, where numbers rise by the smallest step between two."""
    if not all(isinstance(place, int) for place in places):
        return 0  # times, not numbers of frames
    steps = [after - before for before, after in pairwise(places)]
    return sum(step // min(steps) - 1 for step in steps)


def _place(row: ManifestRow) -> str:
    return f"{row.file}:{row.row}"


class GroupClips(beam.PTransform):
    """Groups the rows of frames into a row a clip; nothing but rows is shuffled.

    Takes ``ManifestRow``. Returns ``rows``: ``ManifestRow``; ``rejects``: ``RejectedRow``, one a clip, or
    a row without a key; ``dropped``: ``RejectedRow``, one a frame; ``counts``: ints that add up to rows
    and rejects; ``frames``: counts of frames by what became of them, see ``frame_counts.py``.
    """

    def __init__(self, clip_rows: ClipRows):
        super().__init__()
        self._clip_rows = clip_rows

    def expand(self, rows: beam.PCollection[ManifestRow]) -> dict[str, Any]:
        """Wires ``group_rows``."""
        keyed = rows | "KeyByClip" >> beam.ParDo(_KeyByClipFn(self._clip_rows))
        groups = keyed | "GroupByClip" >> beam.GroupByKey()
        return _outputs(groups | "GroupClip" >> _with_outputs(_GroupClipFn(self._clip_rows)))


class CutClips(beam.PTransform):
    """Cuts the rows of clips into windows.

    Takes and returns what ``GroupClips`` does; ``rows`` also have the columns of ``window_columns``.
    """

    def __init__(self, clip_rows: ClipRows, inputs: InputFiles):
        super().__init__()
        self._do_fn = _CutClipFn(clip_rows, inputs)

    def expand(self, rows: beam.PCollection[ManifestRow]) -> dict[str, Any]:
        """Wires ``cut_row``."""
        return _outputs(rows | "CutClip" >> _with_outputs(self._do_fn))


_SIDES = ("rejects", "dropped", "counts", "frames")


def _with_outputs(do_fn: beam.DoFn) -> Any:
    return beam.ParDo(do_fn).with_outputs(*_SIDES, main="rows")


def _outputs(outputs: Any) -> dict[str, Any]:
    return {name: outputs[name] for name in ("rows", *_SIDES)}


def _emit(grouped: GroupedRows) -> Iterator[Any]:
    yield from grouped.rows
    for reject in grouped.rejects:
        yield beam.pvalue.TaggedOutput("rejects", reject)
    for frame in grouped.dropped:
        yield beam.pvalue.TaggedOutput("dropped", frame)
    yield beam.pvalue.TaggedOutput("counts", len(grouped.rows) + len(grouped.rejects))
    if grouped.counts:
        yield beam.pvalue.TaggedOutput("frames", grouped.counts)


class _KeyByClipFn(beam.DoFn):
    """Rows without a key meet under one that no clip can have, where each is a reject of its own."""

    def __init__(self, clip_rows: ClipRows):
        self._clip_rows = clip_rows

    def process(self, row: ManifestRow) -> Iterator[tuple[str, ManifestRow]]:
        clip_rows = self._clip_rows
        value = clip_rows.row_format.cell(row, clip_rows.clips.key)
        key = None if is_missing(value) or isinstance(value, InlineBytes) else join_key(value)
        yield key or "", row


class _GroupClipFn(beam.DoFn):
    def __init__(self, clip_rows: ClipRows):
        self._clip_rows = clip_rows

    def process(self, group: tuple[str, Iterable[ManifestRow]]) -> Iterator[Any]:
        key, rows = group
        if key:
            yield from _emit(group_rows(self._clip_rows, key, rows))
            return
        column = self._clip_rows.clips.key
        reject = Reject(
            "clip", "missing_value", f"column {column!r} is empty, expected a clip's key"
        )
        rejects = [reject_row(self._clip_rows.row_format, row, reject) for row in rows]
        yield from _emit(GroupedRows(rejects=[replace(row, frames=1) for row in rejects]))


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
        yield from _emit(cut_row(self._clip_rows, reader, row))

    def finish_bundle(self) -> None:
        self._arrays.close()
