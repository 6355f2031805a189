"""A published dataset's directory: what ``dataset.json`` says of it, and whether it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import tensorflow as tf

from ..schemas import DatasetInfo, Schema, write_description
from ..schemas.dataset.file_names import DATASET_FILE
from ..schemas.dataset.info import ShardFile, ShardInfo, SplitInfo
from ..schemas.errors import DatasetError
from .dataset_file import check_description, parse_info
from .options import SOURCES
from .remote import explain_remote, is_remote

__all__ = ["Published", "make_description", "open_dataset"]

_HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5")


@dataclass(frozen=True)
class Published:
    """A published dataset.

    Attributes:
        directory: a local directory, or a path of any filesystem that TensorFlow knows.
        info: the content of its ``dataset.json``.
        schema: what its records hold.
    """

    directory: str
    info: DatasetInfo
    schema: Schema

    def select(self, schema: Schema) -> Published:
        """The same with a part of its schema, so that no other features are read."""
        return replace(self, schema=schema)

    def split(self, name: str) -> SplitInfo:
        """A split by name.

        Raises:
            DatasetError: there is none of this name.
        """
        if name not in self.info.splits:
            names = ", ".join(self.info.splits)
            raise DatasetError(f"{self.directory}: no split {name!r}; its splits are: {names}")
        return self.info.splits[name]

    def path(self, name: str) -> str:
        """The path of one of the dataset's files."""
        return str(tf.io.gfile.join(self.directory, name))

    def shard_files(self, split: str, sink: str) -> list[tuple[ShardInfo, ShardFile]]:
        """The shards of a split that hold records, each with its file in one format.

        One listing of the directory shows that all files are there and, in a local directory, that
        they have the sizes that they were published with.

        Raises:
            DatasetError: there is no such split or format, or a file is missing or was changed.
        """
        shards = [shard for shard in self.split(split).shards if shard.num_records]
        for shard in shards:
            if sink not in shard.files:
                raise DatasetError(
                    f"{self.directory}: split {split!r} has no {sink} files, only "
                    f"{', '.join(shard.files)}; build it with --sinks {sink}"
                )
        files = [(shard, shard.files[sink]) for shard in shards]
        self._check_files(file for _, file in files)
        return files

    def source(self, split: str, chosen: str | None) -> str:
        """The format that a split is read from: the one asked for, else TFRecords where there are any.

        Raises:
            DatasetError: there is no such split.
        """
        if chosen is not None:
            return chosen
        shards = [shard for shard in self.split(split).shards if shard.num_records]
        for sink in SOURCES:
            if all(sink in shard.files for shard in shards):
                return sink
        return SOURCES[0]

    def description(self) -> ModuleType:
        """The ``feature_description`` module.

        The file is checked, but what runs is the module as this version writes it from the validated
        schema: datasets come from strangers, and reading one must not run their code.

        Raises:
            DatasetError: the file is missing or is not the one that was published.
        """
        code = _read(self.directory, self.info.description.path)
        check_description(self.info, code, self.directory)
        return make_description(self.schema)

    def _check_files(self, files: Iterable[ShardFile]) -> None:
        sizes = _list_sizes(self.directory)
        for file in files:
            if file.path not in sizes:
                raise DatasetError(f"{self.directory}: {file.path} is missing")
            if (size := sizes[file.path]) not in (None, file.bytes):
                raise DatasetError(
                    f"{self.directory}: {file.path} was changed: got {size} bytes, "
                    f"expected {file.bytes}"
                )


def make_description(schema: Schema) -> ModuleType:
    """The ``feature_description`` module of a schema, as this version writes it."""
    module = ModuleType("feature_description")
    code = write_description(schema)
    exec(compile(code, "feature_description.py", "exec"), vars(module))  # noqa: S102 - just generated
    return module


def open_dataset(directory: str | os.PathLike[str]) -> Published:
    """Reads the ``dataset.json`` of a directory.

    Raises:
        DatasetError: the directory is not a published dataset that this version can read, or its
            ``dataset.json`` was changed.
    """
    place = os.fspath(directory)
    info = parse_info(_read(place, DATASET_FILE), place)
    return Published(place, info, info.read_schema(place))


def _read(directory: str, name: str) -> bytes:
    try:
        with tf.io.gfile.GFile(tf.io.gfile.join(directory, name), "rb") as file:
            return bytes(file.read())
    except tf.errors.NotFoundError:
        raise DatasetError(_explain_missing(directory, name)) from None
    except tf.errors.UnimplementedError:
        # Of filesystems, only that there is none for the scheme is said so.
        raise DatasetError(explain_remote(directory, f"TensorFlow {tf.__version__}")) from None
    except tf.errors.FailedPreconditionError as error:
        if os.path.isfile(directory):
            raise DatasetError(_explain_file(directory)) from None
        raise DatasetError(f"{directory}: cannot read {name}: {error.message}") from None
    except tf.errors.OpError as error:  # no permission, no network, …
        raise DatasetError(f"{directory}: cannot read {name}: {error.message}") from None


def _explain_missing(directory: str, name: str) -> str:
    if name != DATASET_FILE:
        return f"{directory}: {name} is missing"
    if not tf.io.gfile.isdir(directory):
        return f"{directory}: no such directory, expected one that `pixelbeam build` has written"
    return (
        f"{directory}: no {DATASET_FILE}, so this is not a published dataset; if a build into it was "
        "interrupted, run the same `pixelbeam build` command again"
    )


def _explain_file(path: str) -> str:
    said = f"{path}: got a file, expected the directory of a dataset that `pixelbeam build` has written"
    hdf5 = path.lower().endswith(_HDF5_SUFFIXES)
    return said + "; HDF5Dataset and HDF5Records read HDF5 files" * hdf5


def _list_sizes(directory: str) -> dict[str, Any]:
    """Sizes in bytes by file name; ``None`` where asking for them takes a request for each file."""
    if is_remote(directory):
        return dict.fromkeys(tf.io.gfile.listdir(directory))
    with os.scandir(directory) as entries:
        return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
