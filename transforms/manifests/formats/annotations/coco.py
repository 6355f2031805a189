"""COCO: one JSON object with the lists ``images``, ``annotations`` and ``categories``.

The format: https://cocodataset.org/#format-data. The file is read once, as a stream, in one task: annotations
are in any order, and go by their image's id to files on the local disk (``SpilledGroups``), so that memory does
not grow with the file.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from .....schemas.errors import BuildError, ManifestError, PixelbeamError
from .....schemas.features.base import shorten
from ....storage.streams import is_gzipped, read_chunks, read_tail
from ..base import MALFORMED_ROW, Malformed, ManifestFormat, Part, Projection, Record
from .coco_columns import CocoCells, CocoKeys, id_key, is_panoptic, keys_of_columns
from .json_sections import Element, Unreadable, first_elements, read_sections
from .spilled_groups import SpilledGroups, count_buckets

__all__ = ["Coco"]

UNKNOWN_IMAGE = "unknown_image"
DUPLICATE_IMAGE_ID = "duplicate_image_id"
DUPLICATE_ANNOTATION_ID = "duplicate_annotation_id"

_SAMPLE = 1000  # elements whose keys are the columns
_ZIPPED = 6  # how much larger than its gzip such a file is, about
_PREAMBLE = frozenset({"info", "licenses", "categories", "type"})
_IMAGE, _ANNOTATION, _REPEATED = range(3)


@dataclass(frozen=True)
class Coco(ManifestFormat):
    """A row is an image: an element of ``images``, counted from 1, with all of its annotations.

    Columns of the image are plain cells: ``file_name``, ``image_id``, ``width``, ``height`` and what else the
    file has. Those of its objects are lists in the order of ``annotations``: ``bbox``, ``segmentation`` and
    ``keypoints`` (see ``cells``), ``category`` (names), ``category_id``, ``area``, ``iscrowd``, ``id`` and what
    else there is. Of panoptic files the objects are the segments: ``panoptic`` is the path of the image's PNG,
    and ``segment_id`` stands for ``id``.

    An annotation that belongs to no image is a row of its own, and malformed; such rows are counted behind the
    images. Where images share an id and are not the same, or an annotation has the id of an earlier one, the
    images are malformed.
    """

    endings = (".json",)
    compressible = True
    optional_columns = True

    def recognizes(self, head: bytes) -> bool:
        """By a list of images with ids, or of annotations with the ids of images, at the top of an object."""
        sections = first_elements(head) or {}
        image, annotation = sections.get("images"), sections.get("annotations")
        if sections and sections.keys() <= _PREAMBLE:
            return "licenses" in sections or "categories" in sections
        has_id = isinstance(image, dict) and "id" in image
        names_image = isinstance(annotation, dict) and "image_id" in annotation
        return has_id or names_image

    def columns(self, path: str) -> tuple[str, ...]:
        """By the keys of the first thousand images and annotations; annotations end the search, or the file."""
        keys = CocoKeys()
        count = {"images": 0, "annotations": 0}
        with closing(_read(path, ManifestError)) as elements:
            for section, position, element in elements:
                if section not in count:
                    continue
                count[section] = position
                if position <= _SAMPLE:
                    (keys.add_image if section == "images" else keys.add_annotation)(element)
                elif all(count.values()):
                    break
        if not count["images"]:
            raise ManifestError(f"{path}: its list of images is empty, expected at least one")
        return keys.columns()

    def parts(self, part: Part, size: int, range_bytes: int) -> list[Part]:
        """The whole file: who reads it in parts has to parse all of it for each of them."""
        return [replace(part, stop=size)]

    def classes(self, path: str, column: str) -> dict[str | int, str] | None:
        """The categories in the order of their ids; two of one name are one class."""
        if column not in ("category", "category_id"):
            return None
        categories = _find_categories(path)
        if not categories:
            return None
        numbers = [c["id"] for c in categories]
        if all(isinstance(number, int) for number in numbers):
            categories = sorted(categories, key=lambda category: int(category["id"]))
        if column == "category_id":
            return {category["id"]: str(category["id"]) for category in categories}
        return {category["id"]: str(category["name"]) for category in categories}

    def records(self, part: Part, projection: Projection) -> Iterator[Record]:
        """See ``ManifestFormat.records``; in an order that follows from the file, and means nothing."""
        size = part.stop * (_ZIPPED if is_gzipped(part.path) else 1)
        buckets = count_buckets(size)
        with SpilledGroups(buckets) as by_image, SpilledGroups(buckets) as by_id:
            file = _Spilling(projection.columns, by_image, by_id)
            for section, position, element in _read(part.path):
                file.add(section, position, element)
            file.add_repeated()
            cells = CocoCells(projection.columns, frozenset(file.keys.images), file.names)
            for group in by_image.groups():
                yield from _rows(group, cells, file.num_images)


def _read(path: str, error_type: type[PixelbeamError] = BuildError) -> Generator[Element]:
    yield from read_sections(read_chunks(path), path, error_type)


class _Spilling:
    """Puts images and annotations into groups by the image's id."""

    def __init__(
        self, columns: Sequence[str], by_image: SpilledGroups, by_id: SpilledGroups
    ) -> None:
        self.keys = CocoKeys()
        self.names: dict[str, Any] = {}
        self.num_images = 0
        self._wanted = keys_of_columns(columns)
        self._by_image, self._by_id = by_image, by_id

    def add(self, section: str, position: int, element: Any) -> None:
        """Takes an element; sections that are of no interest pass by."""
        if not position:
            return
        if section == "images":
            self._add_image(position, element)
        elif section == "annotations":
            self._add_annotation(position, element)
        elif section == "categories" and (named := _category(element)):
            self.names[str(id_key(named["id"]))] = named["name"]

    def add_repeated(self) -> None:
        """Tells the images of annotations which of them have the id of an earlier one."""
        for group in self._by_id.groups(at_least=2):
            for position, key, number in group[1:]:
                self._by_image.add(key, [_REPEATED, position, number, group[0][0]])

    def _add_image(self, position: int, image: Any) -> None:
        self.num_images = position
        self.keys.add_image(image)
        key = id_key(image.get("id")) if isinstance(image, dict) else None
        if key is None:
            # Nothing can belong to it, so it is a group of its own.
            self._by_image.add(f"image {position}", [_IMAGE, position, "", _describe(image)])
            return
        whole = json.dumps(image, sort_keys=True).encode()
        digest = blake2b(whole, digest_size=8).hexdigest()
        self._by_image.add(key, [_IMAGE, position, digest, self._keep(image)])

    def _add_annotation(self, position: int, annotation: Any) -> None:
        key = id_key(annotation.get("image_id")) if isinstance(annotation, dict) else None
        if key is None:
            found = _describe(annotation)
            self._by_image.add(f"annotation {position}", [_ANNOTATION, position, found])
            return
        kept = self._keep(annotation)
        if is_panoptic(annotation):
            segments = annotation["segments_info"]
            kept["segments_info"] = [self._keep(s) for s in segments if isinstance(s, dict)]
        self._by_image.add(
            key, [_ANNOTATION, position, kept | {"image_id": annotation["image_id"]}]
        )
        number = id_key(annotation.get("id"))
        if number is not None and "id" in annotation:
            self._by_id.add(number, [position, key, annotation["id"]])

    def _keep(self, element: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in element.items() if key in self._wanted}


def _rows(group: list[list[Any]], cells: CocoCells, num_images: int) -> Iterator[Record]:
    """What an id's images and annotations become."""
    images = [found[1:] for found in group if found[0] == _IMAGE]
    annotations = [found[1:] for found in group if found[0] == _ANNOTATION]
    repeated = [found[1:] for found in group if found[0] == _REPEATED]
    if not images:
        for position, annotation in annotations:
            yield num_images + position, _unknown_image(position, annotation)
        return
    differ = len({digest for _, digest, _ in images}) > 1
    first, _, image = images[0]
    if not differ:
        yield first, _row(image, annotations, repeated, cells)
    for position, _, other in images if differ else images[1:]:
        at = next(p for p, _, _ in images if p != position)
        told = "; it is not known which one the annotations are of" if differ else ""
        message = f"got the id {shorten(other['id'])} of image {at} again, expected each once{told}"
        yield position, Malformed(DUPLICATE_IMAGE_ID, message, values=cells.image_cells(other))


def _row(
    image: Any,
    annotations: Sequence[Sequence[Any]],
    repeated: Sequence[Sequence[Any]],
    cells: CocoCells,
) -> tuple[Any, ...] | Malformed:
    if not isinstance(image, dict):
        return Malformed(MALFORMED_ROW, f"got {image}, expected an object with an id")
    values = cells.image_cells(image)
    for position, number, first in repeated[:1]:
        message = f"annotation {position} has the id {shorten(number)} of annotation {first}, expected each once"
        return Malformed(DUPLICATE_ANNOTATION_ID, message, values=values)
    found = [annotation for _, annotation in annotations]
    if len(found) > 1 and any(map(is_panoptic, found)):
        listed = " and ".join(str(position) for position, _ in annotations[:2])
        message = f"annotations {listed} are both of this image, expected one with all segments"
        return Malformed(DUPLICATE_ANNOTATION_ID, message, values=values)
    return cells.row(image, found)


def _unknown_image(position: int, annotation: Any) -> Malformed:
    if not isinstance(annotation, dict):
        message = f"annotation {position}: got {annotation}, expected an object with an image_id"
        return Malformed(MALFORMED_ROW, message)
    message = (
        f"annotation {position}: got image_id {shorten(annotation['image_id'])}, "
        "expected the id of one of the file's images"
    )
    return Malformed(UNKNOWN_IMAGE, message, values=tuple(annotation.items()))


def _describe(element: Any) -> str:
    if isinstance(element, Unreadable):
        return element.message
    return "one without an id" if isinstance(element, dict) else shorten(element)


def _category(element: Any) -> dict[str, Any] | None:
    """A category that has an id and a name."""
    if not isinstance(element, dict) or id_key(element.get("id")) is None:
        return None
    return element if isinstance(element.get("name"), str | int) else None


def _find_categories(path: str) -> list[dict[str, Any]]:
    """The categories, from the end of the file if they stand there, else in one pass up to them."""
    found = _categories_at_the_end(path)
    if found is None:
        with closing(_read(path, ManifestError)) as elements:
            found = []
            for section, position, element in elements:
                if section == "categories" and position:
                    found.append(element)
                elif found:
                    break
    categories = [category for category in found if _category(category)]
    names: dict[Any, Any] = {}
    for category in categories:
        if names.setdefault(category["id"], category["name"]) != category["name"]:
            got = f"category {category['id']} is {names[category['id']]!r} and {category['name']!r}"
            raise ManifestError(f"{path}: {got}, expected one name for each number")
    return categories


def _categories_at_the_end(path: str) -> list[Any] | None:
    if is_gzipped(path):
        return None
    tail = read_tail(path)
    start = tail.rfind(b'"categories"')
    if start < 0:
        return None
    try:
        # That this is JSON shows that no bracket is open before it: the key stands at the top.
        found = json.loads(b"{" + tail[start:])["categories"]
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None
