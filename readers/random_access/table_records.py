"""Records of any ``RecordTable`` as a sequence of decoded dicts, without TensorFlow."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ...schemas import Schema
from ..record_table import Ragged, RecordTable, Rows
from .decode_numpy import Decoder

__all__ = ["TableRecords", "record_number"]


def record_number(index: Any) -> int:
    """The number that a record is asked for by.

    Raises:
        TypeError: it is no whole number.
    """
    if isinstance(index, bool | np.bool_):
        raise TypeError(f"got {index!r}, expected the number of a record")
    return operator.index(index)


class TableRecords:
    """The records of a table as a sequence: ``records[i]`` is a dict by feature name.

    Args:
        table: the records; it may be pickled where this is to be.
        schema: what they hold, or the part of it that is wanted; ``None`` for values as they are, by the table's
            own keys.
    """

    def __init__(self, table: RecordTable, schema: Schema | None) -> None:
        self.schema, self._table = schema, table
        self._decoder = Decoder(schema) if schema is not None else None
        self._threads: tuple[int, ThreadPoolExecutor] | None = None

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One record; negative numbers count from the end."""
        number = record_number(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"got record {number} of {len(self)}")
        batch = self.read([number % len(self)])
        return {name: values[0] for name, values in batch.items()}

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Several records, read together."""
        batch = self.read(indices)
        return [{name: values[i] for name, values in batch.items()} for i in range(len(indices))]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_threads": None}

    def read(self, rows: Sequence[int] | Rows) -> dict[str, Any]:
        """Several records as a batch by feature name.

        Returns:
            Arrays ``[rows, …]``; lists with an item a record where items differ in shape, or are text or
            bytes.

        Raises:
            IndexError: a number is not from 0 to the number of records - 1.
        """
        values = self._table.read(rows)
        if self._decoder is not None:
            return self._decoder.decode(values, self._pool())
        return {key: v.split() if isinstance(v, Ragged) else v for key, v in values.items()}

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None or self._threads[0] != os.getpid():
            self._threads = (os.getpid(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)))
        return self._threads[1]
