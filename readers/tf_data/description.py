"""The generated module at work: what parses TFRecords, and decodes what any source has parsed."""

from __future__ import annotations

from types import ModuleType

from ...schemas import Schema, write_description

__all__ = ["make_description"]


def make_description(schema: Schema) -> ModuleType:
    """The ``feature_description`` module of a schema, as this version writes it.

    The file in a dataset is only checked, never run: datasets come from strangers, and reading one must not run
    their code.
    """
    module = ModuleType("feature_description")
    code = write_description(schema)
    exec(compile(code, "feature_description.py", "exec"), vars(module))  # noqa: S102 - just generated
    return module
