"""Grouping rows to clips: the rows of a clip's frames become one row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import apache_beam as beam

from ...schemas.errors import Reject
from ...schemas.features.cell_text import is_missing, parse_float, parse_int
from ..manifests.join_labels import join_key
from ..rows import InlineBytes, ManifestRow, RejectedRow, RowsRead, reject_row
from ..values.step_sources import natural_key
from .clip_rows import ClipRows, GroupedRows, apply_to_rows
from .frame_accounting import CLIPS_WITH_GAPS, MISSING, count_skipped, with_frames

__all__ = ["GroupClips", "group_rows"]


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
        ordered = _order(clip_rows, key, every, grouped)
        kept = clips.keep(len(ordered))
        if not clips.window:  # where there are windows, they are what has to be long enough
            clips.windows(len(kept))
    except Reject as reject:
        whole = clip_rows.merged(every, range(len(every)))
        rejected = replace(reject_row(clip_rows.row_format, whole, reject), key=key)
        return GroupedRows(rejects=[with_frames(rejected, len(every))])
    grouped.rows.append(clip_rows.merged(ordered, kept))
    grouped.ledger.merge(count_skipped(clips, len(ordered)))
    return grouped


def _check_constant(clip_rows: ClipRows, rows: Sequence[ManifestRow]) -> None:
    """Checks that what a clip has once is the same in all of its rows."""
    first = rows[0]
    for index, column in enumerate(clip_rows.row_format.columns):
        if column not in clip_rows.clip_columns or column == clip_rows.clips.key:
            continue
        for row in rows:
            if row.values[index] != first.values[index]:
                got = f"{first.values[index]!r} at {first.location} and {row.values[index]!r} at {row.location}"
                message = f"column {column!r}: got {got}, expected one value in a clip"
                raise Reject("clip", "ambiguous_value", message)


def _order(
    clip_rows: ClipRows, key: str, rows: Sequence[ManifestRow], grouped: GroupedRows
) -> list[ManifestRow]:
    """The rows in the order of their frames; drops those whose number another row has, and counts gaps."""
    clips = clip_rows.clips
    if clips.order is None:
        return list(rows)
    cells = [clip_rows.row_format.cell(row, clips.order) for row in rows]
    for row, cell in zip(rows, cells, strict=True):
        if is_missing(cell):
            message = f"column {clips.order!r} is empty at {row.location}, expected a frame's place"
            raise Reject("clip", "missing_value", message)
    numbers = [_number(cell) for cell in cells]
    numeric = None not in numbers
    positions: list[Any] = numbers if numeric else [natural_key(str(cell)) for cell in cells]
    ordered: list[tuple[Any, ManifestRow]] = []
    for index in sorted(range(len(rows)), key=positions.__getitem__):
        position, row = positions[index], rows[index]
        if ordered and ordered[-1][0] == position:
            grouped.dropped.append(
                _drop_duplicate(clip_rows, key, row, cells[index], ordered[-1][1])
            )
        else:
            ordered.append((position, row))
    missing = _count_missing([position for position, _ in ordered]) if numeric else 0
    if missing and clips.on_gap == "reject":
        message = f"got {len(ordered)} frames with {missing} missing between them, expected no gap"
        raise Reject("clip", "missing_frames", message)
    if missing:
        grouped.ledger.add(MISSING, missing)
        grouped.ledger.add(CLIPS_WITH_GAPS)
    return [row for _, row in ordered]


def _drop_duplicate(
    clip_rows: ClipRows, key: str, row: ManifestRow, cell: Any, first: ManifestRow
) -> RejectedRow:
    message = f"got frame {cell!r} at {first.location} and {row.location}, expected it once"
    reject = Reject("clip", "duplicate_frame", message)
    if clip_rows.clips.on_duplicate == "reject":
        raise reject
    return with_frames(replace(reject_row(clip_rows.row_format, row, reject), key=key), 1)


def _number(cell: Any) -> int | float | None:
    """A frame's position as a number, ``None`` where it is none; integers of any size stay exact."""
    for parse in (parse_int, parse_float):
        try:
            number = parse(cell)
        except (ValueError, OverflowError):
            continue
        return number if number == number else None  # NaN is none
    return None


def _count_missing(positions: Sequence[Any]) -> int:
    """Frames missing between others, where numbers rise by the smallest step between two."""
    if not all(isinstance(position, int) for position in positions):
        return 0  # times, not numbers of frames
    steps = [after - before for before, after in pairwise(positions)]
    return sum(step // min(steps) - 1 for step in steps)


class GroupClips(beam.PTransform):
    """Groups the rows of frames into a row a clip; nothing but rows is shuffled.

    Takes ``ManifestRow``; returns ``RowsRead``: its rejects are one a clip, or a row without a key; its
    counts add up to rows and rejects.
    """

    def __init__(self, clip_rows: ClipRows):
        super().__init__()
        self._clip_rows = clip_rows

    def expand(self, rows: beam.PCollection[ManifestRow]) -> RowsRead:
        """Wires ``group_rows``."""
        keyed = rows | "KeyByClip" >> beam.ParDo(_KeyByClipFn(self._clip_rows))
        groups = keyed | "GroupByClip" >> beam.GroupByKey()
        return apply_to_rows("GroupClip", groups, _GroupClipFn(self._clip_rows))


class _KeyByClipFn(beam.DoFn):
    """Rows without a key meet under one that no clip can have, where each is a reject of its own."""

    def __init__(self, clip_rows: ClipRows):
        self._clip_rows = clip_rows

    def process(self, row: ManifestRow) -> Iterator[tuple[str, ManifestRow]]:
        column = self._clip_rows.clips.key
        assert column is not None  # else there is nothing to group by
        value = self._clip_rows.row_format.cell(row, column)
        key = None if is_missing(value) or isinstance(value, InlineBytes) else join_key(value)
        yield key or "", row


class _GroupClipFn(beam.DoFn):
    def __init__(self, clip_rows: ClipRows):
        self._clip_rows = clip_rows

    def process(self, group: tuple[str, Iterable[ManifestRow]]) -> Iterator[Any]:
        key, rows = group
        if key:
            yield from group_rows(self._clip_rows, key, rows).outputs()
            return
        column = self._clip_rows.clips.key
        reject = Reject(
            "clip", "missing_value", f"column {column!r} is empty, expected a clip's key"
        )
        rejects = [reject_row(self._clip_rows.row_format, row, reject) for row in rows]
        yield from GroupedRows(rejects=[with_frames(row, 1) for row in rejects]).outputs()
