"""The names of the files in a dataset's directory; the one place that writes and parses them."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = [
    "DATASET_FILE",
    "DESCRIPTION_FILE",
    "DROPPED_FILE",
    "DUPLICATES_FILE",
    "FIXED_FILES",
    "INDEX_FOLDER",
    "REJECTS_FILE",
    "SPLIT_NAME",
    "STATE_FOLDER",
    "STATISTICS_FILE",
    "ShardName",
    "address_file",
    "index_file",
    "split_file",
]

DATASET_FILE = "dataset.json"
DESCRIPTION_FILE = "feature_description.py"
REJECTS_FILE = "rejects.jsonl"
DROPPED_FILE = "dropped_frames.jsonl"
"""The frames that were dropped from their clips; absent when there are none."""

DUPLICATES_FILE = "duplicates.jsonl"
"""The twins within and across splits; absent when there are none."""

STATISTICS_FILE = "statistics.jsonl"
"""The summaries of each shard, a line a shard in the order of ``dataset.json``, to be merged as one likes."""

INDEX_FOLDER = "index"
"""What is known of each record lies there, a file or two for each shard."""

FIXED_FILES = frozenset(
    {
        DATASET_FILE,
        DESCRIPTION_FILE,
        REJECTS_FILE,
        DROPPED_FILE,
        DUPLICATES_FILE,
        STATISTICS_FILE,
    }
)
"""The files that have the same name in every dataset that has them."""

STATE_FOLDER = ".pixelbeam"
"""What a build that is not yet published knows about itself, and what of a published one may be deleted."""

SPLIT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
"""A split's name: short enough that filesystems take its shards' names (255 bytes)."""

_SHARD_NAME = re.compile(
    rf"(?P<split>{SPLIT_NAME.pattern})-(?P<index>\d{{5,}})-of-(?P<count>\d{{5,}})"
)


def split_file(split: str, suffix: str) -> str:
    """The file over all shards of a split in a sink's format, such as ``train.h5``."""
    return f"{split}.{suffix}"


def index_file(shard: str) -> str:
    """A row for each record of a shard, such as ``index/train-00003-of-00016.parquet``."""
    return f"{INDEX_FOLDER}/{shard}.parquet"


def address_file(shard: str) -> str:
    """Where each record of a shard lies, as NVIDIA DALI reads it: ``index/train-00003-of-00016.idx``."""
    return f"{INDEX_FOLDER}/{shard}.idx"


@dataclass(frozen=True, slots=True, order=True)
class ShardName:
    """One shard of a split: ``train-00003-of-00016``."""

    split: str
    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.split}-{self.index:05d}-of-{self.count:05d}"

    def file(self, suffix: str) -> str:
        """The shard's file in a sink's format, such as ``train-00003-of-00016.tfrecord``."""
        return f"{self}.{suffix}"

    @classmethod
    def parse(cls, text: str) -> ShardName:
        """The inverse of ``str``.

        Raises:
            ValueError: the text is not a shard's name.
        """
        match = _SHARD_NAME.fullmatch(text)
        if match is None:
            raise ValueError(f"got {text!r}, expected a shard name like 'train-00003-of-00016'")
        return cls(match["split"], int(match["index"]), int(match["count"]))
