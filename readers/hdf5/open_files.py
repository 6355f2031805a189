"""The HDF5 files of a dataset that are open: few of them, however many it has.

A file takes a descriptor for HDF5, and one for each dataset that is memory-mapped or inflated. Those that
were read last stay open. They and those that several threads are reading take up to a quarter of the
descriptors that the process may have, so that training and validation data leave it half of them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TypeAlias

from ...schemas.errors import DatasetError
from ..record_table import Identity, identify
from .arrays import Array

__all__ = ["OpenFiles", "count_open"]

Arrays: TypeAlias = Mapping[str, Array]

_MOST_DESCRIPTORS = 2048


def count_open(columns: int) -> int:
    """How many files with so many columns may be open at the same time; at least two."""
    return max(2, _budget() // (1 + columns))


class OpenFiles:
    """Arrays of open files, the ones read last; for any number of threads.

    Args:
        open_columns: opens a file by path and columns.
    """

    def __init__(self, open_columns: Callable[[str, tuple[str, ...]], Arrays]) -> None:
        self._open_columns = open_columns
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, tuple[str, ...]], Arrays] = OrderedDict()

    def arrays(self, path: str, columns: tuple[str, ...], identity: Identity | None) -> Arrays:
        """The arrays of a file by column, opened unless they are.

        Raises:
            DatasetError: the file does not let itself be opened, or is another one than it was.
        """
        key = (path, columns)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        arrays = self._open_columns(path, columns)
        if identify(path) != identity:
            raise DatasetError(
                f"{path}: was replaced after it was opened; open the dataset again to read what is there now"
            )
        closed = []  # when the lock is free again, since closing waits for HDF5's own
        with self._lock:
            self._kept[key] = arrays
            while len(self._kept) > count_open(len(columns)):
                closed.append(self._kept.popitem(last=False))
        return arrays


def _budget() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return _MOST_DESCRIPTORS // 8
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(_MOST_DESCRIPTORS, soft // 8) if soft > 0 else _MOST_DESCRIPTORS
