"""The records of TFRecord files by their number; see ``RecordTable``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...schemas import Schema
from ...schemas.dataset.file_names import address_file
from ...schemas.dataset.sink import CorruptShard
from ...schemas.dataset.tfrecord import IndexedRecords, parse_frame
from ...schemas.errors import DatasetError
from ..record_table import Values
from ..sink_table import join_records

__all__ = ["TFRecordTable", "open_table"]


class TFRecordTable:
    """The records of several TFRecord files.

    Where each record begins is taken from the index beside the files, or from a look at their lengths where there
    is none, when the first record of a file is asked for. No file stays open, so that a table is pickled, forked
    and shared by threads as it is.

    Args:
        files: paths of local files, in order.
        counts: how many records each has.
        schema: what of the records is read.
    """

    def __init__(self, files: Sequence[str], counts: Sequence[int], schema: Schema) -> None:
        self._files, self._schema = list(files), schema
        self._starts = np.cumsum([0, *counts])
        self._addresses: dict[int, NDArray[np.int64]] = {}

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, rows: NDArray[Any] | Sequence[int]) -> Mapping[str, Values]:
        """See ``RecordTable``.

        Raises:
            IndexError: a number is not from 0 to the number of records - 1.
            DatasetError: a file is missing, or a record is damaged: with the file, the record and its offset.
        """
        numbers = np.asarray(rows, np.int64)
        if numbers.size and (numbers.min() < 0 or numbers.max() >= len(self)):
            raise IndexError(f"got rows {numbers.min()} to {numbers.max()} of {len(self)}")
        shards = np.searchsorted(self._starts, numbers, side="right") - 1
        records: list[Any] = [None] * len(numbers)
        for shard in np.unique(shards).tolist():
            at = np.flatnonzero(shards == shard)
            found = self._read(shard, (numbers[at] - self._starts[shard]).tolist())
            for place, record in zip(at.tolist(), found, strict=True):
                records[place] = record
        return join_records(self._schema, records)

    def _read(self, shard: int, rows: list[int]) -> list[Mapping[str, Any]]:
        path, addresses = self._files[shard], self._find_addresses(shard)
        records: list[Mapping[str, Any]] = []
        try:
            with open(path, "rb") as file:
                for row in rows:
                    offset, size = addresses[row].tolist()
                    frame = os.pread(file.fileno(), size, offset)
                    try:
                        records.append(parse_frame(frame, size, self._schema.record, offset))
                    except CorruptShard as error:
                        raise DatasetError(
                            f"{path}: record {row}, at byte {offset}: {error}"
                        ) from error
        except OSError as error:
            raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
        return records

    def _find_addresses(self, shard: int) -> NDArray[np.int64]:
        """Offset and length of each record of a file ``[records, 2]``."""
        if shard not in self._addresses:
            found = self._read_index(shard)
            self._addresses[shard] = self._scan(shard) if found is None else found
        return self._addresses[shard]

    def _read_index(self, shard: int) -> NDArray[np.int64] | None:
        path = Path(self._files[shard])
        try:
            text = (path.parent / address_file(path.stem)).read_bytes()
        except FileNotFoundError:
            return None
        try:
            addresses = np.array(text.split(), np.int64).reshape(-1, 2)
        except ValueError:
            return None
        # Frames lie one behind the other from the first byte to the last. With that, and the length that each
        # frame says itself, no address can lead to another record; what is no such chain is not followed.
        stops = np.cumsum(addresses[:, 1])
        expected = self._starts[shard + 1] - self._starts[shard]
        whole = len(addresses) == expected and (not expected or stops[-1] == path.stat().st_size)
        chained = whole and np.array_equal(addresses[:, 0], stops - addresses[:, 1])
        return addresses if chained else None

    def _scan(self, shard: int) -> NDArray[np.int64]:
        path = self._files[shard]
        try:
            offsets = np.array(IndexedRecords(Path(path), self._schema.record).offsets, np.int64)
        except CorruptShard as error:
            raise DatasetError(f"{path}: {error}") from error
        except OSError as error:
            raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
        return np.stack([offsets[:-1], np.diff(offsets)], axis=1)


def open_table(files: Sequence[str], counts: Sequence[int], schema: Schema) -> TFRecordTable:
    """The records of TFRecord files; see ``TFRecordTable``."""
    return TFRecordTable(files, counts, schema)
