"""Why shards that are built again are not what they were: sources and libraries that have changed since."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from ...schemas.dataset.file_names import index_file
from ...schemas.dataset.index import read_index, source_columns
from ...transforms.storage.input_log import InputState, ShardInputs
from ...transforms.storage.output_folder import Folder

__all__ = ["Reasons", "changed_versions", "find_reasons"]

_SHOWN = 3


@dataclass(slots=True)
class Reasons:
    """What is known to have changed.

    Attributes:
        sources: what has become of each source, by its path as the manifest writes it.
        versions: a phrase for each library of another version.
        unknown: shards of which it is not known what their sources were.
    """

    sources: dict[str, str] = field(default_factory=dict)
    versions: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """A line for each reason, or one that says that none was found."""
        names = sorted(self.sources)
        yield from (f"source    {name}: {self.sources[name]}" for name in names[:_SHOWN])
        if len(names) > _SHOWN:
            yield f"source    and {len(names) - _SHOWN:,} more"
        yield from (f"library   {phrase}" for phrase in self.versions)
        if self.unknown:
            yield (
                f"unknown   what the sources of {', '.join(self.unknown[:_SHOWN])} were is no longer known"
                if len(self.unknown) <= _SHOWN
                else f"unknown   what the sources of {len(self.unknown):,} shards were is no longer known"
            )
        if not (names or self.versions or self.unknown):
            yield "no reason was found: manifest, sources and libraries are what they were"


def changed_versions(then: Mapping[str, str] | None, now: Mapping[str, str]) -> list[str]:
    """A phrase for each library whose version is another one; none where they were not noted."""
    before = then or {}
    return [
        f"{name} is {now.get(name, 'absent')}, was {version}"
        for name, version in sorted(before.items())
        if now.get(name) != version
    ]


def find_reasons(
    output: Folder, anew: Folder, shards: Iterable[str], whole: Collection[str]
) -> Reasons:
    """Compares the sources of shards with what they were.

    By what was noted when each was built, else by what the index says of them.

    Args:
        output: the dataset's folder.
        anew: where the shards were built again.
        shards: their names.
        whole: the files of the dataset that are as they were published.
    """
    reasons = Reasons()
    for shard in shards:
        before, now = _noted(output, shard), _noted(anew, shard)
        if before is None:
            before = _indexed(output, shard) if index_file(shard) in whole else None
            now = _indexed(anew, shard)
        if before is None or now is None:
            reasons.unknown.append(shard)
            continue
        for name in before.keys() | now.keys():
            if said := _compare(before.get(name), now.get(name)):
                reasons.sources[name] = said
    return reasons


def _noted(folder: Folder, shard: str) -> Mapping[str, InputState] | None:
    data = folder.read(ShardInputs.path(shard))
    try:
        return ShardInputs.from_bytes(data).states if data is not None else None
    except ValueError:
        return None


def _indexed(folder: Folder, shard: str) -> Mapping[str, InputState] | None:
    """What the index of a shard says of its sources: their hashes alone."""
    data = folder.read(index_file(shard))
    if data is None:
        return None
    states: dict[str, InputState] = {}
    try:
        for column in source_columns(data):
            table = read_index(data, [column, f"{column}_sha256"])
            for paths, hashes in zip(*(c.to_pylist() for c in table.columns), strict=True):
                several = isinstance(paths, list)
                pairs = zip(paths, hashes, strict=True) if several else [(paths, hashes)]
                states |= {path: InputState(sha256=sha or "") for path, sha in pairs if path}
    except pa.ArrowException:
        return None
    return states


def _compare(before: InputState | None, now: InputState | None) -> str:
    """What has become of a source; empty if nothing has."""
    if before is None or now is None:
        return "was not among them before" if before is None else "is not among them any more"
    if before.fault != now.fault:
        return now.fault or f"can be read, was {before.fault}"
    if before.listing:
        return "has other files" if before.sha256 != now.sha256 else ""
    if before.sha256 and now.sha256:
        return "has other content" if before.sha256 != now.sha256 else ""
    return "has another size or time" if before.stamp != now.stamp else ""
