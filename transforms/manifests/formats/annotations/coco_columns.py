"""What a COCO file offers as columns, and the cells of one of its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .....schemas.features.base import shorten
from ..base import Malformed
from .cells import Size, boxes_cell, keypoints_cell, mask_of, masks_cell

__all__ = ["CocoCells", "CocoKeys", "id_key", "is_panoptic", "keys_of_columns", "objects_of"]

UNKNOWN_CATEGORY = "unknown_category"

ANNOTATION_PREFIX = "annotation_"
"""What a column of annotations begins with where images have a key of that name too."""

_USUAL = ("segmentation", "area", "iscrowd", "bbox", "category_id", "id")
_OWN_COLUMNS = frozenset({"image_id", "file_name", "category", "category_id", "id", "panoptic"})
_NOT_COLUMNS = frozenset({"image_id", "segments_info"})


@dataclass
class CocoKeys:
    """The keys that a file's images and annotations have, in the order of their appearance.

    Attributes:
        images: of images.
        annotations: of annotations; of panoptic ones, those of their segments.
        panoptic: whether an annotation is an image's, with segments.
        has_annotations: whether the file has a list of annotations, be it an empty one.
    """

    images: dict[str, None] = field(default_factory=dict)
    annotations: dict[str, None] = field(default_factory=dict)
    panoptic: bool = False
    has_annotations: bool = False

    def add_image(self, image: Any) -> None:
        """Takes down an image's keys."""
        if isinstance(image, dict):
            self.images.update(dict.fromkeys(image))

    def add_annotation(self, annotation: Any) -> None:
        """Takes down the keys of an annotation, or of its segments."""
        self.has_annotations = True
        if isinstance(annotation, dict):
            self.panoptic = self.panoptic or is_panoptic(annotation)
            for labelled in objects_of(annotation):
                self.annotations.update(dict.fromkeys(labelled))

    def columns(self) -> tuple[str, ...]:
        """The columns: those of the image, then those of its objects."""
        names = dict.fromkeys("image_id" if key == "id" else key for key in self.images)
        if "coco_url" in names:
            names["file_name"] = None
        if not self.has_annotations:
            return tuple(names)
        if self.panoptic:
            names["panoptic"] = None
        # Of a file without one annotation it is known all the same what they would be.
        keys = self.annotations or dict.fromkeys(_USUAL)
        for key in keys:
            if key == "category_id":
                names["category"] = None
            if key == "id":
                names["segment_id" if self.panoptic else "id"] = None
            elif key not in _NOT_COLUMNS:
                taken = key in names or key in _OWN_COLUMNS - {"category_id"}
                names[f"{ANNOTATION_PREFIX}{key}" if taken else key] = None
        return tuple(names)


@dataclass(frozen=True)
class CocoCells:
    """Makes the cells of an image.

    Attributes:
        columns: those that are wanted.
        image_keys: what images have keys for: such a column is theirs.
        names: of the categories, by ``id_key``.
    """

    columns: tuple[str, ...]
    image_keys: frozenset[str]
    names: Mapping[str, Any]

    def row(
        self, image: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]]
    ) -> tuple[Any, ...] | Malformed:
        """The cells of an image with its annotations, which may have no others."""
        objects = [each for annotation in annotations for each in objects_of(annotation)]
        if "category" in self.columns:
            for each in objects:
                number = each.get("category_id")
                if number is not None and id_key(number) not in self.names:
                    return self._unknown_category(image, each)
        return tuple([self._cell(column, image, annotations, objects) for column in self.columns])

    def image_cells(self, image: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
        """The cells of an image that are its own, by column, for a reject."""
        own = [c for c in self.columns if c in ("image_id", "file_name") or c in self.image_keys]
        return tuple((column, self._cell(column, image, [], [])) for column in own)

    def _cell(
        self,
        column: str,
        image: Mapping[str, Any],
        annotations: Sequence[Mapping[str, Any]],
        objects: Sequence[Mapping[str, Any]],
    ) -> Any:
        if column == "image_id":
            return image.get("id")
        if column == "file_name":
            return _image_file(image)
        if column == "panoptic":
            return annotations[0].get("file_name") if annotations else None
        if column in self.image_keys and column != "id":
            return image.get(column)
        key = _annotation_key(column)
        values = [each.get(key) for each in objects]
        if column == "category":
            return [self.names.get(id_key(value) or "") for value in values]
        if key == "bbox":
            return boxes_cell(values, "xywh", _size_of(image))
        if key == "segmentation":
            return masks_cell([mask_of(value) for value in values], _size_of(image))
        return keypoints_cell(values, _size_of(image)) if key == "keypoints" else values

    def _unknown_category(self, image: Mapping[str, Any], found: Mapping[str, Any]) -> Malformed:
        message = (
            f"annotation with id {shorten(found.get('id'))}: got category_id "
            f"{shorten(found.get('category_id'))}, expected the id of one of the file's "
            f"{len(self.names)} categories"
        )
        return Malformed(UNKNOWN_CATEGORY, message, values=self.image_cells(image))


def keys_of_columns(columns: Sequence[str]) -> frozenset[str]:
    """The keys of images, annotations and segments that the cells of columns are made of."""
    named = {*columns, *map(_annotation_key, columns)}
    return frozenset({*named, "id", "file_name", "coco_url", "width", "height"})


def id_key(value: Any) -> str | None:
    """The one spelling of an id: 7 and 7.0 are the same, 7 and ``"7"`` are not; ``None`` of what can be none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        # Told from a number by its quotes; without white space, since lines are keyed by it.
        return ascii(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def is_panoptic(annotation: Mapping[str, Any]) -> bool:
    """Whether an annotation is that of a whole image, with segments."""
    return isinstance(annotation.get("segments_info"), list)


def objects_of(annotation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What is one object each: the annotation, or its segments."""
    if not is_panoptic(annotation):
        return [annotation]
    return [each for each in annotation["segments_info"] if isinstance(each, dict)]


def _annotation_key(column: str) -> str:
    """The key of annotations, or of segments, that a column is of if it is not the image's."""
    known = {"category": "category_id", "segment_id": "id"}
    return known.get(column, column.removeprefix(ANNOTATION_PREFIX))


def _image_file(image: Mapping[str, Any]) -> Any:
    """The path of an image's file; where only ``coco_url`` says it, as in LVIS, its folder and name."""
    url = image.get("coco_url")
    if image.get("file_name") is None and isinstance(url, str):
        return "/".join(url.split("/")[-2:])
    return image.get("file_name")


def _size_of(image: Mapping[str, Any]) -> Size:
    size = [image.get("width"), image.get("height")]
    known: list[int | float] = [each for each in size if isinstance(each, int | float)]
    return known if len(known) == len(size) else None
