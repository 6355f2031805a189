"""Whether a build may write to its output folder, and what it finds there."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

from ..schemas.errors import OutputError
from ..schemas.layout import (
    DATASET_FILE,
    DESCRIPTION_FILE,
    DROPPED_FILE,
    REJECTS_FILE,
    STATE_FOLDER,
    ShardName,
    split_file,
)
from ..transforms.folders import TEMPORARY_FOLDER, Folder, is_local
from ..transforms.sinks import SINKS
from .graph import BuildJob

__all__ = ["Claim", "command_of", "is_ours", "look_at_output", "remove_build", "take_output"]

_COMMAND_FILE = f"{STATE_FOLDER}/command.json"
_LOCK_FILE = f"{STATE_FOLDER}/lock"


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


def look_at_output(job: BuildJob) -> Claim:
    """What the output folder holds for this build; changes nothing.

    Raises:
        OutputError: it holds something else: another build or dataset, or files of the user's.
    """
    output = job.output
    try:
        previous, claim = _previous_command(output)
        if previous is None and not output.exists(STATE_FOLDER) and not output.is_empty():
            raise OutputError(
                f"--output: {job.options.output!r} holds files that are not a dataset's; "
                "name an empty or a new directory"
            )
    except OSError as error:
        raise _unusable(output, error) from None
    if previous is None or job.options.overwrite:
        return Claim.NEW
    differences = list(_differences(previous, command_of(job)))
    if differences:
        kind = "a dataset" if claim is Claim.PUBLISHED else "an unfinished build"
        shown = "; ".join(differences[:3]) + ("; …" if len(differences) > 3 else "")
        raise OutputError(
            f"--output: {job.options.output!r} holds {kind} of another command: {shown}\n"
            "name another directory, or replace it with --overwrite"
        )
    return claim


@contextmanager
def take_output(job: BuildJob) -> Iterator[Claim]:
    """Takes the output folder for this build while the body runs.

    On a local disk no other build can take it meanwhile. Elsewhere nothing keeps one from running the
    same command at the same time: both write the same bytes, and the first one publishes.

    Raises:
        OutputError: another build has taken it, it cannot be written to, or as ``look_at_output``.
    """
    output = job.output
    with _lock(output):
        if job.options.overwrite:
            remove_build(output)
        claim = look_at_output(job)
        if claim is not Claim.PUBLISHED:
            if is_local(output.root):
                output.delete([TEMPORARY_FOLDER])  # what dead attempts left behind
            command = json.dumps(command_of(job), indent=1)
            try:
                output.write(_COMMAND_FILE, command.encode())
            except OSError as error:
                raise _unusable(output, error) from None
        yield claim


@contextmanager
def _lock(output: Folder) -> Iterator[None]:
    if not is_local(output.root):
        yield
        return
    path = output.path(_LOCK_FILE)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        file = open(path, "w")  # noqa: SIM115 - closed below, which releases the lock
    except OSError as error:
        raise _unusable(output, error) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(
                f"--output: another build into {output.root!r} is running; wait for it, or stop it"
            ) from None
        yield


def _unusable(output: Folder, error: OSError) -> OutputError:
    return OutputError(f"--output: cannot use {output.root!r}: {error.strerror or error}")


def remove_build(output: Folder) -> None:
    """Deletes a dataset or an unfinished build, the commit point first; leaves other files alone."""
    output.delete([DATASET_FILE])
    names = output.sizes()
    # A file over shards is known by them, so it goes first; its name is shorter than theirs.
    output.delete_files(sorted((name for name in names if is_ours(name, names)), key=len))
    state = [name for name in output.sizes(STATE_FOLDER) if f"{STATE_FOLDER}/{name}" != _LOCK_FILE]
    output.delete([f"{STATE_FOLDER}/{name}" for name in [*state, "shards"]] + [TEMPORARY_FOLDER])


def is_ours(name: str, names: Collection[str]) -> bool:
    """Whether a file directly in the output folder is one that builds write.

    Args:
        name: the file.
        names: all files of the folder: ``train.h5`` is a user's own unless there are shards of train.
    """
    suffix = name.rpartition(".")[2]
    if suffix not in {sink.suffix for sink in SINKS.values()}:
        return name in (DATASET_FILE, DESCRIPTION_FILE, REJECTS_FILE, DROPPED_FILE)
    if _split_of(name) is not None:
        return True
    return any(
        name == split_file(split, suffix) for other in names if (split := _split_of(other, suffix))
    )


def _split_of(name: str, suffix: str | None = None) -> str | None:
    """The split that a shard's file is of; ``None`` for any other file, or one of another format."""
    stem, _, own = name.rpartition(".")
    try:
        return ShardName.parse(stem).split if suffix in (None, own) else None
    except ValueError:
        return None


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
