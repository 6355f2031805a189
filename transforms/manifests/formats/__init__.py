"""The manifest formats: one file each, told apart by the ending of a file's name, then by a look into the file."""

from __future__ import annotations

import copyreg
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache, partial

from ....schemas.errors import ManifestError, PluginError
from ....schemas.plugins import FORMATS, Plugin, find_plugins, naming
from ...storage.streams import GZIP_SUFFIX, read_head
from .annotations.coco import Coco
from .annotations.open_images import OpenImages
from .annotations.voc import Voc, VocList
from .annotations.yolo import Yolo
from .base import ManifestFormat
from .delimited import Delimited
from .hdf5_table import HDF5Table
from .json_lines import JsonLines
from .parquet import Parquet
from .path_list import PathList

__all__ = ["formats_of", "manifest_formats", "naming_format", "recognize_format"]

_ENDING = re.compile(r"(\.[a-z0-9_-]+)+")

_BUILT_IN: dict[str, ManifestFormat] = {
    "open_images": OpenImages(),
    "csv": Delimited(","),
    "tsv": Delimited("\t"),
    "coco": Coco(),
    "json_lines": JsonLines(),
    "parquet": Parquet(),
    "hdf5": HDF5Table(),
    "voc": Voc(),
    "voc_list": VocList(),
    "path_list": PathList(),
    "yolo": Yolo(),
}
"""By name, in order of preference: of those of one ending, the first that recognizes a file reads it."""


@cache
def manifest_formats() -> dict[str, ManifestFormat]:
    """Every format by its name, in order of preference.

    Those of other packages come first: they know what they look for, where ours take all of an ending.

    Raises:
        PluginError: one of another package is broken, or has a name that is taken.
    """
    plugins = _find_plugins()
    for name, plugin in plugins.items():
        # Sent by name, so that a worker that lacks the package can say so in a line.
        copyreg.pickle(plugin.offered, partial(_reduce_plugin, name))  # type: ignore[arg-type]
    return {name: _make(name, plugin) for name, plugin in plugins.items()} | _BUILT_IN


def _make(name: str, plugin: Plugin[ManifestFormat]) -> ManifestFormat:
    try:
        made = plugin.offered()
    except Exception as error:  # it lacks a method, or whatever a stranger's class raises
        raise PluginError(
            f"{plugin}: manifest format {name!r}: {type(error).__name__}: {error}"
        ) from error
    endings = getattr(made, "endings", None)
    if not isinstance(endings, tuple) or not endings or not all(map(_is_ending, endings)):
        raise PluginError(
            f"{plugin}: manifest format {name!r}: got the endings {endings!r}, expected a tuple of at least one "
            "like '.csv', in lower case"
        )
    return made


def _is_ending(ending: object) -> bool:
    return isinstance(ending, str) and bool(_ENDING.fullmatch(ending))


def naming_format(found: ManifestFormat) -> AbstractContextManager[None]:
    """Around what a format is asked to do; see ``naming``."""
    ours = type(found).__module__.startswith(f"{__name__}.")
    for name, plugin in () if ours else _find_plugins().items():
        if type(found) is plugin.offered:
            return naming(f"manifest format {name!r} of {plugin}")
    return naming("")


def _find_plugins() -> Mapping[str, Plugin[ManifestFormat]]:
    return find_plugins(FORMATS, ManifestFormat, _BUILT_IN.keys())  # type: ignore[type-abstract]


def _reduce_plugin(name: str, _: ManifestFormat) -> tuple[object, ...]:
    return _find_plugin, (name,)


def _find_plugin(name: str) -> ManifestFormat:
    if name not in manifest_formats():
        raise PluginError(
            f"manifest format {name!r} is not installed here; install the package that offers it, on workers too"
        )
    return manifest_formats()[name]


def formats_of(name: str) -> dict[str, ManifestFormat]:
    """The formats of a file by its name alone, in order of preference."""
    return {
        key: found
        for key, found in manifest_formats().items()
        if _find_ending(found, name) and found.takes(name)
    }


def recognize_format(path: str) -> ManifestFormat:
    """The format of a manifest file: by its name and, where several have this ending, by its head.

    Raises:
        ManifestError: the ending is none of those known, or nothing recognizes the file.
    """
    formats = formats_of(path)
    if len(formats) > 1:
        head, _ = read_head(path)
        for found in formats.values():
            with naming_format(found):
                recognized = found.recognizes(head)
            if recognized:
                return found
        if _BUILT_IN.keys() >= formats.keys():
            # The last of ours takes all of an ending, and its own messages say best what is wrong.
            return formats[list(formats)[-1]]
        ending = next(_find_ending(found, path) for found in formats.values())
        raise ManifestError(
            f"{path}: not a manifest as far as its start tells, expected one of those that end in {ending}: "
            f"{', '.join(formats)}"
        )
    for found in formats.values():  # the only one, whose own messages say best what is wrong
        return found
    endings = dict.fromkeys(e for found in manifest_formats().values() for e in found.endings)
    raise ManifestError(
        f"{path}: not a kind of manifest, expected a name that ends in {', '.join(endings)} "
        "(the text ones also gzipped, .csv.gz), or a directory of images"
    )


def _find_ending(found: ManifestFormat, name: str) -> str:
    """Which of a format's endings a name has; empty where none."""
    for ending in found.endings:
        zipped = found.compressible and name.lower().endswith(ending + GZIP_SUFFIX)
        if zipped or name.lower().endswith(ending):
            return ending
    return ""
