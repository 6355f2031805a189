"""Pascal VOC: an XML file an image, in a folder, or as a list in ``ImageSets`` names them."""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from .....schemas.errors import BuildError, ManifestError
from .....schemas.features.base import shorten
from ....storage.listings import is_hidden, list_folder
from ....storage.paths import absolute, has_folder
from ....storage.streams import READ_FAILURES, read_chunks
from ..base import MALFORMED_ROW, NOT_UTF8, Malformed, ManifestFormat, Part, Projection, Record
from .small_files import SmallFiles, split_path
from .voc_xml import FLAGS, XmlError, parse_voc

__all__ = ["Voc", "VocFolder", "VocList", "is_annotation_name"]

NO_ANNOTATION = "no_annotation"

_COLUMNS = (
    *("file_name", "image_id", "width", "height", "depth", "segmented"),
    *("bbox", "category", "pose", *FLAGS, "parts"),
)
_IMAGES = "JPEGImages"
_ANNOTATIONS = "Annotations"
_LIST = re.compile(r".*/ImageSets/[^/]+/[^/]+\.txt")
_PART_ROWS = 1 << 12


@dataclass(frozen=True)
class _VocFiles(ManifestFormat):
    """A row is an XML file: an image and its objects.

    Columns of the image are ``file_name``, ``image_id`` (the XML file's name), ``width``, ``height``,
    ``depth`` and ``segmented``; of its objects ``bbox``, ``category``, ``pose``, ``difficult``, ``truncated``,
    ``occluded`` and ``parts``. Images lie in ``JPEGImages`` beside the folder of the XML files, else beside those.
    """

    def columns(self, path: str) -> tuple[str, ...]:
        return _COLUMNS

    def image_root(self, path: str) -> str | None:
        """``JPEGImages``, where there is one; of what is far away, where the folder's name says that there is."""
        folder = self._folder(absolute(path))
        images = f"{split_path(folder)[0]}/{_IMAGES}"
        known = has_folder(images)
        is_there = folder.endswith(f"/{_ANNOTATIONS}") if known is None else known
        return images if is_there else folder

    def parts(self, part: Part, size: int, range_bytes: int) -> list[Part]:
        count = len(self._list_rows(part.path))
        return [
            replace(part, row=start + 1, start=start, stop=min(start + _PART_ROWS, count))
            for start in range(0, count, _PART_ROWS)
        ]

    def identity(self, path: str) -> dict[str, Any]:
        """How many files there are, and a hash of their names and contents."""
        rows = self._list_rows(path)
        digest = hashlib.sha256()
        contents = SmallFiles().read_all(xml for _, xml in rows)
        for (number, xml), content in zip(rows, contents, strict=True):
            said = "" if content is None else hashlib.sha256(content).hexdigest()
            line = f"{number}\0{split_path(xml)[1]}\0{said}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
        return {"files": len(rows), "sha256": digest.hexdigest()}

    def records(self, part: Part, projection: Projection) -> Iterator[Record]:
        rows = self._list_rows(part.path)[part.start : part.stop]
        contents = SmallFiles().read_all(xml for _, xml in rows)
        for (number, xml), content in zip(rows, contents, strict=True):
            yield number, _read_row(split_path(xml)[1], content, projection.columns)

    @abstractmethod
    def _folder(self, path: str) -> str:
        """The folder of the XML files."""

    @abstractmethod
    def _list_rows(self, path: str) -> list[tuple[int, str]]:
        """The rows' numbers, and their XML files."""


@dataclass(frozen=True)
class Voc(_VocFiles):
    """One XML file, of those that a glob names."""

    endings = (".xml",)

    def _folder(self, path: str) -> str:
        return split_path(path)[0]

    def _list_rows(self, path: str) -> list[tuple[int, str]]:
        return [(1, path)]


@dataclass(frozen=True)
class VocFolder(_VocFiles):
    """A folder of XML files, sorted by name and counted from 1."""

    unit: ClassVar[str] = "folder"

    def _folder(self, path: str) -> str:
        return path.rstrip("/")

    def _list_rows(self, path: str) -> list[tuple[int, str]]:
        try:
            names = sorted(filter(is_annotation_name, list_folder(path)))
        except READ_FAILURES as error:
            raise BuildError(f"{path}: cannot be read: {error}") from error
        return [(number, f"{path.rstrip('/')}/{name}") for number, name in enumerate(names, 1)]


@dataclass(frozen=True)
class VocList(_VocFiles):
    """A list of ``ImageSets``: an image's id a line, whose XML file lies in ``Annotations``; a row is a line."""

    endings = (".txt",)
    reads_others = True

    def takes(self, path: str) -> bool:
        """By the folders that it lies in."""
        return bool(_LIST.fullmatch(absolute(path)))

    def _folder(self, path: str) -> str:
        root = split_path(split_path(split_path(path)[0])[0])[0]
        return f"{root}/{_ANNOTATIONS}"

    def _list_rows(self, path: str) -> list[tuple[int, str]]:
        folder, rows = self._folder(absolute(path)), []
        text = b"".join(read_chunks(path)).decode("utf-8-sig", "surrogateescape")
        for number, line in enumerate(text.split("\n"), 1):
            words = line.split()
            if len(words) > 1 or "/" in line:
                raise ManifestError(
                    f"{path} line {number}: got {shorten(line.strip())}, expected an image's id alone, as in "
                    "train.txt and val.txt; lists of a class have its presence behind it"
                )
            rows += [(number, f"{folder}/{word}.xml") for word in words]
        return rows


def is_annotation_name(name: str) -> bool:
    """Whether a file's name is that of an annotation."""
    return name.lower().endswith(".xml") and not is_hidden(name)


def _read_row(
    name: str, content: bytes | None, columns: Sequence[str]
) -> tuple[Any, ...] | Malformed:
    image_id = name[: -len(".xml")]
    try:
        name.encode()
        if content is None:
            return Malformed(
                NO_ANNOTATION, f"{name}: no such file, expected the image's annotation"
            )
        cells = parse_voc(content) | {"image_id": image_id}
    except UnicodeEncodeError:
        return Malformed(NOT_UTF8, f"got the file name {name!a}, expected UTF-8 text")
    except XmlError as error:
        values = (("image_id", image_id),) if "image_id" in columns else ()
        return Malformed(MALFORMED_ROW, f"{name}: {error}", values=values)
    return tuple(cells[column] for column in columns)
