"""Shuffled reading of rows that lie in blocks: a window of whole blocks at a time, each block once an epoch.

The chunks that h5py chooses by itself hold parts of some hundred rows. A row at random costs all of them, so an
order drawn from all rows reads a file as often as a block has rows. Here the order is drawn from the blocks of a
window, which stays in memory until its rows are used.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..record_table import Rows, Values
from .buffers import empty
from .table import Table

__all__ = ["WINDOW_BYTES", "WindowedTable", "draw_windows"]

WINDOW_BYTES = 256 << 20
"""What a window may hold where its size is not said."""

_KEPT = 2  # at the end of a window, one thread reads from the next one already


def draw_windows(
    generator: np.random.Generator, blocks: Rows, rows: int
) -> tuple[Rows, NDArray[np.int64]]:
    """An order in which blocks are shuffled, and the rows of as many blocks as make a window.

    Args:
        generator: what chance is made of.
        blocks: the number of the block of each row ``[count]``.
        rows: how many rows a window may have; a larger block makes one all the same.

    Returns:
        The places ``[count]`` of the rows in their new order, and the window ``[count]`` that each row is in, by
        its place in ``blocks``.
    """
    numbers, block_of = np.unique(blocks, return_inverse=True)
    sizes = np.bincount(block_of, minlength=len(numbers))
    order = generator.permutation(len(numbers))
    window_of_block = np.empty(len(numbers), np.int64)
    window, filled = 0, 0
    for block in order.tolist():
        if filled and filled + sizes[block] > rows:
            window, filled = window + 1, 0
        window_of_block[block] = window
        filled += int(sizes[block])
    windows = window_of_block[block_of]
    chance = generator.permutation(len(blocks))
    return np.lexsort((chance, windows)), windows


def _cut(starts: Rows, count: int, most: int) -> Rows:
    """The first rows of blocks of so many rows in all, those of more than ``most`` rows cut into pieces."""
    stops = np.append(starts[1:], count)
    if (stops - starts).max(initial=0) <= most:
        return starts
    pairs = zip(starts.tolist(), stops.tolist(), strict=True)
    return np.concatenate([np.arange(start, stop, most) for start, stop in pairs])


class WindowedTable:
    """A table whose rows are read by windows; see ``RecordTable``.

    What is in a window is read when the first of its rows is asked for, and kept while it is one of the last
    two. In copies for other processes nothing is kept.

    Args:
        table: the rows.
        starts: see ``Table.blocks``.
        row_bytes: by column, of those that lie in blocks; the others are read as they are asked for.
        most: how many rows a window may have; ``None`` for those that fit ``WINDOW_BYTES``. A block that has
            more is cut, and read once for each piece.
    """

    def __init__(
        self, table: Table, starts: Rows, row_bytes: Mapping[str, int], most: int | None = None
    ) -> None:
        self._table, self._columns = table, tuple(row_bytes)
        self._most = most or max(1, WINDOW_BYTES // max(1, sum(row_bytes.values())))
        self._starts = _cut(starts, len(table), self._most)
        self._others = [name for name in table.arrays() if name not in self._columns]
        self._epoch: tuple[int, Rows] = (0, np.zeros(len(table), np.int64))
        self._forget()

    def __len__(self) -> int:
        return len(self._table)

    def __getstate__(self) -> dict[str, Any]:
        left = ("_lock", "_kept")
        return {name: value for name, value in vars(self).items() if name not in left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, int], tuple[Rows, Mapping[str, Any]]] = OrderedDict()

    def draw(self, generator: np.random.Generator, epoch: int, rows: Rows) -> Rows:
        """Draws the windows that are read from now on, and the order of the rows in them.

        Args:
            generator: what chance is made of.
            epoch: its number; windows of another one are others, unless there is one alone.
            rows: the rows that are read.

        Returns:
            Their places ``[count]`` in ``rows``, in the new order.
        """
        blocks = np.searchsorted(self._starts, rows, side="right") - 1
        order, windows = draw_windows(generator, blocks, self._most)
        of_rows = np.full(len(self), -1, np.int64)
        of_rows[rows] = windows
        self._epoch = (epoch if windows.max(initial=0) else 0), of_rows
        return order

    def read(self, rows: NDArray[Any] | Sequence[int]) -> dict[str, Values]:
        """See ``RecordTable.read``."""
        numbers = np.asarray(rows, np.int64)
        found = self._table.read(numbers, self._others)
        epoch, windows = self._epoch
        parts = []
        of_rows = windows[numbers]
        for window in np.unique(of_rows).tolist():
            positions = np.flatnonzero(of_rows == window)
            own, values = self._window(epoch, window, windows)
            parts.append((positions, np.searchsorted(own, numbers[positions]), values))
        for column, array in self._table.arrays().items():
            if column in self._columns:
                out = empty((len(numbers), *(array.row_shape or ())), array.dtype)
                for positions, inside, values in parts:
                    if len(parts) == 1:
                        np.take(values[column], inside, axis=0, out=out, mode="clip")
                    else:
                        out[positions] = values[column][inside]
                found[column] = out
        return found

    def _window(self, epoch: int, window: int, windows: Rows) -> tuple[Rows, Mapping[str, Any]]:
        """The numbers of a window's rows, rising, and their values by column."""
        key = epoch, window
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        with self._lock:
            if key not in self._kept:
                while len(self._kept) >= _KEPT:
                    self._kept.popitem(last=False)
                own = np.flatnonzero(windows == window)
                self._kept[key] = own, self._table.read(own, self._columns)
            return self._kept[key]
