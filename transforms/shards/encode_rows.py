"""One row in, one record's values out: what the threads of a shard task run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...schemas.errors import Reject
from ...schemas.features.base import Encoded, Feature, RecordValue
from ...schemas.features.failure import FeatureFailure
from ...schemas.features.fit import check_fit
from ...schemas.plugins import PluginFailure
from ...schemas.schema import Schema
from ..clips.encode_clips import ClipEncoder
from ..clips.frame_accounting import count_frames, count_lost, with_frames
from ..ledger import Ledger
from ..reuse.old_records import OldRecords
from ..rows import InlineBytes, ManifestRow, RejectedRow, RowFormat, reject_row
from ..sinks.registry import find_sink, naming_sink
from ..storage.input_files import InputFiles
from ..values.arrays.array_files import ArrayFiles
from ..values.indexed import index_value
from ..values.resolve import Origin, ValueResolver
from .thread_pool import RowPool

__all__ = ["EncodedRow", "RowEncoder", "encode_rows"]


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """A record.

    Attributes:
        values: by Example key.
        summaries: its features' shares of the statistics.
        ledger: counts that publishing adds up: of a clip, of its frames.
        dropped: of a clip, the frames that were left out because something is wrong with them.
        name: what names the row, its file and its number there: ``key``, ``file`` and ``row`` of the index.
        indexed: what the index says of features: by feature, then as ``index_value`` has it; lists of steps.
        is_taken: whether something of it was taken over from another dataset.
    """

    values: dict[str, RecordValue]
    summaries: dict[str, dict[str, Any]]
    ledger: Ledger = field(default_factory=Ledger)
    dropped: tuple[RejectedRow, ...] = ()
    name: tuple[str, str, int] = ("", "", 0)
    indexed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_taken: bool = False


@dataclass(frozen=True, slots=True)
class RowEncoder:
    """Encodes rows by a schema.

    Attributes:
        schema: its vocabularies filled in.
        row_format: what the rows' cells are.
        inputs: reads the files that rows name.
        sinks: the formats, by name, that have to be able to hold each record.
        index: whether to find out what the index says of each record.
        old: what may be taken over from another dataset instead of being encoded.
    """

    schema: Schema
    row_format: RowFormat
    inputs: InputFiles
    sinks: tuple[str, ...] = ()
    index: bool = False
    old: OldRecords | None = None

    def encode(
        self, row: ManifestRow, inline: Mapping[str, Any], arrays: ArrayFiles | None = None
    ) -> EncodedRow | RejectedRow:
        """Reads, decodes and encodes a row.

        Args:
            row: the row.
            arrays: the array files that the task has open.
            inline: by column, what takes the place of the row's ``InlineBytes``: ``bytes``, a path or
                ``None``.

        Raises:
            RuntimeError: a bug or a failing machine, from the original error, naming the row.
        """
        cells = {**dict(zip(self.row_format.columns, row.values, strict=True)), **inline}
        inputs = self.inputs.of(row.file)
        reader = ValueResolver(cells, inputs, (arrays or ArrayFiles(inputs)).under(inputs))
        clip = ClipEncoder(self.schema, reader, row.window, index=self.index)
        try:
            encoded = self._encode(row, reader, clip)
            for sink in self.sinks:
                with naming_sink(sink):
                    find_sink(sink).check_record(encoded.values, self.schema)
            return encoded
        except Reject as reject:
            frames = count_frames(self.schema, cells, row.window) or clip.seen
            return with_frames(reject_row(self.row_format, row, reject), frames)
        except Exception as error:
            # The cause itself does not survive the way through a runner, so it is named here.
            named = isinstance(error, FeatureFailure | PluginFailure)
            what = str(error) if named else f"{type(error).__name__}: {error}"
            raise RuntimeError(
                f"failed to build the record of {row.file}:{row.row}: {what}"
            ) from error

    def _encode(self, row: ManifestRow, reader: ValueResolver, clip: ClipEncoder) -> EncodedRow:
        values: dict[str, RecordValue] = {}
        summaries: dict[str, dict[str, Any]] = {}
        became: dict[str, Any] = {}
        indexed: dict[str, dict[str, Any]] = {}
        is_clip, num_taken = self.schema.clips is not None, 0
        for name in self.schema.encoding_order["context" if is_clip else "features"]:
            feature = self.schema.features[name]
            encoded, origin, taken = self._encode_feature(row, name, feature, reader, became)
            num_taken += taken
            if self.index:
                indexed[name] = index_value(feature, encoded, origin)
            check_fit(name, feature.type, encoded.values, self.schema.specs[name])
            values.update(encoded.values)
            summaries[name], became[name] = encoded.summary, encoded.became
        # As they are declared, whatever order they were encoded in.
        summaries = {name: summaries[name] for name in self.schema.features if name in summaries}
        called = (self.row_format.key(row), row.file, row.row) if self.index else ("", "", 0)
        if not is_clip:
            indexed = self._spell(row, indexed)
            return EncodedRow(
                values, summaries, name=called, indexed=indexed, is_taken=num_taken > 0
            )
        steps, of_steps = clip.encode()
        indexed = self._spell(row, indexed | clip.indexed)
        dropped = tuple(
            with_frames(
                replace(reject_row(self.row_format, row, reject), values=(), window=None), 1
            )
            for reject in clip.dropped
        )
        return EncodedRow(
            {**values, **steps}, {**summaries, **of_steps}, clip.ledger, dropped, called, indexed
        )

    def _encode_feature(
        self,
        row: ManifestRow,
        name: str,
        feature: Feature,
        reader: ValueResolver,
        became: Mapping[str, Any],
    ) -> tuple[Encoded, Origin | None, bool]:
        """What a value became, what it was read from, and whether it was taken over."""
        path, origin = "", None
        try:
            path = reader.describe(feature)
            named = path or self._inline_path(row, feature)
            key = ""
            if self.old is not None and feature.recalls and named:
                key = self.row_format.file_key(row, named)
                taken = self.old.take_unchanged(name, feature, key, path, reader.inputs)
                if taken is not None:
                    return taken.encoded, Origin(named, taken.bytes, taken.sha256), True
            value = reader.value(feature)
            if self.index or key:
                origin = reader.origin(feature, named, value)
            if self.old is not None and key and origin is not None:
                taken = self.old.take_same(name, feature, key, origin.sha256)
                if taken is not None:
                    return taken.encoded, origin, True
            return feature.encode_after(name, value, became), origin, False
        except Reject as reject:
            raise reject.of(feature=name, path=path) from None
        except Exception as error:
            raise FeatureFailure.of(name, feature, error) from error

    def _inline_path(self, row: ManifestRow, feature: Feature) -> str:
        """The path that stands beside bytes in the manifest."""
        if not feature.reads_files:
            return ""
        cells = dict(zip(self.row_format.columns, row.values, strict=True))
        cell = cells.get(feature.source)
        return cell.path if isinstance(cell, InlineBytes) else ""

    def _spell(
        self, row: ManifestRow, indexed: dict[str, dict[str, Any]]
    ) -> dict[str, dict[str, Any]]:
        """Paths into the image root as relative ones, so that the index knows no folder of this machine."""
        for said in indexed.values():
            if isinstance(source := said.get("source"), list):
                said["source"] = [p and self.row_format.relative(row, p) for p in source]
            elif source:
                said["source"] = self.row_format.relative(row, source)
        return indexed


def encode_rows(
    encoder: RowEncoder, rows: Iterable[tuple[ManifestRow, Mapping[str, Any]]], pool: RowPool
) -> Iterator[EncodedRow | RejectedRow]:
    """Encodes rows in a pool's threads, in order; one that overruns the time limit is a reject.

    Args:
        encoder: turns a row into a record.
        rows: rows with their inline bytes, as ``RowEncoder.encode`` takes them.
        pool: runs the encoding.
    """

    def overrun(item: tuple[ManifestRow, Mapping[str, Any]]) -> RejectedRow:
        said = f"the row took more than {pool.seconds:g} s; --row_timeout allows more"
        rejected = reject_row(encoder.row_format, item[0], Reject("encode", "time_limit", said))
        return count_lost(rejected, encoder.schema)

    arrays = ArrayFiles(encoder.inputs)
    try:
        yield from pool.map(lambda item: encoder.encode(*item, arrays), rows, overrun)
    finally:
        arrays.close()
        if encoder.old is not None:
            encoder.old.close()
