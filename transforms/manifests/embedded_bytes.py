"""Bytes that stay in the manifest's Parquet files until the shard task that needs them reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..rows import InlineBytes, ManifestRow
from ..storage.paths import join_path
from ..storage.split_roots import SplitRoots
from .formats.parquet import read_batches

__all__ = ["attach_inline", "has_inline"]


def attach_inline(
    rows: Iterable[ManifestRow], columns: tuple[str, ...], root: str | SplitRoots
) -> Iterator[tuple[ManifestRow, dict[str, Any]]]:
    """Puts beside each row the bytes that its ``InlineBytes`` stand for, by column.

    Rows of one row group follow one another, batch by batch (``order_of`` sees to it), so each row
    group is read once, from front to back, and one batch of it is held at a time.

    Args:
        rows: rows in their shard's order.
        columns: the columns of their values.
        root: the manifest's folder, or those of several.
    """
    cursors = {column: _Cursor(root, column) for column in columns}
    for row in rows:
        inline = {}
        if has_inline(row):
            cells = zip(columns, row.values, strict=True)
            named = ((column, cell) for column, cell in cells if isinstance(cell, InlineBytes))
            inline = {column: cursors[column].value(row.file, cell) for column, cell in named}
        yield row, inline


def has_inline(row: ManifestRow) -> bool:
    """Whether some of a row's bytes are still in the manifest."""
    return any(isinstance(value, InlineBytes) for value in row.values)


class _Cursor:
    """Where the reading of a column's inline bytes has got to."""

    def __init__(self, root: str | SplitRoots, column: str):
        self._root, self._column = root, column
        self._group: tuple[str, int] | None = None
        self._batches: Iterator[tuple[int, list[Any]]] = iter(())
        self._batch = -1
        self._values: list[Any] = []

    def value(self, file: str, cell: InlineBytes) -> Any:
        if self._group != (file, cell.row_group) or cell.batch < self._batch:
            self._group, self._batch = (file, cell.row_group), -1
            root = self._root
            path = join_path(root, file) if isinstance(root, str) else root.path(file)
            self._batches = enumerate(read_batches(path, cell.row_group, self._column))
        while self._batch < cell.batch:
            self._values = []  # let go of one batch before the next is read
            self._batch, self._values = next(self._batches)
        return self._values[cell.index]
