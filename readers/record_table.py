"""Records by their number, whatever the file format: what `tf.data` and random access read from.

A table gives the values that records hold, as they are stored, by Example key. What they are, ``Feature.specs``
says; ``readers/tf_data/table_source.py`` makes tensors of them, ``readers/random_access/decode_numpy.py`` arrays.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Identity", "Ragged", "RecordTable", "Rows", "Values", "identify"]

Rows: TypeAlias = NDArray[np.int64]
Identity: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Ragged:
    """Values of several records, each with a number of its own.

    Attributes:
        values: all of them, one after the other.
        lengths: how many each record has ``[records]``.
    """

    values: Values
    lengths: Rows

    def split(self) -> list[Any]:
        """The values record by record: arrays, or ``Ragged`` again where the values are."""
        stops = np.cumsum(self.lengths)
        return [_slice(self.values, e - n, e) for e, n in zip(stops, self.lengths, strict=True)]


Values: TypeAlias = "NDArray[Any] | Ragged"
"""What a key of several records holds: an array ``[records, …]`` (of objects for text and bytes), or ``Ragged``.

Pixels of images that differ in size are ``Ragged`` too, in one axis: ``[pixels, channels]`` of each.
"""


class RecordTable(Protocol):
    """Records of one file or several, numbered from 0; for any number of threads."""

    def __len__(self) -> int:
        """How many records there are."""

    def read(self, rows: NDArray[Any] | Sequence[int]) -> Mapping[str, Values]:
        """Records in the order asked for, by Example key.

        Raises:
            IndexError: a number is not from 0 to the number of records - 1.
            DatasetError: a file does not let itself be read.
        """


def identify(path: str) -> Identity | None:
    """What tells a file from another one that takes its place; ``None`` where there is no file."""
    try:
        status = os.stat(path)
    except OSError:  # whoever opens it says what is wrong
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _slice(values: Values, start: int, stop: int) -> Values:
    if not isinstance(values, Ragged):
        return values[start:stop]
    stops = np.cumsum(values.lengths)
    first = int(stops[start - 1]) if start else 0
    last = int(stops[stop - 1]) if stop else 0
    return Ragged(_slice(values.values, first, last), values.lengths[start:stop])
