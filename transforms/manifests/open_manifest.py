"""What a manifest is, and finding out in the launcher: names, sizes and heads of files, no rows."""

from __future__ import annotations

import glob
import os
import posixpath
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ...schemas.errors import ManifestError
from ..storage.listings import find_files, walk_folder
from ..storage.paths import absolute, common_folder, has_folder
from .formats import formats_of, naming_format, recognize_format
from .formats.annotations.voc import VocFolder, is_annotation_name
from .formats.base import ManifestFormat
from .formats.class_folders import ROOT, SPLIT, ClassFolders, FolderLayout, find_layout

__all__ = ["SPLIT_COLUMN", "Manifest", "ManifestFile", "open_manifest"]

SPLIT_COLUMN = "manifest/split"
"""The column that rows have where each of several manifests is a split."""

_HEADS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file of a manifest, or one folder of images.

    Attributes:
        path: as the filesystem takes it; absolute when it is local.
        name: relative to ``Manifest.root``, with ``/``; ``.`` for the root itself.
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
            directory of images, that directory; for a glob, the deepest folder that has all files.
        files: sorted by name.
        format: how every file of it is read.
        columns: every column, in the order of the first file's header.
        split_column: the column that names the rows' splits where the manifest itself has them: a
            directory with a folder per split, a YOLO data set with ``train`` and ``val``.
        left_out: of a directory, how many files in it are no images.
        left_out_example: the first of them by name.
        hint: what to do where a column is missing.
        split: the split that all rows belong to, where each of several manifests is one.
    """

    spec: str
    root: str
    files: tuple[ManifestFile, ...]
    format: ManifestFormat
    columns: tuple[str, ...]
    split_column: str | None = None
    left_out: int = 0
    left_out_example: str = ""
    hint: str = ""
    split: str = ""

    def name_of(self, name: str) -> str:
        """What one of the files is called in a build, which may have manifests of equal names."""
        return f"{self.split}/{name}" if self.split else name

    @property
    def inline_columns(self) -> tuple[str, ...]:
        """The columns that can hold the bytes of images in the manifest itself.

        Raises:
            ManifestError: the first file cannot be read.
        """
        return self.format.inline_columns(self.files[0].path)


def open_manifest(spec: str, leave_out: str = "") -> Manifest:
    """Finds a manifest's files and reads their headers.

    Args:
        spec: a file, a glob of files, a directory of annotations (Pascal VOC's XML), or a directory of images
            in a folder per class, per split and class, per split, or in none; local or any path that Beam's
            filesystems take. In a directory, folders that start with a dot are skipped, and files that are not
            of its kind counted.
        leave_out: a folder that no glob or directory is searched in: the one that is written to.

    Raises:
        ManifestError: there is no such file, it is of no known kind, or its header cannot be read.
    """
    folder = has_folder(spec)
    if folder:
        return _open_folders(spec, absolute(spec), leave_out)
    try:
        found = find_files(spec, leave_out)
    except (OSError, ValueError) as error:
        raise ManifestError(f"{spec}: cannot be read: {error}") from error
    if found:
        return _open_files(spec, found)
    # A file whose name has an asterisk in it was found above; what is left is a pattern.
    if glob.has_magic(spec):
        raise ManifestError(f"{spec}: no file matches")
    if folder is False:
        raise ManifestError(f"{spec}: no such file or directory")
    return _open_folders(spec, spec.rstrip("/"), leave_out)


def _open_files(spec: str, found: Sequence[tuple[str, int]]) -> Manifest:
    root = common_folder([path for path, _ in found])
    files = [ManifestFile(path, _relative(path, root), size) for path, size in found]
    files.sort(key=lambda file: file.name)
    manifest_format = _one_format(files)
    columns = _same_columns(manifest_format, files)
    with naming_format(manifest_format):
        roots = [manifest_format.image_root(file.path) for file in files]
        split = manifest_format.split_column(files[0].path)
    for file, own in zip(files, roots, strict=True):
        if own != roots[0]:
            raise ManifestError(
                f"{file.path}: its images lie in {own}, those of {files[0].path} in {roots[0]}, expected one "
                "folder for all files of a glob; name them one by one as splits: train=…,val=…"
            )
    return Manifest(spec, roots[0] or root, tuple(files), manifest_format, columns, split)


def _relative(path: str, root: str) -> str:
    return path[len(root) :].replace(os.sep, "/").lstrip("/")


def _one_format(files: Sequence[ManifestFile]) -> ManifestFormat:
    with ThreadPoolExecutor(_HEADS_AT_ONCE) as pool:
        formats = list(pool.map(recognize_format, [file.path for file in files]))
    # One format reads all files, so that tasks need not look at the heads again.
    for file, other in zip(files, formats, strict=True):
        if other != formats[0]:
            raise ManifestError(
                f"{file.path}: another kind of manifest than {files[0].path}, expected one kind in a glob"
            )
    return formats[0]


def _same_columns(
    manifest_format: ManifestFormat, files: Sequence[ManifestFile]
) -> tuple[str, ...]:
    with ThreadPoolExecutor(_HEADS_AT_ONCE) as pool, naming_format(manifest_format):
        headers = list(pool.map(manifest_format.columns, [file.path for file in files]))
    # In the order of the first file; a set would have another one in each process.
    every = tuple(dict.fromkeys(name for header in headers for name in header))
    if manifest_format.optional_columns:
        return every
    for file, header in zip(files, headers, strict=True):
        for name in every:
            if name not in header:
                having = next(f.path for f, h in zip(files, headers, strict=True) if name in h)
                raise ManifestError(f"{file.path}: no column {name!r}, which {having} has")
    return every


def _open_folders(spec: str, root: str, leave_out: str) -> Manifest:
    try:
        layout = find_layout(spec, walk_folder(root, leave_out))
    except (OSError, ValueError) as error:
        path = getattr(error, "filename", None) or spec
        reason = getattr(error, "strerror", None) or error
        raise ManifestError(f"{path}: cannot be read: {reason}") from error
    if not layout.folders and any(map(is_annotation_name, layout.beside)):
        return _open_annotations(spec, root, layout)
    if not layout.folders:
        raise ManifestError(_describe_empty(spec, layout))
    for folder in layout.folders:
        if not folder.isprintable():
            raise ManifestError(f"{spec}: got the folder {folder!a}, expected a printable name")
    folders = ClassFolders(layout.levels)
    return Manifest(
        spec,
        root,
        tuple(ManifestFile(_join(root, name), name, 0) for name in layout.folders),
        folders,
        folders.columns(root),
        split_column=SPLIT if SPLIT in layout.levels else None,
        left_out=layout.left_out,
        left_out_example=layout.example,
        hint=_name_manifest(spec, layout),
    )


def _open_annotations(spec: str, root: str, layout: FolderLayout) -> Manifest:
    """A folder of XML files, in which no image lies."""
    voc, name = VocFolder(), posixpath.basename(root.rstrip("/"))
    others = [other for other in layout.beside if not is_annotation_name(other)]
    return Manifest(
        spec,
        voc.image_root(root) or root,
        (ManifestFile(root, name, 0),),
        voc,
        voc.columns(root),
        left_out=len(others),
        left_out_example=min(others, default=""),
    )


def _join(root: str, name: str) -> str:
    return root if name == ROOT else posixpath.join(root, name)


def _describe_empty(spec: str, layout: FolderLayout) -> str:
    if not layout.left_out and has_folder(spec) is None:  # where there are no empty folders
        return f"{spec}: no such file or directory"
    found = f"it has {layout.example!r}" if layout.left_out else "it is empty"
    return f"{spec}: a directory without images; {_name_manifest(spec, layout) or found}"


def _name_manifest(spec: str, layout: FolderLayout) -> str:
    """How to name the manifest file that lies in a directory, if there is one."""
    for name in layout.beside:
        if formats_of(name):
            return f"for the manifest in it: --manifest {posixpath.join(spec, name)}"
    return ""
