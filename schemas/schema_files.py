"""Schemas in files: YAML, the presets that come with the package, and vocabularies beside a schema."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from .errors import SchemaError
from .schema import Schema

__all__ = ["load_schema", "preset_names", "preset_text"]

_PRESETS = files(__package__) / "presets"


def preset_names() -> list[str]:
    """The presets in ``schemas/presets/``, sorted."""
    return sorted(entry.name[:-5] for entry in _PRESETS.iterdir() if entry.name.endswith(".yaml"))


def preset_text(name: str) -> str:
    """A preset's YAML, with its comments."""
    return (_PRESETS / f"{name}.yaml").read_text(encoding="utf-8")


def load_schema(name_or_file: str) -> Schema:
    """Loads a preset by name, or a YAML file.

    Relative paths inside the file (a vocabulary's) are relative to the file.

    Raises:
        SchemaError: no such preset or file, not YAML, or not a schema.
    """
    path = Path(name_or_file)
    if name_or_file in preset_names():
        text, place = preset_text(name_or_file), name_or_file
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
    if folder is None or not isinstance(declared, dict):
        return declared
    parts = (declared.get(part) for part in ("features", "context", "steps"))
    for feature in (f for part in parts if isinstance(part, dict) for f in part.values()):
        vocabulary = feature.get("vocabulary") if isinstance(feature, dict) else None
        if isinstance(vocabulary, str) and vocabulary != "from_manifest":
            feature["vocabulary"] = str(folder / vocabulary)
    return declared
