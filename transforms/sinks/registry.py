"""The sinks that there are: this package's own, and those of packages that are installed beside it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import cache

from ...schemas.dataset.sink import CorruptShard, Sink, offered_sinks
from ...schemas.errors import OptionError, PluginError
from ...schemas.plugins import naming
from ...schemas.schema import Schema
from .hdf5.sink import HDF5Sink
from .tfrecord import TFRecordSink

__all__ = [
    "addressed_sink",
    "check_sinks",
    "find_sink",
    "installed_sinks",
    "naming_sink",
    "sink_versions",
]

_OWN: tuple[Sink, ...] = (TFRecordSink(), HDF5Sink())
_OWN_NAMES = tuple(sink.name for sink in _OWN)


@cache
def installed_sinks() -> dict[str, Sink]:
    """Every sink by the name that ``--sinks`` uses: ours first, since where there are several the first counts.

    Raises:
        PluginError: one of another package is broken, or has a name or suffix that is taken.
    """
    sinks = {sink.name: sink for sink in _OWN}
    for name, (sink, plugin) in offered_sinks(_OWN_NAMES).items():
        for other in sinks.values():
            if sink.suffix == other.suffix:
                raise PluginError(
                    f"{plugin}: sink {name!r}: got the suffix {sink.suffix!r}, which sink {other.name!r} has; "
                    "uninstall one of them"
                )
        sinks[name] = sink
    return sinks


def addressed_sink(names: Iterable[str]) -> Sink | None:
    """The sink in whose files the index says where records lie, ours before others; ``None`` where none tells.

    ``None`` as well where that cannot be known, since one of the sinks is not installed here.
    """
    names = set(names)
    sinks = [sink for sink in installed_sinks().values() if sink.name in names]
    found = next((sink for sink in sinks if sink.has_addresses), None)
    unsure = len(sinks) < len(names) and found not in _OWN
    return None if unsure else found


def find_sink(name: str) -> Sink:
    """A sink by its name.

    Raises:
        PluginError: it is not installed on this machine.
    """
    try:
        return installed_sinks()[name]
    except KeyError:
        raise PluginError(
            f"sink {name!r} is not installed here; install the package that offers it, on workers too"
        ) from None


def naming_sink(name: str) -> AbstractContextManager[None]:
    """Around what a sink is asked to do; see ``naming``."""
    offered = None if name in _OWN_NAMES else offered_sinks(_OWN_NAMES).get(name)
    return naming(f"sink {name!r} of {offered[1]}" if offered else "", CorruptShard)


def check_sinks(names: tuple[str, ...], schema: Schema) -> None:
    """Checks the names given to ``--sinks``, and that the formats can hold what a schema declares.

    Raises:
        OptionError: a name is unknown, given twice, or none is given; or a package is missing.
        SchemaError: a format cannot hold a feature.
    """
    sinks = installed_sinks()
    for name in names or ("",):
        if name not in sinks:
            more = "; or install the package that offers it" if name else ""
            raise OptionError(f"--sinks: got {name!r}, expected one of {', '.join(sinks)}{more}")
    if len(set(names)) < len(names):
        raise OptionError(f"--sinks: got {','.join(names)!r}, expected each sink once")
    for name in names:
        with naming_sink(name):
            sinks[name].check(schema)


def sink_versions(names: tuple[str, ...], schema: Schema) -> dict[str, str]:
    """The versions of the libraries that decide the bytes of these sinks, and of packages that offer them.

    Raises:
        PluginError: one is not installed on this machine.
    """
    versions: dict[str, str] = {}
    for name in names:
        with naming_sink(name):
            versions |= find_sink(name).versions(schema)
        if name in (offered := offered_sinks(_OWN_NAMES)):
            plugin = offered[name][1]
            versions[plugin.package] = plugin.version
    return versions
