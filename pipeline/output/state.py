"""Whether a build may write to its output folder, and what it finds there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from ...schemas.dataset.file_names import DATASET_FILE, INDEX_FOLDER, STATE_FOLDER
from ...schemas.dataset.info import DatasetInfo
from ...schemas.errors import OutputError
from ...transforms.shards.library_versions import codec_versions
from ...transforms.sinks.registry import sink_versions
from ...transforms.storage.output_folder import Folder
from ..graph.identity import differences
from ..graph.job import BuildJob
from ..terminal import printable
from .changes import Changes, find_changes
from .own_files import (
    COMMAND_FILE,
    LOCK_FILE,
    clear_state,
    drop_lock,
    has_state,
    is_ours,
    list_files,
    remove_build,
    unlisted_files,
)
from .replace import finish_replacing, is_replacing, next_folder

__all__ = ["Found", "OutputState", "hold_output", "look_at_output", "take_output"]

_SHOWN = 3
_REPLACED = (
    "an earlier build with --overwrite was killed when its dataset was complete: it has now taken the old one's "
    "place"
)


class OutputState(Enum):
    """What a build finds in its output folder."""

    NEW = "new"
    RESUMED = "resumed"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class Found:
    """What a build finds in its output folder, and what it is to do about it.

    Attributes:
        state: whether it is to start, to continue, or to leave the published dataset alone.
        job: the build, writing to where it is to write.
        changes: of an unfinished build that continues: what has changed since it was started.
        unseen: of a published dataset: what was not compared, and why; empty if all was.
        in_parts: of a published dataset: array files that were compared by size and time alone though
            content was asked for.
        unlisted: files with names of a dataset's that the published one does not list, and that ``--overwrite``
            deletes with it.
        needs_work: whether the folder holds something that has to be finished or cleared away.
        replaced: of a published dataset: whether it was complete and has only now taken another's place.
    """

    state: OutputState
    job: BuildJob
    changes: tuple[str, ...] = ()
    unseen: str = ""
    in_parts: int = 0
    unlisted: tuple[str, ...] = ()
    needs_work: bool = True
    replaced: bool = False


def look_at_output(job: BuildJob) -> Found:
    """What the output folder holds for this build; changes nothing.

    Raises:
        OutputError: it holds something else: another build or dataset, one whose inputs have changed
            or whose files are missing, or files of the user's.
    """
    output = job.output
    try:
        # What is there is half of the old dataset and half of the new one; to finish that needs the lock.
        if is_replacing(output):
            return Found(OutputState.NEW, job)
        published = output.read(DATASET_FILE)
        if published is not None:
            return _look_at_dataset(job, published)
        started = output.read(COMMAND_FILE)
        if started is None:
            _check_empty(job)
        if started is None or job.options.overwrite:
            return Found(OutputState.NEW, job)
    except OSError as error:
        raise _unusable(output, error) from None
    return Found(OutputState.RESUMED, job, _check_unfinished(job, json.loads(started)))


@contextmanager
def take_output(job: BuildJob) -> Iterator[Found]:
    """Takes the output folder for this build while the body runs.

    On a local disk no other build can take it meanwhile. Elsewhere nothing keeps one from running the
    same command at the same time: both write the same bytes, and the first one publishes.

    Raises:
        OutputError: another build has taken it, it cannot be written to, or as ``look_at_output``.
    """
    output = job.output
    with hold_output(output):
        # First of all, so that the folder holds one dataset, and looking at it means something.
        replaced = is_replacing(output)
        finish_replacing(output)
        try:
            found = (_look_at_replaced(job) if replaced else None) or look_at_output(job)
        except OutputError as error:
            if replaced:
                raise OutputError(f"{error}\n{_REPLACED}") from None
            raise
        # By another process since this one looked without the lock; or by one that was killed right after.
        if found.state is OutputState.PUBLISHED:
            clear_state(output)
            yield replace(found, replaced=replaced)
            return
        if output.exists(DATASET_FILE):
            # The published dataset stays readable until the new one is complete beside it.
            found = replace(_look_at_next(job), unlisted=tuple(unlisted_files(output)))
        elif job.options.overwrite:
            remove_build(output)
        _start(found.job)
        yield found
        finish_replacing(output)
        clear_state(output)


def _look_at_dataset(job: BuildJob, published: bytes) -> Found:
    output, named = job.output, repr(job.options.output)
    before = _command_in(published, output)
    if job.options.overwrite:
        return Found(OutputState.NEW, job)
    other, softer, inputs = differences(before, job.command)
    # A dataset is complete, so nothing of it can be taken over by a command that differs, be it in little.
    if other or softer:
        raise _refuse(f"{named} holds a dataset of another command", [*other, *softer, *inputs])
    changes = Changes(tuple(inputs))
    # To compare thousands of images would tell nothing new where the manifest itself differs.
    if not inputs:
        changes = find_changes(job, DatasetInfo.loads(published, output.root))
    if changes.missing:
        raise OutputError(
            f"--output: {named} holds a dataset that is not whole: {_join(changes.missing)}\n"
            "`pixelbeam repair` makes the same files again; --overwrite builds it anew"
        )
    if changes.inputs:
        raise OutputError(
            f"--output: {named} holds a dataset whose inputs have changed: {_join(changes.inputs)}\n"
            "replace it with --overwrite, or name another directory"
        )
    if changes.unseen and job.options.check_sources == "content":
        raise OutputError(
            f"--check_sources: the sources of {named} cannot be compared: {changes.unseen}\n"
            "build it anew with --overwrite, or leave out --check_sources content"
        )
    return Found(
        OutputState.PUBLISHED,
        job,
        unseen=changes.unseen,
        in_parts=changes.in_parts,
        needs_work=has_state(output),
    )


def _look_at_replaced(job: BuildJob) -> Found | None:
    """A dataset that was complete before it took its place, if it is what was asked for."""
    try:
        return look_at_output(replace(job, options=replace(job.options, overwrite=False)))
    except OutputError:
        return None


def _look_at_next(job: BuildJob) -> Found:
    """What there is of the dataset that is to replace the published one."""
    following = next_folder(job.output)
    nested = replace(job, folder=following)
    started = following.read(COMMAND_FILE)
    if started is not None:
        other, softer, inputs = differences(json.loads(started), _state_of(job))
        if not other:
            return Found(OutputState.RESUMED, nested, (*softer, *inputs))
    remove_build(following)
    return Found(OutputState.NEW, nested)


def _start(job: BuildJob) -> None:
    output = job.output
    try:
        output.clear_scratch()
        output.write(COMMAND_FILE, json.dumps(_state_of(job), indent=1).encode())
    except OSError as error:
        raise _unusable(output, error) from None


def _state_of(job: BuildJob) -> dict[str, Any]:
    """What an unfinished build remembers; unlike a dataset's command it has a path of this machine.

    And the libraries' versions: with others, every shard is built anew, and one should know why.
    """
    versions = codec_versions() | sink_versions(job.options.sinks, job.options.schema)
    return {**job.command, "image_root": job.inputs.full_root, "versions": versions}


def _check_unfinished(job: BuildJob, before: dict[str, Any]) -> tuple[str, ...]:
    """What has changed since a build was started; each shard says whether that concerns it."""
    other, softer, inputs = differences(before, _state_of(job))
    if other:
        raise _refuse(
            f"{job.options.output!r} holds an unfinished build of another command",
            [*other, *softer, *inputs],
        )
    return (*softer, *inputs)


def _check_empty(job: BuildJob) -> None:
    output = job.output
    if output.is_empty():
        return
    names = list_files(output)
    # Leftovers of a killed build have names of ours and a state folder; names alone, as of somebody's
    # own train-*.tfrecord files, are no licence to delete.
    own = output.exists(STATE_FOLDER) and all(is_ours(name, names) for name in names)
    if not own or output.folders() - {STATE_FOLDER, INDEX_FOLDER}:
        raise OutputError(
            f"--output: {job.options.output!r} holds files that are not a dataset's; "
            "name an empty or a new directory"
        )


def _refuse(what: str, reasons: list[str]) -> OutputError:
    return OutputError(
        f"--output: {what}: {_join(reasons)}\nname another directory, or replace it with --overwrite"
    )


def _join(reasons: list[str] | tuple[str, ...]) -> str:
    return "; ".join(map(printable, reasons[:_SHOWN])) + ("; …" if len(reasons) > _SHOWN else "")


@contextmanager
def hold_output(output: Folder) -> Iterator[None]:
    """Keeps builds and repairs by other processes out of a folder while the body runs, if it is local.

    Raises:
        OutputError: another one is at work there, or it cannot be written to.
    """
    with ExitStack() as stack:
        try:
            held = stack.enter_context(output.lock(LOCK_FILE))
        except OSError as error:
            raise _unusable(output, error) from None
        if not held:
            raise OutputError(
                f"--output: another build or repair of {output.root!r} is running; wait for it, or stop it"
            )
        try:
            yield
        except OutputError:  # refused: what was there is as it was
            drop_lock(output)
            raise


def _unusable(output: Folder, error: OSError) -> OutputError:
    return OutputError(f"--output: cannot use {output.root!r}: {error.strerror or error}")


def _command_in(published: bytes, output: Folder) -> dict[str, Any]:
    # Not through ``DatasetInfo``, which refuses a damaged file: that one, too, may be overwritten.
    try:
        return dict(json.loads(published)["command"])
    except (ValueError, KeyError, TypeError):
        raise OutputError(
            f"--output: {output.root!r} holds a {DATASET_FILE} that is not pixelbeam's"
        ) from None
