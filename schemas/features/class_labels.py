"""``class_label`` and ``class_labels``: the one class of a record, or any number of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from ..errors import Reject
from .base import Domain, Encoded, SettingError, ValueSpec, shorten
from .cell_text import is_missing, parse_list
from .class_names import ClassFeature, class_name, flags_hint, is_nan, observed_name
from .python_source import DecodeSource, literal

__all__ = ["ClassLabel", "ClassLabels"]

_SEPARATORS = re.compile("[,;|]")
_NUMBER_SEPARATORS = re.compile(r"[,;|\s]")

_MULTI_HOT = '''
def _multi_hot(ids, num_classes):
    """Ragged class ids [batch, (count)] to float32 zeros and ones [batch, num_classes]."""
    return tf.reduce_sum(tf.one_hot(ids, num_classes), axis=1)
'''


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


class ClassLabels(ClassFeature):
    """``type: class_labels``: any number of classes a record, stored as their sorted int64 numbers.

    Readers give them as a multi-hot float32 vector. A row with an empty list (``[]``) has no
    class; a row with an empty cell is rejected unless ``default: []`` says the same of it.

    A class that a row names twice is one class, as where it lists objects. Rows of zeros and ones are
    rejected where they name one twice, and so are booleans as class numbers, for they are most often
    flags, one for each class (multi-hot): those are ``type: float32`` with ``shape: [n]`` and
    ``target: true``.

    Attributes:
        separator: what stands between the classes in text; a comma, a semicolon or a bar by default
            (where the classes are numbers, white space too). Lists, and text that is a JSON list, need
            none. White space stands for any white space.
        default: the classes of a row whose cell is empty.
    """

    type: Literal["class_labels"] = "class_labels"
    separator: str | None = Field(default=None, min_length=1)
    default: tuple[str | int, ...] | None = None

    @field_validator("default", mode="before")
    @classmethod
    def _check_default_type(cls, default: Any) -> Any:
        if default is None:
            return default
        if not isinstance(default, list | tuple) or any(
            isinstance(item, bool) or not isinstance(item, str | int) for item in default
        ):
            raise ValueError(f"got {shorten(default)}, expected a list of class names")
        return default

    @model_validator(mode="after")
    def _check_default(self) -> Self:
        if self.default is not None and not self.needs_vocabulary:
            try:
                self._class_ids(self.default)
            except Reject as reject:
                raise SettingError("default", reject.message) from None
        return self

    def observe(self, value: Any) -> tuple[str, ...]:
        """Every class name of the row."""
        names = map(observed_name, self._split(value))
        return tuple(name for name in names if name is not None)

    def encode(self, name: str, value: Any) -> Encoded:
        """The sorted numbers of the classes, ``[count]``; see ``Feature.encode``.

        Raises:
            Reject: ``missing_value``, ``unknown_class``, ``duplicate_class`` or ``not_utf8``.
        """
        if is_missing(value) or is_nan(value):
            if self.default is None:
                raise Reject("encode", "missing_value", "got an empty cell, expected classes")
            value = self.default
        numbers = self._class_ids(value)
        classes = {str(number): 1 for number in numbers}
        summary = {"count": 1, "labels": len(numbers), "classes": classes}
        return Encoded({name: np.array(numbers, np.int64)}, summary)

    def decode_source(self, name: str) -> DecodeSource:
        """A float32 tensor ``[batch, num_classes]`` of zeros and ones."""
        call = f"_multi_hot(features[{literal(name)}], {self.class_count})"
        return DecodeSource(call, {"_multi_hot": _MULTI_HOT})

    def decode_value(self, name: str, values: Mapping[str, Any]) -> NDArray[np.float32]:
        """Zeros and ones ``[num_classes]``."""
        hot = np.zeros(self.class_count, np.float32)
        hot[values[name]] = 1
        return hot

    def specs(self, name: str) -> dict[str, ValueSpec]:
        """A list of int64 class numbers."""
        return {name: ValueSpec("int64", (None,), ("class",), domain=self.domain)}

    @property
    def decoded(self) -> ValueSpec:
        """Zeros and ones, one for each class."""
        return ValueSpec("float32", (self.class_count,), ("class",), domain=Domain(0, 1))

    def _class_ids(self, value: Any) -> list[int]:
        items = self._split(value)
        if self.vocabulary is None and any(map(_is_boolean, items)):
            expected = f"class numbers from 0 to {self.class_count - 1}, not booleans"
            message = f"got {shorten(value)}, expected {expected}{flags_hint(items)}"
            raise Reject("encode", "unknown_class", message)
        numbers = sorted({self.class_id(item) for item in items})
        if len(numbers) < len(items) and (hint := flags_hint(items)):
            message = f"got {shorten(value)}, expected each class once{hint}"
            raise Reject("encode", "duplicate_class", message)
        return numbers

    def _split(self, value: Any) -> list[Any]:
        if not isinstance(value, str):
            return list(value) if isinstance(value, list | tuple) else [value]
        text = value.strip()
        if (parsed := parse_list(text)) is not None:
            return parsed
        if text.startswith("[") and text.endswith("]"):
            text = text[1:-1]
        return [piece for piece in map(str.strip, self._pieces(text)) if piece]

    def _pieces(self, text: str) -> list[str]:
        if self.separator is not None:
            return text.split(None if self.separator.isspace() else self.separator)
        return (_NUMBER_SEPARATORS if self.vocabulary is None else _SEPARATORS).split(text)

    def _default_names(self) -> Iterable[str]:
        return map(class_name, self.default or ())


def _is_boolean(item: Any) -> bool:
    return isinstance(item, bool) or (isinstance(item, str) and item.lower() in ("true", "false"))
