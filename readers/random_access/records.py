"""``Records``: random access to the records of a split, and to what they were made from."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from ...schemas.dataset.file_names import index_file
from ...schemas.errors import DatasetError
from ..elements import check_applicable
from ..formats import choose_source
from ..objects import check_max_boxes, pad_objects
from ..published import explain_remote, is_remote, open_dataset
from ..record_table import RecordTable, Rows
from ..selection import check_features, choose_features
from ..sink_table import open_sink_table
from .table_records import TableRecords, record_number

__all__ = ["Records"]

# Each is imported when records are read from it; sinks of other packages are read through ``SinkTable``.
_MODULES = {"tfrecord": ".tfrecord_table", "hdf5": ".hdf5_records"}


class Records(TableRecords):
    """The records of a split as a sequence: ``records[i]`` is a dict of NumPy arrays by feature name.

    It is what PyTorch's ``DataLoader`` (which uses ``__getitems__``) and Grain take as a data source. Needs no
    TensorFlow, and may be pickled. Encoded images are decoded to ``uint8`` or ``uint16``
    ``[height, width, channels]``, lists of classes to ``float32`` ``[classes]`` of zeros and ones, UTF-8 text to
    ``str``.

    Attributes:
        schema: what is read of the records.
        info: the dataset's ``dataset.json``.
        split: their split in it.
        folder: the dataset's directory.

    Args:
        directory: a published dataset's, local.
        split: the name of the split.
        features: reads and decodes these alone. By default all features.
        source: the format of the files that are read, as ``load`` has it; by default TFRecords where there are
            some.
        max_boxes: as ``load`` has it: so many objects of each image, and under the boxes' name and ``/mask`` which
            of them are real. By default, as many as there are.

    Raises:
        DatasetError: the directory is not a published dataset, has no such split, or is not whole.
        ValueError: an argument has a value that it cannot have.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        split: str,
        *,
        features: Sequence[str] | None = None,
        source: str | None = None,
        max_boxes: int | None = None,
    ) -> None:
        check_features(features)
        check_max_boxes(max_boxes)
        self.folder, self.split = os.fspath(directory), split
        if is_remote(self.folder):
            raise DatasetError(explain_remote(self.folder, "Records"))
        published = open_dataset(directory)
        self._published, self.info = published, published.info
        schema = choose_features(published.schema, features, [])
        check_applicable(schema, {"max_boxes": max_boxes})
        self._max_boxes = max_boxes
        name = choose_source(published, split, source)
        files = published.shard_files(split, name)
        published.check_description()
        paths = [published.path(file.path) for _, file in files]
        counts = [shard.num_records for shard, _ in files]
        self._shards = [file.path.rpartition(".")[0] for _, file in files]
        self._starts = np.cumsum([0, *counts])
        self._indexes: dict[int, Any] = {}
        table: RecordTable
        if name in _MODULES:
            table = import_module(_MODULES[name], __package__).open_table(paths, counts, schema)
        else:
            table = open_sink_table(name, tuple(paths), json.dumps(published.schema.to_dict()))
        super().__init__(table, schema)

    def __repr__(self) -> str:
        return f"Records({self.folder!r}, {self.split!r}): {len(self):,} records"

    def read(self, rows: Sequence[int] | Rows) -> dict[str, Any]:
        """Several records as a batch by feature name; see ``TableRecords.read``."""
        batch = super().read(rows)
        if self._max_boxes is None or self.schema is None:
            return batch
        return pad_objects(self.schema, batch, self._max_boxes)

    def origin(self, index: int) -> dict[str, Any]:
        """Where a record lies and what it was made from, as docs/records.md has the columns.

        Args:
            index: the record's number in the split; negative ones count from the end.

        Returns:
            What the index says of the record: ``shard``, such as ``train-00003-of-00016``, ``index``, its number
            there, and so on.

        Raises:
            DatasetError: the dataset was built without an index, or it is damaged.
            IndexError: there is no such record.
        """
        number = record_number(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"got record {number} of {len(self)}")
        number %= len(self)
        shard = int(np.searchsorted(self._starts, number, side="right")) - 1
        (row,) = self._index(shard).slice(number - int(self._starts[shard]), 1).to_pylist()
        return dict(row)

    def _index(self, shard: int) -> Any:
        if shard not in self._indexes:
            self._indexes[shard] = self._published.read_index(index_file(self._shards[shard]))
        return self._indexes[shard]

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_indexes": {}}
