"""The rows of a build: read, joined with labels, and grouped to clips."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from ..transforms.clips import ClipRows, CutClips, GroupClips
from ..transforms.inputs import InputRoot
from ..transforms.join_labels import JoinLabels
from ..transforms.keys import RowFormat
from ..transforms.manifests import Manifest
from ..transforms.read_manifest import ReadManifest
from ..transforms.rows import RejectedRow
from ..transforms.windows import window_columns, with_frames
from .options import BuildOptions

__all__ = ["ReadRows", "name_column"]


def name_column(options: BuildOptions) -> str | None:
    """The column whose value names a row: the join key, the clip's key, else the first path."""
    schema = options.schema
    if options.join_on:
        return options.join_on
    if schema.clips is not None and schema.clips.key:
        return schema.clips.key
    files = [f for f in schema.features.values() if f.reads_files and len(f.columns) == 1]
    return files[0].columns[0] if files else None


class ReadRows(beam.PTransform):
    """Reads the rows of the manifest, joined with those of the label manifest if there is one.

    Rows of frames are grouped to clips: before the join where it is by the clips' key, else after it.

    Returns ``{"rows": ManifestRow, "rejects": RejectedRow, "counts": int}``, the counts adding up to the
    rows that were seen: every row of the manifest, and every row of the label manifest that no row of
    the manifest took its label from. Of clips, every clip and every row that was rejected before it
    could be in one; and ``{"frames": dict, "dropped": RejectedRow}``, see ``GroupClips``.
    """

    def __init__(
        self, options: BuildOptions, manifest: Manifest, labels: Manifest | None, inputs: InputRoot
    ):
        super().__init__()
        self._options, self._manifest, self._labels = options, manifest, labels
        self._inputs = inputs

    def expand(self, pipeline: beam.Pipeline) -> dict[str, Any]:
        """Wires ``ReadManifest``, ``JoinLabels`` and the grouping to clips."""
        options, columns = self._options, self._options.columns()
        if self._labels is None or options.join_on is None:
            return self._group(self._read(pipeline, self._manifest, columns), columns)
        image_columns = _own(self._manifest, columns)
        label_columns = _own(self._labels, columns)
        images = self._read(pipeline, self._manifest, image_columns, "_images")
        labels = self._read(pipeline, self._labels, label_columns, "_labels")
        clips = options.schema.clips
        if clips is not None and clips.key == options.join_on:
            images = self._group(images, image_columns)
            more = window_columns(options.schema)
            return self._join(images, labels, image_columns + more, label_columns, columns + more)
        joined = self._join(images, labels, image_columns, label_columns, columns)
        return self._group(joined, columns)

    def _read(
        self, pipeline: beam.Pipeline, manifest: Manifest, columns: tuple[str, ...], side: str = ""
    ) -> dict[str, Any]:
        files = self._options.schema.file_columns()
        label = f"Read{side}" if side else "ReadManifest"
        return dict(pipeline | label >> ReadManifest(manifest, columns, files))

    def _join(
        self,
        images: dict[str, Any],
        labels: dict[str, Any],
        image_columns: tuple[str, ...],
        label_columns: tuple[str, ...],
        columns: tuple[str, ...],
    ) -> dict[str, Any]:
        options = self._options
        assert options.join_on is not None
        join = JoinLabels(image_columns, label_columns, options.join_on, columns)
        joined = {"images": images["rows"], "labels": labels["rows"]} | "JoinLabels" >> join
        lost = joined["rejects"] | "CountLost" >> beam.Map(with_frames, options.schema)
        matched = joined["counts"] | "Matched" >> beam.Map(lambda count: -count)
        rejects, counts = (images["rejects"], labels["rejects"], lost), (images, labels)
        return {
            **images,
            "rows": joined["rows"],
            "rejects": rejects | "JoinRejects" >> beam.Flatten(),
            "counts": (*(side["counts"] for side in counts), matched)
            | "JoinCounts" >> beam.Flatten(),
        }

    def _group(self, source: dict[str, Any], columns: tuple[str, ...]) -> dict[str, Any]:
        """Groups rows to clips, or cuts clips into windows, where the schema wants it."""
        schema, splits = self._options.schema, self._options.splits
        if schema.clips is None or not (schema.clips.key or schema.clips.window):
            return source
        kept = {*splits.columns, self._options.join_on}
        frame_columns = schema.frame_columns().intersection(columns) - kept
        row_format = RowFormat(columns, name_column(self._options))
        clip_rows = ClipRows(schema, row_format, frame_columns)
        if schema.clips.key:
            grouped = source["rows"] | "GroupClips" >> GroupClips(clip_rows)
            frames = [grouped["frames"], *_count_frames(source)]
        else:
            grouped = source["rows"] | "CutClips" >> CutClips(clip_rows, self._inputs)
            frames = [grouped["frames"]]
        early = source["rejects"] | "CountEarly" >> beam.Map(_one)
        return {
            "rows": grouped["rows"],
            "rejects": (source["rejects"], grouped["rejects"]) | "ClipRejects" >> beam.Flatten(),
            "counts": (grouped["counts"], early) | "ClipCounts" >> beam.Flatten(),
            "frames": frames | "ClipFrames" >> beam.Flatten(),
            "dropped": grouped["dropped"],
        }


def _own(manifest: Manifest, columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(column for column in columns if column in manifest.columns)


def _count_frames(source: dict[str, Any]) -> list[Any]:
    """The rows that are frames: those that were seen, but for those that were rejected."""
    return [
        source["counts"] | "FramesSeen" >> beam.Map(lambda count: {"seen": count}),
        source["rejects"] | "FramesLost" >> beam.Map(lambda _: {"seen": -1}),
    ]


def _one(_: RejectedRow) -> int:
    return 1
