"""The frames of a build's clips: collected, balanced, and the list of the dropped ones published."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from ...schemas.dataset.file_names import DROPPED_FILE
from ...schemas.dataset.info import FramesInfo, ShardFile
from ...transforms.clips.frame_accounting import DROPPED, FRAMES, FrameAccounting
from ...transforms.ledger import Ledger
from ...transforms.rejects import EARLY_REJECT_FILES, early_dropped_path
from ...transforms.shards.plan import Plan
from ...transforms.shards.shard_result import ShardResult
from ...transforms.storage.output_folder import Folder
from .shard_results import SplitResults

__all__ = ["publish_frames"]


def publish_frames(
    output: Folder, plan: Plan, results: dict[str, SplitResults], rejects: Path
) -> FramesInfo:
    """Checks that every frame is accounted for, and publishes the list of those that were dropped.

    Args:
        output: the dataset's folder.
        plan: what was counted before the shards.
        results: the shards of each split.
        rejects: the file with all rejects.

    Returns:
        The ``frames`` of ``dataset.json``.

    Raises:
        BuildError: frames do not add up.
    """
    shards = [shard for split in results.values() for shard in split.shards]
    dropped: Counter[str] = Counter()
    with output.scratch() as scratch:
        path = scratch / DROPPED_FILE
        with path.open("wb") as file:
            for lines in _dropped_lines(output, shards):
                file.write(lines)
                dropped.update(json.loads(line)["reason"] for line in lines.splitlines())
        ledger = Ledger.total([plan.ledger, *(shard.ledger for shard in shards)])
        frames = FrameAccounting(ledger, _count_rejected(rejects), dropped)
        frames.balance()
        listed = output.publish(path, DROPPED_FILE) if dropped else None
    return frames.describe(ShardFile(**asdict(listed)) if listed else None)


def _dropped_lines(output: Folder, shards: list[ShardResult]) -> Iterator[bytes]:
    early = map(early_dropped_path, range(EARLY_REJECT_FILES))
    late = (ShardResult.dropped_path(shard.name) for shard in shards if shard.ledger.under(DROPPED))
    for data in output.read_all(chain(early, late)):
        yield data or b""


def _count_rejected(rejects: Path) -> int:
    with rejects.open("rb") as file:
        return sum(json.loads(line).get(FRAMES, 0) for line in file)
