"""The dataset that records are taken over from: what of it still fits, and where it lies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ...schemas.dataset.checksum import has_right_checksum
from ...schemas.dataset.file_names import DATASET_FILE, index_file
from ...schemas.dataset.index import IndexLayout, read_index
from ...schemas.dataset.info import DatasetInfo
from ...schemas.dataset.sink import Sink
from ...schemas.errors import OptionError
from ...schemas.features import kind_versions
from ...schemas.features.base import Feature
from ...schemas.schema import Schema
from ..path_keys import PathRoot, path_key
from ..sinks.registry import addressed_sink
from ..storage.input_log import InputState, ShardInputs
from ..storage.output_folder import Folder
from ..storage.paths import has_folder
from ..storage.streams import READ_FAILURES

__all__ = ["OldDataset", "OldShard", "open_old_dataset"]

_OTHER_VERSIONS = frozenset({"apache-beam", "pyarrow"})
"""Libraries that decide bytes of datasets, and none of what a file is encoded to."""


_NO_SETTINGS = {"source", "target", "ragged", "optional", "storage"}
"""What a feature's value does not depend on, given the file that it is made from."""


@dataclass(frozen=True, slots=True)
class OldShard:
    """A shard of the dataset.

    Attributes:
        name: the shard's.
        sink: the format of the file.
        file: the file that its records lie in, by addresses.
        index: its index file.
        sha256: that file's, as it was published.
    """

    name: str
    sink: str
    file: str
    index: str
    sha256: str


@dataclass(frozen=True, slots=True)
class OldDataset:
    """A published dataset, as far as its records can be taken over.

    Attributes:
        folder: where it lies.
        schema: its own.
        features: the names of the features whose values are the same in the new dataset.
        shards: all of them.
        num_records: in all.
        reason: why nothing can be taken over, as a sentence's part; empty if something can.
    """

    folder: Folder
    schema: Schema
    features: tuple[str, ...]
    shards: tuple[OldShard, ...]
    num_records: int
    reason: str = ""

    def read(self, shard: OldShard) -> Iterator[tuple[str, pa.Table]]:
        """What the index says of the features of a shard's records, and what was noted of their files.

        Yields:
            A feature's name and a table with a row a record that was made from a file: ``sink``, ``file``,
            ``offset``, ``bytes``; ``source`` in the spelling of keys, ``source_bytes``, ``source_sha256`` and
            what else the index says; ``root``, ``mtime_ns`` and ``tag`` as ``ShardInputs`` has them, empty where
            it has none. Nothing where the index is not what was published.
        """
        try:
            data = self.folder.read(shard.index)
            if data is None or hashlib.sha256(data).hexdigest() != shard.sha256:
                return
            table = read_index(data)
        except (pa.ArrowException, *READ_FAILURES):
            return
        noted = self._noted(shard.name)
        states = _by_key(noted)
        for name in self.features:
            columns = [c for c in IndexLayout(self.schema).columns if c.feature == name and c.says]
            if not {c.name for c in columns} <= set(table.column_names):
                continue  # it was written when the index said less
            named = table.select(["offset", "bytes", *(c.name for c in columns)])
            named = named.rename_columns(["offset", "bytes", *(c.says for c in columns)])
            named = named.filter(pc.is_valid(named["source"]))
            keys = list(map(path_key, named["source"].to_pylist()))
            hashes = named["source_sha256"].to_pylist()
            pairs = zip(keys, hashes, strict=True)
            found = [states.get(pair) or InputState() for pair in pairs]
            count = len(keys)
            more: dict[str, Any] = {
                "source": pa.array(keys, pa.string()),
                "sink": pa.array([shard.sink] * count, pa.string()),
                "file": pa.array([shard.file] * count, pa.string()),
                "root": pa.array([noted.root] * count, pa.string()),
                "mtime_ns": pa.array([state.mtime_ns for state in found], pa.int64()),
                "tag": pa.array([state.tag for state in found], pa.string()),
            }
            kept = named.drop_columns(["source"])
            yield (
                name,
                pa.table({**dict(zip(kept.column_names, kept.columns, strict=True)), **more}),
            )

    def _noted(self, shard: str) -> ShardInputs:
        try:
            data = self.folder.read(ShardInputs.path(shard))
            return ShardInputs.from_bytes(data) if data is not None else ShardInputs("", {})
        except (ValueError, *READ_FAILURES):
            return ShardInputs("", {})


def open_old_dataset(directory: str, schema: Schema, codecs: Mapping[str, str]) -> OldDataset:
    """Finds out what of a dataset still fits.

    Args:
        directory: where it lies.
        schema: that of the new dataset.
        codecs: the versions that it is encoded with, from ``codec_versions``.

    Raises:
        OptionError: there is no published dataset.
        DatasetError: its ``dataset.json`` cannot be read.
    """
    folder = Folder(directory)
    data = None if has_folder(directory) is False else folder.read(DATASET_FILE)
    if data is None:
        raise OptionError(
            f"--reuse: got {directory!r}, expected a published dataset: it has no {DATASET_FILE}"
        )
    info = DatasetInfo.loads(data, directory)
    old = info.read_schema(directory)
    same = tuple(name for name, f in schema.features.items() if _is_same(old.features.get(name), f))
    shards = tuple(
        OldShard(name, sink.name, file.path, index, info.files[index].sha256)
        for split in info.splits.values()
        for shard in split.shards
        for sink in filter(None, [addressed_sink(shard.files)])
        if type(sink).parse is not Sink.parse
        for file in [shard.files[sink.name]]
        for name in [file.path.rpartition(".")[0]]
        for index in [index_file(name)]
        if index in info.files
    )
    reason = ""
    if not has_right_checksum(data):
        reason = f"its {DATASET_FILE} is damaged"
    elif schema.clips is not None or old.clips is not None:
        reason = "clips are always encoded anew"
    elif not shards:
        reason = "it has no index of TFRecord files (--index, --sinks)"
    elif changed := _changed(info.versions or {}, codecs, schema):
        reason = f"it was built with other versions: {changed}"
    elif not same:
        reason = "it has no image feature of the same name and settings"
    records = sum(split.num_records for split in info.splits.values())
    return OldDataset(folder, old, same, shards, records, reason)


def _is_same(old: Feature | None, new: Feature) -> bool:
    """Whether the same file becomes the same value."""
    if old is None or not new.recalls or type(old) is not type(new):
        return False
    left, right = (feature.model_dump(exclude=_NO_SETTINGS) for feature in (old, new))
    return left == right


def _changed(old: Mapping[str, str], codecs: Mapping[str, str], schema: Schema) -> str:
    """The versions that are others now, of those that decide what can be taken over."""
    recalled = (feature for feature in schema.features.values() if feature.recalls)
    new = {**codecs, **kind_versions(recalled)}
    changed = (name for name in sorted(new.keys() - _OTHER_VERSIONS) if old.get(name) != new[name])
    return ", ".join(f"{name} {old.get(name, 'absent')}, now {new[name]}" for name in changed)


def _by_key(noted: ShardInputs) -> dict[tuple[str, str], InputState]:
    """What was noted of files, by the spelling that paths have in keys, and their content's hash."""
    root = PathRoot.find(noted.root)
    # With the content: names that differ in how their letters are composed have one key, and may be two files.
    states = noted.states.items()
    return {(path_key(path, root), state.sha256): state for path, state in states}
