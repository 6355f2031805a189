"""The feature kinds: every ``Feature`` in a module of this folder, and those of packages, found by being there."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from ..errors import PluginError
from ..plugins import FEATURES, find_plugins
from .base import Feature

__all__ = ["feature_kinds", "find_kind", "kind_versions", "missing_kinds", "object_kinds"]


@cache
def feature_kinds() -> dict[str, type[Feature]]:
    """Every kind by the name that schemas use for it (``image``, ``class_label``, …), sorted.

    Raises:
        PluginError: one of another package is broken, or has a name that is taken.
    """
    kinds = {name: kind for name, kind in _find_own() if "type" in inspect.get_annotations(kind)}
    for name, plugin in find_plugins(FEATURES, Feature, kinds.keys()).items():
        own = plugin.offered.model_fields["type"].default
        if own != name:
            raise PluginError(
                f"{plugin.package} {plugin.version}: got a feature kind with the type {own!r}, expected "
                f"{name!r}, the name of its entry point"
            )
        kinds[name] = plugin.offered
    return dict(sorted(kinds.items()))


@cache
def object_kinds() -> dict[str, type[Feature]]:
    """By the names of kinds of one value, what they are ``of`` boxes: a list with a value an object; sorted."""
    return dict(
        sorted((n, kind) for n, kind in _find_own() if "type" not in inspect.get_annotations(kind))
    )


def find_kind(declared: Mapping[str, Any]) -> type[Feature] | None:
    """The kind of a feature, by its ``type`` and whether it is ``of`` another one; ``None`` for no known type."""
    name = str(declared.get("type"))
    kinds = object_kinds() if declared.get("of") is not None else {}
    return kinds.get(name) or feature_kinds().get(name)


def _find_own() -> Iterator[tuple[str, type[Feature]]]:
    """The classes of this folder with a name for schemas; those that inherit it are another kind's lists."""
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
                    yield name, kind


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
