"""What the files of rows were that were left out as twins: no shard's notes tell of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import apache_beam as beam

from ..manifests.embedded_bytes import attach_inline
from ..row_order import stable_hash
from ..rows import ManifestRow, RejectedRow
from ..shards.encode_rows import RowEncoder, encode_rows
from ..shards.thread_pool import RowPool
from ..storage.input_log import InputLog, ShardInputs
from ..storage.output_folder import Folder
from ..storage.split_roots import SplitRoots
from .hash_rows import images_of
from .known_twins import DUPLICATE

__all__ = ["TWIN_NOTES", "FileNotes", "NoteFiles"]

TWIN_NOTES = tuple(f"twins-{number:02d}" for number in range(16))
"""What the notes are called beside those of shards; all are there, most of them may be empty."""


@dataclass(frozen=True, slots=True)
class FileNotes:
    """Notes the files of rows as the shard task does: by reading them.

    Attributes:
        encoder: the build's.
        manifest_root: the folder that manifest file names are relative to, or those of several.
        output: the dataset's folder.
    """

    encoder: RowEncoder
    manifest_root: str | SplitRoots
    output: Folder

    def write(self, name: str, rejects: Iterable[RejectedRow], pool: RowPool) -> None:
        """Writes the notes on the files of some rows.

        Args:
            name: one of ``TWIN_NOTES``.
            rejects: the rows, of which those count that were rejected as twins.
            pool: runs the reading.
        """
        log = InputLog()
        rows = sorted(
            (
                ManifestRow(
                    rejected.file, rejected.row, tuple(value for _, value in rejected.values)
                )
                for rejected in rejects
                if rejected.reject.reason == DUPLICATE
            ),
            key=lambda row: (row.file, row.row),
        )
        inputs = replace(self.encoder.inputs, log=log)
        encoder = RowEncoder(images_of(self.encoder.schema), self.encoder.row_format, inputs)
        attached = attach_inline(iter(rows), encoder.row_format.columns, self.manifest_root)
        for _ in encode_rows(encoder, attached, pool):
            pass
        notes = ShardInputs(inputs.full_root, log.take())
        self.output.write(ShardInputs.path(name), notes.to_bytes())


class NoteFiles(beam.PTransform):
    """Notes the files of the ``RejectedRow`` that were rejected as twins.

    Args:
        notes: writes the notes.
        threads: threads that read.
        row_seconds: the time limit of a row.
    """

    def __init__(self, notes: FileNotes, threads: int, row_seconds: float):
        super().__init__()
        self._do_fn = _NoteFn(notes, threads, row_seconds)

    def expand(self, rejects: beam.PCollection[RejectedRow]) -> beam.PCollection[None]:
        """Wires ``FileNotes``."""
        named = rejects | "NameNotes" >> beam.Map(lambda rejected: (_name_of(rejected), rejected))
        every = rejects.pipeline | "EveryNote" >> beam.Create([(name, None) for name in TWIN_NOTES])
        return (
            (named, every)
            | "WithEvery" >> beam.Flatten()
            | "GroupByNote" >> beam.GroupByKey()
            | "WriteNotes" >> beam.ParDo(self._do_fn)
        )


def _name_of(rejected: RejectedRow) -> str:
    number = int.from_bytes(stable_hash(0, "twin notes", rejected.file, rejected.row), "big")
    return TWIN_NOTES[number % len(TWIN_NOTES)]


class _NoteFn(beam.DoFn):
    def __init__(self, notes: FileNotes, threads: int, row_seconds: float):
        self._notes, self._threads, self._row_seconds = notes, threads, row_seconds

    def setup(self) -> None:
        self._pool = RowPool(self._threads, self._row_seconds)

    def teardown(self) -> None:
        self._pool.close()

    def process(self, element: tuple[str, Iterable[RejectedRow | None]]) -> Iterator[None]:
        name, rejects = element
        self._notes.write(
            name, (rejected for rejected in rejects if rejected is not None), self._pool
        )
        yield from ()
