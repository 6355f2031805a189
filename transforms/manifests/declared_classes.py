"""The classes that manifests declare, in their own order, before any row is read."""

from __future__ import annotations

from collections.abc import Sequence

from ...schemas.errors import ManifestError
from ...schemas.schema import Schema
from .formats import naming_format
from .open_manifest import Manifest

__all__ = ["find_classes", "with_declared_classes"]

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
    known = {}
    for name, feature in schema.features.items():
        if feature.needs_vocabulary:
            is_label = labels is not None and feature.source in labels.columns
            known[name] = find_classes(
                [labels] if is_label and labels else manifests, feature.source
            )
    if not any(known.values()):
        return schema
    declared = schema.to_dict()
    for part in _PARTS:
        for name, feature in (declared.get(part) or {}).items():
            if known.get(name):
                feature["vocabulary"] = list(known[name])
    return Schema.from_dict(declared, manifests[0].spec)


def find_classes(manifests: Sequence[Manifest], column: str) -> tuple[str, ...]:
    """The names of the classes that all manifests declare for a column; none where one of them does not.

    A name that stands there twice is one class. By number where every class has one, else in order of appearance.

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
                return ()
            for number, name in classes.items():
                if names.setdefault(number, name) != name:
                    raise ManifestError(
                        f"{file.path}: category {number} is {name!r}, and {names[number]!r} in {said[number]}, "
                        "expected the same categories in all manifests"
                    )
                said.setdefault(number, file.path)
    numbers = list(names)
    if all(isinstance(number, int) for number in numbers):
        numbers.sort(key=int)
    return tuple(dict.fromkeys(names[number].strip() for number in numbers))
