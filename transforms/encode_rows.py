"""One row in, one record's values out: what the threads of a shard task run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..schemas.errors import Reject
from ..schemas.feature import FeatureValue
from ..schemas.schema import Schema
from .inputs import InputRoot
from .keys import RowFormat
from .rejects import reject_row
from .row_pool import RowPool
from .rows import ManifestRow, RejectedRow

__all__ = ["EncodedRow", "RowEncoder", "encode_rows"]


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """A record: its values by Example key, and its features' shares of the statistics."""

    values: dict[str, FeatureValue]
    summaries: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RowEncoder:
    """Encodes rows by a schema.

    Attributes:
        schema: its vocabularies filled in.
        row_format: what the rows' cells are.
        inputs: reads the files that rows name.
    """

    schema: Schema
    row_format: RowFormat
    inputs: InputRoot

    def encode(self, row: ManifestRow, inline: Mapping[str, Any]) -> EncodedRow | RejectedRow:
        """Reads, decodes and encodes a row.

        Args:
            row: the row.
            inline: by column, what takes the place of the row's ``InlineBytes``: ``bytes``, a path or
                ``None``.

        Raises:
            RuntimeError: a bug or a failing machine, from the original error, naming the row.
        """
        try:
            return self._encode(row, inline)
        except Reject as reject:
            return reject_row(self.row_format, row, reject)
        except Exception as error:
            # The cause itself does not survive the way through a runner, so it is named here.
            what = f"{type(error).__name__}: {error}"
            raise RuntimeError(
                f"failed to build the record of {row.file}:{row.row}: {what}"
            ) from error

    def _encode(self, row: ManifestRow, inline: Mapping[str, Any]) -> EncodedRow:
        values: dict[str, FeatureValue] = {}
        summaries = {}
        cells = {**dict(zip(self.row_format.columns, row.values, strict=True)), **inline}
        files: dict[str, bytes] = {}
        for name, feature in self.schema.features.items():
            value, path = cells[feature.source], ""
            if feature.reads_files and isinstance(value, str) and value:
                path = value
                if path not in files:  # two features may come from one file
                    files[path] = self._read(name, path)
                value = files[path]
            try:
                encoded = feature.encode(name, value)
            except Reject as reject:
                raise reject.of(feature=name, path=path) from None
            values.update(encoded.values)
            summaries[name] = encoded.summary
        return EncodedRow(values, summaries)

    def _read(self, name: str, path: str) -> bytes:
        try:
            return self.inputs.read(path)
        except Reject as reject:
            raise reject.of(feature=name) from None


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
        return reject_row(encoder.row_format, item[0], Reject("encode", "time_limit", said))

    return pool.map(lambda item: encoder.encode(*item), rows, overrun)
