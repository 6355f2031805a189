"""Which files of a dataset are not as they were published, and which shards they belong to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ...schemas.dataset.checksum import has_right_checksum
from ...schemas.dataset.file_names import DATASET_FILE, ShardName, address_file, index_file
from ...schemas.dataset.info import DatasetFile, DatasetInfo
from ...schemas.errors import DatasetError
from ...transforms.storage.output_folder import Folder
from ...transforms.storage.streams import READ_FAILURES, digest_file
from ..output.kept import keep_dataset, kept_dataset
from ..output.own_files import list_files

__all__ = ["Dataset", "Owners", "describe_damage", "find_damage", "look_at_dataset"]

_READS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset that may be damaged.

    Attributes:
        info: what it is to be.
        text: ``dataset.json`` as it was published.
        damage: what is wrong with its files, by name; ``dataset.json`` may be one of them.
    """

    info: DatasetInfo
    text: bytes
    damage: dict[str, str]


def look_at_dataset(folder: Folder) -> Dataset:
    """Reads every byte of a dataset, and renews the copy that is kept of its ``dataset.json``.

    Where that itself is damaged, the dataset is what its copy says.

    Raises:
        DatasetError: it is damaged, and there is no copy, or one of another dataset; or it is of a newer
            version.
    """
    text, kept = folder.read(DATASET_FILE), kept_dataset(folder)
    if text is not None and has_right_checksum(text):
        info = DatasetInfo.loads(text, folder.root)
        if kept != text:
            keep_dataset(folder, text)
        return Dataset(info, text, find_damage(folder, info))
    if kept is None:
        raise DatasetError(
            f"{folder.root}: {DATASET_FILE} is damaged, and there is no copy of it to repair it by; "
            "build the dataset anew with --overwrite"
        )
    info = DatasetInfo.loads(kept, folder.root)
    if text is not None:
        _check_same(folder, text, info)
    fault = "missing" if text is None else "the checksum is wrong"
    return Dataset(info, kept, {DATASET_FILE: fault, **find_damage(folder, info)})


def _check_same(folder: Folder, damaged: bytes, kept: DatasetInfo) -> None:
    """Checks that the copy is of the dataset that is damaged, as far as that can still be read."""
    try:
        found = DatasetInfo.loads(damaged, folder.root)
    except DatasetError:
        return
    # A flipped bit is in one of the two at most.
    if found.fingerprint != kept.fingerprint and found.checksum != kept.checksum:
        raise DatasetError(
            f"{folder.root}: {DATASET_FILE} is damaged, and the copy that is kept of it is of another dataset; "
            "build the dataset anew with --overwrite"
        )


def find_damage(
    output: Folder, info: DatasetInfo, names: Iterable[str] | None = None
) -> dict[str, str]:
    """What is wrong with the files of a dataset, by name, sorted; every byte of the others was read.

    Args:
        output: a folder with files of the dataset.
        info: what the files are to be.
        names: those to look at; all that ``dataset.json`` lists by default.
    """
    sizes = list_files(output)
    wanted = sorted(info.files if names is None else names)
    with ThreadPoolExecutor(max(_READS_AT_ONCE, os.cpu_count() or 1)) as pool:
        found = pool.map(lambda name: _fault(output, name, info.files[name], sizes), wanted)
        return {name: fault for name, fault in zip(wanted, found, strict=True) if fault}


def _fault(output: Folder, name: str, file: DatasetFile, sizes: dict[str, int]) -> str:
    if name not in sizes:
        return "missing"
    if file.bytes not in (None, sizes[name]):
        return f"got {sizes[name]:,} bytes, expected {file.bytes:,}"
    try:
        same = digest_file(output.path(name)) == file.sha256
    except READ_FAILURES as error:  # of a disk that fails
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    return "" if same else "the SHA-256 is wrong"


def describe_damage(damage: dict[str, str], most: int) -> list[str]:
    """A line for each of the first files, and one for the others."""
    lines = [f"{name}: {fault}" for name, fault in sorted(damage.items())]
    more = len(lines) - most
    return [*lines[:most], *([f"and {more:,} more"] if more > 0 else [])]


@dataclass(frozen=True, slots=True)
class Owners:
    """What the files of a dataset are made from.

    Attributes:
        shards: the shard of each file that is made with one: its formats, and its index.
        joined: split and sink of each file over the shards of a split.
    """

    shards: dict[str, str]
    joined: dict[str, tuple[str, str]]

    @classmethod
    def of(cls, info: DatasetInfo) -> Owners:
        """Those of a dataset."""
        shards: dict[str, str] = {}
        joined: dict[str, tuple[str, str]] = {}
        for split, described in info.splits.items():
            joined |= {file.path: (split, sink) for sink, file in described.files.items()}
            for index, shard in enumerate(described.shards):
                name = str(ShardName(split, index, len(described.shards)))
                shards |= dict.fromkeys((index_file(name), address_file(name)), name)
                shards |= {file.path: name for file in shard.files.values()}
        return cls({file: shard for file, shard in shards.items() if file in info.files}, joined)
