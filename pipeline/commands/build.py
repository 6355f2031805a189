"""Running a build: from checked options to a published dataset."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineRunner
from rich.console import Console

from ...schemas.dataset.file_names import DATASET_FILE
from ...schemas.dataset.info import DatasetInfo
from ...schemas.errors import BuildError, OptionError, TooManyRejects
from ...transforms.manifests.open_manifest import Manifest
from ...transforms.manifests.split_manifests import name_manifests
from ...transforms.reuse.old_dataset import OldDataset
from ...transforms.shards.plan import PLAN_FILE
from ...transforms.storage.paths import has_folder, use_options, waits_for_network
from ..graph.build_graph import wire
from ..graph.job import BuildJob, open_job
from ..options import BeamOptions, BuildOptions
from ..output.kept import keep_call
from ..output.replace import is_replacing
from ..output.state import Found, OutputState, look_at_output, take_output
from ..publishing.publish import publish, read_published
from ..running import choose_runner, is_local_runner, run_watched
from ..terminal import printable

__all__ = ["Built", "build", "check_image_root", "choose_threads"]

_REMOTE_THREADS = 4
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Built:
    """What a build led to.

    Attributes:
        state: whether it was new, resumed, or had been published before.
        dataset: the published dataset.
        seconds: how long it took.
        unseen: of a dataset that had been published before: why its sources were not compared with what
            they were; empty if they were.
        looked_in: a sentence that says where files were looked for, if some were not found.
        by_content: whether content was asked for, of sources and of the dataset's own files.
        in_parts: array files that were compared by size and time alone nevertheless.
        replaced: whether an earlier build had completed it, and this one put it in another's place.
        taken: records of which something was taken over from the dataset that ``reuse`` names; ``None`` without
            one, or where nothing was built.
    """

    state: OutputState
    dataset: DatasetInfo
    seconds: float
    unseen: str = ""
    looked_in: str = ""
    by_content: bool = False
    in_parts: int = 0
    replaced: bool = False
    taken: int | None = None


def build(
    options: BuildOptions,
    beam_options: PipelineOptions | None = None,
    console: Console | None = None,
) -> Built:
    """Builds and publishes a dataset.

    Args:
        options: what to build.
        beam_options: the runner and its options; the local one without.
        console: where to say how it goes; nowhere without.

    Raises:
        UsageError: the options, schema or manifest are wrong; nothing was started.
        BuildError: the build failed; the same call continues it.
        TooManyRejects: more rows were rejected than ``max_rejects`` allows; nothing was published.
        KeyboardInterrupt: with how far it got; the same call continues it. Threads may still be at
            work, so that the process should end.
    """
    started = time.monotonic()
    beam_options = beam_options or BeamOptions([])
    console = console or Console(quiet=True)
    local, runner = is_local_runner(beam_options), choose_runner(beam_options)
    if local:
        check_image_root(options.image_root)
    use_options(beam_options)
    job = open_job(options, choose_threads(options, beam_options, local))
    found = look_at_output(job)
    # A build that was killed right after it had published leaves its state beside the dataset.
    taken = None
    if found.needs_work:
        # Before anything is begun, unless it may be what an interrupted replacement is half done with.
        is_whole = found.state is OutputState.PUBLISHED
        old = None if is_whole or is_replacing(job.output) else job.open_old().old
        with take_output(job) as found:
            if found.state is not OutputState.PUBLISHED:
                found = replace(found, job=replace(found.job, old=old).open_old())
                name = beam_options.view_as(StandardOptions).runner
                _introduce(found, console, "local" if local else name)
                _run(found.job, runner, beam_options, console)
                taken = _publish(found.job)
    dataset = read_published(job.output)
    looked_in = _looked_in(job, dataset.rejects.by_reason)
    seconds = time.monotonic() - started
    by_content = options.check_sources == "content"
    return Built(
        found.state,
        dataset,
        seconds,
        found.unseen,
        looked_in,
        by_content,
        found.in_parts,
        found.replaced,
        taken if options.reuse else None,
    )


def _looked_in(job: BuildJob, by_reason: Mapping[str, int]) -> str:
    """Where files were looked for that are not there; empty where none is missing."""
    if "file_not_found" not in by_reason:
        return ""
    return f"relative paths were looked for in {job.inputs.root}; --image_root names another folder"


def check_image_root(root: str | None) -> None:
    """Checks that ``--image_root`` is there, as far as this machine can tell.

    Raises:
        OptionError: it is not.
    """
    if root and has_folder(root) is False:
        raise OptionError(f"--image_root: got {root!r}, expected a directory: there is none")


def choose_threads(options: BuildOptions, beam_options: PipelineOptions, local: bool) -> int:
    """Threads in a shard task: those asked for, else what keeps the machine busy.

    The local runner runs one task at a time in each worker process, so the cores are shared out among
    those; on an engine the workers' slots already use the cores, and a few threads hide the reads.
    Where images are not local files, every thread waits most of its time, so there are more.
    """
    if options.threads:
        return options.threads
    threads = _REMOTE_THREADS
    manifests = [path for _, path in name_manifests(options.manifest)]
    read_from = [options.image_root] if options.image_root else manifests
    if local:
        direct = beam_options.view_as(DirectOptions)
        processes = direct.direct_num_workers or os.cpu_count() or 1
        threads = max(1, (os.cpu_count() or 1) // processes)
    return max(threads, 4 * _REMOTE_THREADS) if any(map(waits_for_network, read_from)) else threads


def _introduce(found: Found, console: Console, runner: str) -> None:
    job = found.job
    features = (f"{name} ({f.type})" for name, f in job.options.schema.features.items())
    threads = f"{job.threads} {'thread' if job.threads == 1 else 'threads'} a task"
    lines = [
        f"{'continuing' if found.state is OutputState.RESUMED else 'building'} {job.options.output}",
        *(line for manifest in job.manifests for line in _describe_manifest(manifest)),
        f"  features  {', '.join(features)}",
        *(f"  left out  {name}: no column {column!r}" for name, column in job.left_out.items()),
        f"  runner    {runner}, {threads}",
    ]
    if job.old is not None:
        lines.append(f"  reuse     {_describe_old(job.old)}")
    lines += [f"  changed   {change}" for change in found.changes]
    if found.unlisted:
        names = ", ".join(found.unlisted[:_SHOWN]) + (", …" if len(found.unlisted) > _SHOWN else "")
        lines.append(f"  replaces  also what {DATASET_FILE} does not list: {names}")
    for line in lines:
        console.print(printable(line), highlight=False, markup=False, soft_wrap=True)


def _describe_old(old: OldDataset) -> str:
    if old.reason:
        return f"nothing of {old.folder.root}: {old.reason}"
    records = "1 record" if old.num_records == 1 else f"{old.num_records:,} records"
    return f"{old.folder.root} ({records}): {', '.join(old.features)}"


def _describe_manifest(manifest: Manifest) -> Iterator[str]:
    files, spec = len(manifest.files), manifest.spec
    unit = manifest.format.unit if files == 1 else f"{manifest.format.unit}s"
    named = f"{manifest.split}={spec}" if manifest.split else spec
    yield f"  manifest  {named} ({files:,} {unit})"
    if manifest.left_out:
        what = "file that is no image" if manifest.left_out == 1 else "files that are no images"
        example = f"such as {manifest.left_out_example!r}"
        yield f"  left out  {manifest.left_out:,} {what}, {example}"


def _run(
    job: BuildJob, runner: PipelineRunner, beam_options: PipelineOptions, console: Console
) -> None:
    job.output.delete([PLAN_FILE])  # an earlier attempt's would be taken for this one's
    pipeline = beam.Pipeline(runner, beam_options)
    wire(pipeline, job)
    run_watched(pipeline, job.output, console)


def _publish(job: BuildJob) -> int | None:
    """Publishes; returns the number of records of which something was taken over, as far as it is known."""
    job.check_unchanged()
    keep_call(job.output, job.options)
    try:
        return publish(job.output, job.options.max_rejects, job.command, job.twins)
    except TooManyRejects as error:
        said = "\n".join(filter(None, [str(error), printable(_looked_in(job, error.by_reason))]))
        raise TooManyRejects(said, error.by_reason) from None
    except BuildError:
        # Where folders cannot be locked, the same command may have been run twice at a time. Then the
        # other one has published the very same dataset, and taken the results away.
        published = job.output.read(DATASET_FILE)
        if (
            published is None
            or DatasetInfo.loads(published, job.output.root).command != job.command
        ):
            raise
        return None
