"""The index of a shard: a Parquet file with a row a record, and the addresses as NVIDIA DALI reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...schemas.dataset.file_names import ShardName
from ...schemas.dataset.index import IndexColumn, IndexLayout
from ...schemas.schema import Schema
from .encode_rows import EncodedRow

__all__ = ["IndexWriter"]

_ROWS_AT_ONCE = 1 << 16
_ZSTD_LEVEL = 3


class IndexWriter:
    """A shard's index while it is written.

    The same records give the same bytes: those decide no versions but pyarrow's.

    Args:
        path: a local file that does not exist yet.
        addresses: another, for the text that DALI's ``index_path`` takes: offset and length of each record, a line
            a record; ``None`` where the format has no addresses.
        schema: the schema, its vocabularies filled in.
        shard: the shard's name.
    """

    def __init__(self, path: Path, addresses: Path | None, schema: Schema, shard: ShardName):
        self._shard = shard
        self._layout = IndexLayout(schema)
        self._file = pq.ParquetWriter(
            path,
            self._layout.schema,
            compression="zstd",
            compression_level=_ZSTD_LEVEL,
            use_dictionary=self._layout.few_values,
            store_schema=False,
        )
        self._addresses = addresses.open("x", encoding="ascii") if addresses else None
        self._cells: list[list[Any]] = [[] for _ in self._layout.schema]
        self._num_records = 0

    def add(self, record: EncodedRow, address: tuple[int, int] | None) -> None:
        """Adds a record.

        Args:
            record: the record.
            address: the offset at which it begins in the shard's file, and its length, in bytes.
        """
        shard = (self._shard.split, str(self._shard))
        own = (*shard, self._num_records, *(address or (None, None)), *record.name)
        of_features = (_cell(record, column) for column in self._layout.columns)
        for cells, cell in zip(self._cells, (*own, *of_features), strict=True):
            cells.append(cell)
        if self._addresses is not None and address is not None:
            self._addresses.write(f"{address[0]} {address[1]}\n")
        self._num_records += 1
        if len(self._cells[0]) == _ROWS_AT_ONCE:
            self._write()

    def close(self) -> None:
        """Completes the files."""
        self._write()
        self._file.close()
        if self._addresses is not None:
            self._addresses.close()

    def _write(self) -> None:
        schema = self._layout.schema
        arrays = [pa.array(c, f.type) for c, f in zip(self._cells, schema, strict=True)]
        self._file.write_table(pa.table(arrays, schema=schema))
        self._cells = [[] for _ in schema]


def _cell(record: EncodedRow, column: IndexColumn) -> Any:
    if column.says:
        return record.indexed.get(column.feature, {}).get(column.says)
    value: Any = record.values[column.feature]
    numbers = value.tolist()
    if column.names is None:
        return numbers
    return [column.names[n] for n in numbers] if column.is_list else column.names[numbers]
