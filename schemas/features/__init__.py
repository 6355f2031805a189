"""The feature kinds: every ``Feature`` in a module of this folder, and those of packages, found by being there."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from ..errors import PluginError
from ..plugins import FEATURES, find_plugins
from .base import Feature

__all__ = ["feature_kinds", "kind_versions", "missing_kinds"]


@cache
def feature_kinds() -> dict[str, type[Feature]]:
    """Every kind by the name that schemas use for it (``image``, ``class_label``, …), sorted.

    Raises:
        PluginError: one of another package is broken, or has a name that is taken.
    """
    kinds: dict[str, type[Feature]] = {}
    # Found by being there, so that two branches that add a kind each change no file in common.
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
    for name, plugin in find_plugins(FEATURES, Feature, kinds.keys()).items():
        own = plugin.offered.model_fields["type"].default
        if own != name:
            raise PluginError(
                f"{plugin.package} {plugin.version}: got a feature kind with the type {own!r}, expected "
                f"{name!r}, the name of its entry point"
            )
        kinds[name] = plugin.offered
    return dict(sorted(kinds.items()))


def kind_versions(features: Iterable[Feature]) -> dict[str, str]:
    """The versions of the packages that offer the kinds of some features: they decide bytes, as codecs do."""
    plugins = find_plugins(FEATURES, Feature)
    used = {feature.type for feature in features} & plugins.keys()
    return {plugins[name].package: plugins[name].version for name in sorted(used)}


def missing_kinds(declared: Any) -> list[str]:
    """The kinds that a schema's plain dicts name and that are not installed here, sorted."""
    parts = [declared.get(part) for part in ("features", "context", "steps")]
    settings = [s for part in parts if isinstance(part, Mapping) for s in part.values()]
    named = {
        s["type"] for s in settings if isinstance(s, Mapping) and isinstance(s.get("type"), str)
    }
    return sorted(named - feature_kinds().keys())
