"""HDF5 files as a ``RecordSource``: any record at any time, so that an order is drawn from all of them."""

from __future__ import annotations

from functools import partial

from ...schemas import Schema
from ...schemas.dataset.hdf5_layout import columns
from ..hdf5.table import open_table
from .keys import Keys
from .selection import Selection
from .table_source import TableSource, open_table_source

__all__ = ["open_source"]


def open_source(selection: Selection, schema: Schema, keys: Keys | None = None) -> TableSource:
    """The records of local HDF5 files.

    Raises:
        DatasetError: a file is missing, not whole, or not local.
    """
    paths = tuple(column.key for column in columns(schema))
    return open_table_source(
        partial(open_table, tuple(selection.files), paths), schema, selection, keys
    )
