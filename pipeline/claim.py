"""Whether a build may write to its output folder, and what it finds there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from typing import Any

from ..schemas.errors import OutputError
from ..schemas.layout import (
    DATASET_FILE,
    DESCRIPTION_FILE,
    REJECTS_FILE,
    STATE_FOLDER,
    ShardName,
)
from ..transforms.folders import Folder
from ..transforms.sinks import SINKS
from .graph import BuildJob

__all__ = ["Claim", "claim_output", "command_of", "is_ours", "remove_build"]

_COMMAND_FILE = f"{STATE_FOLDER}/command.json"


class Claim(Enum):
    """What a build finds in its output folder."""

    NEW = "new"
    RESUMED = "resumed"
    PUBLISHED = "published"


def command_of(job: BuildJob) -> dict[str, Any]:
    """All that the user asked for that decides the dataset, free of this machine's paths."""
    options = job.options
    command: dict[str, Any] = {
        "manifest": {file.name: file.size for file in job.manifest.files},
        "schema": options.schema.to_dict(),
        "sinks": list(options.sinks),
        "splits": dict(options.splits.fractions) if not options.splits.column else None,
        "split_column": options.splits.column,
        "group_by": options.splits.group_by,
        "allow_outside": options.allow_outside,
        "num_shards": options.shard_size.num_shards,
        "records_per_shard": options.shard_size.records_per_shard,
        "shard_size": options.shard_size.shard_bytes,
        "seed": options.seed,
    }
    if job.labels is not None:
        command["labels"] = {file.name: file.size for file in job.labels.files}
        command["join_on"] = options.join_on
    return command


def claim_output(job: BuildJob) -> Claim:
    """Checks the output folder and, unless it holds the published dataset, takes it for this build.

    Raises:
        OutputError: it holds something else: another build or dataset, or files of the user's.
    """
    output, command = job.output, command_of(job)
    if job.options.overwrite:
        remove_build(output)
    try:
        previous, claim = _previous_command(output)
        if previous is None:
            _check_free(output, job.options.output)
            output.write(_COMMAND_FILE, json.dumps(command, indent=1).encode())
            return Claim.NEW
    except OSError as error:
        raise OutputError(
            f"--output: cannot use {job.options.output!r}: {error.strerror or error}"
        ) from None
    differences = list(_differences(previous, command))
    if differences:
        what = (
            "a dataset of another command"
            if claim is Claim.PUBLISHED
            else "an unfinished build of another command"
        )
        shown = "; ".join(differences[:3]) + ("; …" if len(differences) > 3 else "")
        raise OutputError(
            f"--output: {job.options.output!r} holds {what}: {shown}\n"
            "name another directory, or replace it with --overwrite"
        )
    return claim


def remove_build(output: Folder) -> None:
    """Deletes a dataset or an unfinished build, the commit point first; leaves other files alone."""
    output.delete([DATASET_FILE])
    output.delete([name for name in output.sizes() if is_ours(name)] + [STATE_FOLDER])


def is_ours(name: str) -> bool:
    """Whether a file directly in the output folder is one that builds write."""
    stem, _, suffix = name.rpartition(".")
    if suffix not in {sink.suffix for sink in SINKS.values()}:
        return name in (DATASET_FILE, DESCRIPTION_FILE, REJECTS_FILE)
    try:
        ShardName.parse(stem)
    except ValueError:
        return False
    return True


def _previous_command(output: Folder) -> tuple[dict[str, Any] | None, Claim]:
    published = output.read(DATASET_FILE)
    if published is not None:
        return _command_in(published, output), Claim.PUBLISHED
    started = output.read(_COMMAND_FILE)
    return (json.loads(started) if started is not None else None), Claim.RESUMED


def _command_in(published: bytes, output: Folder) -> dict[str, Any]:
    try:
        command = json.loads(published)["command"]
    except (ValueError, KeyError, TypeError):
        raise OutputError(
            f"--output: {output.root!r} holds a {DATASET_FILE} that is not pixelbeam's"
        ) from None
    return dict(command)


def _check_free(output: Folder, written: str) -> None:
    if not output.is_empty() and not output.exists(STATE_FOLDER):
        raise OutputError(
            f"--output: {written!r} holds files that are not a dataset's; name an empty or a new directory"
        )


def _differences(old: dict[str, Any], new: dict[str, Any], place: str = "") -> Iterator[str]:
    for key in dict.fromkeys([*new, *old]):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _differences(before, after, f"{place}{key}.")
        else:
            yield f"{place}{key} is {_short(after)}, was {_short(before)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
