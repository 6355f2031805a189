"""What can be declared: kinds, settings and presets, as text, as ``docs/schema.md``, and as JSON Schema.

All of it is read from the models: types and defaults from pydantic, meanings from the ``Attributes`` of the
docstrings. So a new setting is described where it is declared, and nowhere else.
"""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from ..clips import Clips
from ..errors import SchemaError
from ..features import feature_kinds, object_kinds
from ..features.base import Feature
from ..groups import GROUP, Objects
from ..schema import Schema
from ..schema_files import preset_names, preset_text

__all__ = ["Setting", "describe", "json_schema", "overview", "reference", "settings"]

_PARTS = ("features", "context", "steps")
_TYPE = re.compile(r"^``type: \w+``: ")
_INDENTED = re.compile(r" {4}(\w+): (.*)")


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a model.

    Attributes:
        name: as schemas have it.
        values: what it can be.
        default: its default as JSON has it in backticks, or ``required``; empty where it means something
            of its own while it is not declared.
        meaning: a sentence or several.
    """

    name: str
    values: str
    default: str
    meaning: str


def settings(model: type[BaseModel]) -> list[Setting]:
    """The settings of a kind, of ``Clips`` or of ``Schema``, as they are declared, without ``type``."""
    meanings = _meanings(model)
    made = model.model_json_schema()
    required = made.get("required", ())
    return [
        Setting(name, _values(of), "required" if name in required else _default(of), meanings[name])
        for name, of in made["properties"].items()
        if name != "type"
    ]


def overview() -> str:
    """The presets and the kinds, a line each."""
    presets = {name: _first_sentence(preset_text(name)) for name in preset_names()}
    kinds = {name: _summary(kind) for name, kind in _kinds().items()}
    return (
        "presets: pixelbeam build --schema NAME; pixelbeam schema NAME prints one as YAML\n"
        f"{_table(presets)}\n\n"
        "kinds of features: type: NAME; pixelbeam schema NAME prints the settings of one\n"
        f"{_table(kinds)}\n\n"
        "clips, schema: the settings of clips, and of a schema as a whole"
    )


def describe(name: str) -> str:
    """A preset's YAML, or the settings of a kind, of ``clips`` or of a ``schema`` as a whole.

    Raises:
        SchemaError: there is none of that name.
    """
    if name in preset_names():
        return preset_text(name).rstrip("\n")
    model = _models().get(name)
    if model is None:
        names = ", ".join([*preset_names(), *_models()])
        raise SchemaError(f"schema: got {name!r}, expected one of {names}")
    lines = [_plain(_about(model)), ""]
    for setting in settings(model):
        default = "required" if setting.default == "required" else f"default: {setting.default}"
        said = f"; {_plain(default)}" if setting.default else ""
        lines.append(f"{setting.name}: {_plain(setting.values)}{said}")
        lines += textwrap.wrap(
            _plain(setting.meaning), 96, initial_indent="    ", subsequent_indent="    "
        )
    return "\n".join(lines)


def reference() -> str:
    """``docs/schema.md``."""
    presets = "".join(
        f"| `{name}` | {_first_sentence(preset_text(name))} |\n" for name in preset_names()
    )
    shared = settings(Feature)
    described: list[tuple[str, type[BaseModel], list[Setting]]] = [
        ("A schema as a whole", Schema, settings(Schema)),
        ("Every feature", Feature, shared),
    ]
    for name, kind in _kinds().items():
        own = [setting for setting in settings(kind) if setting not in shared]
        described.append((f"`type: {name}`", kind, own))
    described.append(("`clips`", Clips, settings(Clips)))
    sections = [
        f"## {title}\n\n{_markdown(_about(model))}\n\n{_settings_table(rows)}"
        for title, model, rows in described
    ]
    return _HEAD.format(presets=presets) + "\n".join(sections)


def json_schema() -> dict[str, Any]:
    """A JSON Schema of schema files, for editors.

    It knows each setting's own values; what goes with what, ``pixelbeam build`` says.
    """
    kinds = {name: _definition(kind, name) for name, kind in _kinds().items()}
    for name, kind in object_kinds().items():
        of = {"description": _plain(_meanings(kind)["of"]), "type": "string", "minLength": 1}
        kinds[name]["properties"]["of"] = of
    kinds[GROUP]["properties"] = {"type": {"const": GROUP}, **kinds[GROUP]["properties"]}
    kinds[GROUP]["additionalProperties"] = {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": list(feature_kinds())}},
    }
    choices = [{"if": _has("type", name), "then": {"$ref": f"#/$defs/{name}"}} for name in kinds]
    feature = {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": list(kinds)}},
        "allOf": choices,
    }
    whole = _definition(Schema)
    for part in _PARTS:
        described = {"description": whole["properties"][part]["description"]}
        of = {"type": "object", "additionalProperties": {"$ref": "#/$defs/feature"}}
        whole["properties"][part] = described | of
    whole["properties"]["clips"] = {"$ref": "#/$defs/clips"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A schema of pixelbeam",
        **whole,
        "if": _has("record", "sequence_example"),
        "then": {"required": ["steps"]},
        "else": {"required": ["features"]},
        "$defs": {"feature": feature, "clips": _definition(Clips), **kinds},
    }


def _has(setting: str, value: str) -> dict[str, Any]:
    return {"properties": {setting: {"const": value}}, "required": [setting]}


def _definition(model: type[BaseModel], kind: str | None = None) -> dict[str, Any]:
    """The JSON Schema of one model, in which a setting's description is its meaning."""
    meanings = _meanings(model)
    made = model.model_json_schema()
    properties = {}
    for name, of in made["properties"].items():
        kept = {key: value for key, value in of.items() if key != "title"}
        if name == "type" and kind is not None:
            properties[name] = {"const": kind}
        else:
            properties[name] = {"description": _plain(meanings[name]), **kept}
    required = {"required": made["required"]} if "required" in made else {}
    return {
        "type": "object",
        "description": _plain(_about(model)),
        "properties": properties,
        **required,
        "additionalProperties": False,
    }


def _kinds() -> dict[str, type[BaseModel]]:
    """What a feature can be declared as: a kind, or the group, which stands for several."""
    kinds: dict[str, type[BaseModel]] = {**feature_kinds(), GROUP: Objects}
    return dict(sorted(kinds.items()))


def _models() -> dict[str, type[BaseModel]]:
    return {**_kinds(), "clips": Clips, "schema": Schema}


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """The ``Attributes`` of a model's docstring and of those it derives from."""
    meanings: dict[str, str] = {}
    for each in reversed(model.__mro__):
        name = ""
        for line in _attributes(each):
            if (found := _INDENTED.fullmatch(line)) is not None:
                name = found[1]
                meanings[name] = found[2]
            elif name:
                meanings[name] += f" {line.strip()}"
    return {name: text[:1].upper() + text[1:] for name, text in meanings.items()}


def _attributes(model: type) -> list[str]:
    _, _, attributes = _docstring(model).partition("Attributes:\n")
    body, _, _ = attributes.partition("\n\n")
    return body.splitlines()


def _docstring(model: type) -> str:
    return inspect.cleandoc(model.__dict__.get("__doc__") or "")


def _about(model: type[BaseModel]) -> str:
    """What a docstring says of a model, without its ``Attributes`` and what may be raised."""
    paragraphs = _docstring(model).split("\n\n")
    left_out = ("Attributes:", "Raises:", ">>>", "A kind is a subclass")
    kept = (" ".join(p.split()) for p in paragraphs if not p.startswith(left_out))
    text = _TYPE.sub("", "\n\n".join(kept))
    return text[:1].upper() + text[1:]


def _summary(kind: type[BaseModel]) -> str:
    return _plain(_about(kind).split("\n\n")[0])


def _first_sentence(text: str) -> str:
    """What the comment at a preset's head starts with."""
    comment = " ".join(
        line.removeprefix("#").strip() for line in text.split("\n#\n")[0].splitlines()
    )
    return comment.split(". ")[0] + "."


def _values(of: Mapping[str, Any]) -> str:
    """What a JSON Schema allows, in words."""
    if "anyOf" in of:
        several = [_values(each) for each in of["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(several))
    if "$ref" in of:
        return "mapping"
    if "const" in of:
        return f"`{of['const']}`"
    if "enum" in of:
        return ", ".join(f"`{value}`" for value in of["enum"])
    match of.get("type"):
        case "boolean":
            return "`true`, `false`"
        case "integer" | "number" as number:
            return ("integer" if number == "integer" else "number") + _limits(of)
        case "array":
            return f"list of {_values(of['items'])}" if "items" in of else "list"
        case "object":
            return "mapping"
        case "string":
            return "file" if of.get("title") == "file" else "text"
        case list() as several:
            return " or ".join(_values({"type": each}) for each in several)
    return "any"


def _limits(of: Mapping[str, Any]) -> str:
    low, high = of.get("minimum"), of.get("maximum")
    if low is not None and high is not None:
        return f" {low} to {high}"
    return (
        f", at least {low}" if low is not None else f", at most {high}" if high is not None else ""
    )


def _default(of: Mapping[str, Any]) -> str:
    default = of.get("default")
    return "" if default is None or default == {} else f"`{json.dumps(default)}`".replace('"', "")


def _table(lines: Mapping[str, str]) -> str:
    return "\n".join(f"  {name:<22} {text}" for name, text in lines.items())


def _settings_table(rows: Iterable[Setting]) -> str:
    lines = [
        f"| `{row.name}` | {row.values} | {row.default} | "
        f"{_markdown(row.meaning).replace('|', chr(92) + '|')} |"
        for row in rows
    ]
    return "\n".join(
        ["| setting | values | default | meaning |", "| --- | --- | --- | --- |", *lines, ""]
    )


def _markdown(text: str) -> str:
    return text.replace("``", "`")


def _plain(text: str) -> str:
    return text.replace("`", "")


_HEAD = """\
# The schema

Made by `scripts/reference.sh` from the models in `schemas/`; edit their docstrings, not this file.

`pixelbeam schema` lists presets and kinds. With a name, it prints a preset as YAML, to begin one's own
with, or the settings of a kind:

```bash
pixelbeam schema
pixelbeam schema image_classification > my_schema.yaml
pixelbeam schema image
```

`--schema` of `pixelbeam build` takes a preset's name or a YAML file. For completion and checks in an editor, give
it the JSON Schema, which is [schema.json](schema.json) too, in the file's first line:

```bash
pixelbeam schema --json > pixelbeam.schema.json
sed -i '1i # yaml-language-server: $schema=pixelbeam.schema.json' my_schema.yaml
pixelbeam build --manifest photos/photos.csv --schema my_schema.yaml --output out/my_schema
```

| preset | |
| --- | --- |
{presets}
A setting that is left out has its default; where none is given, its line says what that means. What does not go
together is said before a build starts, with its place.

"""
