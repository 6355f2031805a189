"""Reading a manifest in parallel: files are divided into parts, and each part becomes rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam

from ...schemas.errors import Reject
from ..rows import ManifestRow, RejectedRow, RowsRead
from .formats import naming_format
from .formats.base import RANGE_BYTES, Malformed, ManifestFormat, Part, Projection, Record
from .open_manifest import SPLIT_COLUMN, Manifest, ManifestFile

__all__ = ["ReadManifest", "row_of", "split_file"]


def split_file(
    manifest_format: ManifestFormat, file: ManifestFile, range_bytes: int = RANGE_BYTES
) -> list[Part]:
    """Divides a manifest file into the parts that tasks read.

    Args:
        manifest_format: the file's format.
        file: the file, or the folder of a class.
        range_bytes: about how many bytes a part of a line-based file has.
    """
    whole = Part(file.name, file.path)
    with naming_format(manifest_format):
        return manifest_format.parts(whole, file.size, range_bytes)


def row_of(name: str, record: Record) -> ManifestRow | RejectedRow:
    """What a record that was found in the file ``name`` becomes."""
    row, values = record
    if not isinstance(values, Malformed):
        return ManifestRow(name, row, values)
    return RejectedRow(
        name,
        row,
        f"{name}:{row}",
        Reject("read", values.reason, values.message, path=values.path),
        values=values.values,
    )


class ReadManifest(beam.PTransform):
    """Reads a manifest's rows; apply it to the pipeline itself.

    Large line-based files are read in ranges, Parquet files by row group, directories by class.
    What is shuffled on the way are the names of parts, no rows.

    Args:
        manifest: as ``open_manifest`` found it.
        columns: the columns to keep, in the order of ``ManifestRow.values``.
        file_columns: those that hold paths of files or, in Parquet, the files' bytes.
        range_bytes: about how many bytes a range has.
        late_columns: those that only the shard task looks at; large bytes of theirs stay in Parquet.

    Returns ``RowsRead``: its rejects are of stage ``read``, its counts an int for each part, the rows found
    in it. Together they satisfy ``rows + rejects = counts``.

    Raises:
        BuildError: in a worker, when a file cannot be read to its end.
    """

    def __init__(
        self,
        manifest: Manifest,
        columns: Sequence[str],
        file_columns: Sequence[str] = (),
        range_bytes: int = RANGE_BYTES,
        late_columns: Iterable[str] = (),
    ) -> None:
        super().__init__()
        self._manifest = manifest
        own = tuple(c for c in columns if not (manifest.split and c == SPLIT_COLUMN))
        self._split_index = columns.index(SPLIT_COLUMN) if len(own) < len(columns) else -1
        self._projection = Projection(own, frozenset(file_columns), frozenset(late_columns))
        self._projection.indices(manifest.columns, manifest.spec)
        self._range_bytes = range_bytes

    def expand(self, pbegin: Any) -> RowsRead:
        """Wires the transform."""
        manifest_format = self._manifest.format
        read = (
            pbegin
            | "CreateFiles" >> beam.Create(self._manifest.files, reshuffle=False)
            # Without these, a runner fuses the steps, and one worker reads the whole manifest.
            | "SpreadFiles" >> beam.Reshuffle()
            | "SplitFiles" >> beam.ParDo(_SplitFileFn(manifest_format, self._range_bytes))
            | "SpreadParts" >> beam.Reshuffle()
            | "ReadParts"
            >> beam.ParDo(
                _ReadPartFn(
                    manifest_format, self._projection, self._manifest.split, self._split_index
                )
            ).with_outputs("rejects", "counts", main="rows")
        )
        return RowsRead(read.rows, read.rejects, read.counts)


class _SplitFileFn(beam.DoFn):
    def __init__(self, manifest_format: ManifestFormat, range_bytes: int) -> None:
        self._format = manifest_format
        self._range_bytes = range_bytes

    def process(self, file: ManifestFile) -> list[Part]:
        return split_file(self._format, file, self._range_bytes)


def _read(manifest_format: ManifestFormat, part: Part, projection: Projection) -> Iterator[Record]:
    with naming_format(manifest_format):
        yield from manifest_format.records(part, projection)


class _ReadPartFn(beam.DoFn):
    def __init__(
        self, manifest_format: ManifestFormat, projection: Projection, split: str, split_index: int
    ) -> None:
        self._format = manifest_format
        self._projection = projection
        self._split, self._split_index = split, split_index

    def process(self, part: Part) -> Iterator[Any]:
        found = 0
        name = f"{self._split}/{part.name}" if self._split else part.name
        for record in _read(self._format, part, self._projection):
            found += 1
            row = row_of(name, record if self._split_index < 0 else self._with_split(*record))
            yield row if isinstance(row, ManifestRow) else beam.pvalue.TaggedOutput("rejects", row)
        yield beam.pvalue.TaggedOutput("counts", found)

    def _with_split(self, row: int, values: tuple[Any, ...] | Malformed) -> Record:
        if isinstance(values, Malformed):
            return row, values
        return row, (*values[: self._split_index], self._split, *values[self._split_index :])
