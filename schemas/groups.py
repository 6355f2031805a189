"""Groups: several features that are declared as one, and are ordinary features from there on.

``objects`` is the group of what an image's objects have: their boxes, and lists with an item for each box.
Declared under the name ``objects``, its ``boxes`` are the feature ``objects/bbox``, its ``label`` is
``objects/label``, …
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from .features import find_kind

__all__ = ["GROUP", "Objects", "expand_groups"]

GROUP = "objects"
"""The ``type`` of the group."""

_BOXES, _BBOX = "boxes", "bbox"


class Objects(BaseModel):
    """``type: objects``: what the objects of an image have, as features of their own names.

    A group under the name ``objects`` stands for the features ``objects/bbox``, which are its ``boxes``, and
    ``objects/label``, ``objects/area`` and so on, as its other members are called. These are features ``of``
    the boxes, which need not be said. A ``class_label``, ``float32``, ``int64``, ``string`` or ``bytes`` that
    is ``of`` boxes is a list with a value for each box, from a column of lists; its ``default`` is that of an
    item. Where a box is dropped, so is its item in all of them. The schema in ``dataset.json`` has the
    features alone, which can be declared so too.

    Attributes:
        of: the image that the objects are of.
        boxes: the settings of ``type: boxes``, without ``type`` and ``of``. Any other name is a feature of
            theirs.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    of: str = Field(min_length=1)
    boxes: dict[str, Any]


def expand_groups(
    declared: Mapping[Any, Any], part: str
) -> tuple[dict[Any, tuple[str, Any]], list[str]]:
    """The features that a part of a schema declares, with those of its groups in their place.

    Args:
        declared: features and groups by name.
        part: ``features``, ``context`` or ``steps``.

    Returns:
        By name, where each feature is declared, and what is; and what is wrong with groups, each with its
        place.
    """
    features: dict[Any, tuple[str, Any]] = {}
    faults: list[str] = []
    for name, value in declared.items():
        place = f"{part}.{name}"
        if not isinstance(value, Mapping) or value.get("type") != GROUP:
            members = {name: (place, value)}
        elif found := _fault(value):
            faults.append(f"{place}{found}")
            continue
        else:
            members = _members(str(name), value, place)
        for member, where in members.items():
            if member in features:
                got = f"{where[0]}: got it, and {features[member][0]}"
                faults.append(f"{got}, both named {member!r}, expected one")
            features[member] = where
    return features, faults


def _fault(group: Mapping[str, Any]) -> str:
    """What is wrong with a group, behind its place; empty where nothing is."""
    of = group.get("of")
    if not isinstance(of, str) or not of:
        got = "missing" if of is None else f"got {of!r}"
        return f".of: {got}, expected the name of an image"
    if _BOXES not in group:
        return f".{_BOXES}: missing, expected where the boxes come from, such as {{source: bbox}}"
    for name, member in group.items():
        if name in ("type", "of"):
            continue
        if not isinstance(member, Mapping):
            return f".{name}: got {member!r}, expected a mapping"
        if name == _BOXES and member.get("type", _BOXES) != _BOXES:
            return f".{name}.type: got {member['type']!r}, expected {_BOXES}"
        if "of" in member:
            return f".{name}.of: got {member['of']!r}, expected it at the group alone"
        if name == _BBOX:
            return f".{name}: got a member of the name that the boxes have, expected another"
        kind = find_kind({**member, "of": name})
        if kind is not None and "of" not in kind.model_fields:
            return f".{name}.type: got {member['type']!r}, expected a kind that can be of boxes"
    return ""


def _members(name: str, group: Mapping[str, Any], place: str) -> dict[str, tuple[str, Any]]:
    bbox = f"{name}/{_BBOX}"
    boxes = {"type": _BOXES, "of": group["of"], **group[_BOXES]}
    others = {
        f"{name}/{member}": (f"{place}.{member}", {**settings, "of": bbox})
        for member, settings in group.items()
        if member not in ("type", "of", _BOXES)
    }
    return {bbox: (f"{place}.{_BOXES}", boxes), **others}
