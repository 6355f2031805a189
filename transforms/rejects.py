"""Rejects: rows that did not become records, counted, kept and never lost."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics

from ..schemas.dataset.file_names import STATE_FOLDER
from ..schemas.errors import Reject
from .manifests.formats.json_lines import LEFT_OUT
from .row_order import stable_hash
from .rows import InlineBytes, RejectedRow
from .storage.output_folder import Folder

__all__ = [
    "EARLY_REJECT_FILES",
    "WriteRejects",
    "count_reasons",
    "early_dropped_path",
    "early_rejects_path",
    "reject_line",
]

EARLY_REJECT_FILES = 16
"""Files over which the rejects that are found before the shards are spread; most are empty."""


_WHY = tuple(field.name for field in fields(Reject))
_CELL_CHARS = 1 << 17  # as many as a cell of CSV may have
_TEXT_CHARS = 4096
_LEFT_OUT = object()


def reject_line(rejected: RejectedRow) -> str:
    """A reject as its line of ``rejects.jsonl``, which is also a manifest of the rejected rows.

    Cells that are large, or binary and no text, are ``null`` there, and named under ``left_out``.
    """
    cells = {name: _cell(value) for name, value in rejected.values}
    if rejected.window is not None:
        cells |= rejected.window.cells
    left_out = [name for name, cell in cells.items() if cell is _LEFT_OUT]
    line: dict[str, Any] = {"manifest": rejected.file}
    line |= {"row": rejected.row, "key": _cut(rejected.key)}
    line |= {name: _cut(getattr(rejected.reject, name)) for name in _WHY}
    line["values"] = {name: None if cell is _LEFT_OUT else cell for name, cell in cells.items()}
    if left_out:
        line[LEFT_OUT] = left_out
    line |= dict(rejected.counts)
    return json.dumps(line) + "\n"


def count_reasons(rejects: Iterable[RejectedRow]) -> dict[str, int]:
    """How many rows were rejected for each reason, sorted by reason."""
    return dict(sorted(Counter(rejected.reject.reason for rejected in rejects).items()))


class _LargeError(Exception):
    """A cell is too large for ``rejects.jsonl``, or no text."""


def _cell(value: Any) -> Any:
    """A cell as JSON holds it, or ``_LEFT_OUT``."""
    if isinstance(value, InlineBytes):
        return value.path or _LEFT_OUT
    try:
        cell = _plain(value)
        if isinstance(cell, list | dict):
            _check_length(json.dumps(cell))
    except _LargeError:
        return _LEFT_OUT
    return cell


def _plain(value: Any) -> Any:
    if isinstance(value, str | bytes):
        _check_length(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise _LargeError from None
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such number
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return value


def _check_length(value: str | bytes) -> None:
    if len(value) > _CELL_CHARS:
        raise _LargeError


def _cut(value: Any) -> Any:
    """Text that a cell may have got into, such as a message, cut where it would be long."""
    long = isinstance(value, str) and len(value) > _TEXT_CHARS
    return f"{value[:_TEXT_CHARS]}…" if long else value


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


def _hash_reject(rejected: RejectedRow) -> tuple[int, tuple[str, ...]]:
    hashed = stable_hash(0, "reject", rejected.file, rejected.row)
    return hashed[0] % EARLY_REJECT_FILES, (
        rejected.file,
        f"{rejected.row:020d}",
        rejected.reject.reason,
        reject_line(rejected),
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
