"""Every frame of a build is accounted for, and those that were dropped are listed."""

from __future__ import annotations

import hashlib
import json

import pytest
from pixelbeam.pipeline.publishing.frames import publish_frames
from pixelbeam.pipeline.publishing.shard_results import SplitResults
from pixelbeam.schemas import Int64, Schema
from pixelbeam.schemas.dataset.info import DroppedInfo, FramesInfo, GapsInfo, ShardFile
from pixelbeam.schemas.errors import BuildError
from pixelbeam.transforms.ledger import Ledger
from pixelbeam.transforms.rejects import EARLY_REJECT_FILES, early_dropped_path
from pixelbeam.transforms.shards.plan import Plan
from pixelbeam.transforms.shards.shard_result import ShardResult
from pixelbeam.transforms.storage.output_folder import Folder


def line(reason, number):
    return json.dumps({"reason": reason, "frame": number}).encode() + b"\n"


def shard(name, **accounts):
    ledger = Ledger({account.replace("__", "/"): count for account, count in accounts.items()})
    return ShardResult(name, "f", 1, 1, {}, ledger=ledger)


@pytest.fixture
def publish(tmp_path):
    """Publishes the frames of these shards by split, with a plan's ledger and the lines of rejects."""
    rejects = tmp_path / "rejects"

    def run(splits, seen, lines=()):
        rejects.write_bytes(b"".join(json.dumps(one).encode() + b"\n" for one in lines))
        plan = Plan(Schema(features={"n": Int64(source="n")}), {}, 0, Ledger({"seen": seen}))
        results = {name: SplitResults(shards) for name, shards in splits.items()}
        return publish_frames(Folder(str(tmp_path / "out")), plan, results, rejects)

    return run


def test_frames_of_all_splits_and_files(publish, tmp_path):
    output = Folder(str(tmp_path / "out"))
    dropped = {
        early_dropped_path(0): line("order", 1),
        early_dropped_path(EARLY_REJECT_FILES - 1): line("order", 2) + line("a", 3),
        ShardResult.dropped_path("a-00000-of-00001"): line("unreadable", 4),
        ShardResult.dropped_path("b-00000-of-00002"): line("unreadable", 5),
    }
    for path, data in dropped.items():
        output.write(path, data)
    # Of an attempt that is not the one that counts.
    output.write(ShardResult.dropped_path("b-00001-of-00002"), line("unreadable", 6))
    first = shard("a-00000-of-00001", in_records=3, dropped__unreadable=1, repeated=2)
    second = shard("b-00000-of-00002", in_records=4, dropped__unreadable=1, skipped__every=2)
    third = shard("b-00001-of-00002", in_records=1, missing=7, clips_with_gaps=2)
    rejects = [{"frames": 3}, {}, {"frames": 2}]
    got = publish({"a": [first], "b": [second, third]}, 18, rejects)
    listed = b"".join(dropped.values())
    assert (tmp_path / "out/dropped_frames.jsonl").read_bytes() == listed
    digest = hashlib.sha256(listed).hexdigest()
    file = ShardFile(path="dropped_frames.jsonl", bytes=len(listed), sha256=digest)
    assert got == FramesInfo(
        seen=18,
        repeated=2,
        in_records=8,
        in_rejects=5,
        skipped={"every": 2},
        dropped=DroppedInfo(count=5, by_reason={"a": 1, "order": 2, "unreadable": 2}, file=file),
        gaps=GapsInfo(clips=2, missing=7),
    )


def test_without_dropped_frames_there_is_no_list(publish, tmp_path):
    got = publish({"a": [shard("a-00000-of-00001", in_records=3)]}, 3)
    assert (got.seen, got.dropped) == (3, DroppedInfo())
    assert not (tmp_path / "out/dropped_frames.jsonl").exists()


@pytest.mark.parametrize("seen", [2, 4])
def test_frames_that_do_not_add_up(publish, tmp_path, seen):
    message = f"^{seen} frames, but 3 in records and rejects, 0 skipped and 0 dropped$"
    with pytest.raises(BuildError, match=message):
        publish({"a": [shard("a-00000-of-00001", in_records=3)]}, seen)


def test_a_list_that_was_lost_is_seen(publish, tmp_path):
    """The shard counts a dropped frame that no line names."""
    with pytest.raises(
        BuildError, match=r"^2 frames, but 1 in records and rejects, 0 skipped and 0 d"
    ):
        publish({"a": [shard("a-00000-of-00001", in_records=1, dropped__unreadable=1)]}, 2)
    assert not (tmp_path / "out/dropped_frames.jsonl").exists()
