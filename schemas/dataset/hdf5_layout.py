"""Where an HDF5 file holds a schema's record values: the on-disk contract of the HDF5 files.

A value whose size is the same in every record is a dataset under its Example key, with the record as
first axis. Text and bytes are datasets of variable length. A value whose size differs, and the steps of
a clip, are a group with the two datasets ``values``, all records' values one after the other, and
``offsets`` ``[records + 1]``: those of record ``i`` are ``values[offsets[i]:offsets[i + 1]]``. Where the
size differs from step to step, ``offsets`` counts in steps, and the values of step ``s`` are
``values[step_offsets[s]:step_offsets[s + 1]]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import SchemaError
from ..features.base import Feature, ValueSpec
from ..schema import Schema

__all__ = ["OFFSETS", "STEP_OFFSETS", "VALUES", "Column", "columns"]

VALUES, OFFSETS, STEP_OFFSETS = "values", "offsets", "step_offsets"


@dataclass(frozen=True, slots=True)
class Column:
    """All records' values under one key.

    Attributes:
        key: the Example key, which is also the path in the file.
        name: the name of the feature that the values are of.
        feature: the feature.
        spec: what one value is; of a step feature, one step's.
        is_steps: whether a record holds any number of them.
    """

    key: str
    name: str
    feature: Feature
    spec: ValueSpec
    is_steps: bool

    @property
    def is_group(self) -> bool:
        """Whether the file has a group at the key rather than a dataset."""
        return self.is_steps or self.spec.is_ragged


def columns(schema: Schema) -> list[Column]:
    """The columns of a schema's files, in the order of its features.

    Raises:
        SchemaError: HDF5 has no place for a key.
    """
    found = list(_find_columns(schema))
    groups = {column.key for column in found if column.is_group}
    taken = {f"{key}/{part}" for key in groups for part in (VALUES, OFFSETS, STEP_OFFSETS)}
    values = taken | {column.key for column in found if not column.is_group}
    for column in found:
        parents = _parents(column.key)
        if column.key in taken or values.intersection(parents):
            place = schema.place(column.name)
            raise SchemaError(
                f"{place}: got {column.key!r}, which HDF5 cannot hold inside {parents[-1]!r}; rename one "
                "of them, or build with --sinks tfrecord"
            )
    return found


def _find_columns(schema: Schema) -> Iterator[Column]:
    for name, feature in schema.features.items():
        place = schema.place(name)
        for key, spec in schema.specs[name].items():
            _check_key(key, place)
            yield Column(key, name, feature, spec, name in schema.steps)


def _check_key(key: str, place: str) -> None:
    if "\0" in key or any(part in ("", ".", "..") for part in key.split("/")):
        raise SchemaError(
            f"{place}: got {key!r}, which cannot be a name in an HDF5 file; rename it, or build with "
            "--sinks tfrecord"
        )


def _parents(key: str) -> list[str]:
    """``a/b/c``: ``a`` and ``a/b``."""
    parts = key.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
