"""What other packages add: feature kinds, sinks and manifest formats, found by their entry points.

A package names a class under one of three groups, and is found once it is installed::

    [project.entry-points."pixelbeam.sinks"]
    npz = "pixelbeam_npz:NpzSink"

The name is the one that schemas and options use. Only what is installed is ever loaded: a dataset or a schema
names kinds and sinks, never code.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from .errors import PixelbeamError, PluginError, Reject

__all__ = [
    "FEATURES",
    "FORMATS",
    "SINKS",
    "Plugin",
    "PluginFailure",
    "find_plugins",
    "installed_versions",
    "naming",
]

FEATURES, SINKS, FORMATS = "pixelbeam.features", "pixelbeam.sinks", "pixelbeam.formats"
"""The groups of entry points."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Plugin(Generic[_T]):
    """A class that another package offers.

    Attributes:
        offered: the class.
        package: the name of the package as it was installed.
        version: the package's.
    """

    offered: type[_T]
    package: str
    version: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


class PluginFailure(RuntimeError):
    """What broke in a class of another package; the text names it."""


@contextmanager
def naming(what: str, *expected: type[Exception]) -> Iterator[None]:
    """Around what another package's class is asked to do: names it in whatever unexpected it raises.

    Args:
        what: the thing and the package, such as ``sink 'lines' of pixelbeam-extras 1.0``; empty for one of
            our own, whose errors go on as they are.
        *expected: errors that it may raise, beside ours and ``Reject``.

    Raises:
        PluginFailure: from whatever else it has raised.
    """
    try:
        yield
    except Exception as error:
        if not what or isinstance(error, (PixelbeamError, Reject, *expected)):
            raise
        raise PluginFailure(f"{what}: {type(error).__name__}: {error}") from error


def installed_versions(group: str, names: Collection[str]) -> dict[str, str]:
    """The versions of the packages that offer these names in a group, by package; nothing is imported for it."""
    return dict(_package(point) for point in _entry_points(group) if point.name in names)


def find_plugins(
    group: str, base: type[_T], built_in: Collection[str] = ()
) -> Mapping[str, Plugin[_T]]:
    """The classes of a group of entry points by name, sorted; each is loaded once in a process.

    Args:
        group: ``FEATURES``, ``SINKS`` or ``FORMATS``.
        base: what the classes have to be derived from.
        built_in: names that are taken.

    Raises:
        PluginError: one cannot be imported, is no such class, or has a name that is taken; it names the package.
    """
    plugins: dict[str, Plugin[_T]] = {}
    for point in _entry_points(group):
        # Before it is loaded: what cannot be used need not run.
        if point.name in built_in or point.name in plugins:
            other = plugins[point.name].package if point.name in plugins else "pixelbeam"
            raise PluginError(
                f"{_describe(point)}: got a name that is taken by {other}, expected another; uninstall one of them"
            )
        offered = _load(point)
        if not (isinstance(offered, type) and issubclass(offered, base)):
            raise PluginError(
                f"{_describe(point)}: got {point.value}, expected a class that is derived from {base.__name__}"
            )
        package, version = _package(point)
        plugins[point.name] = Plugin(offered, package, version)
    return plugins


@cache
def _entry_points(group: str) -> tuple[EntryPoint, ...]:
    """All of a group, sorted: in which order packages lie on the path decides nothing."""
    return tuple(sorted(entry_points(group=group), key=lambda p: (p.name, p.value)))


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:
        # Whatever a stranger's module raises when it is imported; the line says whose it is.
        what = f"{type(error).__name__}: {error}".replace("\n", " ")
        raise PluginError(
            f"{_describe(point)}: cannot be imported: {what}; mend or uninstall the package"
        ) from error


def _package(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist else ("an unnamed package", "none")


def _describe(point: EntryPoint) -> str:
    return f"{' '.join(_package(point))}: {point.group}: {point.name}"
