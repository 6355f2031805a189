"""Packages that are installed for a test: modules and entry points in a folder of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pixelbeam.schemas import plugins
from pixelbeam.schemas.dataset import sink
from pixelbeam.schemas.features import feature_kinds
from pixelbeam.transforms.manifests import formats
from pixelbeam.transforms.sinks import registry

_CACHES = (
    plugins._entry_points,
    sink.offered_sinks,
    feature_kinds,
    formats.manifest_formats,
    registry.installed_sinks,
)


def install(
    folder: Path,
    name: str,
    version: str,
    modules: Mapping[str, str],
    points: Mapping[str, Mapping[str, str]],
) -> None:
    """Does what an installer does, which takes seconds where this takes none.

    Args:
        folder: where to, a folder that is to be on the path.
        name: the package's.
        version: the package's.
        modules: code by file name.
        points: entry points, ``module:object`` by name, by group.
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        line
        for group, named in points.items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in named.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for file, code in modules.items():
        (folder / file).write_text(code)


@contextmanager
def plugin_caches() -> Iterator[None]:
    """Forgets what is installed, before and after; and modules that came from packages in between."""
    known = set(sys.modules)
    for cache in _CACHES:
        cache.cache_clear()
    try:
        yield
    finally:
        for cache in _CACHES:
            cache.cache_clear()
        for name in set(sys.modules) - known:
            if not name.startswith("pixelbeam."):
                del sys.modules[name]
