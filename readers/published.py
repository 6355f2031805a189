"""A published dataset's directory, as every reader sees it: whole, or not at all.

Local directories are read as plain files. Any other filesystem is TensorFlow's to read (``tf.io.gfile``), which
is loaded for that alone.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..schemas import DatasetInfo, Schema
from ..schemas.dataset.checksum import has_right_checksum
from ..schemas.dataset.file_names import DATASET_FILE
from ..schemas.dataset.info import ShardFile, ShardInfo, SplitInfo
from ..schemas.errors import DatasetError

__all__ = [
    "Published",
    "dataset_info",
    "explain_remote",
    "is_remote",
    "open_dataset",
    "read_index_file",
    "read_moments",
]

_REFERENCE_SPLIT = "train"
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
        return os.path.join(self.directory, name)

    def shards(self, split: str) -> list[ShardInfo]:
        """The shards of a split that hold records; the first one where none does.

        Raises:
            DatasetError: there is no such split.
        """
        every = self.split(split).shards
        return [shard for shard in every if shard.num_records] or every[:1]

    def shard_files(self, split: str, sink: str) -> list[tuple[ShardInfo, ShardFile]]:
        """Those shards, each with its file in one format.

        One listing of the directory shows that all files are there and, in a local directory, that
        they have the sizes that they were published with.

        Raises:
            DatasetError: there is no such split or format, or a file is missing or was changed.
        """
        shards = self.shards(split)
        for shard in shards:
            if sink not in shard.files:
                raise DatasetError(
                    f"{self.directory}: split {split!r} has no {sink} files, only "
                    f"{', '.join(shard.files)}; build it with --sinks {sink}"
                )
        files = [(shard, shard.files[sink]) for shard in shards]
        self._check_sizes(file for _, file in files)
        return files

    def check_description(self) -> None:
        """Checks that the generated module is the one that was published.

        No reader runs it, but a dataset of which one file was changed is not whole.

        Raises:
            DatasetError: it is missing, or its bytes are others.
        """
        file = self.info.description
        if hashlib.sha256(read_file(self.directory, file.path)).hexdigest() != file.sha256:
            raise DatasetError(
                f"{self.directory}: {file.path} is not the file that was published: its SHA-256 "
                f"differs from the one in {DATASET_FILE}; restore it or build the dataset again"
            )

    def read_index(self, name: str, columns: Sequence[str] | None = None) -> Any:
        """The rows of a shard's index file, as a ``pyarrow.Table``.

        Args:
            name: the file's, in the dataset's directory.
            columns: those to read; all of them by default.

        Raises:
            DatasetError: the dataset was built without an index, or the file is not the one that was published.
        """
        known = self.info.files.get(name)
        if known is None:
            raise DatasetError(f"{self.directory}: has no index, since it was built without")
        return read_index_file(self.directory, name, known.sha256, columns)

    def _check_sizes(self, files: Iterable[ShardFile]) -> None:
        sizes = _list_sizes(self.directory)
        for file in files:
            if file.path not in sizes:
                raise DatasetError(f"{self.directory}: {file.path} is missing")
            if (size := sizes[file.path]) not in (None, file.bytes):
                raise DatasetError(
                    f"{self.directory}: {file.path} was changed: got {size} bytes, "
                    f"expected {file.bytes}"
                )


def open_dataset(directory: str | os.PathLike[str]) -> Published:
    """Reads the ``dataset.json`` of a directory.

    Raises:
        DatasetError: the directory is not a published dataset that this version can read, or its
            ``dataset.json`` was changed.
    """
    directory = os.fspath(directory)
    data = read_file(directory, DATASET_FILE)
    info = DatasetInfo.loads(data, directory)
    if not has_right_checksum(data):
        raise DatasetError(
            f"{directory}: {DATASET_FILE} is not as it was published: its own checksum is wrong; restore "
            "it or build the dataset again"
        )
    # No checksum helps where a tool has changed the file and then sealed it again.
    named = Counter(name for name, _ in info.named_files())
    twice = sorted(name for name, count in named.items() if count > 1)
    if twice:
        raise DatasetError(f"{directory}: {DATASET_FILE} lists {twice[0]} twice, expected it once")
    return Published(directory, info, info.read_schema(directory))


def dataset_info(directory: str | os.PathLike[str]) -> DatasetInfo:
    """What a dataset says of itself: splits, shards, statistics, rejects.

    Raises:
        DatasetError: the directory is not a published dataset.
    """
    return open_dataset(directory).info


def read_moments(info: DatasetInfo, split: str, name: str, directory: str) -> tuple[Any, Any]:
    """Mean and standard deviation that an image feature is standardised by, float32 ``[channels]``.

    All splits are scaled alike, by the statistics of ``train`` where there is one: what a model
    learns on one scale is of no use on another.

    Raises:
        DatasetError: the dataset does not have them.
    """
    reference = _REFERENCE_SPLIT if _REFERENCE_SPLIT in info.splits else split
    statistics = info.splits[reference].statistics.get(name, {})
    if "mean" not in statistics or "std" not in statistics:
        raise DatasetError(
            f"{directory}: no mean and std of {name!r} in the statistics of split {reference!r}, expected "
            "them for scaling='standardize'"
        )
    std = [std or 1.0 for std in statistics["std"]]  # 0: one colour
    return np.array(statistics["mean"], np.float32), np.array(std, np.float32)


def read_index_file(
    directory: str, name: str, sha256: str, columns: Sequence[str] | None = None
) -> Any:
    """The rows of an index file; see ``Published.read_index``.

    Raises:
        DatasetError: it is not the file that was published.
    """
    from ..schemas.dataset.index import read_index

    data = read_file(directory, name)
    # What it says is followed without another look, so that it has to be what was published.
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DatasetError(
            f"{directory}: {name} is damaged: its SHA-256 differs from the one in {DATASET_FILE}"
        )
    return read_index(data, columns)


def is_remote(path: str) -> bool:
    """Whether a path is a URL, such as ``s3://bucket/out``."""
    return "://" in path


def explain_remote(path: str, who: str) -> str:
    """A message for who cannot read from there: how to get a copy, which is a dataset too.

    Args:
        path: the dataset's directory, or a file in it.
        who: such as ``TensorFlow 2.21``.
    """
    scheme = path.partition("://")[0]
    how = ""
    if scheme == "s3":
        how = f", for instance with `aws s3 sync {path} DIR` (pip install awscli)"
    return f"{path}: {who} cannot read {scheme}://; copy the dataset to a local directory{how}, and read that"


def read_file(directory: str, name: str) -> bytes:
    """The content of one of a dataset's files.

    Raises:
        DatasetError: it is missing, or cannot be read.
    """
    if is_remote(directory):
        return _read_remote(directory, name)
    try:
        with open(os.path.join(directory, name), "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise DatasetError(_explain_missing(directory, name, os.path.isdir(directory))) from None
    except NotADirectoryError:
        raise DatasetError(_explain_file(directory)) from None
    except OSError as error:  # no permission, a directory in the file's place, …
        raise DatasetError(f"{directory}: cannot read {name}: {error.strerror}") from None


def _read_remote(directory: str, name: str) -> bytes:
    tf = _load_tensorflow(directory)
    try:
        with tf.io.gfile.GFile(os.path.join(directory, name), "rb") as file:
            return bytes(file.read())
    except tf.errors.NotFoundError:
        raise DatasetError(
            _explain_missing(directory, name, tf.io.gfile.isdir(directory))
        ) from None
    except tf.errors.UnimplementedError:
        # Of filesystems, only that there is none for the scheme is said so.
        raise DatasetError(explain_remote(directory, f"TensorFlow {tf.__version__}")) from None
    except tf.errors.OpError as error:  # no permission, no network, …
        raise DatasetError(f"{directory}: cannot read {name}: {error.message}") from None


def _load_tensorflow(directory: str) -> Any:
    try:
        import tensorflow as tf
    except ModuleNotFoundError:
        raise DatasetError(explain_remote(directory, "Python without TensorFlow")) from None
    return tf


def _explain_missing(directory: str, name: str, is_directory: bool) -> str:
    if name != DATASET_FILE:
        return f"{directory}: {name} is missing"
    if not is_directory:
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
        return dict.fromkeys(_load_tensorflow(directory).io.gfile.listdir(directory))
    with os.scandir(directory) as entries:
        return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
