"""Checking records that were read back against the schema that they were written by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from ...schemas.features.base import Feature, FeatureValue, RecordValue, Steps, ValueSpec
from ...schemas.schema import Schema

__all__ = ["check_record"]

_KINDS = {"int64": "int64", "float32": "float32"}


def check_record(schema: Schema, values: Mapping[str, RecordValue]) -> Iterator[str]:
    """What is wrong with a record, a sentence for each fault, its key first.

    Args:
        schema: the dataset's schema.
        values: the record as ``parse_record`` gives it: flat lists and arrays.
    """
    specs = schema.specs_by_key
    for key in sorted(values.keys() - specs.keys()):
        yield f"{key!r}: got a value that the schema does not declare"
    for key in sorted(specs.keys() - values.keys()):
        yield f"{key!r}: missing"
    for key in sorted(specs.keys() & values.keys()):
        for value in _each(values[key]):
            yield from (f"{key!r}: {fault}" for fault in _check_spec(specs[key], value))
    for name, feature in schema.features.items():
        spec = specs.get(name)
        # What is not even of the right type is told of already, and no kind expects to be asked about it.
        asked = [v for v in _each(values.get(name, ())) if spec is None or _has_type(spec, v)]  # type: ignore[arg-type]
        yield from _check_feature(name, feature, asked)
    yield from _check_objects(schema, values)


def _check_objects(schema: Schema, values: Mapping[str, RecordValue]) -> Iterator[str]:
    """Lists with an item for each object of an image have as many items as there are boxes."""
    counted: dict[str, tuple[str, list[int]]] = {}
    for name, specs in schema.specs.items():
        owner = schema.features[name].owner
        for key, spec in specs.items():
            if spec.axes[:1] != ("object",) or key not in values:
                continue
            whole = owner if owner in counted else name
            counts = [_count_items(spec, value) for value in _each(values[key])]
            first, expected = counted.setdefault(str(whole), (key, counts))
            if counts != expected:
                yield f"{key!r}: got {sum(counts)} items, expected {sum(expected)}, as {first!r} has"


def _count_items(spec: ValueSpec, value: FeatureValue) -> int:
    return len(value) // math.prod(size for size in spec.shape if size is not None)


def _each(value: RecordValue) -> Iterable[FeatureValue]:
    return value.values if isinstance(value, Steps) else (value,)


def _check_spec(spec: ValueSpec, value: FeatureValue) -> Iterator[str]:
    if not _has_type(spec, value):
        yield f"got {_type_of(value)}, expected {_KINDS.get(spec.dtype, 'bytes')}"
        return
    if spec.is_ragged and not spec.is_numeric:  # any number of strings
        return
    if spec.encoding:
        return
    if spec.is_ragged:
        yield from _check_items(spec, value)
        return
    size, wanted = len(value), 1
    if spec.dtype in ("uint8", "uint16"):  # pixels, as one string
        size = sum(map(len, value)) // np.dtype(spec.dtype).itemsize
    for side in spec.shape:
        wanted *= side or 0
    if size != wanted:
        yield f"got {size} values, expected {wanted}"


def _has_type(spec: ValueSpec, value: FeatureValue) -> bool:
    return _type_of(value) == _KINDS.get(spec.dtype, "bytes")


def _type_of(value: FeatureValue) -> str:
    return value.dtype.name if isinstance(value, np.ndarray) else "bytes"


def _check_items(spec: ValueSpec, value: FeatureValue) -> Iterator[str]:
    """Numbers whose first axis alone is of any length are so many items."""
    item = math.prod(size for size in spec.shape if size is not None)
    if spec.is_numeric and len(value) % item:
        yield f"got {len(value)} values, expected a multiple of {item}"


def _check_feature(name: str, feature: Feature, values: Iterable[FeatureValue]) -> Iterator[str]:
    for value in values:
        try:
            feature.check(value)
        except ValueError as error:
            yield f"{name!r}: {error}"
