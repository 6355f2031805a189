"""The pipeline's graph: how the transforms of a build hang together."""

from __future__ import annotations

from dataclasses import replace

import apache_beam as beam

from ...transforms.clips.frame_accounting import count_lost
from ...transforms.contradictions import LabelCollector
from ...transforms.rejects import WriteRejects, early_dropped_path
from ...transforms.shards.assign_shards import AssignShards
from ...transforms.shards.build_shards import BuildShards
from ...transforms.shards.plan_shards import Planner, PlanShards
from ...transforms.shards.shard_task import ShardTask
from ...transforms.splits import AssignSplits
from ...transforms.values.array_order import ArrayOrder
from .job import BuildJob
from .read_rows import ReadRows

__all__ = ["wire"]


def wire(pipeline: beam.Pipeline, job: BuildJob) -> None:
    """Adds a build to a pipeline: from the manifest to shards and results in the output folder."""
    options, row_format = job.options, job.row_format
    read = pipeline | "Rows" >> ReadRows(options, job.manifests, job.labels, job.inputs)
    collector = LabelCollector(options.schema, row_format)
    assign = AssignSplits(
        options.splits,
        options.seed,
        row_format,
        collector if collector.is_needed else None,
        ArrayOrder(tuple(options.schema.features.values()), row_format, job.inputs),
    )
    split = read.rows | "AssignSplits" >> assign
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
    task = ShardTask(
        job.output,
        replace(job.encoder, sinks=options.sinks, index=options.index != "none"),
        job.manifest_root,
        options.check_sources,
        job.inline_hashes,
    )
    _ = (
        split.rows
        | "AssignShards" >> AssignShards(plan)
        | "BuildShards" >> BuildShards(plan, task, job.threads, options.row_timeout)
    )
    rejects = (
        read.rejects,
        split.rejects | "CountFrames" >> beam.Map(count_lost, options.schema),
    ) | "AllRejects" >> beam.Flatten()
    _ = rejects | "WriteRejects" >> WriteRejects(job.output)
    if read.dropped is not None:
        _ = read.dropped | "WriteDropped" >> WriteRejects(job.output, early_dropped_path)
