"""Which files of an output folder are the builds' own: those of a dataset, and of its state."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from ...schemas.dataset.file_names import (
    DATASET_FILE,
    FIXED_FILES,
    INDEX_FOLDER,
    STATE_FOLDER,
    ShardName,
    address_file,
    index_file,
    split_file,
)
from ...schemas.dataset.info import DatasetInfo
from ...schemas.errors import DatasetError
from ...transforms.duplicates.note_files import TWIN_NOTES
from ...transforms.sinks.registry import installed_sinks
from ...transforms.storage.input_log import INPUTS_FOLDER
from ...transforms.storage.output_folder import TEMPORARY_FOLDER, Folder

__all__ = [
    "COMMAND_FILE",
    "KEPT_FOLDER",
    "LOCK_FILE",
    "REPAIR_FOLDER",
    "clear_state",
    "drop_lock",
    "has_state",
    "is_ours",
    "list_files",
    "note_names",
    "remove_build",
    "shard_names",
    "unlisted_files",
    "written_files",
]

COMMAND_FILE = f"{STATE_FOLDER}/command.json"
"""What an unfinished build was asked for."""

LOCK_FILE = f"{STATE_FOLDER}/lock"

KEPT_FOLDER = f"{STATE_FOLDER}/published"
"""What is kept of a published dataset; stays beside it as the notes on its sources do. See ``kept.py``."""

REPAIR_FOLDER = f"{STATE_FOLDER}/repair"
"""Where damaged files are made again, before they are put in their place."""

_STATE_FOLDERS = (f"{STATE_FOLDER}/shards", TEMPORARY_FOLDER)


def shard_names(info: DatasetInfo) -> list[str]:
    """The names of a dataset's shards."""
    return [
        str(ShardName(split, index, len(described.shards)))
        for split, described in info.splits.items()
        for index in range(len(described.shards))
    ]


def note_names(info: DatasetInfo) -> list[str]:
    """The names of the notes on a dataset's input files: a shard's each, and those on rows left out as twins."""
    leaves_out = (info.command or {}).get("on_duplicates") == "reject"
    return [*shard_names(info), *(TWIN_NOTES if leaves_out else ())]


def has_state(output: Folder) -> bool:
    """Whether a build has left more of its state than the notes on its input files."""
    return bool(_state_files(output)) or any(map(output.exists, _STATE_FOLDERS))


def clear_state(output: Folder) -> None:
    """Deletes the state of a build that is published; what was noted of it and its input files stays."""
    output.delete([*_STATE_FOLDERS])
    lock = [LOCK_FILE] if output.has_locks else []
    output.delete_files([*_state_files(output), *lock])


def drop_lock(output: Folder) -> None:
    """Deletes the lock, and the state's folder if nothing else is in it."""
    if output.has_locks:
        output.delete_files([LOCK_FILE])
        output.delete_empty(STATE_FOLDER)


def _state_files(output: Folder) -> list[str]:
    names = [f"{STATE_FOLDER}/{name}" for name in output.sizes(STATE_FOLDER)]
    # The command goes last: it says that there is something to clear.
    return sorted((n for n in names if n != LOCK_FILE), key=lambda name: name == COMMAND_FILE)


def remove_build(output: Folder) -> None:
    """Deletes a dataset or an unfinished build, the commit point first; leaves other files alone."""
    written = written_files(output)
    output.delete([DATASET_FILE])
    output.delete_files([name for name in written if name != DATASET_FILE])
    output.delete_empty(INDEX_FOLDER)
    folders = (*_STATE_FOLDERS, REPAIR_FOLDER, KEPT_FOLDER, INPUTS_FOLDER)
    output.delete([*_state_files(output), *folders])


def list_files(output: Folder) -> dict[str, int]:
    """The files where those of a dataset lie, the user's own among them, with their sizes in bytes."""
    index = {f"{INDEX_FOLDER}/{name}": size for name, size in output.sizes(INDEX_FOLDER).items()}
    return output.sizes() | index


def written_files(output: Folder) -> list[str]:
    """The files in the output folder that builds have written, in an order to delete them in.

    Those of a sink that is no longer installed are known by ``dataset.json`` alone.
    """
    names, listed = list_files(output), set[str]()
    if (data := output.read(DATASET_FILE)) is not None:
        with suppress(DatasetError):  # one that cannot be read lists nothing
            info = DatasetInfo.loads(data, output.root)
            # Names of shards alone: it must not be able to name files that are the user's.
            listed = {name for name in info.files if _split_of(name) is not None}
    ours = (name for name in names if name in listed or is_ours(name, names))
    # A file over shards is known by them, so it goes first; its name is shorter than theirs.
    return sorted(ours, key=len)


def unlisted_files(output: Folder) -> list[str]:
    """The files that builds seem to have written, and that a published dataset does not list; sorted.

    Empty where it lists none, as those of former versions, or cannot be read.
    """
    info = None
    if (data := output.read(DATASET_FILE)) is not None:
        with suppress(DatasetError):
            info = DatasetInfo.loads(data, output.root)
    if info is None or not info.files:
        return []
    return sorted(set(written_files(output)) - info.files.keys() - {DATASET_FILE})


def is_ours(name: str, names: Collection[str]) -> bool:
    """Whether a file is one that builds write.

    Args:
        name: the file, one of ``list_files``.
        names: all of these: ``train.h5`` is a user's own unless there are shards of train.
    """
    if name in FIXED_FILES:
        return True
    folder, _, stem = name.rpartition(".")[0].rpartition("/")
    if folder == INDEX_FOLDER:
        return _is_shard(stem) and name in (index_file(stem), address_file(stem))
    suffix = name.rpartition(".")[2]
    if suffix not in {sink.suffix for sink in installed_sinks().values()}:
        return False
    if _split_of(name) is not None:
        return True
    return any(
        name == split_file(split, suffix) for other in names if (split := _split_of(other, suffix))
    )


def _is_shard(name: str) -> bool:
    try:
        return bool(ShardName.parse(name))
    except ValueError:
        return False


def _split_of(name: str, suffix: str | None = None) -> str | None:
    """The split that a shard's file is of; ``None`` for any other file, or one of another format."""
    stem, _, own = name.rpartition(".")
    try:
        return ShardName.parse(stem).split if suffix in (None, own) else None
    except ValueError:
        return None
