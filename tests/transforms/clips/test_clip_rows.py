from __future__ import annotations

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from clips import clip_schema
from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.clips.clip_rows import ClipRows, GroupedRows, apply_to_rows
from pixelbeam.transforms.ledger import Ledger
from pixelbeam.transforms.rows import ManifestRow, RejectedRow, RowFormat

ROWS = [ManifestRow("m.csv", line, ("v", f"{line}.png", line)) for line in (2, 3, 4, 5)]
REJECT = RejectedRow("m.csv", 7, "v", Reject("clip", "too_few_frames", "got 1"))
DROPPED = RejectedRow("m.csv", 8, "v", Reject("clip", "duplicate_frame", "twice"))
CLIP_ROWS = ClipRows(
    clip_schema(key="video", every=3),
    RowFormat(("video", "path", "number"), "video"),
    frozenset({"path"}),
    frozenset({"video", "number"}),
)


def test_the_clips_are_the_schemas():
    assert CLIP_ROWS.clips == CLIP_ROWS.schema.clips
    assert CLIP_ROWS.clips.every == 3


@pytest.mark.parametrize(
    ("kept", "start", "pictures"),
    [
        (range(4), 2, ["2.png", "3.png", "4.png", "5.png"]),
        (range(1, 4, 2), 3, ["3.png", "5.png"]),
        ([3, 0], 5, ["5.png", "2.png"]),
        ([], 2, []),
    ],
)
def test_rows_are_merged(kept, start, pictures):
    # What a clip has once is the first row's, and its place that of the first frame that is kept.
    assert CLIP_ROWS.merged(ROWS, kept) == ManifestRow("m.csv", start, ("v", pictures, 2))


def tagged(outputs):
    return [
        (output.tag, output.value) if isinstance(output, beam.pvalue.TaggedOutput) else output
        for output in outputs
    ]


def test_the_outputs_of_what_rows_became():
    grouped = GroupedRows(ROWS[:2], [REJECT], [DROPPED], Ledger({"missing": 3}))
    assert tagged(grouped.outputs()) == [
        *ROWS[:2],
        ("rejects", REJECT),
        ("dropped", DROPPED),
        ("counts", 3),
        ("ledger", Ledger({"missing": 3})),
    ]
    assert tagged(GroupedRows().outputs()) == [("counts", 0)]


class _Each(beam.DoFn):
    def process(self, row):
        yield from GroupedRows([row], [REJECT], [DROPPED], Ledger({"missing": 3})).outputs()


def test_outputs_are_those_of_reading_rows():
    with beam.Pipeline() as pipeline:
        read = apply_to_rows("Each", pipeline | beam.Create(ROWS[:1]), _Each())
        assert_that(read.rows, equal_to(ROWS[:1]), "rows")
        assert_that(read.rejects, equal_to([REJECT]), "rejects")
        assert_that(read.dropped, equal_to([DROPPED]), "dropped")
        assert_that(read.counts, equal_to([2]), "counts")
        assert_that(read.ledger, equal_to([Ledger({"missing": 3})]), "ledger")
