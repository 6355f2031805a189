from __future__ import annotations

from clips import clip_schema
from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.clips.clip_rows import ClipRows, GroupedRows
from pixelbeam.transforms.clips.cut_clips import cut_row
from pixelbeam.transforms.ledger import Ledger
from pixelbeam.transforms.rows import ManifestRow, RejectedRow, RowFormat, Window
from pixelbeam.transforms.storage.input_files import InputFiles
from pixelbeam.transforms.values.arrays.array_files import ArrayFiles
from pixelbeam.transforms.values.resolve import ValueResolver

NUMBER = {"type": "int64", "source": "n"}
COLUMNS = ("label", "n")


def cut(cell: object, **clips) -> GroupedRows:
    schema = clip_schema(steps={"number": NUMBER}, **clips)
    row_format = RowFormat(COLUMNS, "label")
    clip_rows = ClipRows(schema, row_format, frozenset({"n"}), frozenset({"label"}))
    row = ManifestRow("m.csv", 7, ("cat", cell))
    inputs = InputFiles("")
    cells = dict(zip(COLUMNS, row.values, strict=True))
    return cut_row(clip_rows, ValueResolver(cells, inputs, ArrayFiles(inputs)), row)


def windows(*parts: tuple[int, int, list]) -> list[ManifestRow]:
    return [
        ManifestRow("m.csv", 7, ("cat", cells), Window("cat", start, stop))
        for start, stop, cells in parts
    ]


def test_a_cell_that_lists_steps_is_cut():
    assert cut("5 6 7 8 9", window=2, stride=1, every=2, min_frames=1) == GroupedRows(
        windows((0, 2, ["5", "7"]), (1, 3, ["7", "9"])),
        ledger=Ledger({"seen": 5, "skipped/every": 2, "repeated": 1}),
    )


def test_the_rows_of_a_clip_that_was_grouped_are_cut():
    grouped = cut([5, 6, 7, 8, 9], key="label", window=2)
    rows = windows((0, 2, [5, 6]), (2, 4, [7, 8]))
    assert grouped == GroupedRows(rows, ledger=Ledger({"skipped/window": 1}))


def test_a_clip_that_is_too_short_is_a_reject_of_all_its_frames():
    assert cut("5", window=2) == GroupedRows(
        rejects=[
            RejectedRow(
                "m.csv",
                7,
                "cat",
                Reject("clip", "too_few_frames", "got 1 frames, expected at least 2"),
                values=(("label", "cat"), ("n", "5")),
                counts=(("frames", 1),),
            )
        ],
        ledger=Ledger({"seen": 1}),
    )
