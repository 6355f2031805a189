"""The schema: the declared features of a record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import chain
from typing import Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from typing_extensions import Self

from .clips import Clips
from .columns import check_column
from .errors import ManifestError, PluginError, SchemaError
from .features import feature_kinds, find_kind, missing_kinds
from .features.base import Feature, ValueSpec
from .features.source import is_column
from .groups import GROUP, expand_groups
from .owners import encoding_order, owner_faults, settle_owned
from .validation import explain, fault

__all__ = ["Schema"]

_LINE = r"^[^\x00-\x1f\x7f]+$"  # HDF5 ends text at a null character
_Features: TypeAlias = dict[str, SerializeAsAny[Feature]]


class Schema(BaseModel):
    """The features of a record by name.

    >>> Schema(features={"image": Image(source="path", height=224, width=224)})  # doctest: +SKIP

    Attributes:
        name: what the dataset is called, for people; ``dataset.json`` has it, and so has each HDF5 file.
        version: of the dataset, likewise; text, such as ``1.0.0``.
        record: what a record is.
        on_unreadable: what becomes of a row whose file is there and cannot be read, even after
            several tries: a reject, or a failed build, which can be run again when storage is well.
        context: of a ``sequence_example``, the features that it has once.
        steps: of a ``sequence_example``, the features that it has once a step.
        features: every feature by name, which is also the key in a record. An ``example`` declares
            them here; of a ``sequence_example`` they are those of ``context`` and ``steps``.
        clips: what makes a ``sequence_example``; always there for one, never for an ``example``.

    Raises:
        SchemaError: from ``Schema.from_dict`` and ``load_schema``, with the place of the fault.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = Field(default=None, pattern=_LINE)
    version: str | None = Field(default=None, pattern=_LINE)
    record: Literal["example", "sequence_example"] = "example"
    on_unreadable: Literal["reject", "fail"] = "reject"
    context: _Features = Field(default_factory=dict)
    steps: _Features = Field(default_factory=dict)
    clips: Clips | None = Field(default=None, validate_default=True)
    declared: _Features = Field(default=None, alias="features", validate_default=True)

    @field_validator("context", "steps", mode="before")
    @classmethod
    def _check_part(cls, declared: Any, info: ValidationInfo) -> Any:
        if info.data.get("record") == "example":
            message = "got it with record example, expected record: sequence_example"
            raise fault([f"{info.field_name}: {message}"])
        return _by_kind(declared, str(info.field_name))

    @field_validator("clips", mode="before")
    @classmethod
    def _check_clips(cls, declared: Any, info: ValidationInfo) -> Any:
        if info.data.get("record") == "sequence_example":
            return {} if declared is None else declared
        if declared is not None:
            raise fault(["clips: got it with record example, expected record: sequence_example"])
        return None

    @field_validator("declared", mode="before")
    @classmethod
    def _check_declared(cls, declared: Any, info: ValidationInfo) -> Any:
        if info.data.get("record") == "sequence_example":
            if declared is not None:
                got = "got it with record sequence_example"
                raise fault([f"features: {got}, expected context and steps"])
            return {}
        if declared is None:
            raise fault(["features: missing, expected a value"])
        if declared == {}:
            raise fault(["features: got {}, expected at least one feature"])
        return _by_kind(declared, "features")

    @model_validator(mode="after")
    def _check_keys(self) -> Schema:
        owners: dict[str, str] = {}
        for part, name, feature in self._declared():
            for key in feature.specs(name):
                if key in owners:
                    raise fault([_collision(f"{part}.{name}", name, owners[key], key)])
                owners[key] = name
        return self

    @model_validator(mode="after")
    def _check_sequence(self) -> Schema:
        if self.record == "sequence_example" and not self.steps:
            raise fault(["steps: missing, expected at least one feature"])
        of_parts = (owner_faults(part, features) for part, features in self._parts().items())
        if faults := [*self._setting_faults(), *chain(*of_parts), *self._grouping_faults()]:
            raise fault(faults)
        return self

    def _setting_faults(self) -> Iterable[str]:
        for part, name, feature in self._declared():
            if feature.ragged and part != "steps":
                yield f"{part}.{name}.ragged: got true, expected it in steps only"
            if not feature.source and part == "steps":
                yield f"{part}.{name}.type: got {feature.type!r}, expected it in features or context"
            if feature.needs_vocabulary and not is_column(feature.source):
                got = f"got from_manifest with the source {feature.source!r}"
                yield f"{part}.{name}.vocabulary: {got}, expected the names"

    def _declared(self) -> Iterable[tuple[str, str, Feature]]:
        for part, features in self._parts().items():
            yield from ((part, name, feature) for name, feature in features.items())

    def _parts(self) -> Mapping[str, Mapping[str, Feature]]:
        # Not by whether there are steps: a reader's part of a schema may have none.
        if self.record == "example":
            return {"features": self.declared}
        return {"context": self.context, "steps": self.steps}

    def _grouping_faults(self) -> Iterable[str]:
        """What cannot be once rows are grouped: a column has one cell a clip, or one a frame."""
        if self.clips is None:
            return
        if self.clips.window and any(feature.ragged for feature in self.steps.values()):
            yield "clips.window: got it with a ragged feature, whose steps windows cannot cut"
        if self.clips.key is None:
            return
        for name, feature in self.steps.items():
            if is_column(feature.source) and feature.source in self.clip_columns():
                got = f"got {feature.source!r}, which has one value a clip"
                yield f"steps.{name}.source: {got}, expected a column with one a frame"
        if not self.frame_columns():
            yield "clips.key: got it where no step feature has a column with a cell a frame"

    @classmethod
    def from_dict(cls, declared: Any, place: str = "") -> Schema:
        """Builds a schema from what YAML or JSON holds.

        Args:
            declared: nested dicts and lists.
            place: where it was read from, put before the message of an error.

        Raises:
            SchemaError: what is wrong, one fault a line, each with its place.
        """
        try:
            return cls.model_validate(declared)
        except ValidationError as error:
            prefix = f"{place}: " if place else ""
            lines = [prefix + line for line in explain(error)]
            raise SchemaError("\n".join(lines)) from None

    def to_dict(self) -> dict[str, Any]:
        """The schema as plain dicts, with every default spelt out; ``from_dict`` reads it back.

        A name and a version that are not declared are left out.
        """
        left_out = {"declared"} if self.clips is not None else {"context", "steps", "clips"}
        left_out |= {key for key in ("name", "version") if getattr(self, key) is None}
        return self.model_dump(mode="json", by_alias=True, exclude=left_out)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as plain dicts: a worker that lacks the package of a kind can then say so in a line."""
        return _unpickle, (self.model_dump(mode="json", by_alias=True),)

    @cached_property
    def features(self) -> Mapping[str, Feature]:
        """Every feature by name: those that an ``example`` declares, or those of ``context`` and ``steps``."""
        return {**self.declared, **self.context, **self.steps}

    @cached_property
    def specs(self) -> Mapping[str, Mapping[str, ValueSpec]]:
        """What records hold: by the name of the feature, what is under each of its keys.

        Of ``context`` and ``features`` that is a value, of ``steps`` one step's.
        """
        return {name: feature.specs(name) for name, feature in self.features.items()}

    @cached_property
    def specs_by_key(self) -> Mapping[str, ValueSpec]:
        """The same by key alone; no two features share one."""
        return {key: spec for specs in self.specs.values() for key, spec in specs.items()}

    @cached_property
    def encoding_order(self) -> Mapping[str, tuple[str, ...]]:
        """The names of each part's features, such that each comes after the one that it is ``of``.

        The parts are ``features``, or ``context`` and ``steps``. Else the order is that of the schema.
        """
        return {part: encoding_order(features) for part, features in self._parts().items()}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other ``context``, ``steps`` or ``features``, which is not validated.

        What follows from them is not copied but found anew.
        """
        fields = dict(update or {})
        if "features" in fields:
            fields["declared"] = fields.pop("features")
        copied = super().model_copy(update=fields, deep=deep)
        for derived in ("features", "specs", "specs_by_key", "encoding_order"):
            vars(copied).pop(derived, None)
        return copied

    def place(self, name: str) -> str:
        """Where a feature is declared, for messages: ``features.image``, ``steps.frames``."""
        return next(f"{part}.{name}" for part, other, _ in self._declared() if other == name)

    def columns(self) -> tuple[str, ...]:
        """The manifest columns that the features and clips come from, sorted, each once."""
        clips = (self.clips.key, self.clips.order) if self.clips is not None else ()
        named = {column for feature in self.features.values() for column in feature.columns}
        return tuple(sorted(named.union(column for column in clips if column is not None)))

    def file_columns(self) -> tuple[str, ...]:
        """The columns that hold paths of files or the files' bytes, sorted, each once."""
        files = (feature for feature in self.features.values() if feature.reads_files)
        return tuple(sorted({f.source for f in files if is_column(f.source)}))

    def clip_columns(self) -> frozenset[str]:
        """The columns that have to have one value for all rows of a clip."""
        key = [self.clips.key] if self.clips is not None and self.clips.key else []
        named = [column for feature in self.context.values() for column in feature.columns]
        return frozenset(key + named)

    def frame_columns(self) -> frozenset[str]:
        """The columns that have a value for each row of a clip."""
        order = [self.clips.order] if self.clips is not None and self.clips.order else []
        named = [column for feature in self.steps.values() for column in feature.columns]
        return frozenset(order + named) - self.clip_columns()

    def observe(self, name: str, value: Any) -> Iterable[str]:
        """The class names that a manifest cell names; asked only while ``needs_vocabulary``."""
        feature = self.features[name]
        if self.clips is None or name not in self.steps:
            return feature.observe(value)
        cells = self.clips.split(value, feature)
        return [observed for cell in cells for observed in feature.observe(cell)]

    def check_columns(self, present: Iterable[str], where: str) -> None:
        """Checks that a manifest has every column that the schema names.

        Args:
            present: the columns of the manifest, labels joined.
            where: the manifest as the user wrote it.

        Raises:
            ManifestError: a feature's source is not among the columns.
        """
        columns = list(present)
        wanted = {f"{self.place(n)}.source": f.columns for n, f in self.features.items()}
        if self.clips is not None:
            wanted["clips.key"] = (self.clips.key,) if self.clips.key else ()
            wanted["clips.order"] = (self.clips.order,) if self.clips.order else ()
        for place, named in wanted.items():
            for column in named:
                check_column(column, columns, where, f"for {place}")

    def with_vocabularies(self, vocabularies: Mapping[str, Iterable[str]]) -> Schema:
        """The schema with the class names that were collected from the manifest filled in.

        Args:
            vocabularies: distinct class names by feature name.

        Raises:
            ManifestError: the manifest has no class name for a feature.
            SchemaError: the names do not fit what is declared, such as ``num_classes``.
        """
        features = dict(self.features)
        for name, names in vocabularies.items():
            feature, found = features[name], tuple(names)
            if not found:
                raise ManifestError(
                    f"{self.place(name)}: got no class name from column {feature.source!r} "
                    "of the manifest, expected at least one"
                )
            try:
                features[name] = feature.with_vocabulary(found)
            except ValidationError as error:
                raise SchemaError("\n".join(explain(error, self.place(name)))) from None
        parts = {part: getattr(self, part) for part in ("declared", "context", "steps")}
        filled = {part: {name: features[name] for name in names} for part, names in parts.items()}
        return self.model_copy(update=filled)


def _by_kind(declared: Any, part: str) -> Any:
    if not isinstance(declared, Mapping):
        return declared
    members, wrong = expand_groups(declared, part)
    built: dict[Any, Feature | SchemaError] = {
        name: _build_or_explain(place, name, value) for name, (place, value) in members.items()
    }
    faults = [*wrong, *(str(fault) for fault in built.values() if isinstance(fault, SchemaError))]
    if faults:
        raise fault(faults)
    features = {name: feature for name, feature in built.items() if isinstance(feature, Feature)}
    settled, faults = settle_owned(features, {name: place for name, (place, _) in members.items()})
    if faults:
        raise fault(faults)
    return settled


def _build_or_explain(place: str, name: Any, declared: Any) -> Feature | SchemaError:
    try:
        return _build_feature(place, name, declared)
    except SchemaError as error:  # returned, so that all faults of a schema are told at once
        return error


def _build_feature(place: str, name: Any, declared: Any) -> Feature:
    if not isinstance(name, str) or not name or not _is_unicode(name):
        raise SchemaError(
            f"{place.partition('.')[0]}: got {name!r}, expected a name; put it in quotes"
        )
    if isinstance(declared, Feature):
        return declared
    if not isinstance(declared, Mapping):
        raise SchemaError(f"{place}: got {declared!r}, expected a mapping with a 'type'")
    kind = find_kind(declared)
    if kind is None:
        got = f"got {declared['type']!r}" if "type" in declared else "missing"
        known = f"expected one of {', '.join(sorted([*feature_kinds(), GROUP]))}"
        more = "; or install the package that offers it" if "type" in declared else ""
        raise SchemaError(f"{place}.type: {got}, {known}{more}")
    try:
        return kind.model_validate(dict(declared))
    except ValidationError as error:
        raise SchemaError("\n".join(explain(error, place))) from None


def _unpickle(declared: dict[str, Any]) -> Schema:
    if missing := missing_kinds(declared):
        raise PluginError(
            f"feature kind {missing[0]!r} is not installed here; install the package that offers it, on the "
            "launcher and the workers"
        )
    fields = dict(declared)
    for part in ("features", "context", "steps"):
        fields[part] = _by_kind(declared[part], part)
    clips = None if declared["clips"] is None else Clips.model_validate(declared["clips"])
    # Not validated as a whole: of the features that a reader has chosen, a dataset could not be built.
    return Schema.model_construct(**{**fields, "clips": clips})


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _collision(place: str, name: str, owner: str, key: str) -> str:
    if key == name == owner:
        return f"{place}: got a name that is in context too, expected another"
    if key == name:
        return f"{place}: got a name that feature {owner!r} stores a part under, expected another"
    return f"{place}: stores a part under {key!r} as feature {owner!r} does; rename one of them"
