"""The rows of a build: read, joined with labels, and grouped to clips."""

from __future__ import annotations

import apache_beam as beam

from ...transforms.clips.clip_rows import ClipRows
from ...transforms.clips.cut_clips import CutClips
from ...transforms.clips.frame_accounting import SEEN, count_lost
from ...transforms.clips.group_clips import GroupClips
from ...transforms.ledger import Ledger
from ...transforms.manifests.join_labels import JoinLabels
from ...transforms.manifests.open_manifest import Manifest
from ...transforms.manifests.read_manifest import ReadManifest
from ...transforms.path_keys import PathRoot
from ...transforms.rows import RowFormat, RowsRead
from ...transforms.storage.input_files import InputFiles
from ..options import BuildOptions

__all__ = ["ReadRows", "name_column", "row_format_of"]


def row_format_of(options: BuildOptions, columns: tuple[str, ...], inputs: InputFiles) -> RowFormat:
    """What the cells of rows with these columns are, and what names a row."""
    key_column = name_column(options)
    is_path = key_column in options.schema.file_columns()
    folders = inputs.splits.folders if inputs.splits is not None else (("", inputs.root),)
    roots = {split: PathRoot.find(folder) for split, folder in folders}
    return RowFormat(columns, key_column, is_path, inputs.splits is not None, roots)


def name_column(options: BuildOptions) -> str | None:
    """The column whose value names a row: the clip's key, the join key, else the first path."""
    schema = options.schema
    if schema.clips is not None and schema.clips.key:
        return schema.clips.key
    if options.join_on:
        return options.join_on
    files = [f for f in schema.features.values() if f.reads_files and len(f.columns) == 1]
    return files[0].columns[0] if files else None


class ReadRows(beam.PTransform):
    """Reads the rows of the manifests, joined with those of the label manifest if there is one.

    Rows of frames are grouped to clips: before the join where it is by the clips' key, else after it.

    Returns ``RowsRead``; its counts add up to the rows that were seen: every row of the manifests, and every
    row of the label manifest that no row of theirs took its label from. Of clips, every clip and every row
    that was rejected before it could be in one.
    """

    def __init__(
        self,
        options: BuildOptions,
        manifests: tuple[Manifest, ...],
        labels: Manifest | None,
        inputs: InputFiles,
    ):
        super().__init__()
        self._options, self._manifests, self._labels = options, manifests, labels
        self._inputs = inputs

    def expand(self, pipeline: beam.Pipeline) -> RowsRead:
        """Wires ``ReadManifest``, ``JoinLabels``, ``GroupClips`` and ``CutClips``."""
        options, columns = self._options, self._options.columns()
        if self._labels is None or options.join_on is None:
            return self._cut(self._group(self._read_all(pipeline, columns), columns))
        label_columns = tuple(c for c in columns if c in self._labels.columns)
        image_columns = tuple(c for c in columns if c not in label_columns or c == options.join_on)
        images = self._read_all(pipeline, image_columns, "_images")
        labels = self._read(pipeline, self._labels, label_columns, "_labels")
        join = JoinLabels(image_columns, label_columns, options.join_on, columns)
        if options.schema.clips is not None and options.schema.clips.key == options.join_on:
            images = self._group(images, image_columns)
            return self._cut(self._join(images, labels, join))
        return self._cut(self._group(self._join(images, labels, join), columns))

    def _read_all(
        self, pipeline: beam.Pipeline, columns: tuple[str, ...], side: str = ""
    ) -> RowsRead:
        if len(self._manifests) == 1:
            return self._read(pipeline, self._manifests[0], columns, side)
        read = [
            self._read(pipeline, manifest, columns, f"{side}_{manifest.split}")
            for manifest in self._manifests
        ]
        return RowsRead(
            tuple(each.rows for each in read) | "AllManifests_rows" >> beam.Flatten(),
            tuple(each.rejects for each in read) | "AllManifests_rejects" >> beam.Flatten(),
            tuple(each.counts for each in read) | "AllManifests_counts" >> beam.Flatten(),
        )

    def _read(
        self, pipeline: beam.Pipeline, manifest: Manifest, columns: tuple[str, ...], side: str = ""
    ) -> RowsRead:
        files = self._options.schema.file_columns()
        late = () if side == "_labels" else self._late_columns()
        label = f"Read{side}" if side else "ReadManifest"
        read: RowsRead = pipeline | label >> ReadManifest(
            manifest, columns, files, late_columns=late
        )
        return read

    def _late_columns(self) -> frozenset[str]:
        """The columns that nothing looks at before the shard task; rows of clips take theirs along."""
        options, schema = self._options, self._options.schema
        if schema.clips is not None and (schema.clips.key or schema.clips.window):
            return frozenset()
        early = {*options.splits.columns, options.join_on, name_column(options)}
        early |= {f.source for f in schema.features.values() if f.needs_vocabulary}
        return frozenset(options.columns()) - early

    def _join(self, images: RowsRead, labels: RowsRead, join: JoinLabels) -> RowsRead:
        sides = {"images": images.rows, "labels": labels.rows}
        joined: RowsRead = sides | "JoinLabels" >> join
        count = beam.Map(count_lost, self._options.schema)
        rejects = (images.rejects, labels.rejects, joined.rejects | "CountLost" >> count)
        # An image and its label are one row from here on.
        matched = joined.counts | "Matched" >> beam.Map(lambda count: -count)
        counts = (images.counts, labels.counts, matched)
        return images._replace(
            rows=joined.rows,
            rejects=rejects | "JoinRejects" >> beam.Flatten(),
            counts=counts | "JoinCounts" >> beam.Flatten(),
        )

    def _group(self, read: RowsRead, columns: tuple[str, ...]) -> RowsRead:
        clips = self._options.schema.clips
        if clips is None or clips.key is None:
            return read
        # Every row that was not rejected is a frame.
        seen = read.counts | "FramesSeen" >> beam.Map(lambda count: Ledger({SEEN: count}))
        lost = read.rejects | "FramesLost" >> beam.Map(lambda _: Ledger({SEEN: -1}))
        grouped = read.rows | "GroupClips" >> GroupClips(self._clip_rows(columns))
        return _add_clips("Clips", read, grouped, seen, lost)

    def _cut(self, read: RowsRead) -> RowsRead:
        clips = self._options.schema.clips
        if clips is None or clips.window is None:
            return read
        cut = CutClips(self._clip_rows(self._options.columns()), self._inputs)
        return _add_clips("Windows", read, read.rows | "CutClips" >> cut)

    def _clip_rows(self, columns: tuple[str, ...]) -> ClipRows:
        options = self._options
        once = options.schema.clip_columns().union(options.splits.columns)
        row_format = row_format_of(options, columns, self._inputs)
        frame_columns = options.schema.frame_columns().intersection(columns) - once
        return ClipRows(options.schema, row_format, frame_columns, once)


def _add_clips(
    name: str, read: RowsRead, made: RowsRead, *ledgers: beam.PCollection[Ledger]
) -> RowsRead:
    """What clips were made of rows; all that was rejected on the way counts as a row.

    Args:
        name: of the step, for labels.
        read: the rows before it.
        made: what it gave.
        ledgers: what it has to count beside that.
    """
    early = read.rejects | f"{name}Early" >> beam.Map(lambda _: 1)
    counted = (*filter(None, [made.ledger, read.ledger]), *ledgers)
    dropped = tuple(filter(None, [made.dropped, read.dropped]))
    return RowsRead(
        made.rows,
        (read.rejects, made.rejects) | f"{name}_rejects" >> beam.Flatten(),
        (made.counts, early) | f"{name}_counts" >> beam.Flatten(),
        counted | f"{name}_ledger" >> beam.Flatten(),
        dropped | f"{name}_dropped" >> beam.Flatten(),
    )
