"""The array files that a task has open: each is opened once, whatever the number of its rows."""

from __future__ import annotations

import posixpath
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from threading import RLock
from typing import Any, TypeVar

import h5py
import numpy as np

from ....schemas.errors import Reject
from ...storage.input_files import InputFiles
from ...storage.streams import open_for_library
from .blocks import BlockCache, BlockedDataset, ChunkedRows, chunked_rows
from .hdf5 import FoundDataset, find_dataset, matlab_class, read_keys
from .references import ArrayReference
from .stored import ARRAY_ERRORS, MAX_VALUE_BYTES, StoredArray, plain_value

__all__ = ["ArrayBlock", "ArrayFiles", "open_hdf5"]

_OPEN_FILES = 32
_LOADED_ARRAYS = 64
_KEY_TABLES = 16
_OPEN_DATASETS = 32
_LAYOUTS = 4096

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class ArrayBlock:
    """What is read at once with a row of an array.

    Attributes:
        file: the path, relative as the manifest has it.
        name: of the dataset.
        chunk: the chunk that the row lies in.
        batch: the part of the chunk that is read at once.
        bytes: of the chunk, inflated.
    """

    file: str
    name: str
    chunk: int
    batch: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _Keys:
    """What an array of keys holds.

    Attributes:
        rows: the rows that each key has, in order.
        count: all keys, equal ones too.
    """

    rows: dict[str, list[int]]
    count: int


class ArrayFiles:
    """Opens array files, and keeps the few used last open.

    Safe to use from several threads. h5py works in one of them at a time; NumPy and Pillow don't
    wait for it.
    """

    def __init__(self, inputs: InputFiles):
        self._inputs = inputs
        self._lock = RLock()
        self._files: OrderedDict[Any, Any] = OrderedDict()
        self._arrays: OrderedDict[Any, Any] = OrderedDict()
        self._keys: OrderedDict[Any, _Keys] = OrderedDict()
        self._datasets: OrderedDict[Any, FoundDataset] = OrderedDict()
        self._layouts: OrderedDict[Any, ChunkedRows | None] = OrderedDict()
        self._blocks = BlockCache()

    def under(self, inputs: InputFiles) -> ArrayFiles:
        """The same open files, with paths that are relative to another manifest's folder."""
        if inputs is self._inputs:
            return self
        # Shallow: the open files, caches and the lock stay the same objects.
        other = copy(self)
        other._inputs = inputs
        return other

    def close(self) -> None:
        """Lets go of everything; files close once no array of theirs is used any more."""
        with self._lock:
            for kept in (self._files, self._arrays, self._keys, self._datasets, self._blocks):
                kept.clear()

    def find(self, reference: ArrayReference, of_images: bool) -> StoredArray:
        """The array that a reference names.

        Rows are counted along the first axis. MATLAB's arrays have the axes that they have in MATLAB;
        there, images lie along the last axis, as MATLAB's own functions want them. Columns are counted
        along the second axis, and come as rows do.

        Args:
            reference: which one.
            of_images: whether its rows are images rather than numbers.

        Raises:
            Reject: stage ``load``: it cannot be found, or must not be read.
        """
        found = self._find(reference, of_images)
        found.of_images = of_images
        if reference.index is not None:
            _fix_row(found, reference.index)
        elif reference.rows is not None:
            found.rows = range(len(found))[reference.rows]
        elif reference.key is not None:
            name, key = reference.key
            keys = self._find_key(reference, name, key)
            found.rows = keys.rows[key]
            _check_selection(found, name, key, keys)
        return found

    def _find(self, reference: ArrayReference, of_images: bool) -> StoredArray:
        path, name = self._inputs.locate(reference.file), reference.name
        with self._lock:
            if path.lower().endswith((".npy", ".npz")):
                array = self._load(path, name, reference.written)
                stored = StoredArray(reference.written, array, tuple(range(array.ndim)))
                return _choose_columns(stored, of_images) if reference.columns else stored
            found = self._dataset(path, name, reference.written)
            stored = _layout(found.dataset, found.file, reference.written, of_images)
            if reference.columns:
                stored = _choose_columns(stored, of_images)
            rows = chunked_rows(found.dataset, stored.axes[0]) if stored.axes else None
            if rows is not None:
                key = path, name, rows.axis
                stored.data = BlockedDataset(found.dataset, rows, self._blocks, key, self._lock)
            return stored

    def find_block(
        self, reference: ArrayReference, of_images: bool, name: str
    ) -> ArrayBlock | None:
        """The block of a dataset that the first row of a reference is read with, by the file's header.

        ``None`` where a reference has no block that others could share: it names a whole array, rows are
        not in compressed chunks of several, or the whole is so small that it is kept anyway.

        Args:
            reference: which rows.
            of_images: see ``find``.
            name: what the block is to call the file.

        Raises:
            Reject: stage ``load``: it cannot be found, or must not be read.
        """
        # Of these formats HDF5 alone has chunks, and a whole array is no row that could share one.
        whole = reference.index is None and reference.rows is None and reference.key is None
        if whole or reference.file.lower().endswith((".npy", ".npz")):
            return None
        layout = _remember(
            self._layouts,
            (self._inputs.prefix + reference.file, reference.name, of_images, reference.columns),
            _LAYOUTS,
            lambda: self._chunked_rows(reference, of_images),
        )
        if layout is None or layout.is_small:
            return None
        rows: Sequence[int] = range(layout.count)
        if reference.index is not None:
            inside = -layout.count <= reference.index < layout.count
            rows = [reference.index % layout.count] if inside else []
        elif reference.key is not None:
            rows = self._find_key(reference, *reference.key).rows[reference.key[1]]
        else:
            rows = rows[reference.rows] if reference.rows is not None else rows
        if not rows or rows[0] >= layout.count:
            return None
        chunk, batch = layout.find_batch(rows[0])
        file = posixpath.normpath(self._inputs.prefix + name.replace("\\", "/"))
        return ArrayBlock(file, reference.name, chunk, batch, layout.chunk * layout.row_bytes)

    def _chunked_rows(self, reference: ArrayReference, of_images: bool) -> ChunkedRows | None:
        try:
            found = self._find(reference, of_images)
        except Reject:  # remembered, so that a file that is not there is looked for once
            return None
        finally:
            self._datasets.clear()  # only its header is needed
        return found.data.rows if isinstance(found.data, BlockedDataset) else None

    def _dataset(self, path: str, name: str, written: str) -> FoundDataset:
        def find() -> FoundDataset:
            return find_dataset(self._open_hdf5, path, name, written)

        return _remember(self._datasets, (path, name), _OPEN_DATASETS, find)

    def _open_hdf5(self, path: str, written: str) -> h5py.File:
        self._inputs.note(path)
        return _remember(self._files, path, _OPEN_FILES, lambda: open_hdf5(path, written))

    def _load(self, path: str, name: str, written: str) -> Any:
        self._inputs.note(path)

        def load() -> Any:
            return _read_numpy(path, name, written)

        return _remember(self._arrays, (path, name), _LOADED_ARRAYS, load)

    def _find_key(self, reference: ArrayReference, name: str, key: str) -> _Keys:
        """The keys of an array, ``key`` among them."""
        with self._lock:
            location = (self._inputs.prefix + reference.file, name)
            keys = _remember(
                self._keys, location, _KEY_TABLES, lambda: self._read_keys(reference, name)
            )
        if key not in keys.rows:
            message = f"{reference.written}: there is no {key!r} in {name!r}"
            raise Reject("load", "no_such_key", message, path=reference.written)
        return keys

    def _read_keys(self, reference: ArrayReference, name: str) -> _Keys:
        path = self._inputs.locate(reference.file)
        if path.lower().endswith((".npy", ".npz")):
            keys = self._load(path, name, reference.written)
            _check_vector(keys, name, reference.written)
            values = list(keys.ravel())
        else:
            found = self._dataset(path, name, reference.written)
            _check_vector(found.dataset, name, reference.written)
            values = read_keys(found)
        table: dict[str, list[int]] = {}
        for row, value in enumerate(values):
            table.setdefault(_key_text(value), []).append(row)
        return _Keys(table, len(values))


def _remember(
    kept: OrderedDict[Any, _Value], key: Any, most: int, make: Callable[[], _Value]
) -> _Value:
    """The value of a key, made where it is not there; the ones used longest ago are forgotten."""
    if key not in kept:
        kept[key] = make()
        while len(kept) > most:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return kept[key]


def _layout(dataset: h5py.Dataset, owner: Any, written: str, of_images: bool) -> StoredArray:
    axes = tuple(range(dataset.ndim))
    matlab = matlab_class(dataset)
    if dataset.attrs.get("MATLAB_empty", 0):
        raise Reject("load", "empty_array", f"{written}: got an empty array", path=written)
    if matlab and not of_images:
        axes = axes[::-1]
    return StoredArray(written, dataset, axes, transposed=bool(matlab), owner=owner)


def _choose_columns(stored: StoredArray, of_images: bool) -> StoredArray:
    if of_images or len(stored.axes) < 2:
        expected = "rows, since images have no columns" if of_images else "two dimensions or more"
        got = f"got columns of an array of shape {list(stored.data.shape)}"
        message = f"{stored.written}: {got}, expected {expected}"
        raise Reject("load", "wrong_shape", message, path=stored.written)
    first, second, *others = stored.axes
    stored.axes, stored.columns = (second, first, *others), True
    return stored


def _check_selection(found: StoredArray, name: str, key: str, keys: _Keys) -> None:
    """Keys that belong to the other axis would name what is not there, or something else."""
    if not found.axes:
        return
    count, *others = (found.data.shape[axis] for axis in found.axes)
    what, other = ("columns", "rows") if found.columns else ("rows", "columns")
    got = f"{found.written}: got {keys.count} keys in {name!r}, expected one for each of {count} {what}"
    if others == [keys.count] and keys.count != count and not found.of_images:
        mark = "" if found.columns else ":,"
        message = f"{got}; those of the {keys.count} {other} are named by [{mark}{name}={key}]"
        raise Reject("load", "wrong_shape", message, path=found.written)
    if keys.rows[key][-1] >= count:
        raise Reject("load", f"no_such_{what[:-1]}", got, path=found.written)


def _check_vector(keys: Any, name: str, written: str) -> None:
    """Keys are a vector; dimensions of one don't count, since MATLAB has no vectors."""
    if sum(size != 1 for size in keys.shape) > 1:
        message = f"{written}: got keys of shape {list(keys.shape)} in {name!r}, expected a vector"
        raise Reject("load", "wrong_shape", message, path=written)


def _fix_row(found: StoredArray, index: int) -> None:
    if not -len(found) <= index < len(found):
        what = "column" if found.columns else "row"
        message = f"{found.written}: got {what} {index}, expected one of {len(found)} {what}s"
        raise Reject("load", f"no_such_{what}", message, path=found.written)
    found.fixed[found.axes[0]] = index % len(found)
    found.axes, found.columns = found.axes[1:], False


def open_hdf5(path: str, written: str) -> h5py.File:
    """Opens an HDF5 file, local or remote.

    Args:
        path: as the filesystem takes it.
        written: how messages call it.

    Raises:
        Reject: stage ``load``: it cannot be opened.
    """
    try:
        source = open_for_library(path)
        if isinstance(source, str):
            return h5py.File(source, "r", locking="best-effort")
        return h5py.File(source, "r")
    except ARRAY_ERRORS as error:
        raise _file_fault(error, written, _HDF5_EXPECTED) from error


_HDF5_EXPECTED = "an HDF5 file, or MATLAB's of version 7.3 (save -v7.3)"


def _read_numpy(path: str, name: str, written: str) -> Any:
    try:
        source = open_for_library(path)
        if path.lower().endswith(".npz"):
            return _read_member(source, name, written)
        return np.load(
            source, mmap_mode="r" if isinstance(source, str) else None, allow_pickle=False
        )
    except (*ARRAY_ERRORS, zipfile.BadZipFile) as error:
        raise _file_fault(error, written, "a NumPy file without pickled objects") from error


def _read_member(source: Any, name: str, written: str) -> Any:
    with np.load(source, allow_pickle=False) as archive:
        wanted = name.strip("/")
        if wanted not in archive.files:
            listed = ", ".join(map(repr, archive.files[:5]))
            message = f"{written}: there is no {wanted!r}; the file holds {listed or 'nothing'}"
            raise Reject("load", "no_such_array", message, path=written)
        size = archive.zip.getinfo(f"{wanted}.npy").file_size
        if size > MAX_VALUE_BYTES:
            message = f"{written}: got {size} bytes, expected at most {MAX_VALUE_BYTES}"
            raise Reject("load", "array_too_large", message, path=written)
        return archive[wanted]


def _file_fault(error: Exception, written: str, expected: str) -> Reject:
    if isinstance(error, FileNotFoundError):
        return Reject("load", "file_not_found", f"no such file: {written!r}", path=written)
    if isinstance(error, PermissionError):
        message = f"no permission to read {written!r}"
        return Reject("load", "permission_denied", message, path=written)
    said = str(error).partition("\n")[0]
    message = f"{written} cannot be opened, expected {expected}: {said}"
    return Reject("load", "corrupt_file", message, path=written)


def _key_text(value: Any) -> str:
    value = plain_value(value)
    if isinstance(value, bytes):
        return value.rstrip(b"\0").decode("utf-8", "replace")
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)
