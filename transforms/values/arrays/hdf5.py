"""Datasets in HDF5 and MATLAB v7.3 files; what leads out of the file's folder is refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import h5py

from ....schemas.errors import Reject
from ...storage.paths import beside, real_parent
from .stored import ARRAY_ERRORS

__all__ = ["FoundDataset", "Hdf5Files", "find_dataset", "matlab_class", "open_object", "read_keys"]

_MAX_LINKS = 16
_SHOWN = 5

Hdf5Files = Callable[[str, str], h5py.File]
"""Opens a file by its path; the second argument is how the manifest writes what is looked for."""


class FoundDataset:
    """A dataset, and the files that have to stay open while it is used."""

    def __init__(self, dataset: h5py.Dataset, file: h5py.File):
        self.dataset, self.file = dataset, file


def find_dataset(files: Hdf5Files, path: str, name: str, written: str) -> FoundDataset:
    """Finds a dataset without letting HDF5 open any other file on its own.

    Links are followed one at a time. External links, the sources of virtual datasets and external
    storage are taken where they lie in the file's own folder or below.

    Args:
        files: opens files.
        path: the file.
        name: the dataset's, groups separated by ``/``.
        written: how the manifest writes it, for messages.

    Raises:
        Reject: stage ``load``: ``no_such_array``, ``outside_file``, ``unknown_filter``,
            ``unsupported_array`` or ``corrupt_file``.
    """
    try:
        return _Search(files, written).find(path, name, _MAX_LINKS)
    except ARRAY_ERRORS as error:
        said = str(error).partition("\n")[0]
        message = f"{written} cannot be read: {said}"
        raise Reject("load", "corrupt_file", message, path=written) from error


def open_object(group: h5py.Group, name: str, path: str) -> Any:
    """Opens an object so that whatever it stores in other files is looked for in the file's folder.

    Args:
        group: what the object lies in.
        name: its name there, without a link on the way.
        path: the file's.
    """
    kind = h5py.h5o.get_info(group.id, name.encode()).type
    parent = real_parent(path)
    if kind != h5py.h5o.TYPE_DATASET or parent is None:
        return group[name]
    folder = parent.encode()
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_virtual_prefix(folder)
    # HDF5 refuses to open a dataset twice with different folders of external storage, and it opens the sources
    # of virtual datasets by itself, without one: so only what has such storage gets one.
    try:
        found = h5py.h5d.open(group.id, name.encode(), access)
        if not found.get_create_plist().get_external_count():
            return h5py.Dataset(found)
        del found
    except (OSError, KeyError):
        pass  # it may be open with the folder already
    access.set_efile_prefix(folder)
    return h5py.Dataset(h5py.h5d.open(group.id, name.encode(), access))


def matlab_class(dataset: h5py.Dataset) -> str:
    """The MATLAB class of a dataset (``double``, ``char``, ``cell``, …); empty where there is none."""
    name = dataset.attrs.get("MATLAB_class", b"")
    return name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)


def read_keys(found: FoundDataset) -> list[Any]:
    """The values of a dataset of keys, in order; of a cell array of MATLAB's, the text of each cell."""
    values = found.dataset[()].ravel("K")
    if matlab_class(found.dataset) == "cell":
        return [_text(found.file[reference]) for reference in values]
    return list(values)


def _text(characters: h5py.Dataset) -> str:
    return "".join(map(chr, characters[()].ravel("K")))


class _Search:
    def __init__(self, files: Hdf5Files, written: str):
        self._files, self._written = files, written

    def find(self, path: str, name: str, links: int) -> FoundDataset:
        file = self._files(path, self._written)
        group: Any = file["/"]
        parts = [part for part in name.split("/") if part]
        while parts:
            part = parts.pop(0)
            link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
            if link is None:
                raise self._missing(group, part)
            if isinstance(link, h5py.HardLink):
                group = open_object(group, part, path)
                continue
            if not links:
                raise self._reject("unsupported_array", "leads through too many links")
            links -= 1
            rest = "/".join(parts)
            if isinstance(link, h5py.ExternalLink):
                return self.find(self._inside(path, link.filename), f"{link.path}/{rest}", links)
            start = "" if link.path.startswith("/") else group.name
            return self.find(path, f"{start}/{link.path}/{rest}", links)
        if not isinstance(group, h5py.Dataset):
            raise self._missing(group, "")
        self._check_storage(group, path, links)
        return FoundDataset(group, file)

    def _check_storage(self, dataset: h5py.Dataset, path: str, links: int) -> None:
        if dataset.shape is None:
            raise self._reject("unsupported_array", "holds no value (h5py.Empty)")
        references = h5py.check_ref_dtype(dataset.dtype) and matlab_class(dataset) != "cell"
        if dataset.dtype.names or references:
            raise self._reject("unsupported_array", f"has elements of {dataset.dtype}")
        for name, _, _ in dataset.external or ():
            self._inside(path, name)
        properties = dataset.id.get_create_plist()
        for index in range(properties.get_nfilters()):
            code, _, _, name = properties.get_filter(index)
            if not h5py.h5z.filter_avail(code):
                named = name.decode("utf-8", "replace") or code
                raise self._reject("unknown_filter", f"needs the HDF5 filter {named}")
        if dataset.is_virtual:
            self._check_virtual(dataset, path, links)

    def _check_virtual(self, dataset: h5py.Dataset, path: str, links: int) -> None:
        if not links:
            raise self._reject("unsupported_array", "leads through too many virtual datasets")
        sources = {(part.file_name, part.dset_name) for part in dataset.virtual_sources()}
        for file_name, name in sorted(sources):
            if "%" in file_name or "%" in name:
                raise self._reject("unsupported_array", "is virtual over files named by a pattern")
            other = path if file_name == "." else self._inside(path, file_name)
            self.find(other, name, links - 1)

    def _inside(self, path: str, name: str) -> str:
        """The path of another file, which has to lie in the folder of the first."""
        other = beside(path, name)
        if other is None:
            said = f"leads to {name!r}, which is not in the file's folder"
            raise self._reject("outside_file", said)
        return other

    def _missing(self, group: Any, part: str) -> Reject:
        if not isinstance(group, h5py.Group):
            return self._reject("no_such_array", f"leads into {group.name!r}, which is an array")
        names = [repr(name) for name in islice(group, _SHOWN + 1)]
        shown = ", ".join(names[:_SHOWN] + ["…"] * (len(names) > _SHOWN)) or "nothing"
        what = f"there is no {part!r} in" if part else "expected an array, got the group"
        return self._reject("no_such_array", f"{what} {group.name!r}, which holds {shown}")

    def _reject(self, reason: str, said: str) -> Reject:
        return Reject("load", reason, f"{self._written}: {said}", path=self._written)
