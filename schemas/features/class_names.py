"""Class names: where a vocabulary comes from, and which class a manifest value names."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator
from pydantic.config import JsonDict
from typing_extensions import Self

from ..dataset.statistics import Counts, Statistic, Sum
from ..errors import Reject
from .base import Domain, Feature, FeatureValue, SettingError, shorten
from .cell_text import is_missing, parse_float, parse_int, split_values
from .class_spelling import name_warnings, plain_name, sort_names

__all__ = ["ClassFeature", "class_name", "flags_hint", "is_nan", "observed_name"]

FROM_MANIFEST = "from_manifest"
# What a schema may say, of which the field holds what was read.
_DECLARED_VOCABULARY: JsonDict = {
    "anyOf": [
        {"type": "array", "minItems": 1, "items": {"type": ["string", "integer"]}},
        {"const": FROM_MANIFEST},
        {"type": "string", "title": "file"},
        {"type": "null"},
    ]
}
_FEW = 10
_MANY = 1000


class ClassFeature(Feature):
    """What the kinds with classes share; a target unless ``target: false``.

    A value names a class by its text: without the white space around it, whole numbers as their digits
    (``2``, ``2.0``, ``+2``, and the numbers 2 and 2.0 are one class; ``007`` is a name and not 7),
    booleans as ``true`` and ``false``. The names of a vocabulary are matched in the same way.
    Without a vocabulary a value is the class's number itself.

    Attributes:
        vocabulary: the class names in the order of their numbers; ``from_manifest`` to collect them:
            sorted by value where all are numbers, otherwise by code point; or a text file with a name a
            line, which is read at once, so that the schema holds the names.
        num_classes: the number of classes where they have no names; beside a vocabulary, its length.
        source_ids: what the manifest calls the classes by number, in the order of the vocabulary, such as
            COCO's ids, which have holes. Filled in where a manifest declares its classes.
    """

    target_by_default = True
    summary_types: ClassVar[Mapping[str, Statistic]] = {
        "count": Sum(),
        "labels": Sum(),
        "classes": Counts(),
    }

    vocabulary: tuple[str, ...] | Literal["from_manifest"] | None = Field(
        default=None, json_schema_extra=_DECLARED_VOCABULARY
    )
    num_classes: int | None = Field(default=None, ge=1)
    source_ids: tuple[int, ...] | None = None

    @field_validator("vocabulary", mode="before")
    @classmethod
    def _load_vocabulary(cls, vocabulary: Any) -> Any:
        if vocabulary is None or vocabulary == FROM_MANIFEST:
            return vocabulary
        if isinstance(vocabulary, str | Path):
            return _check_names(_read_names(Path(vocabulary)))
        if isinstance(vocabulary, list | tuple):
            return _check_names(vocabulary)
        raise ValueError(
            f"got {shorten(vocabulary)}, expected a list of names, a file, or {FROM_MANIFEST}"
        )

    @model_validator(mode="after")
    def _check_num_classes(self) -> Self:
        if self.vocabulary is None and self.num_classes is None:
            raise SettingError(
                "vocabulary",
                f"missing, expected a list of names, a file, or {FROM_MANIFEST}; "
                "or num_classes where the classes are numbers",
            )
        if isinstance(self.vocabulary, tuple) and self.num_classes not in (
            None,
            len(self.vocabulary),
        ):
            raise SettingError(
                "num_classes",
                f"got {self.num_classes}, expected {len(self.vocabulary)}, the length of the vocabulary",
            )
        if self.source_ids is not None and len(self.source_ids) != self.class_count:
            got = f"got {len(self.source_ids)} numbers"
            raise SettingError(
                "source_ids", f"{got}, expected one for each of {self.class_count} classes"
            )
        return self

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names in the order of their numbers; ``None`` where there are none, or none yet."""
        return self.vocabulary if isinstance(self.vocabulary, tuple) else None

    @property
    def class_count(self) -> int:
        """How many classes there are; 0 while ``needs_vocabulary`` and not declared."""
        return len(self.class_names) if self.class_names is not None else self.num_classes or 0

    @property
    def domain(self) -> Domain | None:
        """What class numbers may be; ``None`` while ``needs_vocabulary``."""
        if self.needs_vocabulary:
            return None
        return Domain(num_classes=self.class_count, class_names=self.class_names)

    @property
    def needs_vocabulary(self) -> bool:
        """See ``Feature.needs_vocabulary``."""
        return self.vocabulary == FROM_MANIFEST

    def with_vocabulary(self, names: tuple[str, ...]) -> Self:
        """The feature with the names, and those of its default, sorted and stored; see ``sort_names``."""
        wanted = {*names, *self._default_names()}
        return type(self).model_validate(self.model_dump() | {"vocabulary": sort_names(wanted)})

    def class_id(self, value: Any) -> int:
        """The number of the class that a value names; 0 for any name while ``needs_vocabulary``.

        Raises:
            Reject: ``unknown_class``.
        """
        if self.needs_vocabulary:
            class_name(value)  # says what is wrong with what can be no name
            if observed_name(value) is None:
                raise _unknown(value, "a class name")
            return 0
        if self.class_names is None:
            return self._check_number(value)
        number = self._numbers.get(class_name(value))
        if number is None:
            raise _unknown(value, _suggest(class_name(value), self.class_names))
        return number

    def check(self, value: FeatureValue) -> None:
        """See ``Feature.check``: every class exists."""
        for number in np.asarray(value).ravel().tolist():
            if not 0 <= number < self.class_count:
                raise ValueError(f"got class {number}, expected 0 to {self.class_count - 1}")

    def statistics(self, summary: dict[str, Any]) -> dict[str, Any]:
        """``classes``: the number of records by class number, in the order of the numbers."""
        classes = summary.get("classes", {})
        return {**summary, "classes": {key: classes[key] for key in sorted(classes, key=int)}}

    def warnings(self, name: str, summary: Mapping[str, Any]) -> Iterator[str]:
        """Names that are seldom meant; see ``Feature.warnings``."""
        for warning in name_warnings(self.class_names or ()):
            yield f"{name}: {warning}"

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {plain_name(name): number for number, name in enumerate(self.class_names or ())}

    def _check_number(self, value: Any) -> int:
        expected = f"a class number from 0 to {self.class_count - 1}"
        try:
            number = parse_int(value)
        except (ValueError, OverflowError):
            raise _unknown(value, expected) from None
        if not 0 <= number < self.class_count:
            raise _unknown(value, expected)
        return number

    def _default_names(self) -> Iterable[str]:
        raise NotImplementedError


def class_name(value: Any) -> str:
    """The class name that one manifest value spells.

    Raises:
        Reject: ``unknown_class``, the value is no text, number or boolean; ``not_utf8``, it is bytes
            that are no text.
    """
    match value:
        case str():
            return plain_name(value)
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case int() | float():
            return str(value)
        case bytes():
            try:
                return plain_name(value.decode())
            except UnicodeDecodeError:
                message = f"got {shorten(value)}, expected UTF-8 text"
                raise Reject("encode", "not_utf8", message) from None
        case _:
            raise _unknown(value, "a class name")


def observed_name(value: Any) -> str | None:
    """The class name to collect from one manifest value; ``None`` where it has none."""
    if is_missing(value) or is_nan(value):
        return None
    try:
        name = class_name(value)
    except Reject:  # it will be the row's reject, once the row is encoded
        return None
    return name if name and _is_unicode(name) else None


def flags_hint(value: Any) -> str:
    """How a row of zeros and ones, one for each class, is stored; empty for any other value.

    Read as class numbers such a row would be the classes 0 and 1.
    """
    items = value.tolist() if isinstance(value, np.ndarray) else split_values(value, None)
    if not isinstance(items, list) or len(items) < 2 or not all(map(_is_flag, items)):
        return ""
    return (
        "; a row of zeros and ones, one for each class, is "
        f"type: float32 with shape: [{len(items)}] and target: true"
    )


def is_nan(value: Any) -> bool:
    """Whether a value is the NaN that tables write for a missing class."""
    return isinstance(value, float) and math.isnan(value)


def _is_flag(value: Any) -> bool:
    try:
        return parse_float(value) in (0, 1)
    except (ValueError, OverflowError):
        return False


def _read_names(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise ValueError(f"cannot read {str(path)!r}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is not UTF-8 text: {error.reason}") from None
    while lines and not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines, start=1):
        if not line.strip():  # skipping it would shift the numbers of all that follow
            raise ValueError(
                f"{str(path)!r} line {number}: got an empty line, expected a class name"
            )
    return lines


def _check_names(names: Sequence[Any]) -> tuple[str, ...]:
    seen: dict[str, str] = {}
    for name in names:
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise ValueError(f"got {shorten(name)}, expected a class name; put it in quotes")
        text = str(name).strip()
        if not text or not _is_unicode(text):
            raise ValueError(f"got {shorten(name)}, expected a class name")
        if before := seen.get(plain_name(text)):
            got = f"{shorten(text)} twice" if before == text else f"{before!r} and {text!r}"
            raise ValueError(f"got {got}, expected each name once")
        seen[plain_name(text)] = text
    if not seen:
        raise ValueError("got no names, expected at least one")
    return tuple(seen.values())


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _suggest(name: str, names: Sequence[str]) -> str:
    if len(names) <= _FEW:
        return f"one of {', '.join(map(shorten, names))}"
    expected = f"one of the {len(names)} names of the vocabulary"
    close = difflib.get_close_matches(name[:80], names) if len(names) <= _MANY else []
    return f"{expected}, such as {', '.join(map(shorten, close))}" if close else expected


def _unknown(value: Any, expected: str) -> Reject:
    message = f"got {shorten(value)}, expected {expected}{flags_hint(value)}"
    return Reject("encode", "unknown_class", message)
