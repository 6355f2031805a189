"""The manifest formats: one file each, found by the ending of the manifest's name."""

from __future__ import annotations

from ....schemas.errors import ManifestError
from ...storage.streams import GZIP_SUFFIX
from .base import ManifestFormat
from .delimited import Delimited
from .hdf5_table import HDF5Table
from .json_lines import JsonLines
from .parquet import Parquet
from .path_list import PathList

__all__ = ["format_of"]

_BY_ENDING: dict[str, ManifestFormat] = {
    ".csv": Delimited(","),
    ".tsv": Delimited("\t"),
    ".jsonl": JsonLines(),
    ".ndjson": JsonLines(),
    ".json": JsonLines(),
    ".parquet": Parquet(),
    ".h5": HDF5Table(),
    ".hdf5": HDF5Table(),
    ".hdf": HDF5Table(),
    ".he5": HDF5Table(),
    ".txt": PathList(),
    ".lst": PathList(),
}


def format_of(path: str) -> ManifestFormat:
    """The format of a manifest file, by its name.

    Raises:
        ManifestError: the ending is none of those known.
    """
    name = path.lower()
    for ending, manifest_format in _BY_ENDING.items():
        zipped = manifest_format.compressible and name.endswith(ending + GZIP_SUFFIX)
        if zipped or name.endswith(ending):
            return manifest_format
    raise ManifestError(
        f"{path}: not a kind of manifest, expected a name that ends in {', '.join(_BY_ENDING)} "
        "(the text ones also gzipped, .csv.gz), or a directory of images"
    )
