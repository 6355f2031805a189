"""What lies in folders, and what globs name, on local disks and on Beam's filesystems."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator

from apache_beam.io.filesystem import BeamIOError

from .paths import absolute, filesystems, is_local, lies_in

__all__ = ["find_files", "find_inside", "is_hidden", "list_folder", "walk_folder"]


def is_hidden(name: str) -> bool:
    """Whether any part of a relative path starts with a dot."""
    return name.startswith(".") or "/." in name


def find_files(spec: str, leave_out: str = "") -> list[tuple[str, int]]:
    """The files that a path or a glob names, as full paths with their sizes in bytes; none of a folder.

    Args:
        spec: the path or glob. One that is a file's name is meant as such, whatever letters it has.
        leave_out: a folder whose files a glob does not find.

    Raises:
        OSError, ValueError: the filesystem cannot be asked.
    """
    if not is_local(spec):
        if spec.endswith("/"):
            return []
        found = filesystems().match([spec])[0].metadata_list
        return [
            (metadata.path, metadata.size_in_bytes)
            for metadata in found
            if metadata.path == spec or not lies_in(metadata.path, leave_out)
        ]
    # A name with brackets may also be just that name.
    if os.path.isfile(spec):
        paths = [spec]
    else:
        paths = [p for p in glob.glob(spec, recursive=True) if not lies_in(p, leave_out)]
    files = {absolute(path) for path in paths if os.path.isfile(path)}
    return [(path, os.path.getsize(path)) for path in files]


def find_inside(path: str, leave_out: str, wanted: Callable[[str], bool]) -> list[str] | None:
    """The wanted files that lie in a folder itself, or all that a glob names, as full paths in no order.

    Args:
        path: a folder or a glob.
        leave_out: a folder whose files are not found.
        wanted: whether a file of this name, without its folder, is one of those in a folder.

    Returns:
        ``None`` where it is a single file's path, or leads to nothing.
    """
    if not is_local(path):
        return _find_remote(path, leave_out, wanted)
    if os.path.isdir(path):
        found = [os.path.join(path, name) for name in os.listdir(path) if wanted(name)]
        return [] if lies_in(path, leave_out) else found
    if glob.has_magic(path) and not os.path.exists(path):
        found = [name for name in glob.glob(path, recursive=True) if os.path.isfile(name)]
        return [name for name in found if not lies_in(name, leave_out)]
    return None


def _find_remote(path: str, leave_out: str, wanted: Callable[[str], bool]) -> list[str] | None:
    pattern = path if glob.has_magic(path) else path.rstrip("/") + "/*"
    try:
        found = [m.path for m in filesystems().match([pattern])[0].metadata_list]
    except BeamIOError:
        return None
    found = [name for name in found if not lies_in(name, leave_out)]
    if glob.has_magic(path):
        return found
    # Object stores have no folders: what has nothing below it is a file, or is not there.
    return [name for name in found if wanted(name.rpartition("/")[2])] or None


def list_folder(folder: str) -> list[str]:
    """The names of the files that lie in a folder itself, in no order.

    Raises:
        OSError: the folder cannot be read.
    """
    if is_local(folder):
        return [entry.name for entry in os.scandir(folder) if not _is_folder(entry)]
    return [name for name in _list_remote(folder) if "/" not in name]


def walk_folder(folder: str, leave_out: str = "") -> Iterator[str]:
    """The files below a folder, at any depth and relative to it; none that lie in a hidden folder.

    Args:
        folder: which one.
        leave_out: a folder whose files are left out too: the one that is written to.

    Raises:
        OSError: a folder cannot be read.
    """
    if is_local(folder):
        return _walk(folder, leave_out)
    prefix = folder.rstrip("/") + "/"
    return (name for name in _list_remote(folder) if not lies_in(prefix + name, leave_out))


def _list_remote(folder: str) -> list[str]:
    prefix = folder.rstrip("/") + "/"
    found = filesystems().match([prefix + "**"])[0].metadata_list
    names = (metadata.path.removeprefix(prefix) for metadata in found)
    return [n for n in names if n and not n.endswith("/") and not is_hidden(n.rpartition("/")[0])]


def _walk(
    folder: str, leave_out: str, prefix: str = "", above: frozenset[str] = frozenset()
) -> Iterator[str]:
    """The files below a folder relative to it; links are followed, but never in a circle."""
    real = os.path.realpath(folder)
    if real in above:
        yield prefix.rstrip("/")  # the link itself, which is no image
        return
    for entry in os.scandir(folder):
        if not _is_folder(entry):
            yield prefix + entry.name
        elif not is_hidden(entry.name) and not lies_in(entry.path, leave_out):
            yield from _walk(entry.path, leave_out, f"{prefix}{entry.name}/", above | {real})


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one; not a link that leads to itself."""
    try:
        return entry.is_dir()
    except OSError:  # whoever reads it as a file will say what it is
        return False
