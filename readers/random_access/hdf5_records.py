"""``HDF5Records``: random access to the records of HDF5 files, without TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from copy import copy

from ...schemas import Schema
from ...schemas.dataset.hdf5_layout import columns
from ...schemas.errors import DatasetError
from ..hdf5.arrays import Array
from ..hdf5.files import FilePath, find_files, open_file
from ..hdf5.table import Table, read_schema
from ..hdf5.windows import WindowedTable
from ..selection import check_features, select
from .table_records import TableRecords

__all__ = ["HDF5Records", "open_table"]


class HDF5Records(TableRecords):
    """The records of HDF5 files as a sequence: ``records[i]`` is a dict by feature name.

    It is what PyTorch's ``DataLoader`` (which uses ``__getitems__``) and Grain take as a data source. Each
    process opens the files for itself; the sequence may be pickled.

    Values of files that pixelbeam wrote are decoded: encoded images to ``uint8`` or ``uint16``
    ``[height, width, channels]``, lists of classes to ``float32`` ``[classes]`` of zeros and ones, UTF-8 text
    to ``str``. Those of other files are given as h5py gives them.

    Attributes:
        schema: what the records hold; ``None`` in files of others.
        info: the ``dataset.json`` of the dataset that they are of; ``None`` where there is none.
        split: their split in it.
        folder: where the files lie.

    Args:
        path: a published dataset's directory, with ``split``; an HDF5 file, also a virtual one like
            ``train.h5``; or several files with the same datasets.
        split: the split, with a directory.
        features: the features; with files of others, the paths of datasets. By default all features.

    Raises:
        DatasetError: a file is missing or not whole, or has no such dataset.
        ValueError: the arguments do not go together.
    """

    def __init__(
        self,
        path: FilePath | Sequence[FilePath],
        split: str | None = None,
        *,
        features: Sequence[str] | None = None,
    ) -> None:
        check_features(features)
        found = find_files(path, split)
        files = found.files
        if not files:
            raise ValueError("path: got no files, expected at least one")
        # What dataset.json says is checked; what a file says of itself is all that there is of others.
        self.info, self.split, self.folder = found.info, found.split, os.path.dirname(files[0])
        info = found.info
        declared = read_schema(files[0]) if info is None else info.read_schema(self.folder)
        schema = _choose(declared, features, files[0])
        keys = list(features or ()) if schema is None else _keys(schema)
        self._files = files
        self._columns = Table(files, keys or _all_datasets(files[0]))
        super().__init__(self._columns, schema)

    def arrays(self) -> Mapping[str, Array]:
        """What is known of the stored values by their path in the file: shapes and types."""
        return self._columns.arrays()

    def windowed(self, most: int | None) -> tuple[HDF5Records, WindowedTable] | None:
        """The same records read by windows, and what draws those; ``None`` where each is read by itself.

        Args:
            most: see ``WindowedTable``.
        """
        found = self._columns.blocks()
        if found is None:
            return None
        other, table = copy(self), WindowedTable(self._columns, *found, most)
        TableRecords.__init__(other, table, self.schema)
        return other, table

    def select(self, schema: Schema) -> HDF5Records:
        """The same records with a part of their schema."""
        other = copy(self)
        other._columns = Table(self._files, _keys(schema))
        TableRecords.__init__(other, other._columns, schema)
        return other


def open_table(files: Sequence[str], counts: Sequence[int], schema: Schema) -> Table:
    """The records of HDF5 files.

    Args:
        files: paths of local files, in order.
        counts: how many records each has, which the files say themselves.
        schema: what of the records is read.

    Raises:
        DatasetError: see ``Table``.
    """
    return Table(files, _keys(schema))


def _choose(schema: Schema | None, features: Sequence[str] | None, path: str) -> Schema | None:
    """The part of a schema that is asked for."""
    if schema is None or features is None:
        return schema
    for name in features:
        if name not in schema.features:
            names = ", ".join(map(repr, schema.features))
            raise DatasetError(f"{path}: no feature {name!r}; its features are: {names}")
    return select(schema, features)


def _keys(schema: Schema) -> list[str]:
    return [column.key for column in columns(schema)]


def _all_datasets(path: str) -> list[str]:
    """The datasets at the root of a file of others, where all have the same number of rows."""
    with open_file(path) as file:
        shapes = {name: item.shape for name, item in file.items() if getattr(item, "shape", None)}
    if not shapes or len({shape[0] for shape in shapes.values()}) > 1:
        shown = ", ".join(f"{name!r} {shape}" for name, shape in shapes.items())
        raise ValueError(f"features: missing, expected some of the datasets of {path}: {shown}")
    return list(shapes)
