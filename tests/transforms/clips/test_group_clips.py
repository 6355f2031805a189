from __future__ import annotations

import datetime
from dataclasses import replace

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from clips import clip_schema
from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.clips.clip_rows import ClipRows, GroupedRows
from pixelbeam.transforms.clips.group_clips import GroupClips, group_rows
from pixelbeam.transforms.ledger import Ledger
from pixelbeam.transforms.rows import InlineBytes, ManifestRow, RejectedRow, RowFormat

COLUMNS = ("video", "frame", "label", "path")


def clip_rows(order: str | None = "frame", **clips) -> ClipRows:
    schema = clip_schema(key="video", order=order, **clips)
    frame_columns, clip_columns = frozenset({"frame", "path"}), frozenset({"video", "label"})
    return ClipRows(schema, RowFormat(COLUMNS, "video"), frame_columns, clip_columns)


def rows(*frames, label="cat") -> list[ManifestRow]:
    """Rows of a clip, from line 2 on; pictures are called as their line."""
    return [
        ManifestRow("m.csv", line, ("v", frame, label, f"{line}.png"))
        for line, frame in enumerate(frames, 2)
    ]


def clip(first: int, frames: list, pictures: list[int]) -> ManifestRow:
    return ManifestRow("m.csv", first, ("v", frames, "cat", [f"{line}.png" for line in pictures]))


def rejected(reason, message, frames) -> GroupedRows:
    """The reject of a clip of all the frames."""
    pictures = [f"{line}.png" for line in range(2, len(frames) + 2)]
    values = (("video", "v"), ("frame", frames), ("label", "cat"), ("path", pictures))
    reject = RejectedRow("m.csv", 2, "v", Reject("clip", reason, message), values=values)
    return GroupedRows(rejects=[replace(reject, counts=(("frames", len(frames)),))])


def group(found: list[ManifestRow], **clips) -> GroupedRows:
    return group_rows(clip_rows(**clips), "v", found)


@pytest.mark.parametrize(
    ("frames", "pictures"),
    [
        (["1", "2", "3"], [2, 3, 4]),
        (["10", "9", "8"], [4, 3, 2]),  # as numbers
        ([3, "2", 1], [4, 3, 2]),
        (["a10", "a9", "b1"], [3, 2, 4]),  # digits in text by their value
        (["9007199254740993", "9007199254740992"], [3, 2]),  # more than a float64 holds
        ([str(10**400 + 1), str(10**400)], [3, 2]),
        (["1.5", "0.5", "1"], [3, 4, 2]),
        (["b", "nan"], [2, 3]),
        (["nan", "a"], [3, 2]),
    ],
)
def test_frames_stand_in_their_order(frames, pictures):
    cells = [frames[line - 2] for line in pictures]
    assert group(rows(*frames)) == GroupedRows([clip(pictures[0], cells, pictures)])


def test_without_an_order_frames_stand_as_their_rows():
    found = rows("3", "1", "2")
    found.append(ManifestRow("l.csv", 9, ("v", "7", "cat", "9.png")))
    grouped = group([found[2], found[0], found[3], found[1]], order=None)
    pictures = ["9.png", "2.png", "3.png", "4.png"]
    row = ManifestRow("l.csv", 9, ("v", ["7", "3", "1", "2"], "cat", pictures))
    assert grouped == GroupedRows([row])


def test_what_a_clip_has_once_is_the_same_in_all_rows():
    found = rows("1", "2", "3")
    found[2] = ManifestRow("m.csv", 4, ("V", "3", "dog", "4.png"))
    got = "got 'cat' at m.csv:2 and 'dog' at m.csv:4"
    message = f"column 'label': {got}, expected one value in a clip"
    expected = rejected("ambiguous_value", message, ["1", "2", "3"])
    assert group(found) == expected
    # The key may be spelled in several ways, since what is grouped by is not its spelling.
    found[2] = ManifestRow("m.csv", 4, (5, "3", "cat", "4.png"))
    assert group(found) == GroupedRows([clip(2, ["1", "2", "3"], [2, 3, 4])])


@pytest.mark.parametrize("cell", [None, "", " "])
def test_every_frame_has_a_place(cell):
    message = "column 'frame' is empty at m.csv:3, expected a frame's place"
    expected = rejected("missing_value", message, ["1", cell])
    assert group(rows("1", cell)) == expected


def test_a_frame_twice_costs_the_clip_or_itself():
    found = rows("2", "1", "01", "2.0")
    message = "got frame '01' at m.csv:3 and m.csv:4, expected it once"
    assert group(found) == rejected("duplicate_frame", message, ["2", "1", "01", "2.0"])
    grouped = group(found, on_duplicate="drop")
    values = (("video", "v"), ("label", "cat"))
    dropped = [
        RejectedRow(
            "m.csv",
            line,
            "v",
            Reject(
                "clip",
                "duplicate_frame",
                f"got frame {cell!r} at m.csv:{first} and m.csv:{line}, expected it once",
            ),
            values=(values[0], ("frame", cell), values[1], ("path", f"{line}.png")),
            counts=(("frames", 1),),
        )
        for line, cell, first in ((4, "01", 3), (5, "2.0", 2))
    ]
    assert grouped == GroupedRows([clip(3, ["1", "2"], [3, 2])], dropped=dropped)


@pytest.mark.parametrize(
    ("frames", "missing"),
    [
        (["1", "2", "3"], 0),
        (["1", "2", "4", "7"], 3),
        (["10", "20", "40"], 1),  # by the smallest step
        (["10", "20", "45"], 1),
        (["0.5", "1", "9"], 0),  # times
        (["a1", "a2", "a9"], 0),
        (["5"], 0),
    ],
)
def test_missing_frames_are_counted_or_cost_the_clip(frames, missing):
    ledger = Ledger({"missing": missing, "clips_with_gaps": 1} if missing else {})
    pictures = list(range(2, len(frames) + 2))
    whole = GroupedRows([clip(2, frames, pictures)], ledger=ledger)
    assert group(rows(*frames)) == whole
    message = f"got {len(frames)} frames with {missing} missing between them, expected no gap"
    expected = rejected("missing_frames", message, frames) if missing else whole
    assert group(rows(*frames), on_gap="reject") == expected


def test_frames_are_left_out_as_declared():
    grouped = group(rows(*"12345"), every=2, max_frames=2)
    ledger = Ledger({"skipped/every": 2, "skipped/max_frames": 1})
    assert grouped == GroupedRows([clip(2, ["1", "3"], [2, 4])], ledger=ledger)


def test_a_clip_has_enough_frames_where_it_is_not_cut():
    message = "got 1 frames, expected at least 2"
    expected = rejected("too_few_frames", message, ["1", "2"])
    assert group(rows("1", "2"), every=2, min_frames=2) == expected
    two = GroupedRows([clip(2, ["1", "2"], [2, 3])])
    assert group(rows("1", "2"), min_frames=2) == group(rows("1", "2"), window=3) == two


def test_rows_are_grouped_by_their_key():
    day = datetime.date(2020, 1, 2)
    inline, named = InlineBytes(0, 0, 0), InlineBytes(0, 0, 0, "b")
    keys = ["b", 1, "1", None, "", inline, day, "2020-01-02", " ", named]
    found = [
        ManifestRow("m.csv", line, (key, str(line), "cat", "p")) for line, key in enumerate(keys, 2)
    ]
    message = "column 'video' is empty, expected a clip's key"
    rejects = [
        RejectedRow(
            "m.csv",
            line,
            clip_rows().row_format.key(found[line - 2]),
            Reject("clip", "missing_value", message),
            values=(("video", key), ("frame", str(line)), ("label", "cat"), ("path", "p")),
            counts=(("frames", 1),),
        )
        for line, key in ((5, None), (6, ""), (7, inline), (10, " "), (11, named))
    ]
    with beam.Pipeline() as pipeline:
        outputs = pipeline | beam.Create(found) | GroupClips(clip_rows())
        merged = [
            ManifestRow("m.csv", 2, ("b", ["2"], "cat", ["p"])),
            ManifestRow("m.csv", 3, (1, ["3", "4"], "cat", ["p", "p"])),
            ManifestRow("m.csv", 8, (day, ["8", "9"], "cat", ["p", "p"])),
        ]
        assert_that(outputs.rows, equal_to(merged), "rows")
        assert_that(outputs.rejects, equal_to(rejects), "rejects")
        assert_that(outputs.counts, equal_to([1, 1, 1, 5]), "counts")
        assert_that(outputs.dropped, equal_to([]), "dropped")
        assert_that(outputs.ledger, equal_to([]), "ledger")
