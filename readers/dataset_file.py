"""Reading ``dataset.json`` as every reader does: whole, or not at all. Loads neither TensorFlow nor HDF5."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import numpy as np

from ..schemas.dataset.checksum import has_right_checksum
from ..schemas.dataset.file_names import DATASET_FILE
from ..schemas.dataset.info import DatasetInfo
from ..schemas.errors import DatasetError

__all__ = ["check_description", "parse_info", "read_moments"]

_REFERENCE_SPLIT = "train"


def parse_info(data: bytes, directory: str) -> DatasetInfo:
    """The content of a ``dataset.json`` that is as it was published.

    Args:
        data: the file's bytes.
        directory: where it lies, for messages.

    Raises:
        DatasetError: it was changed, or is not one that this version can read.
    """
    info = DatasetInfo.loads(data, directory)
    if not has_right_checksum(data):
        raise DatasetError(
            f"{directory}: {DATASET_FILE} is not as it was published: its own checksum is wrong; restore "
            "it or build the dataset again"
        )
    # No checksum helps where a tool has changed the file and then sealed it again.
    splits = info.splits.values()
    groups = [
        *(shard.files for split in splits for shard in split.shards),
        *(s.files for s in splits),
    ]
    files = [file.path for group in groups for file in group.values()]
    twice = sorted(path for path, count in Counter(files).items() if count > 1)
    if twice:
        raise DatasetError(f"{directory}: {DATASET_FILE} lists {twice[0]} twice, expected it once")
    return info


def check_description(info: DatasetInfo, code: bytes, directory: str) -> None:
    """Checks the generated module's bytes.

    Raises:
        DatasetError: they are not those that were published.
    """
    file = info.description
    if hashlib.sha256(code).hexdigest() != file.sha256:
        raise DatasetError(
            f"{directory}: {file.path} is not the file that was published: its SHA-256 "
            f"differs from the one in {DATASET_FILE}; restore it or build the dataset again"
        )


def read_moments(info: DatasetInfo, split: str, name: str, place: str) -> tuple[Any, Any]:
    """Mean and standard deviation that an image feature is standardised by, float32 ``[channels]``.

    All splits are scaled alike, by the statistics of ``train`` where there is one: what a model
    learns on one scale is of no use on another.

    Raises:
        DatasetError: the dataset, whose directory is ``place``, does not have them.
    """
    reference = _REFERENCE_SPLIT if _REFERENCE_SPLIT in info.splits else split
    statistics = info.splits[reference].statistics.get(name, {})
    if "mean" not in statistics or "std" not in statistics:
        raise DatasetError(
            f"{place}: no mean and std of {name!r} in the statistics of split {reference!r}, expected "
            "them for scaling='standardize'"
        )
    std = [std or 1.0 for std in statistics["std"]]  # 0: one colour
    return np.array(statistics["mean"], np.float32), np.array(std, np.float32)
