"""The packages beside this one that a dataset's kinds and sinks are from."""

from __future__ import annotations

from ..plugins import FEATURES, SINKS, installed_versions
from ..schema import Schema
from .info import DatasetInfo

__all__ = ["describe_changes"]


def describe_changes(info: DatasetInfo, schema: Schema) -> list[str]:
    """A sentence for each package of which another version is installed than the dataset was built with.

    Nothing need be wrong: a package is free to read what its earlier versions wrote.
    """
    sinks = {name for split in info.splits.values() for s in split.shards for name in s.files}
    now = installed_versions(SINKS, sinks)
    now |= installed_versions(FEATURES, {feature.type for feature in schema.features.values()})
    then = info.versions or {}
    return [
        f"{package} {version} is installed here, and the dataset was built with {then[package]}"
        for package, version in sorted(now.items())
        if then.get(package, version) != version
    ]
