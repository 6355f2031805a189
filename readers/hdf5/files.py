"""Which HDF5 files hold a dataset's records, and whether all of them are there.

HDF5 gives fill values for what it does not find behind a virtual dataset, so that is looked for here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import h5py

from ...schemas.dataset.file_names import DATASET_FILE
from ...schemas.dataset.info import DatasetInfo
from ...schemas.errors import DatasetError
from ..published import Published, explain_remote, is_remote, open_dataset
from .filters import check_filters

__all__ = ["FilePath", "Found", "check_virtual", "find_files", "open_file"]

FilePath: TypeAlias = "str | os.PathLike[str]"

_SINK = "hdf5"


@dataclass(frozen=True, slots=True)
class Found:
    """The files that hold the records themselves.

    Attributes:
        files: their paths, in the order of the records.
        info: the ``dataset.json`` of the dataset that they are a split of; ``None`` of any other files.
        split: that split.
    """

    files: list[str]
    info: DatasetInfo | None = None
    split: str | None = None


def find_files(path: FilePath | Sequence[FilePath], split: str | None = None) -> Found:
    """The files that hold the records themselves.

    Args:
        path: a published dataset's directory; one HDF5 file, also a virtual one like ``train.h5``; or
            several files, whose records are taken one after the other.
        split: the split, with a directory.

    Raises:
        DatasetError: a file is missing, was changed, is not a whole HDF5 file, or is not local.
        ValueError: a split is given without a directory, or the other way round.
    """
    if not isinstance(path, str | os.PathLike):
        return Found([name for one in path for name in find_files(one).files])
    name = os.fspath(path)
    _check_local(name)
    if os.path.isdir(name):
        if split is None:
            raise ValueError(f"split: missing, expected the name of a split of {name!r}")
        return _split_files(open_dataset(name), split)
    if split is not None and not os.path.exists(name):
        raise DatasetError(
            f"{name}: no such directory, expected one that `pixelbeam build` has written"
        )
    if split is not None:
        raise ValueError(f"split: got {split!r} with {name!r}, expected it with a directory")
    return _shards_behind(name)


def open_file(path: str) -> h5py.File:
    """Opens an HDF5 file for reading.

    Raises:
        DatasetError: it is missing, cut off, left behind by a writer that was killed, no HDF5 file, or
            not local.
    """
    _check_local(path)
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file") from None
    except OSError as error:
        raise DatasetError(f"{path}: not a whole HDF5 file: {error}") from None


def _check_local(path: str) -> None:
    if is_remote(path):
        raise DatasetError(explain_remote(path, "HDF5"))


def check_virtual(dataset: h5py.Dataset, path: str) -> None:
    """Checks that all files behind a dataset are there, and hold what it takes from them.

    Raises:
        DatasetError: HDF5 would give fill values for a part of it.
    """
    for source in dataset.virtual_sources() if dataset.is_virtual else ():
        if "%" in source.file_name:  # a pattern, which HDF5 follows as far as there are files
            continue
        behind = path
        if source.file_name != ".":
            behind = os.path.join(os.path.dirname(path), source.file_name)
        if not os.path.exists(behind):
            raise DatasetError(
                f"{path}: {source.file_name} is missing, which holds a part of {dataset.name!r}; "
                "HDF5 would give fill values for it"
            )
        with open_file(behind) as file:
            _check_source(file, source, path)


def _check_source(file: h5py.File, source: Any, path: str) -> None:
    name = source.dset_name
    found = file.get(name)
    if (expected := _expect(source, found)) is not None:
        raise DatasetError(
            f"{path}: {source.file_name} was changed: expected {name!r} of {expected}"
        )
    check_filters(found, file.filename)
    check_virtual(found, file.filename)


def _expect(source: Any, found: h5py.Dataset | None) -> str | None:
    """What a virtual dataset takes from another one, where that does not have it."""
    shape = () if found is None else found.shape
    if source.src_space.get_select_type() == h5py.h5s.SEL_ALL:  # which has no bounds
        size = source.vspace.get_select_npoints()
        return None if found is not None and found.size >= size else f"at least {size} values"
    last = source.src_space.get_select_bounds()[1]
    if len(shape) == len(last) and all(i < size for i, size in zip(last, shape, strict=True)):
        return None
    return f"at least {tuple(index + 1 for index in last)}"


def _split_files(published: Published, split: str) -> Found:
    files = published.shard_files(split, _SINK)
    published.check_description()
    return Found([published.path(file.path) for _, file in files], published.info, split)


def _shards_behind(path: str) -> Found:
    """The shards that a file of ours joins, and only those that have records; else the file itself."""
    with open_file(path) as file:
        names = [str(name) for name in file.attrs.get("shards", ())]
        if not names or "split" not in file.attrs:
            return Found([path])
        split = str(file.attrs["split"])
    directory = os.path.dirname(path)
    if os.path.exists(os.path.join(directory, DATASET_FILE)):
        published = open_dataset(directory)
        if split in published.info.splits:
            return _split_files(published, split)
    behind = [os.path.join(directory, name) for name in names]
    for name, shard in zip(names, behind, strict=True):
        if not os.path.exists(shard):
            raise DatasetError(
                f"{path}: {name} is missing, which holds a part of it; HDF5 would give fill values"
            )
    return Found(behind)
