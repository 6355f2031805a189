"""The classes that manifests declare, in their own order, before any row is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...schemas.errors import ManifestError
from ...schemas.schema import Schema
from .formats import naming_format
from .open_manifest import Manifest

__all__ = ["Classes", "find_classes", "with_declared_classes"]

_PARTS = ("features", "context", "steps")


def with_declared_classes(
    schema: Schema, manifests: Sequence[Manifest], labels: Manifest | None = None
) -> Schema:
    """The schema with the classes of those features filled in whose column's manifests all declare them.

    A feature with ``vocabulary: from_manifest`` so gets the classes that no row has as well, in the order that the
    manifest gives them.

    Args:
        schema: what is to be built.
        manifests: the images': one, or one for each split.
        labels: the label manifest, if there is one.

    Raises:
        ManifestError: a manifest cannot be read, or two of them disagree.
        SchemaError: the names do not fit what is declared, such as ``num_classes``.
    """
    known: dict[str, Classes] = {}
    for name, feature in schema.features.items():
        if feature.needs_vocabulary:
            is_label = labels is not None and feature.source in labels.columns
            known[name] = find_classes(
                [labels] if is_label and labels else manifests, feature.source
            )
    if not any(classes.names for classes in known.values()):
        return schema
    declared = schema.to_dict()
    for part in _PARTS:
        for name, feature in (declared.get(part) or {}).items():
            if name in known and known[name].names:
                feature["vocabulary"] = list(known[name].names)
                feature["source_ids"] = known[name].ids
    return Schema.from_dict(declared, manifests[0].spec)


class Classes(NamedTuple):
    """The classes that manifests declare for a column.

    Attributes:
        names: in the order of the classes.
        ids: their numbers in the manifests, where they have such beside their names.
    """

    names: tuple[str, ...] = ()
    ids: tuple[int, ...] | None = None


def find_classes(manifests: Sequence[Manifest], column: str) -> Classes:
    """The classes that all manifests declare for a column; none where one of them does not.

    A name that stands there twice is one class, of the first number. By number where every class has one, else in
    order of appearance.

    Raises:
        ManifestError: a number means one class here and another one there.
    """
    names: dict[str | int, str] = {}
    said: dict[str | int, str] = {}
    for manifest in manifests:
        for file in manifest.files:
            with naming_format(manifest.format):
                classes = manifest.format.classes(file.path, column)
            if not classes:
                return Classes()
            for number, name in classes.items():
                if names.setdefault(number, name) != name:
                    raise ManifestError(
                        f"{file.path}: category {number} is {name!r}, and {names[number]!r} in {said[number]}, "
                        "expected the same categories in all manifests"
                    )
                said.setdefault(number, file.path)
    numbers = list(names)
    numbered = all(isinstance(number, int) for number in numbers)
    if numbered:
        numbers.sort(key=int)
    found: dict[str, str | int] = {}
    for number in numbers:
        found.setdefault(names[number].strip(), number)
    says_more = any(name != str(number) for name, number in found.items())
    return Classes(
        tuple(found), tuple(map(int, found.values())) if numbered and says_more else None
    )
