"""A directory whose sub-directories are the classes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from apache_beam.io.filesystems import FileSystems

from ...schemas.errors import BuildError
from .files import is_local
from .format import NOT_UTF8, Malformed, ManifestFormat, Part, Projection, Record

__all__ = ["ClassFolders", "is_hidden", "is_image_name", "list_remote"]

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".mpo")
NOT_AN_IMAGE = "not_an_image"


@dataclass(frozen=True)
class ClassFolders(ManifestFormat):
    """The files below a class's folder, at any depth, in the columns ``path`` and ``label``.

    ``path`` is relative to the directory, with ``/``; the rows are sorted by it and counted from 1.
    A file whose name does not end like an image's is malformed; what starts with a dot is skipped.
    """

    def columns(self, path: str) -> tuple[str, ...]:  # noqa: D102
        return ("path", "label")

    def parts(self, part: Part, size: int, range_bytes: int) -> list[Part]:  # noqa: D102
        return [part]

    def records(self, part: Part, projection: Projection) -> Iterator[Record]:  # noqa: D102
        indices = projection.indices(self.columns(part.path), part.path)
        names = _walk(part.path) if is_local(part.path) else list_remote(part.path)
        for row, name in enumerate(sorted(names), 1):
            cells = (f"{part.name}/{name}", part.name)
            yield row, _check_name(cells) or tuple(cells[index] for index in indices)


def is_image_name(name: str) -> bool:
    """Whether a file's name ends like that of an image which the build can read."""
    return name.lower().endswith(_IMAGE_SUFFIXES)


def is_hidden(name: str) -> bool:
    """Whether any part of a relative path starts with a dot."""
    return name.startswith(".") or "/." in name


def list_remote(folder: str) -> list[str]:
    """The files below a remote folder, at any depth and relative to it, hidden ones left out."""
    prefix = folder.rstrip("/") + "/"
    found = FileSystems.match([prefix + "**"])[0].metadata_list
    names = (metadata.path.removeprefix(prefix) for metadata in found)
    return [name for name in names if name and not name.endswith("/") and not is_hidden(name)]


def _check_name(cells: tuple[str, str]) -> Malformed | None:
    path, label = cells
    values = (("path", path), ("label", label))
    try:
        path.encode()
    except UnicodeEncodeError:
        return Malformed(NOT_UTF8, f"got the file name {path!a}, expected UTF-8 text")
    if is_image_name(path):
        return None
    endings = " ".join(_IMAGE_SUFFIXES)
    return Malformed(NOT_AN_IMAGE, f"got {path!r}, expected one of {endings}", path, values)


def _walk(folder: str, prefix: str = "", above: frozenset[str] = frozenset()) -> Iterator[str]:
    """The files below a folder relative to it; links are followed, but never in a circle."""
    place = os.path.realpath(folder)
    if place in above:
        raise BuildError(f"{folder}: a link to a folder that it lies in")
    for entry in os.scandir(folder):
        if is_hidden(entry.name):
            continue
        if entry.is_dir():
            yield from _walk(entry.path, f"{prefix}{entry.name}/", above | {place})
        else:
            yield prefix + entry.name
