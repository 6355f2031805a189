"""HDF5 files as a ``RecordSource``: any record at any time, so that an order is drawn from all of them."""

from __future__ import annotations

from functools import partial

from ...schemas import Schema
from ...schemas.dataset.hdf5_layout import columns
from ..hdf5.table import open_table
from .selection import Selection
from .table_source import TableSource

__all__ = ["open_source"]


def open_source(selection: Selection, schema: Schema) -> TableSource:
    """The records of local HDF5 files.

    Raises:
        DatasetError: a file is missing, not whole, or not local.
    """
    keys = tuple(column.key for column in columns(schema))
    return TableSource(partial(open_table, tuple(selection.files), keys), schema, selection)
