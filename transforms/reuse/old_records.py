"""Taking over into a shard what records of another dataset hold, where their files are still the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ...schemas.dataset.sink import CorruptShard
from ...schemas.features.base import Encoded, Feature, RecordValue
from ..sinks.registry import find_sink
from ..storage.input_files import InputFiles
from ..storage.input_log import InputState
from ..storage.streams import READ_FAILURES, RangeReader
from .candidates import Candidates, load_table
from .old_dataset import OldDataset

__all__ = ["OldRecords", "Taken"]


class Taken(NamedTuple):
    """A value that was taken over.

    Attributes:
        encoded: what ``encode`` would give.
        bytes: how many its file has.
        sha256: of the file, in hex.
    """

    encoded: Encoded
    bytes: int
    sha256: str


class OldRecords:
    """The records that a shard may take over; several threads look into it.

    Args:
        old: the dataset that they are in.
        candidates: from ``FindRecords``.
        check_sources: how files are compared: ``stat`` or ``content``.
    """

    def __init__(self, old: OldDataset, candidates: Iterable[Candidates], check_sources: str):
        self._old, self._by_stamp = old, check_sources == "stat"
        self._columns: dict[str, list[str]] = {}
        self._rows: dict[str, dict[str, list[tuple[Any, ...]]]] = {}
        self._ranges = RangeReader()
        self._paths: dict[str, str] = {}
        self._roots: dict[str, str] = {}
        # In any order from Beam; sorted, the first that fits is always the same one.
        for feature, data in sorted(candidates):
            table = load_table(data)
            self._columns[feature] = table.column_names
            columns = table.to_pydict()
            rows = self._rows.setdefault(feature, {})
            for key, *row in zip(columns["source"], *columns.values(), strict=True):
                rows.setdefault(key, []).append(tuple(row))

    def close(self) -> None:
        """Closes the files that records were read from."""
        self._ranges.close()

    def take_unchanged(
        self, name: str, feature: Feature, key: str, written: str, inputs: InputFiles
    ) -> Taken | None:
        """What became of a file that has the size and time (etag) that it had, unread.

        Args:
            name: the feature's name.
            feature: the feature.
            key: the file's path in the spelling of keys.
            written: as the manifest writes it; empty where it lies in the manifest.
            inputs: looks at it, and notes what it is.
        """
        now: InputState | None = None
        for entry in self._entries(name, key) if self._by_stamp and written else ():
            state = InputState(
                entry["source_bytes"], entry["mtime_ns"], entry["tag"], entry["source_sha256"]
            )
            if state.stamp is None or entry["root"] != self._full_root(inputs):
                continue
            now = now or inputs.look(written)
            if now.stamp == state.stamp and (taken := self._take(name, feature, entry)):
                inputs.note_state(written, state)
                return taken
        return None

    def take_same(self, name: str, feature: Feature, key: str, sha256: str) -> Taken | None:
        """What became of a file with a content, if there is one with this path and content.

        Args:
            name: the feature's name.
            feature: the feature.
            key: the file's path in the spelling of keys.
            sha256: of its content, in hex.
        """
        same = (e for e in self._entries(name, key) if e["source_sha256"] == sha256)
        return next(filter(None, (self._take(name, feature, entry) for entry in same)), None)

    def _full_root(self, inputs: InputFiles) -> str:
        if inputs.root not in self._roots:
            self._roots[inputs.root] = inputs.full_root
        return self._roots[inputs.root]

    def _entries(self, name: str, key: str) -> Iterator[dict[str, Any]]:
        for row in self._rows.get(name, {}).get(key, ()):
            yield dict(zip(self._columns[name], row, strict=True))

    def _take(self, name: str, feature: Feature, entry: Mapping[str, Any]) -> Taken | None:
        """What a record holds; ``None`` where it is damaged or gone, and has to be made anew."""
        file, offset = entry["file"], entry["offset"]
        path = self._paths.get(file) or self._paths.setdefault(file, self._old.folder.path(file))
        values: Mapping[str, RecordValue]
        try:
            data = self._ranges.read(path, offset, entry["bytes"])
            schema = self._old.schema
            values = find_sink(entry["sink"]).parse(data, offset, schema, schema.specs[name])
        except (CorruptShard, *READ_FAILURES):
            return None
        said = {what: entry[what] for what in feature.index_columns}
        encoded = feature.recall(name, values, said)
        return Taken(encoded, entry["source_bytes"], entry["source_sha256"])
