"""``HDF5Sink``: a shard as one HDF5 file, and ``train.h5`` over the shards of a split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import h5py

from ....schemas.dataset.hdf5_layout import columns
from ....schemas.dataset.sink import ShardWriter, Sink
from ....schemas.errors import Reject
from ....schemas.features.base import RecordValue, Steps, shorten
from ....schemas.schema import Schema
from .files import load_plugins, needs_plugins
from .reader import HDF5Records, read_records
from .virtual_file import write_virtual
from .writer import HDF5Writer

__all__ = ["HDF5Sink"]


class HDF5Sink(Sink):
    """HDF5 files as ``schemas/dataset/hdf5_layout.py`` describes them."""

    name = "hdf5"
    suffix = "h5"

    def check(self, schema: Schema) -> None:
        """See ``Sink.check``."""
        columns(schema)
        for feature in schema.features.values():
            if needs_plugins({"": feature}):
                load_plugins(feature.storage)

    def check_record(self, values: Mapping[str, RecordValue], schema: Schema) -> None:
        """See ``Sink.check_record``: HDF5 ends text at a null character.

        Raises:
            Reject: ``null_character``.
        """
        for name, specs in schema.specs.items():
            for key, spec in specs.items():
                if spec.dtype == "text":
                    _check_text(name, values[key])

    def versions(self, schema: Schema) -> dict[str, str]:
        """See ``Sink.versions``."""
        libraries = {"h5py": h5py.__version__, "hdf5": h5py.version.hdf5_version}
        if needs_plugins(schema.features):
            libraries["hdf5plugin"] = version("hdf5plugin")
        return libraries

    def open(self, path: Path, schema: Schema) -> ShardWriter:
        """See ``Sink.open``."""
        return HDF5Writer(path, schema)

    def read(self, path: Path, schema: Schema) -> Iterator[tuple[None, dict[str, RecordValue]]]:
        """See ``Sink.read``: records lie in columns, so none has an offset."""
        return ((None, values) for values in read_records(path, schema))

    def records(self, path: Path, schema: Schema) -> Sequence[Mapping[str, RecordValue]]:
        """See ``Sink.records``: each is read when it is asked for."""
        return HDF5Records(path, schema)

    def join(
        self,
        target: Path,
        split: str,
        schema: Schema,
        shards: Sequence[str],
        open_shard: Callable[[str], BinaryIO],
    ) -> bool:
        """See ``Sink.join``: a file of virtual datasets."""
        write_virtual(target, split, schema, shards, open_shard)
        return True


def _check_text(name: str, value: RecordValue) -> None:
    texts = value.values if isinstance(value, Steps) else (value,)
    for text in texts:
        if isinstance(text, bytes) and b"\0" in text:
            raise Reject(
                "encode",
                "null_character",
                f"got {shorten(text.decode())}, which HDF5 would end at its null character; declare type: "
                "bytes, or build with --sinks tfrecord",
                feature=name,
            )
