"""What has changed since a dataset was published: its own files, and the input files it was made from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ...schemas.dataset.file_names import REJECTS_FILE
from ...schemas.dataset.info import DatasetInfo
from ...schemas.errors import PASSING_REASONS
from ...transforms.shards.check_inputs import InputCheck
from ...transforms.storage.input_log import INPUTS_FOLDER, InputState, ShardInputs
from ...transforms.storage.output_folder import Folder
from ...transforms.storage.streams import digest_file
from ..graph.job import BuildJob
from .own_files import list_files, note_names

__all__ = ["Changes", "find_changes"]

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed since a dataset was published, a phrase each.

    Attributes:
        inputs: what it was made from.
        missing: files of its own that are gone or of another size, or by content are others.
        unseen: what was not compared, and why; empty if all was.
        in_parts: array files that were compared by size and time alone though content was asked for.
    """

    inputs: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unseen: str = ""
    in_parts: int = 0


def find_changes(job: BuildJob, info: DatasetInfo) -> Changes:
    """Compares a dataset's files with ``dataset.json``, and its input files with what was noted of them.

    Args:
        job: the command that made it.
        info: the dataset in the job's output folder.
    """
    present = list_files(job.output)
    lost = [
        name
        for name, file in info.files.items()
        if name not in present or file.bytes not in (None, present[name])
    ]
    # Of a dataset that is not whole, its sources say nothing that helps.
    if lost:
        said = f"{_count(len(lost), 'file')} missing or of another size: {_list(sorted(lost))}"
        return Changes(missing=(said,))
    by_content = job.options.check_sources == "content"
    if by_content and (other := _other_content(job.output, info)):
        said = f"{_count(len(other), 'file')} of other content: {_list(other)}"
        return Changes(missing=(said,))
    changed: set[str] = set()
    known: set[str] = set()
    check = InputCheck(job.inputs, job.options.check_sources)
    in_parts: set[str] = set()
    unseen: list[str] = []
    for noted in _noted(job, info):
        if isinstance(noted, str):
            unseen.append(noted)
            continue
        # What a shard noted as unreadable is looked at with the shard's notes; the list of rejects has it too.
        known.update(written for written, state in noted.states.items() if state.fault)
        in_parts.update(written for written, state in noted.states.items() if state.in_parts)
        changed.update(check.changed(noted))
    changed.update(check.changed(ShardInputs(job.inputs.full_root, _early(job, known))))
    if changed:
        have = "has" if len(changed) == 1 else "have"
        said = f"{_count(len(changed), 'source')} that {have} changed: {_list(sorted(changed))}"
        return Changes((said,))
    if unseen:
        what = "damaged" if "damaged" in unseen else "deleted"
        return Changes(unseen=f"what they were is no longer known ({INPUTS_FOLDER} was {what})")
    return Changes(in_parts=len(in_parts) if by_content else 0)


def _other_content(output: Folder, info: DatasetInfo) -> list[str]:
    """The dataset's files whose bytes are not those that were published, sorted."""

    def differs(name: str) -> str | None:
        return None if digest_file(output.path(name)) == info.files[name].sha256 else name

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return sorted(filter(None, pool.map(differs, info.files)))


def _noted(job: BuildJob, info: DatasetInfo) -> Iterator[ShardInputs | str]:
    """What was noted of all input files; what has become of the notes where it is not known."""
    for data in job.output.read_all(map(ShardInputs.path, note_names(info))):
        try:
            yield ShardInputs.from_bytes(data) if data is not None else "deleted"
        except ValueError:
            yield "damaged"


def _early(job: BuildJob, known: set[str]) -> dict[str, InputState]:
    """Files that could not be read before there were shards; only the list of rejects knows them."""
    rejects = map(json.loads, (job.output.read(REJECTS_FILE) or b"").splitlines())
    return {
        noted: InputState(fault=reject["reason"])
        for reject in rejects
        if reject["path"]
        and reject["manifest"] in job.manifest_files
        # Only files that lie outside of arrays, and reasons that are a file's own: a slow row is no change.
        and (noted := job.inputs.of(reject["manifest"]).prefix + reject["path"]) not in known
        and reject["reason"] in PASSING_REASONS - {"time_limit", "no_frames"}
        and "::" not in reject["path"]
    }


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _list(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
