"""Making the damaged files of a dataset again, in a folder of their own, and moving them into place.

A file takes the damaged one's place only when the SHA-256 of all of them are the published ones. Nothing else is
remembered: what is damaged and what is made already is found by looking. So whatever a kill or a crash has left,
each file is the damaged or the right one, and the next attempt goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from ...schemas.dataset.file_names import DATASET_FILE, DESCRIPTION_FILE, ShardName
from ...schemas.dataset.info import DatasetInfo
from ...schemas.errors import BuildError, PixelbeamError, TooManyRejects
from ...schemas.features import kind_versions
from ...schemas.schema import Schema
from ...transforms.shards.library_versions import codec_versions
from ...transforms.shards.plan import PLAN_FILE, Plan, SplitPlan
from ...transforms.sinks.registry import sink_versions
from ...transforms.storage.output_folder import Folder
from ..graph.build_graph import wire, wire_shards
from ..graph.job import BuildJob
from ..options import MaxRejects
from ..output.own_files import REPAIR_FOLDER
from ..publishing.derived import publish_description, publish_joined
from ..publishing.publish import publish
from ..running import choose_runner, run_watched
from ..terminal import printable
from .damage import Dataset, Owners, describe_damage, find_damage
from .reasons import Reasons, changed_versions, find_reasons

__all__ = ["ANEW", "DiffersError", "Rebuild"]

_SHOWN = 5
_ALL = MaxRejects(count=None, fraction=1.0)
_MOVED = "--image_root says where the sources are now"
ANEW = "--accept builds the whole dataset anew, from what there is now"


class DiffersError(Exception):
    """The published files cannot be made again; nothing was changed.

    Attributes:
        error: what to raise where nobody accepts that.
    """

    def __init__(self, error: PixelbeamError):
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class Rebuild:
    """The making again of what is damaged of a dataset.

    Attributes:
        folder: the dataset's folder, which nobody else changes meanwhile.
        dataset: what was found there.
        open_job: opens the build that made the dataset; asked for only where there is something to build.
        beam_options: the runner and its options.
        console: where to say how it goes.
    """

    folder: Folder
    dataset: Dataset
    open_job: Callable[[], BuildJob]
    beam_options: PipelineOptions
    console: Console

    def run(self) -> tuple[str, ...]:
        """Makes what is damaged, and puts it into its place; returns the shards that were built.

        Raises:
            DiffersError: the files that were made are others than those that were published.
            BuildError: it failed; to run it again continues it.
        """
        damage, needs = self.dataset.damage, self._needs
        if damage:
            self._say(
                f"repairing {self.folder.root}: {_count(damage)} not as published",
                *(f"  damaged   {line}" for line in describe_damage(damage, _SHOWN)),
            )
        shards = self._make() if needs else ()
        self.folder.move([f"{REPAIR_FOLDER}/{name}" for name in needs], needs)
        # An engine may still run an earlier attempt's job, whose tasks write to the staging folder.
        if again := find_damage(self.folder, self._info, needs):
            raise BuildError(
                f"{self.folder.root}: {next(iter(again))} changed while it was put in its place; run the same "
                "command again"
            )
        if DATASET_FILE in damage:  # last: it vouches for the others
            self.folder.write(DATASET_FILE, self.dataset.text)
        self.folder.delete([REPAIR_FOLDER])
        return shards

    @property
    def _staging(self) -> Folder:
        return Folder(self.folder.path(REPAIR_FOLDER))

    @property
    def _info(self) -> DatasetInfo:
        return self.dataset.info

    @property
    def _needs(self) -> list[str]:
        """The files to be made; a copy of ``dataset.json`` is there."""
        return sorted(self.dataset.damage.keys() - {DATASET_FILE})

    def _make(self) -> tuple[str, ...]:
        """Makes the files that are needed and not yet made in the staging folder."""
        staging, owners = self._staging, Owners.of(self._info)
        staging.clear_scratch()
        todo = set(find_damage(staging, self._info, self._needs))
        if todo and staging.exists(DATASET_FILE):  # complete, and yet without them
            self.folder.delete([REPAIR_FOLDER])
            todo = set(self._needs)
        every = sorted(set(owners.shards.values()))
        shards = sorted({owners.shards[name] for name in todo if name in owners.shards})
        job = None
        if whole := sorted(todo - {DESCRIPTION_FILE, *owners.shards, *owners.joined}):
            shards, job = every, self._open()
            self._say(f"  building  all {len(every):,} shards, which {whole[0]} follows from")
            self._build(job)
        elif shards:
            job = self._open()
            self._say(f"  building  {len(shards):,} of {len(every):,} shards")
            self._build_shards(job, shards)
        if not whole:
            self._derive(todo, owners)
        if lacking := find_damage(staging, self._info, self._needs):
            raise self._differs(lacking, job, shards)
        return tuple(shards)

    def _open(self) -> BuildJob:
        job = self.open_job()
        for phrase in changed_versions(self._info.versions, _versions(job)):
            self._say(f"  changed   {phrase}")
        return replace(job, folder=self._staging)

    def _build(self, job: BuildJob) -> None:
        """Builds and publishes all of it in the staging folder."""
        job.output.delete([PLAN_FILE])
        pipeline = self._new_pipeline()
        wire(pipeline, job)
        run_watched(pipeline, job.output, self.console)
        job.check_unchanged()
        try:
            publish(job.output, _ALL, job.command, job.twins)
        except TooManyRejects as error:  # each and every row: the sources are elsewhere
            self.folder.delete([REPAIR_FOLDER])
            first = str(error).partition("\n")[0].partition(";")[0]
            raise DiffersError(
                BuildError(
                    f"{self.folder.root}: made again, {first}; nothing was changed\n"
                    f"{_MOVED}; {ANEW}"
                )
            ) from None

    def _build_shards(self, job: BuildJob, shards: list[str]) -> None:
        """Builds some shards in the staging folder, by the plan that the dataset was built by."""
        info, schema = self._info, self._info.read_schema(self.folder.root)
        splits = {
            name: SplitPlan(split.num_records, len(split.shards))
            for name, split in info.splits.items()
        }
        shown = dict[str, SplitPlan]()  # whoever watches sees the part that is built
        for shard in map(ShardName.parse, shards):
            before = shown.get(shard.split, SplitPlan(0, 0))
            rows = before.num_rows + info.splits[shard.split].shards[shard.index].num_records
            shown[shard.split] = SplitPlan(rows, before.num_shards + 1)
        job.output.write(PLAN_FILE, Plan(schema, shown, 0).to_json())
        pipeline = self._new_pipeline()
        wire_shards(pipeline, job, Plan(schema, splits, info.rows), shards)
        run_watched(pipeline, job.output, self.console)
        job.check_unchanged()

    def _new_pipeline(self) -> beam.Pipeline:
        return beam.Pipeline(choose_runner(self.beam_options), self.beam_options)

    def _derive(self, todo: set[str], owners: Owners) -> None:
        """Makes the files that follow from the schema, and from shards that need not be damaged."""
        info, schema = self._info, self._info.read_schema(self.folder.root)
        if DESCRIPTION_FILE in todo:
            shards = (shard for split in info.splits.values() for shard in split.shards)
            publish_description(self._staging, schema, {sink for s in shards for sink in s.files})
        for name in sorted(todo & owners.joined.keys()):
            self._join(schema, *owners.joined[name])

    def _join(self, schema: Schema, split: str, sink: str) -> None:
        files = [shard.files[sink].path for shard in self._info.splits[split].shards]
        damaged = self.dataset.damage.keys()
        # Over shards that differ it would differ as well, or could not be made at all.
        if find_damage(self._staging, self._info, damaged & set(files)):
            return

        def open_shard(name: str) -> BinaryIO:
            return (self._staging if name in damaged else self.folder).open(name)

        publish_joined(self._staging, split, sink, schema, files, open_shard)

    def _differs(
        self, lacking: dict[str, str], job: BuildJob | None, shards: list[str]
    ) -> DiffersError:
        """The error that says which files would differ, and why; leaves nothing of them behind."""
        reasons = Reasons()
        if job is not None:
            whole = self._info.files.keys() - self.dataset.damage.keys()
            reasons = find_reasons(self.folder, self._staging, shards, whole)
            reasons.versions = changed_versions(self._info.versions, _versions(job))
        self.folder.delete([REPAIR_FOLDER])
        made = {n: "was not made" if f == "missing" else f for n, f in lacking.items()}
        lines = [
            f"{self.folder.root}: made again, {_count(lacking)} not as published; nothing was changed",
            *(f"  {line}" for line in (*describe_damage(made, _SHOWN), *reasons.lines())),
            f"{_MOVED}; {ANEW}" if "file_not_found" in reasons.sources.values() else ANEW,
        ]
        return DiffersError(BuildError("\n".join(map(printable, lines))))

    def _say(self, *lines: str) -> None:
        for line in lines:
            self.console.print(printable(line), highlight=False, markup=False, soft_wrap=True)


def _count(files: dict[str, str]) -> str:
    return "1 file is" if len(files) == 1 else f"{len(files):,} files are"


def _versions(job: BuildJob) -> dict[str, str]:
    """Those that ``dataset.json`` names, of what is installed here."""
    schema, sinks = job.options.schema, job.options.sinks
    of_kinds = kind_versions(schema.features.values())
    return codec_versions() | of_kinds | sink_versions(sinks, schema)
