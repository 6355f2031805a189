"""``HDF5Records``: random access to the records of HDF5 files, without TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import Any

from ...schemas import Schema
from ...schemas.dataset.hdf5_layout import columns
from ...schemas.errors import DatasetError
from ..hdf5.arrays import Array
from ..hdf5.files import FilePath, find_files, open_file
from ..hdf5.table import Table, read_schema
from ..record_table import Ragged, Rows
from ..selection import check_features, select
from .decode_numpy import Decoder

__all__ = ["HDF5Records"]


class HDF5Records:
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
        self.schema = _choose(declared, features, files[0])
        keys = list(features or ()) if self.schema is None else _keys(self.schema)
        self._files = files
        self._table = Table(files, keys or _all_datasets(files[0]))
        self._decoder = Decoder(self.schema) if self.schema is not None else None
        self._threads: tuple[int, ThreadPoolExecutor] | None = None

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One record; negative numbers count from the end."""
        number = int(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"got record {number} of {len(self)}")
        batch = self.read([number % len(self)])
        return {name: values[0] for name, values in batch.items()}

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Several records, read together."""
        batch = self.read(indices)
        return [{name: values[i] for name, values in batch.items()} for i in range(len(indices))]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_threads": None}

    def read(self, rows: Sequence[int] | Rows) -> dict[str, Any]:
        """Several records as a batch by feature name.

        Returns:
            Arrays ``[rows, …]``; lists with an item a record where items differ in shape, or are text or
            bytes.

        Raises:
            IndexError: a number is not from 0 to the number of records - 1.
        """
        values = self._table.read(rows)
        if self._decoder is not None:
            return self._decoder.decode(values, self._pool())
        return {key: v.split() if isinstance(v, Ragged) else v for key, v in values.items()}

    def arrays(self) -> Mapping[str, Array]:
        """What is known of the stored values by their path in the file: shapes and types."""
        return self._table.arrays()

    def select(self, schema: Schema) -> HDF5Records:
        """The same records with a part of their schema."""
        other = copy(self)
        other.schema, other._decoder = schema, Decoder(schema)
        other._table, other._threads = Table(self._files, _keys(schema)), None
        return other

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None or self._threads[0] != os.getpid():
            self._threads = (os.getpid(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)))
        return self._threads[1]


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
