"""A directory of images, in a folder per class, per split and class, per split, or in none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ....schemas.errors import BuildError, ManifestError
from ....schemas.features.class_spelling import SPLIT_NAMES
from ...storage.listings import is_hidden, list_folder
from .base import NOT_UTF8, Malformed, ManifestFormat, Part, Projection, Record

__all__ = [
    "ClassFolders",
    "FolderLayout",
    "find_layout",
    "is_image_name",
    "list_images",
]

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".mpo")
# Images all the same: left out in silence, half of a phone's photos would be missing.
_UNREADABLE_SUFFIXES = (
    *(".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".svg", ".psd"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2"),
)
_ROW_SUFFIXES = _IMAGE_SUFFIXES + _UNREADABLE_SUFFIXES
NOT_AN_IMAGE = "not_an_image"
SPLIT, LABEL = "split", "label"
ROOT = "."
"""What the directory itself is called among its folders."""


@dataclass(frozen=True)
class ClassFolders(ManifestFormat):
    """The images that lie in a folder, in the column ``path`` and a column for each level of folders.

    ``path`` is relative to the directory, with ``/``; the rows of a folder are sorted by it and counted
    from 1. An image of a kind that is not read is malformed; a file that is no image is no row.

    Attributes:
        levels: what the folders are, from the directory down: ``split``, ``label``, both or neither.
    """

    unit = "folder"

    levels: tuple[str, ...] = (LABEL,)

    def columns(self, path: str) -> tuple[str, ...]:  # noqa: D102
        return ("path", *self.levels)

    def parts(self, part: Part, size: int, range_bytes: int) -> list[Part]:  # noqa: D102
        return [part]

    def records(self, part: Part, projection: Projection) -> Iterator[Record]:  # noqa: D102
        indices = projection.indices(self.columns(part.path), part.path)
        folders = part.name.split("/") if self.levels else []
        prefix = "".join(f"{folder}/" for folder in folders)
        for row, name in enumerate(list_images(part.path), 1):
            cells = (prefix + name, *folders)
            fault = _check_name(self.columns(part.path), cells)
            yield row, fault or tuple(cells[index] for index in indices)

    def identity(self, path: str) -> dict[str, Any]:
        """How many rows there are, and the SHA-256 of their names."""
        names = list_images(path)
        digest = hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape"))
        return {"files": len(names), "sha256": digest.hexdigest()}


@dataclass(frozen=True, slots=True)
class FolderLayout:
    """How a directory of images is laid out.

    Attributes:
        levels: see ``ClassFolders``.
        folders: those that images lie in, relative to the directory and sorted; ``.`` is itself.
        left_out: the number of files that are no images.
        example: the first of them by name.
        beside: those of them that lie in the directory itself and are not hidden, sorted.
    """

    levels: tuple[str, ...]
    folders: tuple[str, ...]
    left_out: int
    example: str
    beside: tuple[str, ...]


def find_layout(spec: str, names: Iterable[str]) -> FolderLayout:
    """Recognises the layout of a directory.

    Args:
        spec: the directory, for messages.
        names: what ``walk_folder`` gives for it.

    Raises:
        ManifestError: images lie deeper than in a folder per split and class, or not all alike.
    """
    images: dict[str, str] = {}  # the first image of each folder
    left_out, example, beside = 0, "", []
    for name in names:
        folder = name.rpartition("/")[0]
        if _is_row(name):
            images[folder] = min(images.get(folder, name), name)
            continue
        left_out += 1
        example = min(example or name, name)
        if not folder and not is_hidden(name):
            beside.append(name)
    levels = _find_levels(spec, images)
    folders = tuple(sorted(images)) if levels else (ROOT,) * bool(images)
    return FolderLayout(levels, folders, left_out, example, tuple(sorted(beside)))


def is_image_name(name: str) -> bool:
    """Whether a file's name ends like that of an image which the build can read."""
    return name.lower().endswith(_IMAGE_SUFFIXES)


def list_images(folder: str) -> list[str]:
    """The names of the images that lie in a folder itself, sorted: its rows.

    Raises:
        BuildError: the folder cannot be read.
    """
    try:
        return sorted(filter(_is_row, list_folder(folder)))
    except OSError as error:
        raise BuildError(f"{folder}: cannot be read: {error.strerror or error}") from error


def _is_row(name: str) -> bool:
    return name.lower().endswith(_ROW_SUFFIXES) and not is_hidden(name)


def _find_levels(spec: str, images: Mapping[str, str]) -> tuple[str, ...]:
    """What the levels of folders are, given the first image of each folder."""
    tops = sorted({folder.partition("/")[0] for folder in images if folder})
    splits = [name for name in tops if name.lower() in SPLIT_NAMES]
    depths: dict[int, str] = {}  # the first image of each
    for image in sorted(images.values()):
        depths.setdefault(image.count("/"), image)
        top = image.partition("/")[0]
        if image.count("/") > 1 and top in splits and splits != tops:
            other = next(name for name in tops if name not in splits)
            raise ManifestError(
                f"{spec}: got the folder {other!r} beside {top!r}, a split's with classes in it "
                f"({image!r}), expected folders of splits alone"
            )
    deepest = max(depths, default=0)
    if deepest > (2 if splits == tops else 1):
        raise ManifestError(
            f"{spec}: {depths[deepest]!r} lies too deep, expected images in a folder per class "
            "(cat/1.jpg), or per split and class (train/cat/1.jpg); "
            "name the folder above the classes, or list the images in a manifest file"
        )
    if len(depths) > 1:
        raise ManifestError(
            f"{spec}: {depths[min(depths)]!r} lies beside the folders of {depths[deepest]!r}, "
            "expected every image at the same level"
        )
    if deepest == 1:
        return (SPLIT,) if splits == tops else (LABEL,)
    return (SPLIT, LABEL) if deepest else ()


def _check_name(columns: Sequence[str], cells: tuple[str, ...]) -> Malformed | None:
    path = cells[0]
    try:
        path.encode()
    except UnicodeEncodeError:
        return Malformed(NOT_UTF8, f"got the file name {path!a}, expected UTF-8 text")
    if is_image_name(path):
        return None
    message = f"got {path!r}, expected one of {' '.join(_IMAGE_SUFFIXES)}"
    return Malformed(NOT_AN_IMAGE, message, path, tuple(zip(columns, cells, strict=True)))
