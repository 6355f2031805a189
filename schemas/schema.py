"""The schema: the declared features of a record, from YAML or Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from .errors import ManifestError, SchemaError
from .feature import Feature, SettingError, shorten
from .features import feature_kinds

__all__ = ["Schema", "load_schema", "preset_names"]

_PRESETS = files(__package__) / "presets"


class Schema(BaseModel):
    """The features of a record by name.

    >>> Schema(features={"image": Image(source="path", height=224, width=224)})  # doctest: +SKIP

    Attributes:
        record: what a record is.
        on_unreadable: what becomes of a row whose file is there and cannot be read, even after
            several tries: a reject, or a failed build, which can be run again when storage is well.
        features: by name, which is also the key in a record.

    Raises:
        SchemaError: from ``Schema.from_dict`` and ``load_schema``, with the place of the fault.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: Literal["example"] = "example"
    on_unreadable: Literal["reject", "fail"] = "reject"
    features: dict[str, SerializeAsAny[Feature]] = Field(min_length=1)

    @field_validator("features", mode="before")
    @classmethod
    def _by_kind(cls, declared: Any) -> Any:
        if not isinstance(declared, Mapping):
            return declared
        built = {name: _build_or_explain(name, value) for name, value in declared.items()}
        faults = [fault for fault in built.values() if isinstance(fault, SchemaError)]
        if faults:
            raise _fault(map(str, faults))
        return built

    @model_validator(mode="after")
    def _check_keys(self) -> Schema:
        owners: dict[str, str] = {}
        for name, feature in self.features.items():
            for key in feature.source_code(name).parse:
                if key in owners:
                    raise _fault([_collision(name, owners[key], key)])
                owners[key] = name
        return self

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
            lines = [prefix + line for line in _explain(error)]
            raise SchemaError("\n".join(lines)) from None

    def to_dict(self) -> dict[str, Any]:
        """The schema as plain dicts, with every default spelt out; ``from_dict`` reads it back."""
        return self.model_dump(mode="json")

    def columns(self) -> tuple[str, ...]:
        """The manifest columns that the features come from, sorted, each once."""
        return tuple(sorted({feature.source for feature in self.features.values()}))

    def file_columns(self) -> tuple[str, ...]:
        """The columns that hold paths of files or the files' bytes, sorted, each once."""
        return tuple(sorted({f.source for f in self.features.values() if f.reads_files}))

    def check_columns(self, present: Iterable[str], where: str) -> None:
        """Checks that a manifest has every column that the schema names.

        Args:
            present: the columns of the manifest, labels joined.
            where: the manifest as the user wrote it.

        Raises:
            ManifestError: a feature's source is not among the columns.
        """
        columns = list(present)
        for name, feature in self.features.items():
            if feature.source not in columns:
                raise ManifestError(
                    f"{where}: no column {feature.source!r} for features.{name}.source; "
                    f"its columns are: {', '.join(map(repr, columns))}"
                )

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
                    f"features.{name}: got no class name from column {feature.source!r} "
                    "of the manifest, expected at least one"
                )
            try:
                features[name] = feature.with_vocabulary(found)
            except ValidationError as error:
                raise SchemaError("\n".join(_explain(error, f"features.{name}"))) from None
        return self.model_copy(update={"features": features})


def preset_names() -> list[str]:
    """The presets in ``schemas/presets/``, sorted."""
    return sorted(entry.name[:-5] for entry in _PRESETS.iterdir() if entry.name.endswith(".yaml"))


def load_schema(name_or_file: str) -> Schema:
    """Loads a preset by name, or a YAML file.

    Relative paths inside the file (a vocabulary's) are relative to the file.

    Raises:
        SchemaError: no such preset or file, not YAML, or not a schema.
    """
    path = Path(name_or_file)
    if name_or_file in preset_names():
        text, place = (_PRESETS / f"{name_or_file}.yaml").read_text(encoding="utf-8"), name_or_file
        folder = None
    elif path.suffix in (".yaml", ".yml"):
        text, place, folder = _read(path), name_or_file, path.parent
    else:
        raise SchemaError(
            f"--schema: got {name_or_file!r}, expected a .yaml file or one of the presets "
            f"{', '.join(preset_names())}"
        )
    return Schema.from_dict(_resolve_files(_parse_yaml(text, place), folder), place)


class _StrictLoader(yaml.SafeLoader):
    """Refuses a mapping with the same key twice, of which YAML would keep the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                problem = f"got {key.value!r} twice, expected each key once"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _parse_yaml(text: str, place: str) -> Any:
    try:
        return yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader with one more check
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        problem = getattr(error, "problem", None) or str(error).replace("\n", " ")
        raise SchemaError(f"{place}:{line} not a YAML file: {problem}") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SchemaError(f"--schema: cannot read {str(path)!r}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SchemaError(f"--schema: {str(path)!r} is not UTF-8 text: {error.reason}") from None


def _resolve_files(declared: Any, folder: Path | None) -> Any:
    """Makes ``vocabulary: names.txt`` relative to the schema's own folder."""
    features = declared.get("features") if isinstance(declared, dict) else None
    if folder is None or not isinstance(features, dict):
        return declared
    for feature in features.values():
        vocabulary = feature.get("vocabulary") if isinstance(feature, dict) else None
        if isinstance(vocabulary, str) and vocabulary != "from_manifest":
            feature["vocabulary"] = str(folder / vocabulary)
    return declared


def _build_or_explain(name: Any, declared: Any) -> Feature | SchemaError:
    try:
        return _build_feature(name, declared)
    except SchemaError as error:  # returned, so that all faults of a schema are told at once
        return error


def _build_feature(name: Any, declared: Any) -> Feature:
    place = f"features.{name}"
    if not isinstance(name, str) or not name or not _is_unicode(name):
        raise SchemaError(f"features: got {name!r}, expected a name; put it in quotes")
    if isinstance(declared, Feature):
        return declared
    if not isinstance(declared, Mapping):
        raise SchemaError(f"{place}: got {declared!r}, expected a mapping with a 'type'")
    kind = feature_kinds().get(str(declared.get("type")))
    if kind is None:
        got = f"got {declared['type']!r}" if "type" in declared else "missing"
        raise SchemaError(f"{place}.type: {got}, expected one of {', '.join(feature_kinds())}")
    try:
        return kind.model_validate(dict(declared))
    except ValidationError as error:
        raise SchemaError("\n".join(_explain(error, place))) from None


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _collision(name: str, owner: str, key: str) -> str:
    if key == name:
        return f"features.{name}: got a name that feature {owner!r} stores a part under, expected another"
    return f"features.{name}: stores a part under {key!r} as feature {owner!r} does; rename one of them"


def _fault(lines: Iterable[str]) -> PydanticCustomError:
    return PydanticCustomError("feature", "{lines}", {"lines": "\n".join(lines)})


def _explain(error: ValidationError, place: str = "") -> Iterable[str]:
    """One line for each fault: ``features.image.resize: got 'crop2', expected one of …``."""
    for fault in error.errors(include_url=False):
        if fault["type"] == "feature":
            yield from fault["msg"].split("\n")
            continue
        reason = fault.get("ctx", {}).get("error")
        setting = [reason.setting] if isinstance(reason, SettingError) else []
        where = ".".join([*filter(None, [place]), *map(str, fault["loc"]), *setting])
        yield f"{where}: {_describe(dict(fault))}".removeprefix(": ")


_EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "int_from_float": "an integer",
    "int_parsing": "an integer",
    "int_type": "an integer",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "one of {expected}",
    "model_type": "a mapping with 'features'",
    "string_too_short": "at least one character",
    "string_type": "text",
    "too_short": "at least one feature",
    "tuple_type": "a list",
}
"""What was expected, by pydantic's name of the fault."""


def _describe(fault: dict[str, Any]) -> str:
    context = fault.get("ctx", {})
    match fault["type"]:
        case "missing":
            return "missing, expected a value"
        case "extra_forbidden":
            return f"got {shorten(fault['input'])}, expected nothing: there is no such setting"
        case "value_error":
            error = context["error"]
            return error.message if isinstance(error, SettingError) else str(error)
        case kind:
            message = fault["msg"][:1].lower() + fault["msg"][1:]
            expected = _EXPECTED.get(kind, message).format(**context)
            return f"got {shorten(fault['input'])}, expected {expected}"
