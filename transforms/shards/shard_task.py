"""The shard task: a shard's rows in, its published files out. The only place that touches pixels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...schemas.dataset.file_names import ShardName, address_file, index_file
from ...schemas.dataset.sink import ShardWriter
from ...schemas.dataset.statistics import add_summaries
from ...schemas.errors import PASSING_REASONS
from ...schemas.features import kind_versions
from ...schemas.schema import Schema
from ..clips.frame_accounting import count_rejected
from ..ledger import Ledger
from ..manifests.embedded_bytes import attach_inline, has_inline
from ..rejects import count_reasons, reject_line
from ..reuse.candidates import Candidates
from ..reuse.old_dataset import OldDataset
from ..reuse.old_records import OldRecords
from ..row_order import unpack_row
from ..rows import RejectedRow
from ..sinks.registry import addressed_sink, find_sink, naming_sink, sink_versions
from ..storage.input_log import InputLog, ShardInputs
from ..storage.output_folder import Folder
from ..storage.split_roots import SplitRoots
from ..storage.streams import digest_file
from .check_inputs import InputCheck
from .encode_rows import EncodedRow, RowEncoder, encode_rows
from .index_writer import IndexWriter
from .library_versions import codec_versions
from .shard_result import ShardResult
from .thread_pool import RowPool

__all__ = ["ShardTask"]


@dataclass(frozen=True, slots=True)
class ShardTask:
    """Builds shards, one call each.

    Attributes:
        output: the dataset's folder.
        encoder: turns a row into a record; its sinks are the formats to write.
        manifest_root: the folder that manifest file names are relative to, or those of several manifests,
            for inline bytes.
        check_sources: how a shard that is there already, and its sources, are compared; see ``CHECKS``.
        inline: SHA-256 of the manifest's files by name, where images lie in them; else empty.
        old: another dataset whose records may be taken over. No byte depends on it.
    """

    output: Folder
    encoder: RowEncoder
    manifest_root: str | SplitRoots
    check_sources: str = "stat"
    inline: Mapping[str, str] = field(default_factory=dict)
    old: OldDataset | None = None

    def with_schema(self, schema: Schema) -> ShardTask:
        """The task with another schema."""
        return replace(self, encoder=replace(self.encoder, schema=schema))

    def versions(self) -> dict[str, str]:
        """The versions, of the process that asks, of all that decides the shards' bytes."""
        schema = self.encoder.schema
        of_kinds = kind_versions(schema.features.values())
        return codec_versions() | of_kinds | sink_versions(self.encoder.sinks, schema)

    def run(
        self,
        name: str,
        packed: Iterable[bytes],
        pool: RowPool,
        candidates: Iterable[Candidates] = (),
    ) -> ShardResult:
        """Builds and publishes a shard, unless the very same shard is already there.

        It is the same if its rows, options and codecs are, if its input files are what they were, and if the
        rows that were rejected for a reason outside themselves are rejected again.

        Args:
            name: the shard's name.
            packed: its rows from ``pack_row``, in any order.
            pool: runs the rows' decoding and encoding.
            candidates: the records of ``old`` that may be taken over.
        """
        # Beam gives them in any order. A packed row begins with its order in the split, so bytes sort as rows do.
        rows = sorted(packed)
        fingerprint = self._fingerprint(name, rows)
        stored = self._stored(name)
        if stored is not None:
            if self._is_whole(stored, fingerprint) and self._is_current(stored, rows, pool):
                return stored
            # Else, after a crash, it would vouch for files that are about to be replaced.
            self.output.delete_files([ShardResult.path(name)])
        with self.output.scratch() as scratch:
            return self._build(name, fingerprint, rows, scratch, pool, candidates)

    def _fingerprint(self, name: str, rows: list[bytes]) -> str:
        """Hash of all that decides the shard's bytes; the seed is in the rows' order."""
        schema = self.encoder.schema
        decisive: dict[str, Any] = {
            "schema": schema.to_dict(),
            "sinks": self.encoder.sinks,
            "versions": self.versions(),
        }
        if self.encoder.index:
            decisive["index"] = True
        if self.inline:
            # A row then names its bytes by where they lie alone, which stays when the file is another.
            files = sorted({row.file for row in map(unpack_row, rows) if has_inline(row)})
            decisive |= {"inline": {file: self.inline.get(file) for file in files}} if files else {}
        digest = hashlib.sha256(f"{json.dumps(decisive, sort_keys=True)}\0{name}\0".encode())
        # With the lengths, no two lists of rows are one text.
        for row in rows:
            digest.update(len(row).to_bytes(8, "big"))
            digest.update(row)
        return digest.hexdigest()

    def _stored(self, name: str) -> ShardResult | None:
        stored = self.output.read(ShardResult.path(name))
        try:
            return ShardResult.from_json(stored) if stored is not None else None
        except ValueError:
            return None

    def _is_whole(self, result: ShardResult, fingerprint: str) -> bool:
        files = (*result.files.values(), *result.index.values())
        if result.fingerprint != fingerprint or any(
            self.output.size(file.path) != file.bytes for file in files
        ):
            return False
        return self.check_sources != "content" or all(
            digest_file(self.output.path(file.path)) == file.sha256 for file in files
        )

    def _is_current(self, result: ShardResult, rows: list[bytes], pool: RowPool) -> bool:
        """Whether a build of today would give the very same shard."""
        path = ShardInputs.path(result.name)
        data = self.output.read(path)
        try:
            noted = ShardInputs.from_bytes(data) if data is not None else None
        except ValueError:
            noted = None
        now = InputCheck(self.encoder.inputs, self.check_sources).renew(noted) if noted else None
        if now is None or not self._rejects_again(result, rows, pool):
            return False
        # Touched, or in another folder: with the new times the next look need not hash the files again.
        if now != noted:
            self.output.write(path, now.to_bytes())
        return True

    def _rejects_again(self, result: ShardResult, rows: list[bytes], pool: RowPool) -> bool:
        """Tries the rows again whose rejection may have passed; whether all comes out as it did."""
        if PASSING_REASONS.isdisjoint(result.rejects):
            return True
        lines = (
            (self.output.read(ShardResult.rejects_path(result.name)) or b"").decode().split("\n")
        )
        rejects = [(json.loads(line), f"{line}\n") for line in lines if line]
        locations = {
            (r["manifest"], r["row"]) for r, _ in rejects if r["reason"] in PASSING_REASONS
        }
        before = [
            line for reject, line in rejects if (reject["manifest"], reject["row"]) in locations
        ]
        again = [row for row in rows if _location_of(row) in locations]
        outcomes = self._encode_all(again, pool, self.encoder)
        now = [reject_line(outcome) for outcome in outcomes if isinstance(outcome, RejectedRow)]
        return sorted(now) == sorted(before)

    def _build(
        self,
        name: str,
        fingerprint: str,
        rows: list[bytes],
        scratch: Path,
        pool: RowPool,
        candidates: Iterable[Candidates],
    ) -> ShardResult:
        shard = ShardName.parse(name)
        sinks = [find_sink(name) for name in self.encoder.sinks]
        local = {sink.name: scratch / shard.file(sink.suffix) for sink in sinks}
        summaries: dict[str, dict[str, Any]] = {}
        rejects: list[RejectedRow] = []
        dropped: list[RejectedRow] = []
        ledger = Ledger()
        num_records = num_taken = 0
        writers: dict[str, ShardWriter] = {}
        for sink in sinks:
            with naming_sink(sink.name):
                writers[sink.name] = sink.open(local[sink.name], self.encoder.schema)
        index, addressed = self._open_index(scratch, name), addressed_sink(self.encoder.sinks)
        log = InputLog()
        old = OldRecords(self.old, candidates, self.check_sources) if self.old is not None else None
        encoder = replace(self.encoder, inputs=replace(self.encoder.inputs, log=log), old=old)
        for outcome in self._encode_all(rows, pool, encoder):
            if isinstance(outcome, RejectedRow):
                rejects.append(outcome)
                ledger.merge(count_rejected(self.encoder.schema, outcome))
                continue
            ledger.merge(outcome.ledger)
            addresses: dict[str, tuple[int, int] | None] = {}
            for sink_name, writer in writers.items():
                with naming_sink(sink_name):
                    addresses[sink_name] = writer.write(outcome.values)
            if index is not None:
                index.add(outcome, addresses[addressed.name] if addressed else None)
            add_summaries(summaries, outcome.summaries, self.encoder.schema.features)
            dropped += outcome.dropped
            num_records += 1
            num_taken += outcome.is_taken
        for sink_name, writer in writers.items():
            with naming_sink(sink_name):
                writer.close()
        files = {sink: self.output.publish(path, path.name) for sink, path in local.items()}
        index_files = {}
        if index is not None:
            index.close()
            index_files = {
                kind: self.output.publish(scratch / Path(file).name, file)
                for kind, file in self._index_files(name).items()
            }
        for path, lost in (
            (ShardResult.rejects_path, rejects),
            (ShardResult.dropped_path, dropped),
        ):
            if lost:
                self.output.write(path(name), "".join(map(reject_line, lost)).encode())
        # The result comes last, for it vouches for all the others: after a crash before it, the shard is
        # built again.
        inputs = ShardInputs(encoder.inputs.full_root, log.take())
        self.output.write(ShardInputs.path(name), inputs.to_bytes())
        reasons = count_reasons(rejects)
        result = ShardResult(
            name,
            fingerprint,
            len(rows),
            num_records,
            files,
            reasons,
            summaries,
            ledger,
            index_files,
            num_taken,
        )
        self.output.write(ShardResult.path(name), result.to_json())
        return result

    def _open_index(self, scratch: Path, name: str) -> IndexWriter | None:
        files = self._index_files(name)
        if not files:
            return None
        local = {kind: scratch / Path(file).name for kind, file in files.items()}
        shard = ShardName.parse(name)
        return IndexWriter(local["index"], local.get("addresses"), self.encoder.schema, shard)

    def _index_files(self, name: str) -> dict[str, str]:
        """The files of a shard's index by what they are."""
        if not self.encoder.index:
            return {}
        addressed = addressed_sink(self.encoder.sinks)
        return {"index": index_file(name)} | (
            {"addresses": address_file(name)} if addressed else {}
        )

    def _encode_all(
        self, rows: list[bytes], pool: RowPool, encoder: RowEncoder
    ) -> Iterator[EncodedRow | RejectedRow]:
        unpacked = map(unpack_row, rows)
        attached = attach_inline(unpacked, self.encoder.row_format.columns, self.manifest_root)
        return encode_rows(encoder, attached, pool)


def _location_of(packed: bytes) -> tuple[str, int]:
    row = unpack_row(packed)
    return row.file, row.row
