"""What a manifest is, and finding out in the launcher: names, sizes and heads of files, no rows."""

from __future__ import annotations

import glob
import os
import posixpath
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from apache_beam.io.filesystems import FileSystems

from ..schemas.errors import ManifestError
from .formats import CLASS_FOLDERS, format_of
from .formats.class_folders import is_hidden, is_image_name, list_remote
from .formats.files import is_local
from .formats.format import ManifestFormat
from .formats.parquet import Parquet
from .formats.parquet import inline_columns as _inline_columns_of

__all__ = ["Manifest", "ManifestFile", "inline_columns", "open_manifest"]

_HEADS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file of a manifest, or the folder of one class.

    Attributes:
        path: as the filesystem takes it; absolute when it is local.
        name: relative to ``Manifest.root``, with ``/``; for a class, the folder's name.
        size: in bytes, as it lies there; 0 for folders.
    """

    path: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest whose files are known and whose header is read.

    Attributes:
        spec: as the user wrote it.
        root: what relative paths of images are relative to by default: the manifest's folder; for a
            directory of classes, that directory; for a glob, the deepest folder that has all files.
        files: sorted by name.
        format: how every file of it is read.
        columns: every column, in the order of the first file's header.
    """

    spec: str
    root: str
    files: tuple[ManifestFile, ...]
    format: ManifestFormat
    columns: tuple[str, ...]


def open_manifest(spec: str) -> Manifest:
    """Finds a manifest's files and reads their headers.

    Args:
        spec: a file, a glob of files, or a directory with a sub-directory per class; local or any
            path that Beam's filesystems take. In a directory, what starts with a dot is skipped,
            and so are files that are no images beside the classes' folders.

    Raises:
        ManifestError: there is no such file, it is of no known kind, or its header cannot be read.
    """
    if is_local(spec) and os.path.isdir(spec):
        return _open_local_folders(spec)
    found = _find_local(spec) if is_local(spec) else _find_remote(spec)
    if found:
        return _open_files(spec, found)
    if _is_glob(spec):
        raise ManifestError(f"{spec}: no file matches")
    classes = [] if is_local(spec) else _remote_names(spec)
    if not classes:
        raise ManifestError(f"{spec}: no such file or directory")
    return _open_folders(spec, spec.rstrip("/"), *_sort_out(classes))


def inline_columns(manifest: Manifest) -> tuple[str, ...]:
    """The columns that can hold the bytes of images in the manifest itself (Parquet only).

    Raises:
        ManifestError: the first file cannot be read.
    """
    if not isinstance(manifest.format, Parquet):
        return ()
    return _inline_columns_of(manifest.files[0].path)


def _is_glob(spec: str) -> bool:
    return glob.has_magic(spec)


def _find_local(spec: str) -> list[tuple[str, int]]:
    # A name with brackets may also be just that name.
    paths = [spec] if os.path.isfile(spec) else glob.glob(spec, recursive=True)
    files = {os.path.abspath(path) for path in paths if os.path.isfile(path)}
    return [(path, os.path.getsize(path)) for path in files]


def _find_remote(spec: str) -> list[tuple[str, int]]:
    if spec.endswith("/"):
        return []
    try:
        found = FileSystems.match([spec])[0].metadata_list
    except (OSError, ValueError) as error:
        raise ManifestError(f"{spec}: cannot be read: {error}") from error
    return [(metadata.path, metadata.size_in_bytes) for metadata in found]


def _open_files(spec: str, found: Sequence[tuple[str, int]]) -> Manifest:
    root = _common_folder([path for path, _ in found])
    files = [ManifestFile(path, _relative(path, root), size) for path, size in found]
    files.sort(key=lambda file: file.name)
    manifest_format = _one_format(files)
    columns = _same_columns(manifest_format, files)
    return Manifest(spec, root, tuple(files), manifest_format, columns)


def _common_folder(paths: Sequence[str]) -> str:
    if is_local(paths[0]):
        return os.path.commonpath([os.path.dirname(path) for path in paths])
    folders = [posixpath.dirname(path).split("/") for path in paths]
    shared = 0
    for level in zip(*folders, strict=False):
        if len(set(level)) > 1:
            break
        shared += 1
    return "/".join(folders[0][:shared])


def _relative(path: str, root: str) -> str:
    return path[len(root) :].replace(os.sep, "/").lstrip("/")


def _one_format(files: Sequence[ManifestFile]) -> ManifestFormat:
    formats = {file.path: format_of(file.path) for file in files}
    first = files[0]
    for path, other in formats.items():
        if other != formats[first.path]:
            raise ManifestError(
                f"{path}: another kind of manifest than {first.path}, expected one kind in a glob"
            )
    return formats[first.path]


def _same_columns(
    manifest_format: ManifestFormat, files: Sequence[ManifestFile]
) -> tuple[str, ...]:
    with ThreadPoolExecutor(_HEADS_AT_ONCE) as pool:
        headers = list(pool.map(manifest_format.columns, [file.path for file in files]))
    every = tuple(dict.fromkeys(name for header in headers for name in header))
    if manifest_format.optional_columns:
        return every
    for file, header in zip(files, headers, strict=True):
        for name in every:
            if name not in header:
                having = next(f.path for f, h in zip(files, headers, strict=True) if name in h)
                raise ManifestError(f"{file.path}: no column {name!r}, which {having} has")
    return every


def _open_local_folders(spec: str) -> Manifest:
    root = os.path.abspath(spec)
    entries = [entry for entry in os.scandir(root) if not is_hidden(entry.name)]
    classes = [entry.name for entry in entries if entry.is_dir()]
    return _open_folders(spec, root, classes, [e.name for e in entries if not e.is_dir()])


def _remote_names(spec: str) -> list[str]:
    try:
        return list_remote(spec)
    except (OSError, ValueError) as error:
        raise ManifestError(f"{spec}: cannot be read: {error}") from error


def _sort_out(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The classes, and the files beside them, among the files below a remote directory."""
    names = list(names)
    classes = {name.partition("/")[0] for name in names if "/" in name}
    return list(classes), [name for name in names if "/" not in name]


def _open_folders(spec: str, root: str, classes: Sequence[str], beside: Sequence[str]) -> Manifest:
    images = sorted(filter(is_image_name, beside))
    if not classes:
        raise ManifestError(_describe_flat(spec, sorted(beside)))
    if images:
        raise ManifestError(
            f"{spec}: {images[0]!r} (one of {len(images)}) lies beside the folders of the classes, "
            "expected every image in one of them"
        )
    for name in classes:
        if not name.isprintable():
            raise ManifestError(f"{spec}: got the class folder {name!a}, expected a printable name")
    files = [ManifestFile(f"{root}/{name}", name, 0) for name in sorted(classes)]
    return Manifest(spec, root, tuple(files), CLASS_FOLDERS, CLASS_FOLDERS.columns(root))


def _describe_flat(spec: str, beside: Sequence[str]) -> str:
    message = f"{spec}: a directory without a sub-directory per class"
    for name in beside:
        try:
            format_of(name)
        except ManifestError:
            continue
        return f"{message}; for the manifest in it: --manifest {posixpath.join(spec, name)}"
    return message + (f"; it has {beside[0]!r}" if beside else "; it is empty")
