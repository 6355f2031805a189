"""HDF5: a row an index of datasets that share their first axis, or a row a group with datasets in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from ....schemas.errors import BuildError, ManifestError, PixelbeamError, Reject
from ....schemas.features.source import ARRAY_MARK
from ...values.arrays.array_files import open_hdf5
from ...values.arrays.hdf5 import find_dataset, open_object
from ...values.arrays.stored import ARRAY_ERRORS
from .base import (
    NOT_UTF8,
    Malformed,
    ManifestFormat,
    Part,
    Projection,
    Record,
    check_names,
)

__all__ = ["GROUP_COLUMN", "HDF5Table"]

GROUP_COLUMN = "group"
"""The column that holds the name of a row's group, where a row is one."""

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_PART_ROWS = 1 << 16
_PART_GROUPS = 1 << 12
_ROWS_AT_ONCE = 1024
_INLINE_VALUES = 64
_PATH_BYTES = 4096


@dataclass(frozen=True)
class HDF5Table(ManifestFormat):
    """A row is an index, or a group.

    Where datasets lie at the top of the file, a row is an index: the columns are the datasets whose first
    axis has the length that most of them have (the greater where two are as common). Otherwise each group at
    the top is a row: the columns are the datasets in it, its attributes of one value, and ``group``, its
    name, unless it holds something of that name. A group that lacks one has ``None``.

    Of numbers, up to 64 a row are the cell's value; of more, and of what file columns hold but for text,
    which is a path, the cell is a reference (``FILE::/images[17]``), and the array stays where it is until a
    shard reads it. Links that lead to other files are not followed.
    """

    endings = (".h5", ".hdf5", ".hdf", ".he5")
    optional_columns = True
    names_itself = True

    def recognizes(self, head: bytes) -> bool:
        """By HDF5's signature, at its start or behind a user block of 512 bytes, 1024, 2048 and so on."""
        starts = [0] + [1 << power for power in range(9, 21)]
        return any(head.startswith(_SIGNATURE, start) for start in starts)

    def columns(self, path: str) -> tuple[str, ...]:  # noqa: D102
        with _open(path, ManifestError) as file:
            table = _datasets_of_rows(file, path)
            if table:
                return check_names(list(table), path)
            names = _group_names(file)
            if not names:
                raise ManifestError(
                    f"{path}: neither datasets with a first axis at its top nor groups, expected a row an index "
                    "or a row a group"
                )
            return check_names(_columns_of_group(file[names[0]]), path)

    def parts(self, part: Part, size: int, range_bytes: int) -> list[Part]:  # noqa: D102
        with _open(part.path, BuildError) as file:
            table = _datasets_of_rows(file, part.path)
            count = next(iter(table.values())) if table else len(_group_names(file))
        step = _PART_ROWS if table else _PART_GROUPS
        return [
            Part(part.name, part.path, start + 1, start, min(start + step, count))
            for start in range(0, count, step)
        ]

    def records(self, part: Part, projection: Projection) -> Iterator[Record]:  # noqa: D102
        with _open(part.path, BuildError) as file:
            table = _datasets_of_rows(file, part.path)
            if table:
                projection.indices(list(table), part.path)
                yield from _rows(file, part, projection)
            else:
                for row, name in enumerate(_group_names(file)[part.start : part.stop], part.row):
                    yield row, _group_row(file, part, name, projection)


@contextmanager
def _open(path: str, error_type: type[PixelbeamError]) -> Iterator[h5py.File]:
    try:
        with closing(open_hdf5(path, path)) as file:
            yield file
    except Reject as reject:
        raise error_type(reject.message) from reject
    except ARRAY_ERRORS as error:
        reason = str(error).partition("\n")[0]
        raise error_type(f"{path}: not readable as HDF5: {reason}") from error


def _hard_links(group: h5py.Group, kind: int) -> Iterator[str]:
    for name in group:
        # Soft and external links may lead anywhere, also to other files; only what lies here is taken.
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.HardLink) and _kind_of(group, name) == kind:
            yield name


def _kind_of(group: h5py.Group, name: str) -> int:
    return int(h5py.h5o.get_info(group.id, name.encode()).type)


def _group_names(file: h5py.File) -> list[str]:
    return sorted(_hard_links(file["/"], h5py.h5o.TYPE_GROUP))


def _datasets_of_rows(file: h5py.File, path: str) -> dict[str, int]:
    """The datasets at the top that share a first axis, and its length."""
    lengths = {}
    for name in _hard_links(file["/"], h5py.h5o.TYPE_DATASET):
        dataset = open_object(file["/"], name, path)
        if dataset.ndim and _is_plain(dataset):
            lengths[name] = len(dataset)
    if not lengths:
        return {}
    # The length that most of them share, so that a lone dataset, such as one of names, hides no table.
    common = Counter(lengths.values())
    rows = max(common, key=lambda length: (common[length], length))
    return {name: rows for name, length in lengths.items() if length == rows}


def _is_plain(dataset: h5py.Dataset) -> bool:
    return not dataset.dtype.names and not h5py.check_ref_dtype(dataset.dtype)


def _columns_of_group(group: h5py.Group) -> list[str]:
    datasets = list(_hard_links(group, h5py.h5o.TYPE_DATASET))
    names = dict.fromkeys([*datasets, *(n for n in group.attrs if np.ndim(group.attrs[n]) == 0)])
    return [*([] if GROUP_COLUMN in names else [GROUP_COLUMN]), *names]


def _find(file: h5py.File, path: str, name: str) -> h5py.Dataset:
    def open_file(other: str, written: str) -> h5py.File:
        return file if other == path else open_hdf5(other, written)

    return find_dataset(open_file, path, name, f"{path}{ARRAY_MARK}/{name}").dataset


def _rows(file: h5py.File, part: Part, projection: Projection) -> Iterator[Record]:
    datasets = {name: _find(file, part.path, name) for name in projection.columns}
    for start in range(part.start, part.stop, _ROWS_AT_ONCE):
        stop = min(start + _ROWS_AT_ONCE, part.stop)
        cells = [
            _cells(datasets[name], name in projection.file_columns, part, name, range(start, stop))
            for name in projection.columns
        ]
        for position, row in enumerate(
            zip(*cells, strict=True) if cells else [()] * (stop - start)
        ):
            bad = next((cell for cell in row if isinstance(cell, Malformed)), None)
            yield start + position + 1, bad or row


def _cells(dataset: h5py.Dataset, of_files: bool, part: Part, name: str, rows: range) -> list[Any]:
    """A column's cells: values where they are small, references to the others."""
    if not _is_inline(dataset, int(np.prod(dataset.shape[1:])), of_files):
        return [_refer(part, name, row) for row in rows]
    values = dataset[rows.start : rows.stop]
    return [_cell(value, name) for value in values]


def _group_row(
    file: h5py.File, part: Part, name: str, projection: Projection
) -> tuple[Any, ...] | Malformed:
    group = file[name]
    cells = []
    for column in projection.columns:
        try:
            cell = _group_cell(file, group, part, column, column in projection.file_columns)
        except Reject as reject:
            return Malformed(reject.reason, reject.message, reject.path)
        if isinstance(cell, Malformed):
            return cell
        cells.append(cell)
    return tuple(cells)


def _group_cell(file: h5py.File, group: h5py.Group, part: Part, column: str, of_files: bool) -> Any:
    if isinstance(group.get(column, getlink=True), h5py.HardLink):
        name = f"{group.name.strip('/')}/{column}"
        dataset = _find(file, part.path, name)
        inline = _is_inline(dataset, dataset.size or 0, of_files)
        return _cell(dataset[()], column) if inline else _refer(part, name)
    if column in group.attrs:
        return _cell(group.attrs[column], column)
    return group.name.strip("/") if column == GROUP_COLUMN else None


def _refer(part: Part, name: str, row: int | None = None) -> str:
    return f"{part.name}{ARRAY_MARK}/{name}" + ("" if row is None else f"[{row}]")


def _is_inline(dataset: h5py.Dataset, count: int, of_files: bool) -> bool:
    """Whether values are read with the manifest: a few numbers, and text, also that of paths."""
    if h5py.check_string_dtype(dataset.dtype):
        return count <= _INLINE_VALUES and (not of_files or _holds_paths(dataset))
    return not of_files and count <= _INLINE_VALUES and dataset.dtype.kind in "biuf"


def _holds_paths(dataset: h5py.Dataset) -> bool:
    """Whether strings are paths rather than files, by the first of them: they may be large."""
    # Fixed-size strings are as long as the longest: such a column holds files.
    if not dataset.size or dataset.dtype.itemsize > _PATH_BYTES:
        return False
    first = dataset[(0,) * dataset.ndim]
    data = first.encode() if isinstance(first, str) else bytes(first)
    try:
        return len(data) <= _PATH_BYTES and "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


def _cell(value: Any, column: str) -> Any:
    """A value as a manifest of text would have it, several as a list."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return value.item() if value.size == 1 else value.tolist()
    if isinstance(value, np.ndarray):
        cells = [_cell(item, column) for item in value.ravel().tolist()]
        bad = next((cell for cell in cells if isinstance(cell, Malformed)), None)
        return bad or (cells[0] if len(cells) == 1 else cells)
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode() or None
    except UnicodeDecodeError as error:
        message = f"column {column!r}: got byte 0x{value[error.start]:02x}, expected UTF-8 text"
        return Malformed(NOT_UTF8, message)
