"""Parquet: typed columns, and images' bytes that stay where they are until a shard reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ....schemas.errors import BuildError, ManifestError, PixelbeamError
from ...rows import InlineBytes
from ...storage.streams import open_file
from .arrow_cells import LARGE, is_binary, is_inline, list_cells
from .base import Malformed, ManifestFormat, Part, Projection, Record, check_names

__all__ = ["BATCH_BYTES", "Parquet", "read_batch", "read_batches"]

BATCH_BYTES = 64 << 20
"""About how many bytes of images one batch of a row group has, all its inline columns together.

So the rows of a batch are the same in each column, and whichever columns a build uses.
"""

_READ_BYTES = 4 << 20
_READ_ROWS = 64
_ROWS_AT_ONCE = 1024
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True)
class Parquet(ManifestFormat):
    """A table with typed columns.

    A file column of a binary type, or a struct with a binary ``bytes`` and perhaps a ``path`` (as
    Hugging Face writes images), is not read: ``InlineBytes`` say where its value is. A struct with
    a ``path`` that is null as a whole is ``None``; other nulls show when the bytes are read. Large
    binary values of a late column are left where they are, too.

    Other cells are Python values, as ``list_cells`` gives them.
    """

    endings = (".parquet",)

    def recognizes(self, head: bytes) -> bool:  # noqa: D102 - the interface's
        return head.startswith(b"PAR1")

    def inline_columns(self, path: str) -> tuple[str, ...]:  # noqa: D102
        with _open(path, ManifestError) as file:
            return tuple(field.name for field in file.schema_arrow if is_inline(field.type))

    def columns(self, path: str) -> tuple[str, ...]:  # noqa: D102
        with _open(path, ManifestError) as file:
            return check_names(file.schema_arrow.names, path)

    def parts(self, part: Part, size: int, range_bytes: int) -> list[Part]:  # noqa: D102
        # A row group is the least that can be read without its neighbours.
        parts, row = [], 1
        with _open(part.path, BuildError) as file:
            for group in range(file.num_row_groups):
                parts.append(Part(part.name, part.path, row, group))
                row += file.metadata.row_group(group).num_rows
        return parts

    def records(self, part: Part, projection: Projection) -> Iterator[Record]:  # noqa: D102
        with _open(part.path, BuildError) as file:
            projection.indices(file.schema_arrow.names, part.path)
            columns = [_column(file, part, name, projection) for name in projection.columns]
            leaves = [leaf for column in columns for leaf in column.leaves]
            rows = _rows_at_once(file, part.start, tuple(leaves))
            position = 0
            for batch in _record_batches(file, part.start, leaves, rows):
                yield from _rows(batch, columns, position, part.row + position)
                position += batch.num_rows


def read_batch(path: str, row_group: int, batch: int, column: str) -> list[bytes | str | None]:
    """Reads one batch of inline bytes, the one that ``InlineBytes.batch`` names.

    What comes before it in the row group is read past, but never held. Held beside the batch is
    one page of the file, the least that Parquet can be read by: of writers that fill pages by rows
    (pyarrow: 1,024 of them), it is the size of that many images. Use ``read_batches`` for all
    batches of a row group.

    Returns:
        For each row of the batch, in order: its bytes; the path beside them (``str``) where there
        are no bytes but a path; ``None`` where there is neither.

    Raises:
        BuildError: the file cannot be read.
    """
    return next(_read_batches(path, row_group, column, batch), [])


def read_batches(path: str, row_group: int, column: str) -> Iterator[list[bytes | str | None]]:
    """Reads the batches of a row group one after the other, and else like ``read_batch``."""
    return _read_batches(path, row_group, column, 0)


def _read_batches(
    path: str, row_group: int, column: str, first: int
) -> Iterator[list[bytes | str | None]]:
    with _open(path, BuildError) as file:
        rows = _rows_within(file, row_group, BATCH_BYTES)
        read_rows = min(_READ_ROWS, _rows_within(file, row_group, _READ_BYTES))
        # Rows are counted out by how many make a batch, whatever number the library decodes at a time.
        values = _values(_record_batches(file, row_group, [column], read_rows), first * rows)
        while batch := _share_equal(islice(values, rows)):
            yield batch


def _values(found: Iterator[Any], skipped: int) -> Iterator[bytes | str | None]:
    for batch in found:
        if skipped >= batch.num_rows:
            skipped -= batch.num_rows
            continue
        for value in batch.column(0).slice(skipped).to_pylist():
            yield _bytes_or_path(value) if isinstance(value, dict) else value
        skipped = 0


def _bytes_or_path(value: dict[str, Any]) -> bytes | str | None:
    inline: bytes | None = value["bytes"]
    return inline if inline is not None else value.get("path") or None


def _share_equal(values: Iterator[bytes | str | None]) -> list[bytes | str | None]:
    """Lists values; equal ones share their memory once they are more than a batch ought to be.

    A dictionary-encoded column stores equal images once, so its size in the file says little.
    """
    batch: list[bytes | str | None] = []
    size, seen = 0, None
    for value in values:
        size += len(value or b"")
        if size > BATCH_BYTES:
            # Hashing all values would cost every dataset what only the odd one needs.
            seen = seen if seen is not None else {known: known for known in batch}
            value = seen.setdefault(value, value)
        batch.append(value)
    return batch


@contextmanager
def _open(path: str, error_type: type[PixelbeamError]) -> Iterator[Any]:
    try:
        with closing(open_file(path)) as raw:
            # Without both settings a column of a row group is read in one piece.
            yield pq.ParquetFile(raw, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise error_type(f"{path}: not readable as Parquet: {reason}") from error


def _record_batches(file: Any, row_group: int, leaves: list[str], rows: int) -> Iterator[Any]:
    yield from file.iter_batches(rows, [row_group], leaves, use_threads=False)


def _rows_within(file: Any, row_group: int, size: int) -> int:
    """How many rows of a row group have about ``size`` bytes of images together, at least one."""
    inline = {field.name for field in file.schema_arrow if is_inline(field.type)}
    leaves = inline | {f"{name}.bytes" for name in inline}
    return _rows_of_size(file, row_group, lambda leaf: leaf in leaves, size)


def _rows_at_once(file: Any, row_group: int, names: tuple[str, ...]) -> int:
    """How many rows of a row group are read at once, where some of its columns are."""

    def is_read(leaf: str) -> bool:
        return any(leaf == name or leaf.startswith(f"{name}.") for name in names)

    return min(_ROWS_AT_ONCE, _rows_of_size(file, row_group, is_read, _READ_BYTES))


def _rows_of_size(file: Any, row_group: int, wanted: Callable[[str], bool], size: int) -> int:
    group = file.metadata.row_group(row_group)
    chunks = [group.column(index) for index in range(group.num_columns)]
    # What the footer says, so nothing is read to find out; at least one row, however large it is.
    used = sum(c.total_uncompressed_size for c in chunks if wanted(c.path_in_schema))
    return max(1, group.num_rows * size // max(1, used))


@dataclass(frozen=True, slots=True)
class _Column:
    """How one column of a row group is read.

    Attributes:
        name: its name.
        leaves: what to read of it.
        inline_rows: for inline bytes, the rows of a batch; else 0.
        row_group: index of the row group.
        keep: whether only its large values are inline bytes.
    """

    name: str
    leaves: tuple[str, ...]
    row_group: int
    inline_rows: int = 0
    keep: bool = False

    def cells(self, batch: Any, position: int) -> list[Any]:
        """The column's values in a batch that starts at ``position`` in the row group."""
        rows = range(position, position + batch.num_rows)
        if not self.inline_rows:
            return list_cells(batch.column(self.name), self.name)
        if not self.leaves:
            return [self._refer(row, "") for row in rows]
        cells = list_cells(batch.column(self.name), self.name, self.keep)
        if self.keep:
            numbered = zip(rows, cells, strict=True)
            return [self._refer(row, "") if cell is LARGE else cell for row, cell in numbered]
        return [
            self._refer(row, value["path"] or "") if isinstance(value, dict) else value
            for row, value in zip(rows, cells, strict=True)
        ]

    def _refer(self, row: int, path: str) -> InlineBytes:
        batch, index = divmod(row, self.inline_rows)
        return InlineBytes(self.row_group, batch, index, path)


def _check_file_column(path: str, field: Any) -> None:
    if pa.types.is_nested(field.type) and not is_inline(field.type):
        raise ManifestError(
            f"{path}: column {field.name!r} is {field.type}, expected text, binary or a struct with "
            "binary 'bytes' for images"
        )


def _column(file: Any, part: Part, name: str, projection: Projection) -> _Column:
    arrow_type = file.schema_arrow.field(name).type
    if name not in projection.file_columns:
        keep = name in projection.late_columns and is_binary(arrow_type)
        inline_rows = _rows_within(file, part.start, BATCH_BYTES) if keep else 0
        return _Column(name, (name,), part.start, inline_rows, keep)
    _check_file_column(part.path, file.schema_arrow.field(name))
    if not is_inline(arrow_type):
        return _Column(name, (name,), part.start)
    has_path = pa.types.is_struct(arrow_type) and arrow_type.get_field_index("path") >= 0
    leaves = (f"{name}.path",) if has_path else ()
    return _Column(name, leaves, part.start, _rows_within(file, part.start, BATCH_BYTES))


def _rows(batch: Any, columns: list[_Column], position: int, first: int) -> Iterator[Record]:
    cells = [column.cells(batch, position) for column in columns]
    for numbered in zip(range(first, first + batch.num_rows), *cells, strict=True):
        # One cell that cannot be read costs its row alone.
        bad = [value for value in numbered if isinstance(value, Malformed)]
        yield numbered[0], bad[0] if bad else numbered[1:]
