"""Which files of an output folder are the builds' own: those of a dataset, and of its state."""

from __future__ import annotations

from collections.abc import Collection

from ...schemas.dataset.file_names import (
    DATASET_FILE,
    DESCRIPTION_FILE,
    DROPPED_FILE,
    REJECTS_FILE,
    STATE_FOLDER,
    ShardName,
    split_file,
)
from ...schemas.dataset.info import DatasetInfo
from ...transforms.sinks.registry import installed_sinks
from ...transforms.storage.output_folder import TEMPORARY_FOLDER, Folder, is_local
from ...transforms.storage.sources import SOURCES_FOLDER

__all__ = [
    "COMMAND_FILE",
    "LOCK_FILE",
    "clear_state",
    "has_state",
    "hashes_of",
    "is_ours",
    "names_of",
    "remove_build",
    "shard_names",
    "sizes_of",
]

COMMAND_FILE = f"{STATE_FOLDER}/command.json"
"""What an unfinished build was asked for."""

LOCK_FILE = f"{STATE_FOLDER}/lock"
_STATE_FOLDERS = (f"{STATE_FOLDER}/shards", TEMPORARY_FOLDER)


def names_of(info: DatasetInfo) -> set[str]:
    """The files of a published dataset beside ``dataset.json``."""
    return set(sizes_of(info))


def sizes_of(info: DatasetInfo) -> dict[str, int | None]:
    """The same with their sizes in bytes, where ``dataset.json`` has them."""
    return {path: size for path, (size, _) in _files_of(info).items()}


def hashes_of(info: DatasetInfo) -> dict[str, str]:
    """The same with their SHA-256."""
    return {path: sha256 for path, (_, sha256) in _files_of(info).items()}


def shard_names(info: DatasetInfo) -> list[str]:
    """The names of a dataset's shards, which are those of the notes on their sources too."""
    return [
        str(ShardName(split, index, len(described.shards)))
        for split, described in info.splits.items()
        for index in range(len(described.shards))
    ]


def _files_of(info: DatasetInfo) -> dict[str, tuple[int | None, str]]:
    """Size and SHA-256 of each file beside ``dataset.json``."""
    files: dict[str, tuple[int | None, str]] = {
        info.description.path: (None, info.description.sha256)
    }
    for split in info.splits.values():
        shards = (file for shard in split.shards for file in shard.files.values())
        files.update((f.path, (f.bytes, f.sha256)) for f in (*split.files.values(), *shards))
    for file in filter(None, [info.rejects.file, info.dropped_frames.file]):
        files[file.path] = (file.bytes, file.sha256)
    return files


def has_state(output: Folder) -> bool:
    """Whether a build has left more of its state than the cache of the sources."""
    return bool(_state_files(output)) or any(map(output.exists, _STATE_FOLDERS))


def clear_state(output: Folder) -> None:
    """Deletes the state of a build that is published; what was noted of its sources stays."""
    output.delete([*_STATE_FOLDERS])
    lock = [LOCK_FILE] if is_local(output.root) else []
    output.delete_files([*_state_files(output), *lock])


def _state_files(output: Folder) -> list[str]:
    names = [f"{STATE_FOLDER}/{name}" for name in output.sizes(STATE_FOLDER)]
    # The command goes last: it says that there is something to clear.
    return sorted((n for n in names if n != LOCK_FILE), key=lambda name: name == COMMAND_FILE)


def remove_build(output: Folder) -> None:
    """Deletes a dataset or an unfinished build, the commit point first; leaves other files alone."""
    output.delete([DATASET_FILE])
    names = output.sizes()
    # A file over shards is known by them, so it goes first; its name is shorter than theirs.
    output.delete_files(sorted((name for name in names if is_ours(name, names)), key=len))
    output.delete([*_state_files(output), *_STATE_FOLDERS, SOURCES_FOLDER])


def is_ours(name: str, names: Collection[str]) -> bool:
    """Whether a file directly in the output folder is one that builds write.

    Args:
        name: the file.
        names: all files of the folder: ``train.h5`` is a user's own unless there are shards of train.
    """
    suffix = name.rpartition(".")[2]
    if suffix not in {sink.suffix for sink in installed_sinks().values()}:
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
