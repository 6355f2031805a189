"""The pipeline's graph: how the transforms of a build hang together."""

from __future__ import annotations

from dataclasses import dataclass

import apache_beam as beam

from ..schemas.errors import ManifestError
from ..transforms.encode_rows import RowEncoder
from ..transforms.folders import Folder
from ..transforms.inputs import InputRoot
from ..transforms.join_labels import JoinLabels, joined_columns
from ..transforms.keys import RowFormat
from ..transforms.manifests import Manifest, open_manifest
from ..transforms.plan import Planner, PlanShards
from ..transforms.read_manifest import ReadManifest
from ..transforms.rejects import WriteRejects
from ..transforms.shard_task import ShardTask
from ..transforms.shards import AssignShards, BuildShards
from ..transforms.splits import AssignSplits
from .options import BuildOptions

__all__ = ["BuildJob", "ReadRows", "open_job", "wire"]


@dataclass(frozen=True, slots=True)
class BuildJob:
    """A build whose manifests were found and fit its schema.

    Attributes:
        options: what was asked for.
        manifest: the images' manifest.
        labels: the label manifest, if there is one.
        threads: threads in a shard task.
    """

    options: BuildOptions
    manifest: Manifest
    labels: Manifest | None
    threads: int

    @property
    def output(self) -> Folder:
        """The dataset's folder."""
        return Folder(self.options.output)

    @property
    def row_format(self) -> RowFormat:
        """What the rows' cells are, and what names a row."""
        files = [f.source for f in self.options.schema.features.values() if f.reads_files]
        return RowFormat(
            self.options.columns(), self.options.join_on or (files[0] if files else None)
        )

    @property
    def encoder(self) -> RowEncoder:
        """What turns a row into a record."""
        options = self.options
        inputs = InputRoot(
            options.image_root or self.manifest.root,
            options.allow_outside,
            options.schema.on_unreadable,
        )
        return RowEncoder(options.schema, self.row_format, inputs)


def open_job(options: BuildOptions, threads: int) -> BuildJob:
    """Finds the manifests and checks that they have the columns that the options name.

    Raises:
        ManifestError: a manifest cannot be read, or lacks a column.
    """
    manifest = open_manifest(options.manifest)
    labels = open_manifest(options.labels) if options.labels else None
    where, columns = options.manifest, manifest.columns
    if labels is not None and options.join_on:
        where = f"{options.manifest} joined with {options.labels}"
        columns = joined_columns(manifest.columns, labels.columns, options.join_on)
    options.schema.check_columns(columns, where)
    for name, column in (
        ("--split_column", options.splits.column),
        ("--group_by", options.splits.group_by),
    ):
        if column and column not in columns:
            listed = ", ".join(map(repr, columns))
            raise ManifestError(
                f"{where}: no column {column!r} for {name}; its columns are: {listed}"
            )
    return BuildJob(options, manifest, labels, threads)


def wire(pipeline: beam.Pipeline, job: BuildJob) -> None:
    """Adds a build to a pipeline: from the manifest to shards and results in the output folder."""
    options, row_format = job.options, job.row_format
    source = pipeline | "ReadRows" >> ReadRows(job)
    split = source["rows"] | "AssignSplits" >> AssignSplits(
        options.splits, options.seed, row_format
    )
    planner = Planner(
        encoder=job.encoder,
        manifest_root=job.manifest.root,
        splits=options.splits.names,
        size=options.shard_size,
        threads=job.threads,
        row_seconds=options.row_timeout,
        output=job.output,
    )
    plan = {"rows": split["rows"], "counts": source["counts"]} | "PlanShards" >> PlanShards(
        planner, options.seed
    )
    task = ShardTask(job.output, options.sinks, job.encoder, job.manifest.root)
    _ = (
        split["rows"]
        | "AssignShards" >> AssignShards(plan, options.seed, row_format)
        | "BuildShards" >> BuildShards(plan, task, job.threads, options.row_timeout)
    )
    rejects = (source["rejects"], split["rejects"]) | "AllRejects" >> beam.Flatten()
    _ = rejects | "WriteRejects" >> WriteRejects(job.output)


class ReadRows(beam.PTransform):
    """Reads the rows of the manifest, joined with those of the label manifest if there is one.

    Returns ``{"rows": ManifestRow, "rejects": RejectedRow, "counts": int}``, the counts adding up to the
    rows that were seen: every row of the manifest, and every row of the label manifest that no row of
    the manifest took its label from.
    """

    def __init__(self, job: BuildJob):
        super().__init__()
        self._job = job

    def expand(self, pipeline: beam.Pipeline) -> dict[str, beam.PCollection]:
        """Wires ``ReadManifest`` and ``JoinLabels``."""
        job, columns = self._job, self._job.options.columns()
        files = job.options.schema.file_columns()
        if job.labels is None or job.options.join_on is None:
            return pipeline | "ReadManifest" >> ReadManifest(job.manifest, columns, files)
        sides = {}
        for side, manifest in (("images", job.manifest), ("labels", job.labels)):
            own = tuple(column for column in columns if column in manifest.columns)
            sides[side] = own, pipeline | f"Read_{side}" >> ReadManifest(manifest, own, files)
        (image_columns, images), (label_columns, labels) = sides["images"], sides["labels"]
        join = JoinLabels(image_columns, label_columns, job.options.join_on, columns)
        joined = {"images": images["rows"], "labels": labels["rows"]} | "JoinLabels" >> join
        rejects = (images["rejects"], labels["rejects"], joined["rejects"])
        matched = joined["counts"] | "Matched" >> beam.Map(lambda count: -count)
        counts = (images["counts"], labels["counts"], matched)
        return {
            "rows": joined["rows"],
            "rejects": rejects | "JoinRejects" >> beam.Flatten(),
            "counts": counts | "JoinCounts" >> beam.Flatten(),
        }
