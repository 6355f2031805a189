"""Kinds of one value, ``of`` boxes: a list with a value for each object that a record keeps.

What is declared, how a value is encoded, which classes there are and how statistics are made of them is the
kind's own; only that there are several is said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, model_validator
from typing_extensions import Self

from ..dataset.statistics import merge_all
from ..errors import Reject
from .base import Encoded, Feature, SettingError, ValueSpec
from .cell_text import is_missing
from .class_labels import ClassLabel
from .numeric import Float32, Int64
from .objects import Kept, list_items
from .text import Bytes, String

__all__ = ["ObjectBytes", "ObjectClassLabel", "ObjectFloat32", "ObjectInt64", "ObjectString"]

if TYPE_CHECKING:
    _OneValue = Feature
else:
    _OneValue = (
        object  # pydantic would take the fields of a model that comes first for those of the kind
    )


class _PerObject(_OneValue):
    """Stands before a kind that stores one value under its name, whose methods take one object at a time."""

    # Without annotations, which pydantic would take for fields.
    takes = Kept
    target_by_default = True
    encodes_steps = False
    if TYPE_CHECKING:
        of: str

    @property
    def owner(self) -> str | None:
        """See ``Feature.owner``."""
        return self.of

    @property
    def takes_rows(self) -> bool:
        """An array has an item for each object, never several of one."""
        return False

    @property
    def one_hot_classes(self) -> int | None:
        """A list of classes is not one-hot encoded."""
        return None

    def encode(self, name: str, value: Any, owner: Any = None) -> Encoded:
        """A value for each object that is kept; see ``OwnedFeature.encode``.

        Raises:
            Reject: ``missing_value``, ``bad_annotation``, ``misaligned``, or what is wrong with a value.
        """
        kept: Kept = owner
        # A row whose image has no objects may leave their lists empty, and so one whose default says enough.
        items = [None] * kept.count if is_missing(value) else list_items(value, "values")
        encoded = []
        for index, item in zip(kept.indices, kept.choose(items, "values"), strict=True):
            try:
                encoded.append(super().encode(name, item))
            except Reject as reject:
                raise replace(reject, message=f"object {index}: {reject.message}") from None
        values: Any = [each.values[name] for each in encoded]
        spec = self.specs(name)[name]
        if spec.is_numeric:
            values = np.array(values, spec.dtype).reshape(-1, *spec.shape[1:])
        return Encoded({name: values}, merge_all((e.summary for e in encoded), self.summary_types))

    def encode_after(self, name: str, value: Any, became: Mapping[str, Any]) -> Encoded:
        """See ``Feature.encode_after``."""
        return self.encode(name, value, became[self.of])

    def observe(self, value: Any) -> tuple[str, ...]:
        """The class names of all objects; none where the cell is none, which encoding will say."""
        try:
            items = [] if is_missing(value) else list_items(value, "values")
        except Reject:
            return ()
        return tuple(name for item in items for name in super(_PerObject, self).observe(item))

    def decode_value(self, name: str, values: Mapping[str, Any]) -> Any:
        """Numbers as an array ``[objects, …]``, others as a list."""
        if self.specs(name)[name].is_numeric:
            return values[name]
        one = super().decode_value
        return [one(name, {name: value}) for value in values[name]]

    def specs(self, name: str) -> dict[str, ValueSpec]:
        """A list of what the kind stores."""
        return {
            key: replace(spec, shape=(None, *spec.shape), axes=("object", *spec.axes))
            for key, spec in super().specs(name).items()
        }


class ObjectClassLabel(_PerObject, ClassLabel):
    """A class for each object.

    Attributes:
        of: the boxes whose objects they are of.
    """

    of: str = Field(min_length=1)


class _ObjectNumbers(_PerObject):
    if TYPE_CHECKING:
        shape: tuple[int | None, ...]

    def _check_fixed(self) -> None:
        if None in self.shape:
            got = f"got {list(self.shape)}".replace("None", "null")
            raise SettingError("shape", f"{got} for each object, expected fixed sizes")


class ObjectInt64(_ObjectNumbers, Int64):
    """A whole number, or several, for each object.

    Attributes:
        of: the boxes whose objects they are of.
    """

    of: str = Field(min_length=1)

    @model_validator(mode="after")
    def _check_shape_of_each(self) -> Self:
        self._check_fixed()
        return self


class ObjectFloat32(_ObjectNumbers, Float32):
    """A number, or several, for each object.

    Attributes:
        of: the boxes whose objects they are of.
    """

    of: str = Field(min_length=1)

    @model_validator(mode="after")
    def _check_shape_of_each(self) -> Self:
        self._check_fixed()
        return self


class ObjectString(_PerObject, String):
    """A text for each object.

    Attributes:
        of: the boxes whose objects they are of.
    """

    of: str = Field(min_length=1)


class ObjectBytes(_PerObject, Bytes):
    """Bytes for each object.

    Attributes:
        of: the boxes whose objects they are of.
    """

    of: str = Field(min_length=1)
