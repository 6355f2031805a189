"""Rejects: rows that did not become records, counted, kept and never lost."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics

from ..schemas.errors import Reject
from ..schemas.layout import STATE_FOLDER
from .folders import Folder
from .keys import RowFormat, stable_hash
from .rows import InlineBytes, ManifestRow, RejectedRow

__all__ = [
    "EARLY_REJECT_FILES",
    "WriteRejects",
    "count_reasons",
    "early_dropped_path",
    "early_rejects_path",
    "reject_line",
    "reject_row",
]

EARLY_REJECT_FILES = 16
"""Files over which the rejects that are found before the shards are spread; most are empty."""


def reject_row(row_format: RowFormat, row: ManifestRow, reject: Reject) -> RejectedRow:
    """The row with what is wrong with it."""
    return RejectedRow(
        file=row.file,
        row=row.row,
        key=row_format.key(row),
        stage=reject.stage,
        reason=reject.reason,
        message=reject.message,
        feature=reject.feature,
        path=reject.path,
        values=tuple(zip(row_format.columns, row.values, strict=True)),
    )


def reject_line(rejected: RejectedRow) -> str:
    """A reject as its line of ``rejects.jsonl``, which is also a manifest of the rejected rows."""
    line = asdict(rejected) | {"values": {name: _cell(value) for name, value in rejected.values}}
    line = {"manifest": line.pop("file"), **line}
    if not rejected.frames:
        del line["frames"]
    return json.dumps(line) + "\n"


def count_reasons(rejects: Iterable[RejectedRow]) -> dict[str, int]:
    """How many rows were rejected for each reason, sorted by reason."""
    return dict(sorted(Counter(reject.reason for reject in rejects).items()))


def _cell(value: Any) -> Any:
    if isinstance(value, InlineBytes):
        return value.path or None
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such number
    return value


def early_rejects_path(index: int) -> str:
    """Where one of the files with the early rejects lies in the output folder until publishing."""
    return f"{STATE_FOLDER}/rejects-{index:02d}.jsonl"


def early_dropped_path(index: int) -> str:
    """The same for frames that were dropped from their clips."""
    return f"{STATE_FOLDER}/dropped-{index:02d}.jsonl"


class WriteRejects(beam.PTransform):
    """Writes the rejects that were found while reading, joining, grouping and splitting.

    Args:
        output: the dataset's folder.
        path: where one of the files lies by its number, ``early_rejects_path`` or, for frames alone,
            ``early_dropped_path``.

    Takes ``RejectedRow``; returns ``(reason, count)`` for each file and reason. Every file is written,
    an empty one too, so that none of an earlier attempt is taken for this one's.
    """

    def __init__(self, output: Folder, path: Callable[[int], str] = early_rejects_path):
        super().__init__()
        self._do_fn = _WriteRejectsFn(output, path)

    def expand(self, rejects: beam.PCollection[RejectedRow]) -> beam.PCollection[tuple[str, int]]:
        """Spreads rejects over the files by hash, and writes each file in one task."""
        lines = rejects | "HashReject" >> beam.Map(_hash_reject).with_output_types(
            tuple[int, tuple[str, ...]]
        )
        every_file = beam.Create([(index, ()) for index in range(EARLY_REJECT_FILES)])
        every = rejects.pipeline | "EveryFile" >> every_file.with_output_types(
            tuple[int, tuple[str, ...]]
        )
        return (
            (lines, every)
            | "Flatten" >> beam.Flatten()
            | "GroupByFile" >> beam.GroupByKey()
            | "WriteFile" >> beam.ParDo(self._do_fn).with_output_types(tuple[str, int])
        )


def _hash_reject(reject: RejectedRow) -> tuple[int, tuple[str, ...]]:
    place = stable_hash(0, "reject", reject.file, reject.row)
    return place[0] % EARLY_REJECT_FILES, (
        reject.file,
        f"{reject.row:020d}",
        reject.reason,
        reject_line(reject),
    )


class _WriteRejectsFn(beam.DoFn):
    def __init__(self, output: Folder, path: Callable[[int], str]):
        self._output, self._path = output, path

    def process(self, element: tuple[int, Iterable[tuple[str, ...]]]) -> Iterator[tuple[str, int]]:
        index, rejects = element
        ordered = sorted(reject for reject in rejects if reject)
        self._output.write(self._path(index), "".join(r[3] for r in ordered).encode())
        for reason, count in Counter(reason for _, _, reason, _ in ordered).items():
            Metrics.counter("pixelbeam", f"rejects/{reason}").inc(count)
            yield reason, count
