"""Lists with an item for each object of an image: which there are, and what fills them up to one length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..schemas import Schema
from ..schemas.features.base import Feature
from ..schemas.features.objects import Kept

__all__ = [
    "KerasGroup",
    "check_max_boxes",
    "fill_value",
    "keras_groups",
    "mask_name",
    "object_lists",
    "pad_objects",
]

_BOXES, _LABELS, _REAL = "boxes", "labels", "real"


def object_lists(schema: Schema) -> dict[str, str]:
    """The features with an item for each object, by name, each with the name of the boxes that it goes with."""
    lists = {}
    for name, feature in schema.features.items():
        if feature.decoded.axes[:1] == ("object",):
            of_boxes = feature.takes is Kept and feature.owner
            lists[name] = of_boxes or name
    return lists


def fill_value(feature: Feature) -> Any:
    """What stands for an object that is not there: class -1, zeros, empty text."""
    if feature.decoded.domain is not None:
        return -1
    return 0 if feature.decoded.is_numeric else ""


def mask_name(boxes: str) -> str:
    """What says which of the boxes are real."""
    return f"{boxes}/mask"


def check_max_boxes(count: Any) -> None:
    """Checks an argument ``max_boxes``.

    Raises:
        ValueError: it is no number of boxes.
    """
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise ValueError(f"max_boxes: got {count!r}, expected an integer of at least 1")


def pad_objects(schema: Schema, batch: Mapping[str, Any], count: int) -> dict[str, Any]:
    """A batch whose lists of objects have one length; those that are longer are cut off.

    Args:
        schema: what the batch holds.
        batch: values by feature, an item a record.
        count: the length.

    Returns:
        The batch, with arrays ``[records, count, …]``, and under the ``mask_name`` of the boxes bool ``[records,
        count]``: which are real. Masks of images of different sizes are a list of arrays; text and polygons
        are lists of so many, filled up with empty ones.
    """
    padded = dict(batch)
    for name, boxes in object_lists(schema).items():
        feature, records = schema.features[name], batch[name]
        fill = fill_value(feature)
        if any(isinstance(record, list) for record in records):
            nothing = [] if feature.decoded.is_numeric else fill
            padded[name] = [[*r[:count], *[nothing] * (count - len(r))] for r in records]
        else:
            arrays = [_pad_array(np.asarray(record), count, fill) for record in records]
            alike = len({array.shape for array in arrays}) == 1
            padded[name] = np.stack(arrays) if alike else arrays
        lengths = np.array([len(record) for record in records], int)
        padded.setdefault(mask_name(boxes), np.arange(count) < lengths[:, None])
    return padded


def _pad_array(values: Any, count: int, fill: Any) -> Any:
    padded = np.full((count, *values.shape[1:]), fill, values.dtype)
    padded[: len(values)] = values[:count]
    return padded


@dataclass(frozen=True, slots=True)
class KerasGroup:
    """The lists of an image's objects, as one dict.

    Attributes:
        name: what the dict is called: what comes before the last slash in the name of the boxes.
        keys: of the dict, by the name of the feature: ``boxes``, ``labels`` for their classes, for others what
            comes after the last slash.
    """

    name: str
    keys: Mapping[str, str]


def keras_groups(schema: Schema, targets: Sequence[str], *, mask: bool) -> list[KerasGroup]:
    """How the lists of a schema are put together.

    Args:
        schema: what is read.
        targets: those of its features that are targets.
        mask: whether there are masks.

    Raises:
        ValueError: they cannot be: there are several lists of classes, or names that fall together, or some
            are inputs and others targets.
    """
    members: dict[str, list[str]] = {}
    for name, boxes in object_lists(schema).items():
        members.setdefault(boxes, []).append(name)
    return [_keras_group(schema, targets, boxes, names, mask) for boxes, names in members.items()]


def _keras_group(
    schema: Schema, targets: Sequence[str], boxes: str, names: list[str], mask: bool
) -> KerasGroup:
    if boxes not in names:
        raise ValueError(
            f"keras_boxes: the boxes of {names[0]!r} are not read; expected {boxes!r} too"
        )
    classes = [name for name in names if schema.features[name].decoded.domain is not None]
    if len(classes) > 1:
        listed = ", ".join(map(repr, classes))
        raise ValueError(
            f"keras_boxes: got several lists of classes ({listed}); choose one with features"
        )
    if len({name in targets for name in names}) > 1:
        raise ValueError(
            f"keras_boxes: some of {', '.join(map(repr, names))} are targets, and others inputs"
        )
    keys = {name: _BOXES if name == boxes else name.rpartition("/")[2] for name in names}
    keys |= dict.fromkeys(classes, _LABELS)
    keys |= {mask_name(boxes): _REAL} if mask else {}  # masks of objects are another thing
    name, said = boxes.rpartition("/")[0] or boxes, list(keys.values())
    twice = [each for each, key in keys.items() if said.count(key) > 1]
    twice += [name] if name in schema.features.keys() - names else []
    if twice:
        got = f"got names that fall together: {', '.join(map(repr, twice))}"
        raise ValueError(f"keras_boxes: {got}; choose others with features")
    return KerasGroup(name, keys)
