"""Whether compressed data can be read: HDF5 knows few filters, the package ``hdf5plugin`` many more."""

from __future__ import annotations

import contextlib
import importlib

import h5py

from ...schemas.errors import DatasetError

__all__ = ["check_filters", "filters_of"]


def filters_of(dataset: h5py.Dataset) -> dict[int, str]:
    """The filters that a dataset's chunks went through: their names by number, in order."""
    if dataset.chunks is None:  # of a virtual dataset, HDF5 does not even let itself be asked
        return {}
    creation = dataset.id.get_create_plist()
    filters = (creation.get_filter(index) for index in range(creation.get_nfilters()))
    return {number: name.decode(errors="replace") for number, _, _, name in filters}


def check_filters(dataset: h5py.Dataset, path: str) -> None:
    """Checks that there is a filter for a dataset, with the help of ``hdf5plugin`` where it is installed.

    Raises:
        DatasetError: there is none.
    """
    missing = _missing(dataset)
    if missing:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module("hdf5plugin")  # registers its filters
    for number, name in missing.items():
        if not h5py.h5z.filter_avail(number):
            raise DatasetError(
                f"{path}: {dataset.name!r} needs the filter {number} ({name}), which is not installed; most "
                "are in hdf5plugin: pip install 'pixelbeam[hdf5]'"
            )


def _missing(dataset: h5py.Dataset) -> dict[int, str]:
    filters = filters_of(dataset).items()
    return {number: name for number, name in filters if not h5py.h5z.filter_avail(number)}
