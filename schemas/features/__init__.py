"""The feature kinds: every ``Feature`` in a module of this folder, found by being there."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from .base import Feature

__all__ = ["feature_kinds"]


@cache
def feature_kinds() -> dict[str, type[Feature]]:
    """Every kind by the name that schemas use for it (``image``, ``class_label``, …)."""
    kinds: dict[str, type[Feature]] = {}
    for module_info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        for kind in vars(module).values():
            if (
                isinstance(kind, type(Feature))  # on Python 3.10, ``list[int]`` is a ``type`` too
                and issubclass(kind, Feature)
                and kind.__module__ == module.__name__
            ):
                name = kind.model_fields["type"].default
                if isinstance(name, str):  # bases that several kinds share declare no name
                    kinds[name] = kind
    return dict(sorted(kinds.items()))
