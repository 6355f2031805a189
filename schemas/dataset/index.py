"""The index: beside each shard, a row for each record that says where it lies and what it was made from.

Its columns follow from the schema:

* ``split``, ``shard``, ``index`` (the record's number in the shard), ``offset`` and ``bytes`` (its frame in the
  shard's file, where the format has such), ``key``, ``file`` and ``row`` (what the manifest calls it);
* of each feature that comes from files ``source`` (its path, as the manifest has it), ``source_bytes`` and
  ``source_sha256``, and what the kind adds: of images ``source_width``, ``source_height``, ``width``, ``height``
  and ``dhash``. The first such feature has these names, others their own name and a slash before. Those of a
  clip's steps are lists with an item for each step;
* each label, list of labels (those of an image's objects too) and single number under the feature's name, with
  ``features/`` before it where a column above has the name: classes by their names.

What is not known is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from ..features.base import IndexType
from ..schema import Schema

__all__ = [
    "FILE_COLUMNS",
    "OWN_COLUMNS",
    "IndexColumn",
    "IndexLayout",
    "read_index",
    "source_columns",
]

OWN_COLUMNS: Mapping[str, IndexType] = {
    "split": "text",
    "shard": "text",
    "index": "int64",
    "offset": "int64",
    "bytes": "int64",
    "key": "text",
    "file": "text",
    "row": "int64",
}
FILE_COLUMNS: Mapping[str, IndexType] = {
    "source": "text",
    "source_bytes": "int64",
    "source_sha256": "text",
}
_TYPES = {
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "text": pa.string(),
}


@dataclass(frozen=True, slots=True)
class IndexColumn:
    """A column that says something of a feature.

    Attributes:
        name: the column's.
        feature: the feature's.
        says: what it says of it: ``source``, ``width``, …; empty for the value itself, of a label or number.
        type: of its values.
        is_list: whether there is a list of them for each record: an item for each step, or each label.
        names: of classes, in the order of their numbers.
    """

    name: str
    feature: str
    says: str
    type: IndexType
    is_list: bool = False
    names: tuple[str, ...] | None = None


class IndexLayout:
    """The columns of a dataset's index.

    Args:
        schema: the schema, its vocabularies filled in.

    Attributes:
        columns: those that say something of features, in order; they follow ``OWN_COLUMNS``.
    """

    def __init__(self, schema: Schema):
        self.columns: list[IndexColumn] = []
        taken = set(OWN_COLUMNS)
        first = True
        for name, feature in schema.features.items():
            said = {**(FILE_COLUMNS if feature.reads_files else {}), **feature.index_columns}
            # Boxes may be declared before their image, and yet the plain names are the image's.
            prefix = "" if first and feature.owner is None else f"{name}/"
            first &= not said or feature.owner is not None
            for what, type_ in said.items():
                column = _take(f"{prefix}{what}", taken)
                self.columns.append(IndexColumn(column, name, what, type_, name in schema.steps))
        for name in schema.features:
            spec = schema.specs[name].get(name) if name not in schema.steps else None
            if spec is None or spec.dtype not in ("int64", "float32"):
                continue
            names = spec.domain.class_names if spec.domain is not None else None
            of_classes = spec.domain is not None and spec.domain.num_classes is not None
            several = spec.shape == (None,) and of_classes
            if spec.shape == () or several:
                label: IndexType = "text" if names else spec.dtype
                column = _take(name, taken)
                self.columns.append(IndexColumn(column, name, "", label, several, names))

    @property
    def schema(self) -> pa.Schema:
        """The Parquet files' schema."""
        own = [pa.field(name, _TYPES[type_]) for name, type_ in OWN_COLUMNS.items()]
        return pa.schema([*own, *(pa.field(c.name, _type_of(c)) for c in self.columns)])

    @property
    def few_values(self) -> list[str]:
        """The columns in which most values are those of other rows."""
        labels = (column.name for column in self.columns if column.names and not column.is_list)
        return ["split", "shard", "file", *labels]


def read_index(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of an index file.

    Args:
        data: the file's content.
        columns: those to read; all of them by default.

    Raises:
        pyarrow.ArrowException: the file is damaged, or lacks a column.
    """
    with _explained():
        # Without Arrow's threads, which may outlive the interpreter.
        file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
        return file.read(columns, use_threads=False)


def source_columns(data: bytes) -> list[str]:
    """The columns of an index file that hold paths of sources.

    Raises:
        pyarrow.ArrowException: the file is damaged.
    """
    with _explained():
        names = pq.read_schema(pa.BufferReader(data)).names
    of_files = (name for name in names if f"{name}_sha256" in names)
    return [name for name in of_files if name.rpartition("/")[2] == "source"]


@contextmanager
def _explained() -> Iterator[None]:
    """What damage makes Arrow fail with beside its own errors: names of columns that are no text, and the like."""
    try:
        yield
    except pa.ArrowException:
        raise
    except (ValueError, TypeError, KeyError, OverflowError, OSError) as error:
        raise pa.ArrowInvalid(f"not a whole Parquet file: {error}") from error


def _take(name: str, taken: set[str]) -> str:
    """The name, or one like it where another column has it already; SQL does not tell ``Row`` from ``row``."""
    while name.casefold() in taken:
        name = f"features/{name}"
    taken.add(name.casefold())
    return name


def _type_of(column: IndexColumn) -> pa.DataType:
    return pa.list_(_TYPES[column.type]) if column.is_list else _TYPES[column.type]
