"""``train.h5``: the HDF5 shards of a split as one file, which holds none of their data itself.

Its datasets are virtual: HDF5 finds their parts in the shards, by names relative to the file. What
HDF5 gives for a shard that it does not find are fill values, without a word; they are chosen here so that
they stand out where the type has such a value. Readers check the shards first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from ....schemas.dataset.hdf5_layout import OFFSETS, STEP_OFFSETS, VALUES, columns
from ....schemas.schema import Schema
from .files import create_file, label_axes, require_group, text_array

__all__ = ["write_virtual"]

_MISSING = {"i": np.iinfo(np.int64).min, "f": np.nan}
"""Fill values by kind of number; pixels have none that could not be one, text and bytes are empty."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What one shard has to offer.

    Attributes:
        file: its name.
        shapes: of its datasets that become parts of virtual ones, by path.
        offsets: its datasets that count from its own first value, by path.
    """

    file: str
    shapes: dict[str, tuple[int, ...]]
    offsets: dict[str, Any]


def write_virtual(
    target: Path,
    split: str,
    schema: Schema,
    shards: Sequence[str],
    open_shard: Callable[[str], BinaryIO],
) -> None:
    """Writes the virtual file of a split.

    Args:
        target: a local file that does not exist yet.
        split: the split's name.
        schema: the schema that the shards were written with.
        shards: the names of the shards' files, in order, at least one.
        open_shard: opens one of them for reading.
    """
    parts = [_read_part(name, open_shard, schema) for name in shards]
    with (
        open_shard(shards[0]) as like,
        create_file(target) as file,
        h5py.File(like, "r") as first,
    ):
        for attribute in ("format", "name", "version", "schema"):
            if attribute in first.attrs:
                file.attrs[attribute] = first.attrs[attribute]
        file.attrs["split"] = split
        file.attrs["shards"] = text_array([part.file for part in parts])
        for path in parts[0].shapes:
            parent, name = _parent(file, path)
            _create_virtual(parent, name, first[path], [(p.file, p.shapes[path]) for p in parts])
        for path in parts[0].offsets:
            parent, name = _parent(file, path)
            joined = _join_offsets(part.offsets[path] for part in parts)
            parent.create_dataset(name, data=joined, track_times=False)
        for column in columns(schema):
            _copy_attributes(first[column.key], file[column.key])


def _read_part(name: str, open_shard: Callable[[str], BinaryIO], schema: Schema) -> _Part:
    values, offsets = [], []
    for column in sorted(columns(schema), key=lambda column: column.key):
        if not column.is_group:
            values.append(column.key)
            continue
        values.append(f"{column.key}/{VALUES}")
        offsets.append(f"{column.key}/{OFFSETS}")
        if column.is_steps and column.spec.is_ragged:
            offsets.append(f"{column.key}/{STEP_OFFSETS}")
    with open_shard(name) as content, h5py.File(content, "r") as file:
        shapes = {path: file[path].shape for path in values}
        return _Part(name, shapes, {path: file[path][:] for path in offsets})


def _parent(file: h5py.File, path: str) -> tuple[h5py.Group, str]:
    folder, _, name = path.rpartition("/")
    return (require_group(file, folder) if folder else file), name


def _create_virtual(
    parent: h5py.Group,
    name: str,
    like: h5py.Dataset,
    sources: Sequence[tuple[str, tuple[int, ...]]],
) -> None:
    """A dataset that joins one of the same path in every file along the first axis.

    By HDF5's own functions, since those of h5py write the time of creation.
    """
    shape = (sum(shape[0] for _, shape in sources), *like.shape[1:])
    space = h5py.h5s.create_simple(shape)
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_obj_track_times(False)
    if like.dtype.kind in _MISSING:
        creation.set_fill_value(np.array(_MISSING[like.dtype.kind], like.dtype))
    start = 0
    for file, part in sources:
        if part[0]:
            own = h5py.h5s.create_simple(part)
            space.select_hyperslab((start, *(0 for _ in part[1:])), part)
            creation.set_virtual(space, file.encode(), like.name.encode(), own)
            start += part[0]
    space.select_all()
    h5py.h5d.create(parent.id, name.encode(), like.id.get_type(), space, creation)
    label_axes(parent[name], [axis.label for axis in like.dims])


def _join_offsets(parts: Iterable[Any]) -> Any:
    joined, end = [np.zeros(1, np.int64)], 0
    for offsets in parts:
        joined.append(offsets[1:] + end)
        end += int(offsets[-1])
    return np.concatenate(joined)


def _copy_attributes(source: h5py.HLObject, target: h5py.HLObject) -> None:
    for name in ("feature", "type", "encoding", "class_names"):
        if name in source.attrs:
            value = source.attrs[name]
            target.attrs[name] = text_array(value) if name == "class_names" else value
