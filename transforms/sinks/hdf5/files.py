"""Creating HDF5 files and their datasets such that equal content makes equal bytes."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np

from ....schemas.dataset.hdf5_layout import Column
from ....schemas.errors import OptionError
from ....schemas.features.base import Feature

__all__ = [
    "ARRAY_TYPES",
    "create_file",
    "describe",
    "filters",
    "label_axes",
    "load_plugins",
    "require_group",
    "text_array",
]

ARRAY_TYPES: Mapping[str, Any] = {
    "text": h5py.string_dtype(),
    "bytes": h5py.vlen_dtype(np.uint8),
    **{name: np.dtype(name).newbyteorder("<") for name in ("int64", "float32", "uint8", "uint16")},
}
"""The types of datasets by what ``ValueSpec`` calls them."""

PLUGIN_STORAGES = ("zstd", "blosc2")
_CHUNK_BYTES = 256 << 10
_GZIP_LEVEL = 4


def create_file(path: Path) -> h5py.File:
    """Starts a file in the format of HDF5 1.8 (1.10 where a virtual dataset needs it).

    HDF5 writes the time of creation into groups unless told otherwise, and its oldest format, which is
    h5py's default, has no room for large attributes such as the names of many classes.
    """
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_V110)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    creation.set_obj_track_times(False)
    return h5py.File(h5py.h5f.create(bytes(path), h5py.h5f.ACC_EXCL, creation, access))


def require_group(parent: h5py.Group, path: str) -> h5py.Group:
    """The group at a path, made where it is not there, and those above it."""
    for name in path.split("/"):
        if name not in parent:
            creation = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
            creation.set_obj_track_times(False)
            h5py.h5g.create(parent.id, name.encode(), gcpl=creation)
        parent = parent[name]
    return parent


def describe(target: h5py.HLObject, column: Column) -> None:
    """Writes the attributes of a feature's dataset or group."""
    domain = column.spec.domain
    target.attrs["feature"] = column.name
    target.attrs["type"] = column.feature.type
    if column.spec.encoding:
        target.attrs["encoding"] = column.spec.encoding
    if domain is not None and domain.class_names is not None:
        target.attrs["class_names"] = text_array(domain.class_names)


def text_array(texts: Sequence[str]) -> Any:
    """An attribute's value that holds several texts; null characters are shown as their symbol."""
    shown = [text.replace("\0", "\u2400") for text in texts]
    return np.array(shown, dtype=h5py.string_dtype())


def label_axes(dataset: h5py.Dataset, labels: Sequence[str]) -> None:
    """Names the axes of a dataset, as far as there are labels."""
    for axis, label in zip(dataset.dims, labels, strict=False):
        axis.label = label


def filters(storage: str, dtype: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    """The arguments of ``create_dataset`` for a storage: whole records a chunk, as many as fit.

    Args:
        storage: see ``Feature.storage``.
        dtype: of the dataset.
        shape: of the dataset, the record first.

    Raises:
        OptionError: the storage needs a package that is not installed.
    """
    if storage == "contiguous" or not shape[0]:
        return {}
    record = max(1, int(np.prod(shape[1:])) * dtype.itemsize)
    chunks = (min(shape[0], max(1, _CHUNK_BYTES // record)), *shape[1:])
    if storage in ("lzf", "gzip"):
        level = {"compression_opts": _GZIP_LEVEL} if storage == "gzip" else {}
        return {"chunks": chunks, "compression": storage, "shuffle": dtype.itemsize > 1, **level}
    plugins = load_plugins(storage)
    chosen = plugins.Zstd(clevel=3) if storage == "zstd" else plugins.Blosc2(cname="zstd", clevel=5)
    return {"chunks": chunks, **chosen}


def load_plugins(storage: str) -> ModuleType:
    """The package ``hdf5plugin``, which registers its filters when it is imported.

    Raises:
        OptionError: it is not installed.
    """
    try:
        return importlib.import_module("hdf5plugin")
    except ModuleNotFoundError:
        raise OptionError(
            f"storage: got {storage!r}, which needs hdf5plugin: pip install 'pixelbeam[hdf5]'"
        ) from None


def needs_plugins(features: Mapping[str, Feature]) -> bool:
    """Whether a feature's storage is one of ``hdf5plugin``."""
    return any(feature.storage in PLUGIN_STORAGES for feature in features.values())
