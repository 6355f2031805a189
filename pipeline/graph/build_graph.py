"""The pipeline's graph: how the transforms of a build hang together."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import apache_beam as beam

from ...schemas.images.hash_bands import HashBands
from ...transforms.clips.frame_accounting import count_lost
from ...transforms.contradictions import LabelCollector
from ...transforms.duplicates.find_duplicates import DuplicateSearch, FindDuplicates
from ...transforms.duplicates.fingerprints import Buckets
from ...transforms.duplicates.hash_rows import HashRows, RowHasher
from ...transforms.duplicates.known_twins import FindRepeated, JoinTwins, KnownTwins, RowNumbers
from ...transforms.duplicates.note_files import FileNotes, NoteFiles
from ...transforms.rejects import WriteRejects, early_dropped_path
from ...transforms.rows import ManifestRow, RowsRead
from ...transforms.shards.assign_shards import AssignShards
from ...transforms.shards.build_shards import BuildShards
from ...transforms.shards.find_records import FindRecords
from ...transforms.shards.plan import Plan
from ...transforms.shards.plan_shards import Planner, PlanShards
from ...transforms.shards.shard_result import ShardResult
from ...transforms.splits import AssignSplits, SplitRows, split_point
from ...transforms.values.array_order import ArrayOrder
from .job import BuildJob
from .read_rows import ReadRows

__all__ = ["wire", "wire_shards"]


def wire(pipeline: beam.Pipeline, job: BuildJob) -> None:
    """Adds a build to a pipeline: from the manifest to shards and results in the output folder."""
    options = job.options
    collector = LabelCollector(options.schema, job.row_format)
    read, split = _read(pipeline, job, collector if collector.is_needed else None)
    planner = Planner(
        encoder=job.encoder,
        manifest_root=job.manifest_root,
        splits=options.splits.names,
        size=options.shard_size,
        threads=job.threads,
        row_seconds=options.row_timeout,
        output=job.output,
    )
    plan = split.rows | "PlanShards" >> PlanShards(planner, read.counts, read.ledger, split.labels)
    results = _build(split, plan, job)
    if job.twins is not None:
        search = DuplicateSearch(job.output, job.twins.distance)
        _ = results | "FindDuplicates" >> FindDuplicates(plan, search)
    if job.twins is not None and job.twins.handling == "reject":
        notes = FileNotes(job.encoder, job.manifest_root, job.output)
        note = NoteFiles(notes, job.threads, options.row_timeout)
        _ = split.rejects | "NoteFiles" >> note
    rejects = (
        read.rejects,
        split.rejects | "CountFrames" >> beam.Map(count_lost, options.schema),
    ) | "AllRejects" >> beam.Flatten()
    _ = rejects | "WriteRejects" >> WriteRejects(job.output)
    if read.dropped is not None:
        _ = read.dropped | "WriteDropped" >> WriteRejects(job.output, early_dropped_path)


def wire_shards(pipeline: beam.Pipeline, job: BuildJob, plan: Plan, only: Collection[str]) -> None:
    """Adds the part of a build to a pipeline that gives some of its shards.

    Args:
        pipeline: what to add it to.
        job: the build.
        plan: what an earlier run of it has found out of the whole.
        only: the names of the shards.
    """
    _, split = _read(pipeline, job, None)
    _build(split, pipeline | "KnownPlan" >> beam.Create([plan]), job, frozenset(only))


def _read(
    pipeline: beam.Pipeline, job: BuildJob, collector: LabelCollector | None
) -> tuple[RowsRead, SplitRows]:
    """The rows of the manifests, and the same on their way to shards."""
    options, row_format = job.options, job.row_format
    read = pipeline | "Rows" >> ReadRows(options, job.manifests, job.labels, job.inputs)
    assign = AssignSplits(
        options.splits,
        options.seed,
        row_format,
        collector,
        ArrayOrder(tuple(options.schema.features.values()), row_format, job.inputs),
        _know_twins(read.rows, job),
    )
    return read, read.rows | "AssignSplits" >> assign


def _know_twins(
    rows: beam.PCollection[ManifestRow], job: BuildJob
) -> beam.PCollection[KnownTwins] | None:
    """Looks for twins before rows are split, where that decides something."""
    options, row_format = job.options, job.row_format
    if job.twins is None or job.twins.handling == "report":
        return None
    bands = None if job.twins.distance is None else HashBands(job.twins.distance)
    buckets = Buckets(bands, job.about_rows)
    numbers = RowNumbers(tuple(sorted(job.manifest_files)))
    joins = job.twins.handling == "group"
    number = partial(split_point, options.splits, options.seed, row_format) if joins else numbers
    hasher = RowHasher(job.encoder, job.manifest_root, number, buckets)
    hashed = rows | "HashRows" >> HashRows(hasher, job.threads, options.row_timeout)
    if joins:
        return hashed | "JoinTwins" >> JoinTwins(buckets, job.output)
    return hashed | "FindRepeated" >> FindRepeated(numbers, buckets)


def _build(
    split: SplitRows,
    plan: beam.PCollection[Plan],
    job: BuildJob,
    only: Collection[str] | None = None,
) -> beam.PCollection[ShardResult]:
    options, task, candidates = job.options, job.shard_task, None
    if task.old is not None:
        find = FindRecords(task.old, options.schema.features, job.row_format, plan)
        candidates = split.rows | "FindRecords" >> find
    return (
        split.rows
        | "AssignShards" >> AssignShards(plan, only, candidates)
        | "BuildShards" >> BuildShards(plan, task, job.threads, options.row_timeout)
    )
