from __future__ import annotations

import pytest
from clips import clip_schema
from pixelbeam.schemas.clips import Clips
from pixelbeam.schemas.dataset.info import DroppedInfo, FramesInfo, GapsInfo
from pixelbeam.schemas.errors import BuildError, Reject
from pixelbeam.transforms.clips.frame_accounting import (
    FrameAccounting,
    count_frames,
    count_lost,
    count_rejected,
    count_skipped,
    count_windows,
    with_frames,
)
from pixelbeam.transforms.ledger import Ledger
from pixelbeam.transforms.rows import RejectedRow, Window

KEYED = clip_schema(key="video", order="frame")
CUT = clip_schema(window=2)
PLAIN = clip_schema()


def rejected(**fields) -> RejectedRow:
    return RejectedRow("m.csv", 2, "k", Reject("load", "file_not_found", ""), **fields)


@pytest.mark.parametrize(
    ("clips", "skipped"),
    [
        ({}, {}),
        ({"every": 3}, {"skipped/every": 6}),
        ({"max_frames": 4}, {"skipped/max_frames": 6}),
        ({"every": 2, "max_frames": 4}, {"skipped/every": 5, "skipped/max_frames": 1}),
    ],
)
def test_frames_that_are_left_out(clips, skipped):
    assert count_skipped(Clips(**clips), 10).accounts == skipped


@pytest.mark.parametrize(
    ("windows", "counts"),
    [
        ([range(4), range(4, 8)], {"skipped/window": 2}),
        ([range(6), range(4, 10)], {"repeated": 2}),
        ([range(2, 5)], {"skipped/window": 7}),
        ([range(10)], {}),
    ],
)
def test_frames_of_windows(windows, counts):
    assert count_windows(windows, 10).accounts == counts


def test_the_frames_of_a_row():
    cells = {"path": ["a", "b", "c"], "frame": ["0", "1", "2", "3"], "label": "x"}
    assert count_frames(KEYED, cells) == 4  # those that the order counts
    assert count_frames(KEYED, {"path": ["a", "b"], "label": "x"}) == 2
    assert count_frames(KEYED, {"label": "x"}) == 0
    assert count_frames(CUT, {"path": "clip"}, Window("clip", 4, 6)) == 2
    assert count_frames(CUT, {"path": "clip"}) == 0


def test_a_reject_says_once_how_many_frames_are_lost_with_it():
    window = rejected(window=Window("v", 2, 5))
    assert count_lost(window, CUT) == rejected(window=window.window, counts=(("frames", 3),))
    assert count_lost(with_frames(window, 1), CUT).counts == (("frames", 1),)
    assert count_lost(rejected(), PLAIN) == rejected()
    assert with_frames(rejected(), 0) == rejected()


def test_a_rejects_frames_are_seen_where_nothing_has_counted_them():
    lost = with_frames(rejected(), 7)
    assert count_rejected(PLAIN, lost) == Ledger({"seen": 7})
    assert count_rejected(PLAIN, rejected()) == Ledger()
    assert count_rejected(KEYED, lost) == count_rejected(CUT, lost) == Ledger()


COUNTS = {
    "seen": 20,
    "repeated": 3,
    "in_records": 10,
    "skipped/window": 2,
    "skipped/every": 4,
    "dropped/unknown_format": 1,
    "missing": 6,
    "clips_with_gaps": 2,
}


def test_frames_that_balance_are_described():
    frames = FrameAccounting(Ledger(dict(COUNTS)), 5, {"unknown_format": 1, "duplicate_frame": 1})
    frames.balance()
    assert frames.describe(None) == FramesInfo(
        seen=20,
        repeated=3,
        in_records=10,
        in_rejects=5,
        skipped={"every": 4, "window": 2},
        dropped=DroppedInfo(count=2, by_reason={"duplicate_frame": 1, "unknown_format": 1}),
        gaps=GapsInfo(clips=2, missing=6),
    )


@pytest.mark.parametrize("account", ["seen", "repeated", "in_records", "skipped/window"])
def test_a_frame_too_many_is_found(account):
    ledger = Ledger(dict(COUNTS))
    ledger.add(account)
    with pytest.raises(BuildError, match="frames, but"):
        FrameAccounting(ledger, 5, {"unknown_format": 2}).balance()
