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
from ..rows import ManifestRow, RejectedRow, RowFormat, reject_row
from ..sinks.registry import find_sink, naming_sink
from ..storage.input_files import InputFiles
from ..values.arrays.array_files import ArrayFiles
from ..values.resolve import ValueResolver
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
    """

    values: dict[str, RecordValue]
    summaries: dict[str, dict[str, Any]]
    ledger: Ledger = field(default_factory=Ledger)
    dropped: tuple[RejectedRow, ...] = ()


@dataclass(frozen=True, slots=True)
class RowEncoder:
    """Encodes rows by a schema.

    Attributes:
        schema: its vocabularies filled in.
        row_format: what the rows' cells are.
        inputs: reads the files that rows name.
        sinks: the formats, by name, that have to be able to hold each record.
    """

    schema: Schema
    row_format: RowFormat
    inputs: InputFiles
    sinks: tuple[str, ...] = ()

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
        clip = ClipEncoder(self.schema, reader, row.window)
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
        is_clip = self.schema.clips is not None
        for name in self.schema.encoding_order["context" if is_clip else "features"]:
            feature = self.schema.features[name]
            encoded = _encode_feature(name, feature, reader, became)
            check_fit(name, feature.type, encoded.values, self.schema.specs[name])
            values.update(encoded.values)
            summaries[name], became[name] = encoded.summary, encoded.became
        # As they are declared, whatever order they were encoded in.
        summaries = {name: summaries[name] for name in self.schema.features if name in summaries}
        if not is_clip:
            return EncodedRow(values, summaries)
        steps, of_steps = clip.encode()
        dropped = tuple(
            with_frames(
                replace(reject_row(self.row_format, row, reject), values=(), window=None), 1
            )
            for reject in clip.dropped
        )
        return EncodedRow({**values, **steps}, {**summaries, **of_steps}, clip.ledger, dropped)


def _encode_feature(
    name: str, feature: Feature, reader: ValueResolver, became: Mapping[str, Any]
) -> Encoded:
    path = ""
    try:
        path = reader.describe(feature)
        return feature.encode_after(name, reader.value(feature), became)
    except Reject as reject:
        raise reject.of(feature=name, path=path) from None
    except Exception as error:
        raise FeatureFailure.of(name, feature, error) from error


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
