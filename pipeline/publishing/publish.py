"""Publishing: the books are balanced, and ``dataset.json`` makes the shards a dataset."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...schemas.dataset.checksum import BLANK, fill_checksum
from ...schemas.dataset.file_names import (
    DATASET_FILE,
    INDEX_FOLDER,
    REJECTS_FILE,
    STATISTICS_FILE,
)
from ...schemas.dataset.info import (
    DatasetFile,
    DatasetInfo,
    DuplicatesInfo,
    FileInfo,
    FramesInfo,
    RejectsInfo,
    ShardFile,
    ShardInfo,
    SplitInfo,
)
from ...schemas.dataset.statistics import add_summaries
from ...schemas.errors import BuildError, ManifestError, TooManyRejects
from ...schemas.features import kind_versions
from ...schemas.schema import Schema
from ...transforms.duplicates.known_twins import DUPLICATE
from ...transforms.rejects import EARLY_REJECT_FILES, early_rejects_path
from ...transforms.shards.library_versions import codec_versions
from ...transforms.shards.plan import PLAN_FILE, Plan
from ...transforms.shards.shard_result import ShardResult
from ...transforms.sinks.registry import installed_sinks, sink_versions
from ...transforms.storage.input_log import INPUTS_FOLDER
from ...transforms.storage.output_folder import Folder, PublishedFile
from ..options import MaxRejects
from ..output.kept import keep_dataset
from ..output.own_files import clear_state, is_ours, list_files, note_names
from ..terminal import printable
from ..twins import TwinOptions
from .derived import publish_description, publish_joined
from .duplicates import publish_duplicates
from .frames import publish_frames
from .shard_results import SplitResults, read_results

__all__ = ["publish", "read_published"]

_REASONS_SHOWN = 5


def publish(
    output: Folder,
    max_rejects: MaxRejects,
    command: dict[str, Any],
    twins: TwinOptions | None = None,
) -> int:
    """Publishes a build whose shards are all there; of its state, what was noted of the input files stays.

    Beside it stays a copy of ``dataset.json``, which a damaged one is repaired from.

    Args:
        output: the dataset's folder.
        max_rejects: how many rejects there may be.
        command: what was asked for, kept in ``dataset.json``.
        twins: how twins were looked for, if they were.

    Returns:
        How many records have something in them that was taken over from another dataset.

    Raises:
        BuildError: shards are missing, or rows do not add up to records and rejects.
        TooManyRejects: with the most frequent reasons and an example of each; also when every row was
            rejected, whatever ``max_rejects`` allows.
        ManifestError: there are no rows.
    """
    plan = _read_plan(output)
    with output.scratch() as scratch:
        statistics_file = scratch / STATISTICS_FILE
        results = read_results(output, plan, statistics_file)
        rejects_file = scratch / REJECTS_FILE
        by_reason, early, examples = _collect_rejects(output, results, rejects_file)
        # Before the rejects are judged: where rows are lost, too few rejects are no good news.
        _balance(plan, results, early, by_reason.total())
        said = _refusal(max_rejects, by_reason, plan.rows_seen)
        if said:
            output.publish(rejects_file, REJECTS_FILE)  # one looks for them where they always are
            raise _too_many(said, by_reason, examples, output.path(REJECTS_FILE))
        frames = publish_frames(output, plan, results, rejects_file) if plan.schema.clips else None
        rejects = output.publish(rejects_file, REJECTS_FILE) if by_reason else None
        duplicates = publish_duplicates(output, plan, twins) if twins is not None else None
        statistics = output.publish(statistics_file, STATISTICS_FILE)
    description = publish_description(output, plan.schema, _sinks(results))
    whole = _publish_whole(output, plan.schema, results)
    # What no other key of dataset.json names.
    listed = [("statistics", statistics)]
    listed += [
        (kind, file)
        for found in results.values()
        for shard in found.shards
        for kind, file in shard.index.items()
    ]
    dataset = _describe(
        plan,
        results,
        whole,
        _describe_rejects(by_reason, rejects),
        frames,
        duplicates,
        description,
        listed,
        command,
    )
    # Shards of an earlier plan or overwritten build; after all files of this dataset are there, and before
    # dataset.json vouches for the folder.
    names = list_files(output).keys()
    stale = sorted(names - dataset.files.keys())
    output.delete_files([name for name in stale if is_ours(name, names)])
    output.delete_empty(INDEX_FOLDER)
    unknown = sorted(output.sizes(INPUTS_FOLDER).keys() - set(note_names(dataset)))
    output.delete_files([f"{INPUTS_FOLDER}/{name}" for name in unknown])
    text = fill_checksum(dataset.dumps())
    keep_dataset(output, text)
    # Last of all: its presence is what says that the dataset is whole.
    output.write(DATASET_FILE, text)
    clear_state(output)
    return sum(shard.num_taken for found in results.values() for shard in found.shards)


def read_published(output: Folder) -> DatasetInfo:
    """The dataset in a folder.

    Raises:
        DatasetError: it is not one that this version reads.
        BuildError: there is none.
    """
    text = output.read(DATASET_FILE)
    if text is None:
        raise BuildError(f"{output.root}: no {DATASET_FILE}; the build was not published")
    return DatasetInfo.loads(text, output.root)


def _read_plan(output: Folder) -> Plan:
    data = output.read(PLAN_FILE)
    if data is None:
        raise BuildError("the pipeline ended without a plan; run the same command again")
    return Plan.from_json(data)


def _reject_files(output: Folder, results: dict[str, SplitResults]) -> Iterator[tuple[bool, bytes]]:
    """The files that hold rejects, and whether they are those found before the shards."""
    for data in output.read_all(map(early_rejects_path, range(EARLY_REJECT_FILES))):
        yield True, data or b""
    shards = (shard for split in results.values() for shard in split.shards if shard.rejects)
    for data in output.read_all(ShardResult.rejects_path(shard.name) for shard in shards):
        yield False, data or b""


def _collect_rejects(
    output: Folder, results: dict[str, SplitResults], into: Path
) -> tuple[Counter[str], int, dict[str, dict[str, Any]]]:
    """Puts all rejects into one file, one file's content in memory at a time.

    Returns:
        Rejects by reason, how many of them were found before the shards, and one example a reason.
    """
    by_reason: Counter[str] = Counter()
    examples: dict[str, dict[str, Any]] = {}
    early = 0
    with into.open("wb") as file:
        for is_early, lines in _reject_files(output, results):
            file.write(lines)
            for line in lines.splitlines():
                reject = json.loads(line)
                by_reason[reject["reason"]] += 1
                # The first in the files' order, so that the same build always shows the same ones.
                examples.setdefault(reject["reason"], reject)
                early += is_early
    return by_reason, early, examples


def _balance(plan: Plan, results: dict[str, SplitResults], early: int, rejects: int) -> None:
    """Checks that every row is a record or a reject, in each split and in all."""
    records = 0
    for split, found in results.items():
        rows = sum(shard.num_rows for shard in found.shards)
        if rows != plan.splits[split].num_rows:
            raise BuildError(
                f"split {split!r}: {plan.splits[split].num_rows} rows were planned, {rows} reached a shard"
            )
        records += sum(shard.num_records for shard in found.shards)
    if plan.rows_seen != records + rejects:
        raise BuildError(
            f"{plan.rows_seen} manifest rows, but {records} records and {rejects} rejects ({early} of them early)"
        )


def _refusal(max_rejects: MaxRejects, by_reason: Counter[str], rows: int) -> str:
    """Why there are too many rejects; empty where there are not.

    Raises:
        ManifestError: there are no rows.
    """
    if not rows:
        raise ManifestError(
            "the manifest has no rows, expected at least one; nothing was published"
        )
    total = by_reason.total()
    # Twins are left out because somebody asked for it: that is not a fault of the rows.
    faulty = total - by_reason[DUPLICATE]
    if not max_rejects.allows(faulty, rows):
        return f"{faulty:,} of {rows:,} rows were rejected, more than --max_rejects {max_rejects}"
    return f"all {rows:,} rows were rejected" if total == rows else ""  # a dataset without a record


def _too_many(
    said: str, by_reason: Counter[str], examples: dict[str, dict[str, Any]], where: str
) -> TooManyRejects:
    lines = [f"{said}; nothing was published"]
    for reason, count in by_reason.most_common(_REASONS_SHOWN):
        reject = examples[reason]
        lines.append(
            f"  {count:,} {reason}, such as {reject['manifest']}:{reject['row']}: {reject['message']}"
        )
    lines.append(f"  all of them, a line each: {where}")
    return TooManyRejects("\n".join(map(printable, lines)), by_reason)


def _publish_whole(
    output: Folder, schema: Schema, results: dict[str, SplitResults]
) -> dict[str, dict[str, ShardFile]]:
    """The files over all shards of a split, by sink, of each split."""
    whole: dict[str, dict[str, ShardFile]] = {split: {} for split in results}
    for split, found in results.items():
        for sink in _sinks(results):
            shards = [shard.files[sink].path for shard in found.shards]
            file = publish_joined(output, split, sink, schema, shards, output.open)
            if file is not None:
                whole[split][sink] = ShardFile(**asdict(file))
    return whole


def _describe(
    plan: Plan,
    results: dict[str, SplitResults],
    whole: dict[str, dict[str, ShardFile]],
    rejects: RejectsInfo,
    frames: FramesInfo | None,
    duplicates: DuplicatesInfo | None,
    description: PublishedFile,
    listed: list[tuple[str, PublishedFile]],
    command: dict[str, Any],
) -> DatasetInfo:
    # Of what decides the bytes, not of the bytes: known for each shard, however it was built or kept.
    fingerprints = [shard.fingerprint for split in results.values() for shard in split.shards]
    return DatasetInfo.model_validate(
        {
            "fingerprint": hashlib.sha256("\n".join(fingerprints).encode()).hexdigest(),
            "schema": plan.schema.to_dict(),
            "description": FileInfo(**asdict(description)),
            "splits": {
                name: _describe_split(plan.schema, found, whole[name])
                for name, found in results.items()
            },
            "rows": plan.rows_seen,
            "rejects": rejects,
            "warnings": [*plan.warnings, *_collect_warnings(plan.schema, results)],
            "frames": frames,
            "duplicates": duplicates,
            "command": command,
            "versions": codec_versions()
            | kind_versions(plan.schema.features.values())
            | sink_versions(_sinks(results), plan.schema),
            "files": {
                file.path: DatasetFile(kind=kind, bytes=file.bytes, sha256=file.sha256)
                for kind, file in listed
            },
            "checksum": BLANK,
        }
    )


def _sinks(results: dict[str, SplitResults]) -> tuple[str, ...]:
    """The formats of the shards, in their usual order."""
    used = {sink for found in results.values() for shard in found.shards for sink in shard.files}
    return tuple(name for name in installed_sinks() if name in used)


def _collect_warnings(schema: Schema, results: dict[str, SplitResults]) -> list[str]:
    whole: dict[str, dict[str, Any]] = {}
    for found in results.values():
        add_summaries(whole, found.summaries, schema.features)
    of_features = [
        warning
        for name, feature in schema.features.items()
        for warning in feature.warnings(name, whole.get(name, {}))
    ]
    return [*of_features, *_warn_of_splits(results)]


def _warn_of_splits(results: dict[str, SplitResults]) -> Iterator[str]:
    for name, found in results.items():
        counts = [shard.num_records for shard in found.shards]
        if not any(counts):
            yield f"split {name!r} is empty"
        elif len(counts) > sum(counts):
            yield (
                f"split {name!r}: {counts.count(0):,} of its {len(counts):,} shards are empty, since it "
                f"has {sum(counts):,} records; --num_shards makes fewer"
            )


def _describe_split(
    schema: Schema, results: SplitResults, whole: dict[str, ShardFile]
) -> SplitInfo:
    shards = [
        ShardInfo(
            num_records=shard.num_records,
            files={
                sink: ShardFile(path=file.path, bytes=file.bytes, sha256=file.sha256)
                for sink, file in shard.files.items()
            },
        )
        for shard in results.shards
    ]
    summaries = results.summaries
    return SplitInfo(
        num_records=sum(shard.num_records for shard in shards),
        shards=shards,
        files=whole,
        statistics={
            name: feature.statistics(summaries[name])
            for name, feature in schema.features.items()
            if summaries.get(name)
        },
    )


def _describe_rejects(by_reason: Counter[str], file: PublishedFile | None) -> RejectsInfo:
    return RejectsInfo(
        count=by_reason.total(),
        by_reason=dict(sorted(by_reason.items())),
        file=ShardFile(**asdict(file)) if file else None,
    )
