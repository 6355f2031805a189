"""``class_label``: the one class of a record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from pydantic import field_validator, model_validator
from typing_extensions import Self

from ..errors import Reject
from .base import Encoded, SettingError, ValueSpec, shorten
from .cell_text import is_missing
from .class_names import ClassFeature, class_name, is_nan, observed_name

__all__ = ["ClassLabel"]


class ClassLabel(ClassFeature):
    """``type: class_label``: the one class of a record, stored as the int64 number of its class.

    A row of zeros and ones, one for each class (one-hot), names no class: that is ``type: float32`` with
    ``shape: [n]`` and ``target: true``.

    Attributes:
        default: the class of a row whose cell is empty; without it the row is rejected.
    """

    type: Literal["class_label"] = "class_label"
    default: str | int | None = None

    @field_validator("default", mode="before")
    @classmethod
    def _check_default_type(cls, default: Any) -> Any:
        if isinstance(default, bool) or not isinstance(default, str | int | None):
            raise ValueError(f"got {shorten(default)}, expected a class name; put it in quotes")
        return default

    @model_validator(mode="after")
    def _check_default(self) -> Self:
        if self.default is not None and not self.needs_vocabulary:
            try:
                self.class_id(self.default)
            except Reject as reject:
                raise SettingError("default", reject.message) from None
        return self

    def observe(self, value: Any) -> tuple[str, ...]:
        """The one class name, or none where the cell is empty."""
        name = observed_name(value)
        return () if name is None else (name,)

    def encode(self, name: str, value: Any) -> Encoded:
        """The number of the class, a scalar; see ``Feature.encode``.

        Raises:
            Reject: ``missing_value``, ``unknown_class`` or ``not_utf8``.
        """
        if is_missing(value) or is_nan(value):
            if self.default is None:
                raise Reject("encode", "missing_value", "got an empty cell, expected a class")
            value = self.default
        number = self.class_id(value)
        return Encoded({name: np.array(number, np.int64)}, {"classes": {str(number): 1}})

    def specs(self, name: str) -> dict[str, ValueSpec]:
        """An int64 number."""
        return {name: ValueSpec("int64", domain=self.domain)}

    @property
    def one_hot_classes(self) -> int | None:
        """See ``Feature.one_hot_classes``."""
        return self.class_count

    def _default_names(self) -> Iterable[str]:
        return () if self.default is None else (class_name(self.default),)
