"""The index of a shard: a Parquet file with a row a record, and the addresses as NVIDIA DALI reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

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
        self._values = [column for column in self._layout.columns if not column.says]
        self._rows: list[_Row] = []
        self._num_written = 0

    def add(self, record: EncodedRow, address: tuple[int, int] | None) -> None:
        """Adds a record.

        Args:
            record: the record.
            address: the offset at which it begins in the shard's file, and its length, in bytes.
        """
        # Of the record nothing is kept that is large.
        values = {column.name: _name(record.values, column) for column in self._values}
        self._rows.append(_Row(address or (None, None), record.name, record.indexed, values))
        if self._addresses is not None and address is not None:
            self._addresses.write(f"{address[0]} {address[1]}\n")
        if len(self._rows) == _ROWS_AT_ONCE:
            self._write()

    def close(self) -> None:
        """Completes the files."""
        self._write()
        self._file.close()
        if self._addresses is not None:
            self._addresses.close()

    def _write(self) -> None:
        """Writes the rows that are there, column by column: row by row it would take several times as long."""
        rows, start = self._rows, self._num_written
        self._num_written += len(rows)
        nothing: dict[str, Any] = {}
        features = {column.feature for column in self._layout.columns if column.says}
        said = {name: [row.indexed.get(name, nothing) for row in rows] for name in features}
        columns: list[Iterable[Any]] = [
            [self._shard.split] * len(rows),
            [str(self._shard)] * len(rows),
            range(start, self._num_written),
            *([row.address[part] for row in rows] for part in range(2)),
            *([row.name[part] for row in rows] for part in range(3)),
            *(
                [of_row.get(column.says) for of_row in said[column.feature]]
                if column.says
                else [row.values[column.name] for row in rows]
                for column in self._layout.columns
            ),
        ]
        schema = self._layout.schema
        arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
        self._file.write_table(pa.table(arrays, schema=schema))
        self._rows = []


class _Row(NamedTuple):
    """What the index says of a record, but for what it says of all of them."""

    address: tuple[int | None, int | None]
    name: tuple[str, str, int]
    indexed: Mapping[str, Mapping[str, Any]]
    values: dict[str, Any]


def _name(values: Mapping[str, Any], column: IndexColumn) -> Any:
    """A value, or what its class is called."""
    numbers = values[column.feature].tolist()
    if column.names is None:
        return numbers
    return [column.names[n] for n in numbers] if column.is_list else column.names[numbers]
